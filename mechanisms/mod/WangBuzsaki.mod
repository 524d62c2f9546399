TITLE Fast sodium and delayed-rectifier potassium currents of fast-spiking interneurons

COMMENT
Equations: Wang XJ, Buzsaki G (1996) Gamma oscillation by synaptic inhibition in a hippocampal interneuronal network model.
J Neurosci 16:6402-6413. The activation of sodium is instantaneous. Rates are as published, phi times those of the equations, at
every temperature.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX WangBuzsaki
    USEION na READ ena WRITE ina
    USEION k READ ek WRITE ik
    RANGE gnabar, gkbar, phi, gna, gk, minf, hinf, ninf, htau, ntau
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

PARAMETER {
    gnabar = 0.035 (S/cm2)
    gkbar = 0.009 (S/cm2)
    phi = 5 (1)
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
    htau (ms)
    ntau (ms)
}

STATE { h n }

BREAKPOINT {
    SOLVE gates METHOD cnexp
    minf = activation(v)
    gna = gnabar * minf * minf * minf * h
    gk = gkbar * n * n * n * n
    ina = gna * (v - ena)
    ik = gk * (v - ek)
}

DERIVATIVE gates {
    rates(v)
    h' = (hinf - h) / htau
    n' = (ninf - n) / ntau
}

INITIAL {
    rates(v)
    minf = activation(v)
    h = hinf
    n = ninf
}

UNITSOFF

FUNCTION activation(v (mV)) {
    LOCAL a
    a = 0.1 * linoid(v + 35, 10)
    activation = a / (a + 4 * exp(-(v + 60) / 18))
}

PROCEDURE rates(v (mV)) {
    LOCAL a, b
    a = 0.07 * exp(-(v + 58) / 20)
    b = 1 / (1 + exp(-(v + 28) / 10))
    hinf = a / (a + b)
    htau = 1 / (phi * (a + b))
    a = 0.01 * linoid(v + 34, 10)
    b = 0.125 * exp(-(v + 44) / 80)
    ninf = a / (a + b)
    ntau = 1 / (phi * (a + b))
}

FUNCTION linoid(x, width) { : x / (1 - exp(-x / width)), also where x is 0
    if (fabs(x / width) < 1e-6) {
        linoid = width + x / 2
    } else {
        linoid = x / (1 - exp(-x / width))
    }
}

UNITSON
