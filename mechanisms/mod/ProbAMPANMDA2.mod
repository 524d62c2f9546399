TITLE Probabilistic glutamatergic synapse: AMPA and NMDA conductances with Tsodyks-Markram dynamics

COMMENT
Use-dependence: Fuhrmann G, Segev I, Markram H, Tsodyks M (2002) Coding of temporal information by activity-dependent
synapses. J Neurophysiol 87:140-148, after Tsodyks MV, Markram H (1997) PNAS 94:719-723. At an event, u (utilisation)
has relaxed to 0 with Fac and gains Use * (1 - u); Pv (probability that the vesicle is there) has recovered to 1 with
Dep; the vesicle is released with probability u * Pv, which is what Pv loses. With Fac = 0, u is Use. So the mean over
draws follows Tsodyks and Markram's recursion. u and Pv belong to the connection: each NetCon has its own.
Block by magnesium: Jahr CE, Stevens CF (1990) J Neurosci 10:3178-3182.

A release adds a difference of exponentials with its peak at gmax * weight (NMDA: times weight_factor_NMDA). Draws come
from the counter-based generator of the point process: syn.rng.set_ids(a, b, c).set_seq(0) makes them repeatable.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS ProbAMPANMDA2
    RANGE tau_r_AMPA, tau_d_AMPA, tau_r_NMDA, tau_d_NMDA, e, mg, gmax, weight_factor_NMDA
    RANGE Use, Dep, Fac, u0
    RANGE g_AMPA, g_NMDA, i_AMPA, i_NMDA, released
    NONSPECIFIC_CURRENT i_AMPA, i_NMDA
    RANDOM rng
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
    (molar) = (1/liter)
    (mM) = (millimolar)
}

PARAMETER {
    tau_r_AMPA = 0.2 (ms)
    tau_d_AMPA = 1.7 (ms)
    tau_r_NMDA = 0.29 (ms)
    tau_d_NMDA = 43 (ms)
    e = 0 (mV)
    mg = 1 (mM)
    gmax = 0.001 (uS)
    weight_factor_NMDA = 1 (1)
    Use = 1 (1)
    Dep = 100 (ms)
    Fac = 10 (ms)
    u0 = 0 (1)
}

ASSIGNED {
    v (mV)
    i_AMPA (nA)
    i_NMDA (nA)
    g_AMPA (uS)
    g_NMDA (uS)
    factor_AMPA (1)
    factor_NMDA (1)
    released (1) : number of releases since the beginning
}

STATE {
    A_AMPA
    B_AMPA
    A_NMDA
    B_NMDA
}

INITIAL {
    A_AMPA = 0
    B_AMPA = 0
    A_NMDA = 0
    B_NMDA = 0
    released = 0
    factor_AMPA = normal(tau_r_AMPA, tau_d_AMPA)
    factor_NMDA = normal(tau_r_NMDA, tau_d_NMDA)
}

BREAKPOINT {
    SOLVE decay METHOD cnexp
    g_AMPA = gmax * (B_AMPA - A_AMPA)
    g_NMDA = gmax * (B_NMDA - A_NMDA) / (1 + exp(-0.062 (/mV) * v) * mg / 3.57 (mM))
    i_AMPA = g_AMPA * (v - e)
    i_NMDA = g_NMDA * (v - e)
}

DERIVATIVE decay {
    A_AMPA' = -A_AMPA / tau_r_AMPA
    B_AMPA' = -B_AMPA / tau_d_AMPA
    A_NMDA' = -A_NMDA / tau_r_NMDA
    B_NMDA' = -B_NMDA / tau_d_NMDA
}

FUNCTION normal(rise (ms), decay (ms)) (1) {
    : one over the peak of exp(-t/decay) - exp(-t/rise)
    LOCAL peak
    peak = log(decay / rise) * rise * decay / (decay - rise)
    normal = 1 / (exp(-peak / decay) - exp(-peak / rise))
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
        A_AMPA = A_AMPA + weight * factor_AMPA
        B_AMPA = B_AMPA + weight * factor_AMPA
        A_NMDA = A_NMDA + weight * weight_factor_NMDA * factor_NMDA
        B_NMDA = B_NMDA + weight * weight_factor_NMDA * factor_NMDA
    }
}
