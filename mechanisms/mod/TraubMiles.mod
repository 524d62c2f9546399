TITLE Fast sodium and delayed-rectifier potassium currents of pyramidal cells

COMMENT
Equations: Traub RD, Miles R (1991) Neuronal networks of the hippocampus. Cambridge University Press; in the form with a
shift vt of all rates of Pospischil M, Toledo-Rodriguez M, Monier C, et al. (2008) Minimal Hodgkin-Huxley type models for
different classes of cortical and thalamic neurons. Biol Cybern 99:427-441. Rates are those at 36 degC, at every temperature.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX TraubMiles
    USEION na READ ena WRITE ina
    USEION k READ ek WRITE ik
    RANGE gnabar, gkbar, vt, gna, gk, minf, hinf, ninf, mtau, htau, ntau
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

PARAMETER {
    gnabar = 0.056 (S/cm2)
    gkbar = 0.006 (S/cm2)
    vt = -56.2 (mV)
}

ASSIGNED {
    v (mV)
    ena (mV)
    ek (mV)
    ina (mA/cm2)
    ik (mA/cm2)
    gna (S/cm2)
    gk (S/cm2)
    minf (1)
    hinf (1)
    ninf (1)
    mtau (ms)
    htau (ms)
    ntau (ms)
}

STATE { m h n }

BREAKPOINT {
    CONDUCTANCE gna USEION na
    CONDUCTANCE gk USEION k
    SOLVE gates METHOD cnexp
    gna = gnabar * m * m * m * h
    gk = gkbar * n * n * n * n
    ina = gna * (v - ena)
    ik = gk * (v - ek)
}

DERIVATIVE gates {
    rates(v - vt)
    m' = (minf - m) / mtau
    h' = (hinf - h) / htau
    n' = (ninf - n) / ntau
}

INITIAL {
    rates(v - vt)
    m = minf
    h = hinf
    n = ninf
}

UNITSOFF

PROCEDURE rates(u (mV)) {
    LOCAL a, b
    a = 0.32 * linoid(u - 13, 4)
    b = 0.28 * linoid(40 - u, 5)
    minf = a / (a + b)
    mtau = 1 / (a + b)
    a = 0.128 * exp((17 - u) / 18)
    b = 4 / (1 + exp((40 - u) / 5))
    hinf = a / (a + b)
    htau = 1 / (a + b)
    a = 0.032 * linoid(u - 15, 5)
    b = 0.5 * exp((10 - u) / 40)
    ninf = a / (a + b)
    ntau = 1 / (a + b)
}

FUNCTION linoid(x, width) { : x / (1 - exp(-x / width)), also where x is 0
    if (fabs(x / width) < 1e-6) {
        linoid = width + x / 2
    } else {
        linoid = x / (1 - exp(-x / width))
    }
}

UNITSON
