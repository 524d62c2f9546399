TITLE GABAergic synapse (GABA-A) with depression and facilitation

COMMENT
A conductance of the shape of a difference of exponentials; parameters as in Egger R, Schmitt AC, Wallace DJ, et al.
(2015) PNAS 112:14072-14077. Short-term plasticity: Varela JA, Sen K, Gibson J, et al. (1997) J Neurosci 17:7926-7940:
each event multiplies depression d by decaygaba and adds facilgaba to facilitation f; both return to 1 (taudgaba,
taufgaba).

An event adds a difference of exponentials with its peak at weight * d * f, d and f as they are before the event. The
weight of a NetCon is in nS. d and f are wanted at events only, and are brought up to date there in closed form.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS gaba_syn
    NONSPECIFIC_CURRENT i
    RANGE e, risetime, decaytime, ggaba, i
    RANGE decaygaba, taudgaba, facilgaba, taufgaba, dgaba, fgaba
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (nS) = (nanosiemens)
}

PARAMETER {
    e = -60 (mV)
    risetime = 1 (ms)
    decaytime = 20 (ms)
    decaygaba = 0.8 (1)
    taudgaba = 200 (ms)
    facilgaba = 0 (1)
    taufgaba = 200 (ms)
}

ASSIGNED {
    v (mV)
    i (nA)
    ggaba (nS)
    dgaba (1)
    fgaba (1)
    factor (1)
    last (ms)
}

STATE {
    R (nS)
    D (nS)
}

INITIAL {
    LOCAL peak
    R = 0
    D = 0
    ggaba = 0
    dgaba = 1
    fgaba = 1
    last = t
    peak = log(decaytime / risetime) * risetime * decaytime / (decaytime - risetime)
    factor = 1 / (exp(-peak / decaytime) - exp(-peak / risetime))
}

BREAKPOINT {
    SOLVE decay METHOD cnexp
    ggaba = D - R
    i = (0.001) * ggaba * (v - e)
}

DERIVATIVE decay {
    R' = -R / risetime
    D' = -D / decaytime
}

NET_RECEIVE(weight (nS)) {
    LOCAL since, step
    since = t - last
    last = t

    dgaba = 1 - (1 - dgaba) * exp(-since / taudgaba)
    fgaba = 1 + (fgaba - 1) * exp(-since / taufgaba)
    step = factor * weight * dgaba * fgaba
    R = R + step
    D = D + step
    dgaba = dgaba * decaygaba
    fgaba = fgaba + facilgaba
}
