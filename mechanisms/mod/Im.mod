TITLE Muscarinic potassium current (M current)

COMMENT
Equations: Adams PR, Brown DA, Constanti A (1982) M-currents and other potassium currents in bullfrog sympathetic
neurones. J Physiol 330:537-572. As used by Hay et al. (2011) PLoS Comput Biol 7:e1002107, rates scaled to 34 degC.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX Im
    USEION k READ ek WRITE ik
    RANGE gImbar, gIm, ik, minf, mtau
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

CONSTANT {
    qt = 2.952882641412121 : 2.3^((34-21)/10): rates measured at 21 degC, used at 34 degC
}

PARAMETER {
    gImbar = 0.00001 (S/cm2)
}

ASSIGNED {
    v (mV)
    ek (mV)
    ik (mA/cm2)
    gIm (S/cm2)
    minf (1)
    mtau (ms)
}

STATE { m }

BREAKPOINT {
    CONDUCTANCE gIm USEION k
    SOLVE gates METHOD cnexp
    gIm = gImbar * m
    ik = gIm * (v - ek)
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
    a = 0.0033 * exp(0.1 * (v + 35))
    b = 0.0033 * exp(-0.1 * (v + 35))
    minf = a / (a + b)
    mtau = 1 / (a + b) / qt
}

UNITSON
