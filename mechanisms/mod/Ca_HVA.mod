TITLE High-voltage-activated calcium current

COMMENT
Equations: Reuveni I, Friedman A, Amitai Y, Gutnick MJ (1993) Stepwise repolarization from Ca2+ plateaus in
neocortical pyramidal cells. J Neurosci 13:4609-4621. As used by Hay et al. (2011) PLoS Comput Biol 7:e1002107.
No temperature factor.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX Ca_HVA
    USEION ca READ eca WRITE ica
    RANGE gCa_HVAbar, gCa_HVA, ica, minf, mtau, hinf, htau
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

PARAMETER {
    gCa_HVAbar = 0.00001 (S/cm2)
}

ASSIGNED {
    v (mV)
    eca (mV)
    ica (mA/cm2)
    gCa_HVA (S/cm2)
    minf (1)
    mtau (ms)
    hinf (1)
    htau (ms)
}

STATE { m h }

BREAKPOINT {
    CONDUCTANCE gCa_HVA USEION ca
    SOLVE gates METHOD cnexp
    gCa_HVA = gCa_HVAbar * m * m * h
    ica = gCa_HVA * (v - eca)
}

DERIVATIVE gates {
    rates(v)
    m' = (minf - m) / mtau
    h' = (hinf - h) / htau
}

INITIAL {
    rates(v)
    m = minf
    h = hinf
}

UNITSOFF

PROCEDURE rates(v (mV)) {
    LOCAL a, b
    a = 0.055 * linoid(-(v + 27), 3.8)
    b = 0.94 * exp(-(v + 75) / 17)
    minf = a / (a + b)
    mtau = 1 / (a + b)

    a = 0.000457 * exp(-(v + 13) / 50)
    b = 0.0065 / (exp(-(v + 15) / 28) + 1)
    hinf = a / (a + b)
    htau = 1 / (a + b)
}

FUNCTION linoid(x (mV), k (mV)) (mV) {
    : x / (exp(x/k) - 1), by its series where the quotient is 0/0
    if (fabs(x / k) < 1e-5) {
        linoid = k - x / 2
    } else {
        linoid = x / (exp(x / k) - 1)
    }
}

UNITSON
