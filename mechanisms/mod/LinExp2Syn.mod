TITLE Conductance of two exponentials that sums over its sources, each with a peak of its own

COMMENT
One point process serves every source that ends at a place: sources share time constants and reversal potential, and each
NetCon brings its weight and the peak conductance g_unit (uS) of one event of weight 1. An event at time 0 adds

    g(t) = weight * g_unit * n * (exp(-t / tau_decay) - exp(-t / tau_rise))

with n such that the highest value is weight * g_unit; it comes at t = log(tau_decay / tau_rise) * tau_rise * tau_decay /
(tau_decay - tau_rise). Events add up without end. Equations: Carnevale NT, Hines ML (2006) The NEURON Book, chapter 10.
Cambridge University Press. Names, units and defaults are those of MiV-Simulator's synapses of this name, so that its
configurations mean the same here. tau_rise is kept below tau_decay, and above a 1e-9 of it.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS LinExp2Syn
    RANGE tau_rise, tau_decay, e, g, i
    NONSPECIFIC_CURRENT i
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
}

PARAMETER {
    tau_rise = 1 (ms)
    tau_decay = 5 (ms)
    e = 0 (mV)
}

ASSIGNED {
    v (mV)
    g (uS)
    i (nA)
    norm (1)
}

STATE {
    rising (uS)
    falling (uS)
}

INITIAL {
    LOCAL peak
    if (tau_rise > 0.9999 * tau_decay) {
        tau_rise = 0.9999 * tau_decay
    }
    if (tau_rise < 1e-9 * tau_decay) {
        tau_rise = 1e-9 * tau_decay
    }
    peak = log(tau_decay / tau_rise) * tau_rise * tau_decay / (tau_decay - tau_rise)
    norm = 1 / (exp(-peak / tau_decay) - exp(-peak / tau_rise))
    rising = 0
    falling = 0
}

BREAKPOINT {
    CONDUCTANCE g
    SOLVE decay METHOD cnexp
    g = falling - rising
    i = g * (v - e)
}

DERIVATIVE decay {
    rising' = -rising / tau_rise
    falling' = -falling / tau_decay
}

NET_RECEIVE(weight, g_unit (uS)) {
    INITIAL {
        : the peak is the connection's own, and stays
    }
    rising = rising + weight * g_unit * norm
    falling = falling + weight * g_unit * norm
}
