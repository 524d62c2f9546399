TITLE Hyperpolarisation-activated cation current

COMMENT
Equations: Kole MHP, Hallermann S, Stuart GJ (2006) Single Ih channels in pyramidal neuron dendrites: properties,
distribution, and impact on action potential output. J Neurosci 26:1677-1687. No temperature factor.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX Ih
    NONSPECIFIC_CURRENT ihcn
    RANGE gIhbar, gIh, ihcn, minf, mtau, ehcn
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

PARAMETER {
    gIhbar = 0.00001 (S/cm2)
    ehcn = -45 (mV)
}

ASSIGNED {
    v (mV)
    ihcn (mA/cm2)
    gIh (S/cm2)
    minf (1)
    mtau (ms)
}

STATE { m }

BREAKPOINT {
    CONDUCTANCE gIh
    SOLVE gates METHOD cnexp
    gIh = gIhbar * m
    ihcn = gIh * (v - ehcn)
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
    LOCAL a, b
    a = 0.00643 * linoid(v + 154.9, 11.9)
    b = 0.193 * exp(v / 33.1)
    minf = a / (a + b)
    mtau = 1 / (a + b)
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
