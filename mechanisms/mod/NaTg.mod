TITLE Fast inactivating sodium current, with shifts and slopes to choose

COMMENT
Equations: Colbert CM, Pan E (2002) Ion channel properties underlying axonal action potential initiation in pyramidal
neurons. Nat Neurosci 5:533-538. NaTa_t whose gates may be shifted (vshiftm, vshifth: positive towards depolarised
voltages) and whose slopes may be changed; the defaults are NaTa_t. Rates scaled to 34 degC.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX NaTg
    USEION na READ ena WRITE ina
    RANGE gNaTgbar, gNaTg, ina, minf, mtau, hinf, htau, vshiftm, vshifth, slopem, slopeh
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
    gNaTgbar = 0.00001 (S/cm2)
    vshiftm = 0 (mV)
    vshifth = 0 (mV)
    slopem = 6 (mV)
    slopeh = 6 (mV)
}

ASSIGNED {
    v (mV)
    ena (mV)
    ina (mA/cm2)
    gNaTg (S/cm2)
    minf (1)
    mtau (ms)
    hinf (1)
    htau (ms)
}

STATE { m h }

BREAKPOINT {
    CONDUCTANCE gNaTg USEION na
    SOLVE gates METHOD cnexp
    gNaTg = gNaTgbar * m * m * m * h
    ina = gNaTg * (v - ena)
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
    a = 0.182 * linoid(-(v + 38 - vshiftm), slopem)
    b = 0.124 * linoid(v + 38 - vshiftm, slopem)
    minf = a / (a + b)
    mtau = 1 / (a + b) / qt

    a = 0.015 * linoid(v + 66 - vshifth, slopeh)
    b = 0.015 * linoid(-(v + 66 - vshifth), slopeh)
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
