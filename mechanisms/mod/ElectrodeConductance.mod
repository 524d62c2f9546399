TITLE Conductance of an electrode: a dynamic clamp

COMMENT
A current g (e - v) that an electrode injects, as a dynamic clamp does: Sharp AA, O'Neil MB, Abbott LF, Marder E (1993) Dynamic clamp:
computer-generated conductances in real neurons. J Neurophysiol 69:992-995. It is not part of i_membrane. g is played by a vector.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS ElectrodeConductance
    RANGE g, e, i
    ELECTRODE_CURRENT i
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
}

PARAMETER {
    g = 0 (uS)
    e = 0 (mV)
}

ASSIGNED {
    v (mV)
    i (nA)
}

BREAKPOINT {
    i = g * (e - v)
}
