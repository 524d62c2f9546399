TITLE Conductance of NMDA receptors: two exponentials that sum over sources, behind a block by magnesium

COMMENT
Conductance, weights and peaks are those of LinExp2Syn. Magnesium leaves open the share

    open(v) = 1 / (1 + mg / Kd * exp(-gamma * (v + vshift)))

of it. Block: Jahr CE, Stevens CF (1990) Voltage dependence of NMDA-activated macroscopic conductances predicted by
single-channel kinetics. J Neurosci 10:3178-3182. A positive vshift opens at more negative potentials. Names, units and
defaults are those of MiV-Simulator's synapses of this name.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS LinExp2SynNMDA
    RANGE tau_rise, tau_decay, e, mg, Kd, gamma, vshift, g, i, open
    NONSPECIFIC_CURRENT i
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
    (mM) = (milli/liter)
}

PARAMETER {
    tau_rise = 10 (ms)
    tau_decay = 35 (ms)
    e = 0 (mV)
    mg = 1 (mM)
    Kd = 3.57 (mM)
    gamma = 0.062 (/mV)
    vshift = 0 (mV)
}

ASSIGNED {
    v (mV)
    g (uS)
    i (nA)
    open (1)
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
    open = unblocked(v)
}

BREAKPOINT {
    SOLVE decay METHOD cnexp
    g = falling - rising
    open = unblocked(v)
    i = g * open * (v - e)
}

DERIVATIVE decay {
    rising' = -rising / tau_rise
    falling' = -falling / tau_decay
}

FUNCTION unblocked(v (mV)) (1) {
    unblocked = 1 / (1 + mg / Kd * exp(-gamma * (v + vshift)))
}

NET_RECEIVE(weight, g_unit (uS)) {
    INITIAL {
        : the peak is the connection's own, and stays
    }
    rising = rising + weight * g_unit * norm
    falling = falling + weight * g_unit * norm
}
