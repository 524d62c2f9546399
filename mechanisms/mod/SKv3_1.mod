TITLE Fast non-inactivating potassium current (Kv3.1)

COMMENT
Equations: Rettig J, Wunder F, Stocker M, et al. (1992) Characterization of a Shaw-related potassium channel family in
rat brain. EMBO J 11:2473-2486. As used by Hay et al. (2011) PLoS Comput Biol 7:e1002107. No temperature factor.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX SKv3_1
    USEION k READ ek WRITE ik
    RANGE gSKv3_1bar, gSKv3_1, ik, minf, mtau
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

PARAMETER {
    gSKv3_1bar = 0.00001 (S/cm2)
}

ASSIGNED {
    v (mV)
    ek (mV)
    ik (mA/cm2)
    gSKv3_1 (S/cm2)
    minf (1)
    mtau (ms)
}

STATE { m }

BREAKPOINT {
    CONDUCTANCE gSKv3_1 USEION k
    SOLVE gates METHOD cnexp
    gSKv3_1 = gSKv3_1bar * m
    ik = gSKv3_1 * (v - ek)
}

DERIVATIVE gates {
    rates(v)
    m' = (minf - m) / mtau
}

INITIAL {
    rates(v)
    m = minf
}

UNITSOFF

PROCEDURE rates(v (mV)) {
    minf = 1 / (1 + exp(-(v - 18.7) / 9.7))
    mtau = 4 / (1 + exp(-(v + 46.56) / 44.14))
}

UNITSON
