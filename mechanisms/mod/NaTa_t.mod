TITLE Fast inactivating sodium current, axonal

COMMENT
Equations: Colbert CM, Pan E (2002) Ion channel properties underlying axonal action potential initiation in pyramidal
neurons. Nat Neurosci 5:533-538. As used by Hay et al. (2011) PLoS Comput Biol 7:e1002107, rates scaled to 34 degC.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX NaTa_t
    USEION na READ ena WRITE ina
    RANGE gNaTa_tbar, gNaTa_t, ina, minf, mtau, hinf, htau
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
    gNaTa_tbar = 0.00001 (S/cm2)
}

ASSIGNED {
    v (mV)
    ena (mV)
    ina (mA/cm2)
    gNaTa_t (S/cm2)
    minf (1)
    mtau (ms)
    hinf (1)
    htau (ms)
}

STATE { m h }

BREAKPOINT {
    CONDUCTANCE gNaTa_t USEION na
    SOLVE gates METHOD cnexp
    gNaTa_t = gNaTa_tbar * m * m * m * h
    ina = gNaTa_t * (v - ena)
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
    a = 0.182 * linoid(-(v + 38), 6)
    b = 0.124 * linoid(v + 38, 6)
    minf = a / (a + b)
    mtau = 1 / (a + b) / qt

    a = 0.015 * linoid(v + 66, 6)
    b = 0.015 * linoid(-(v + 66), 6)
    hinf = a / (a + b)
    htau = 1 / (a + b) / qt
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
