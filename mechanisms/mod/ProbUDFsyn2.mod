TITLE Probabilistic synapse of one conductance (such as GABA-A) with Tsodyks-Markram dynamics

COMMENT
Use-dependence: Fuhrmann G, Segev I, Markram H, Tsodyks M (2002) Coding of temporal information by activity-dependent
synapses. J Neurophysiol 87:140-148, after Tsodyks MV, Markram H (1997) PNAS 94:719-723. At an event, u (utilisation)
has relaxed to 0 with Fac and gains Use * (1 - u); Pv (probability that the vesicle is there) has recovered to 1 with
Dep; the vesicle is released with probability u * Pv, which is what Pv loses. With Fac = 0, u is Use. So the mean over
draws follows Tsodyks and Markram's recursion. u and Pv belong to the connection: each NetCon has its own.

A release adds a difference of exponentials with its peak at gmax * weight. Draws come from the counter-based generator
of the point process: syn.rng.set_ids(a, b, c).set_seq(0) makes them repeatable.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS ProbUDFsyn2
    RANGE tau_r, tau_d, e, gmax
    RANGE Use, Dep, Fac, u0
    RANGE g, i, released
    NONSPECIFIC_CURRENT i
    RANDOM rng
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
}

PARAMETER {
    tau_r = 0.2 (ms)
    tau_d = 8 (ms)
    e = -80 (mV)
    gmax = 0.001 (uS)
    Use = 1 (1)
    Dep = 100 (ms)
    Fac = 10 (ms)
    u0 = 0 (1)
}

ASSIGNED {
    v (mV)
    i (nA)
    g (uS)
    factor (1)
    released (1) : number of releases since the beginning
}

STATE {
    A
    B
}

INITIAL {
    LOCAL peak
    A = 0
    B = 0
    released = 0
    peak = log(tau_d / tau_r) * tau_r * tau_d / (tau_d - tau_r)
    factor = 1 / (exp(-peak / tau_d) - exp(-peak / tau_r))
}

BREAKPOINT {
    SOLVE decay METHOD cnexp
    g = gmax * (B - A)
    i = g * (v - e)
}

DERIVATIVE decay {
    A' = -A / tau_r
    B' = -B / tau_d
}

NET_RECEIVE(weight, Pv, Pr, u, last (ms)) {
    INITIAL {
        u = u0
        Pv = 1
        last = t
    }
    if (Fac > 0) {
        u = u * exp(-(t - last) / Fac)
        u = u + Use * (1 - u)
    } else {
        u = Use
    }
    if (Dep > 0) {
        Pv = 1 - (1 - Pv) * exp(-(t - last) / Dep)
    } else {
        Pv = 1
    }
    last = t
    Pr = u * Pv
    Pv = Pv - Pr
    if (random_uniform(rng) < Pr) {
        released = released + 1
        A = A + weight * factor
        B = B + weight * factor
    }
}
