TITLE Glutamatergic synapse: AMPA and NMDA conductances with depression and facilitation

COMMENT
Conductances: Polsky A, Mel B, Schiller J (2009) Encoding and decoding bursts by NMDA spikes in basal dendrites of
layer 5 pyramidal neurons. J Neurosci 29:11891-11903; parameters as in Egger R, Schmitt AC, Wallace DJ, et al. (2015)
PNAS 112:14072-14077. Block by magnesium of the form of Jahr CE, Stevens CF (1990) J Neurosci 10:3178-3182.
Short-term plasticity: Varela JA, Sen K, Gibson J, et al. (1997) J Neurosci 17:7926-7940: each event multiplies
depression d by decay* and adds facil* to facilitation f; both return to 1 (taud*, tauf*).

An event adds to each conductance a difference of exponentials with its peak at weight * d * f, d and f as they are
before the event. Weights of a NetCon: AMPA, NMDA, both in nS. tau1, tau2: decay and rise of NMDA; tau3, tau4: of AMPA.
d and f are wanted at events only, and are brought up to date there in closed form.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS glutamate_syn
    NONSPECIFIC_CURRENT inmda, iampa
    RANGE e, tau1, tau2, tau3, tau4, gnmda, gampa, inmda, iampa
    RANGE decaynmda, taudnmda, facilnmda, taufnmda, dnmda, fnmda
    RANGE decayampa, taudampa, facilampa, taufampa, dampa, fampa
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (nS) = (nanosiemens)
}

PARAMETER {
    e = 0 (mV)
    tau1 = 50 (ms)
    tau2 = 2 (ms)
    tau3 = 2 (ms)
    tau4 = 0.1 (ms)
    decaynmda = 0.5 (1)
    decayampa = 0.5 (1)
    taudnmda = 200 (ms)
    taudampa = 200 (ms)
    facilnmda = 0 (1)
    facilampa = 0 (1)
    taufnmda = 200 (ms)
    taufampa = 200 (ms)
}

ASSIGNED {
    v (mV)
    inmda (nA)
    iampa (nA)
    gnmda (nS)
    gampa (nS)
    dnmda (1)
    fnmda (1)
    dampa (1)
    fampa (1)
    factornmda (1)
    factorampa (1)
    last (ms)
}

STATE {
    A (nS)
    B (nS)
    C (nS)
    D (nS)
}

INITIAL {
    A = 0
    B = 0
    C = 0
    D = 0
    gnmda = 0
    gampa = 0
    dnmda = 1
    fnmda = 1
    dampa = 1
    fampa = 1
    last = t
    factornmda = normal(tau2, tau1)
    factorampa = normal(tau4, tau3)
}

BREAKPOINT {
    SOLVE decay METHOD cnexp
    gnmda = (A - B) / (1 + 0.25 * exp(-0.08 (/mV) * v))
    gampa = C - D
    inmda = (0.001) * gnmda * (v - e)
    iampa = (0.001) * gampa * (v - e)
}

DERIVATIVE decay {
    A' = -A / tau1
    B' = -B / tau2
    C' = -C / tau3
    D' = -D / tau4
}

FUNCTION normal(rise (ms), decay (ms)) (1) {
    : one over the peak of exp(-t/decay) - exp(-t/rise)
    LOCAL peak
    peak = log(decay / rise) * rise * decay / (decay - rise)
    normal = 1 / (exp(-peak / decay) - exp(-peak / rise))
}

NET_RECEIVE(wampa (nS), wnmda (nS)) {
    LOCAL since, step
    INITIAL {
        : without this block NEURON sets all weights but the first to 0 when a run begins
    }
    since = t - last
    last = t

    dnmda = 1 - (1 - dnmda) * exp(-since / taudnmda)
    fnmda = 1 + (fnmda - 1) * exp(-since / taufnmda)
    step = factornmda * wnmda * dnmda * fnmda
    A = A + step
    B = B + step
    dnmda = dnmda * decaynmda
    fnmda = fnmda + facilnmda

    dampa = 1 - (1 - dampa) * exp(-since / taudampa)
    fampa = 1 + (fampa - 1) * exp(-since / taufampa)
    step = factorampa * wampa * dampa * fampa
    C = C + step
    D = D + step
    dampa = dampa * decayampa
    fampa = fampa + facilampa
}
