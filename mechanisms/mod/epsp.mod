TITLE Current of the shape of an excitatory postsynaptic current, at a set time

COMMENT
Protocol: Schaefer AT, Larkum ME, Sakmann B, Roth A (2003) Coincidence detection in pyramidal neurons is tuned by their
dendritic branching pattern. J Neurophysiol 89:3143-3154. A difference of two exponentials (rise tau0, decay tau1)
that begins at onset and peaks at imax, inward and thus negative.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS epsp
    RANGE onset, tau0, tau1, imax, i
    NONSPECIFIC_CURRENT i
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
}

PARAMETER {
    onset = 0 (ms)
    tau0 = 0.2 (ms)
    tau1 = 3 (ms)
    imax = 0 (nA)
}

ASSIGNED {
    v (mV)
    i (nA)
    factor (1)
}

INITIAL {
    LOCAL peak
    peak = log(tau1 / tau0) * tau0 * tau1 / (tau1 - tau0)
    factor = 1 / (exp(-peak / tau1) - exp(-peak / tau0))
    i = 0
}

BREAKPOINT {
    if (t > onset) {
        i = -imax * factor * (exp(-(t - onset) / tau1) - exp(-(t - onset) / tau0))
    } else {
        i = 0
    }
}
