TITLE One side of a gap junction

COMMENT
Current from this segment to a voltage elsewhere, which the simulation sets at every step. Two of them, each of which sees
the other's voltage, are an ohmic junction if their conductances are equal (Hines and Carnevale, J. Neurosci. Methods 169
(2008), 425-455, on networks on parallel hardware).
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS HalfGap
    RANGE g, i, vgap
    NONSPECIFIC_CURRENT i
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
}

PARAMETER {
    g = 0 (uS)
}

ASSIGNED {
    v (mV)
    vgap (mV) : of the other side
    i (nA)
}

BREAKPOINT {
    i = g * (v - vgap)
}
