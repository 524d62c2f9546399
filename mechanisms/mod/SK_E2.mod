TITLE Calcium-activated potassium current of small conductance (SK)

COMMENT
Equations: Kohler M, Hirschberg B, Bond CT, et al. (1996) Small-conductance, calcium-activated potassium channels from
mammalian brain. Science 273:1709-1714. As used by Hay et al. (2011) PLoS Comput Biol 7:e1002107.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX SK_E2
    USEION k READ ek WRITE ik
    USEION ca READ cai
    RANGE gSK_E2bar, gSK_E2, ik, zinf
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
    (molar) = (1/liter)
    (mM) = (millimolar)
}

PARAMETER {
    gSK_E2bar = 0.00001 (S/cm2)
    ztau = 1 (ms)
}

ASSIGNED {
    v (mV)
    ek (mV)
    cai (mM)
    ik (mA/cm2)
    gSK_E2 (S/cm2)
    zinf (1)
}

STATE { z }

BREAKPOINT {
    CONDUCTANCE gSK_E2 USEION k
    SOLVE gates METHOD cnexp
    gSK_E2 = gSK_E2bar * z
    ik = gSK_E2 * (v - ek)
}

DERIVATIVE gates {
    rates(cai)
    z' = (zinf - z) / ztau
}

INITIAL {
    rates(cai)
    z = zinf
}

PROCEDURE rates(cai (mM)) {
    : below 1e-7 mM the true value is less than 1e-17
    if (cai > 1e-7) {
        zinf = 1 / (1 + (0.00043 (mM) / cai)^4.8)
    } else {
        zinf = 0
    }
}
