TITLE Persistent sodium current

COMMENT
Equations: Magistretti J, Alonso A (1999) Biophysical properties and slow voltage-dependent inactivation of a sustained
sodium current in entorhinal cortex layer-II principal neurons. J Gen Physiol 114:491-509. As used by Hay et al. (2011)
PLoS Comput Biol 7:e1002107: activation is six times slower than that of the transient current (NaTa_t), rates
scaled to 34 degC.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX Nap_Et2
    USEION na READ ena WRITE ina
    RANGE gNap_Et2bar, gNap_Et2, ina, minf, mtau, hinf, htau
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
    gNap_Et2bar = 0.00001 (S/cm2)
}

ASSIGNED {
    v (mV)
    ena (mV)
    ina (mA/cm2)
    gNap_Et2 (S/cm2)
    minf (1)
    mtau (ms)
    hinf (1)
    htau (ms)
}

STATE { m h }

BREAKPOINT {
    CONDUCTANCE gNap_Et2 USEION na
    SOLVE gates METHOD cnexp
    gNap_Et2 = gNap_Et2bar * m * m * m * h
    ina = gNap_Et2 * (v - ena)
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
    minf = 1 / (1 + exp(-(v + 52.6) / 4.6))
    a = 0.182 * linoid(-(v + 38), 6)
    b = 0.124 * linoid(v + 38, 6)
    mtau = 6 / (a + b) / qt

    hinf = 1 / (1 + exp((v + 48.8) / 10))
    a = 0.00000288 * linoid(v + 17, 4.63)
    b = 0.00000694 * linoid(-(v + 64.4), 2.63)
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
