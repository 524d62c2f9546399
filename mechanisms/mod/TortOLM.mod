TITLE Sodium, potassium, A and h currents of oriens-lacunosum-moleculare interneurons

COMMENT
Equations: Tort ABL, Rotstein HG, Dugladze T, Gloveli T, Kopell NJ (2007) On the formation of gamma-coherent cell assemblies by
oriens lacunosum-moleculare interneurons in the hippocampus. PNAS 104:13490-13495, who simplify the cell of Saraga F, Wu CP,
Zhang L, Skinner FK (2003) Active dendrites and spike propagation in multi-compartment models of oriens-lacunosum/moleculare
hippocampal interneurons. J Physiol 552:673-689. Rates are as published, at every temperature.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX TortOLM
    USEION na READ ena WRITE ina
    USEION k READ ek WRITE ik
    NONSPECIFIC_CURRENT ih
    RANGE gnabar, gkbar, gabar, ghbar, eh, gna, gk, gh, minf, hinf, ninf, ainf, binf, rinf, mtau, htau, ntau, btau, rtau
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

PARAMETER {
    gnabar = 0.03 (S/cm2)
    gkbar = 0.023 (S/cm2)
    gabar = 0.016 (S/cm2)
    ghbar = 0.012 (S/cm2)
    eh = -32.9 (mV)
}

ASSIGNED {
    v (mV)
    ena (mV)
    ek (mV)
    ina (mA/cm2)
    ik (mA/cm2)
    ih (mA/cm2)
    gna (S/cm2)
    gk (S/cm2)
    gh (S/cm2)
    minf (1)
    hinf (1)
    ninf (1)
    ainf (1)
    binf (1)
    rinf (1)
    mtau (ms)
    htau (ms)
    ntau (ms)
    btau (ms)
    rtau (ms)
}

STATE { m h n a b r }

BREAKPOINT {
    CONDUCTANCE gna USEION na
    CONDUCTANCE gk USEION k
    CONDUCTANCE gh
    SOLVE gates METHOD cnexp
    gna = gnabar * m * m * m * h
    gk = gkbar * n * n * n * n + gabar * a * b
    gh = ghbar * r
    ina = gna * (v - ena)
    ik = gk * (v - ek)
    ih = gh * (v - eh)
}

DERIVATIVE gates {
    rates(v)
    m' = (minf - m) / mtau
    h' = (hinf - h) / htau
    n' = (ninf - n) / ntau
    a' = (ainf - a) / 5
    b' = (binf - b) / btau
    r' = (rinf - r) / rtau
}

INITIAL {
    rates(v)
    m = minf
    h = hinf
    n = ninf
    a = ainf
    b = binf
    r = rinf
}

UNITSOFF

PROCEDURE rates(v (mV)) {
    LOCAL opening, closing
    opening = 0.1 * linoid(v + 38, 10)
    closing = 4 * exp(-(v + 65) / 18)
    minf = opening / (opening + closing)
    mtau = 1 / (opening + closing)
    opening = 0.07 * exp(-(v + 63) / 20)
    closing = 1 / (1 + exp(-(v + 33) / 10))
    hinf = opening / (opening + closing)
    htau = 1 / (opening + closing)
    opening = 0.018 * linoid(v - 25, 25)
    closing = 0.0036 * linoid(35 - v, 12)
    ninf = opening / (opening + closing)
    ntau = 1 / (opening + closing)
    ainf = 1 / (1 + exp(-(v + 14) / 16.6))
    binf = 1 / (1 + exp((v + 71) / 7.3))
    btau = 1 / (9e-6 * exp((26 - v) / 18.5) + 0.014 / (0.2 + exp(-(v + 70) / 11)))
    rinf = 1 / (1 + exp((v + 84) / 10.2))
    rtau = 1 / (exp(-14.59 - 0.086 * v) + exp(-1.87 + 0.0701 * v))
}

FUNCTION linoid(x, width) { : x / (1 - exp(-x / width)), also where x is 0
    if (fabs(x / width) < 1e-6) {
        linoid = width + x / 2
    } else {
        linoid = x / (1 - exp(-x / width))
    }
}

UNITSON
