TITLE Conductance that stands for synapses: its current counts as one of the membrane

COMMENT
A current g (v - e) through the membrane: it is part of i_membrane, and so of extracellular potentials, while that of an electrode
(ElectrodeConductance) is not. SONATA's inputs of input_type conductance of which represents_physical_electrode is false are such currents
(BlueBrain/sonata-extension (2023), inputs). g is played by a vector.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS SourceConductance
    RANGE g, e, i
    NONSPECIFIC_CURRENT i
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
    i = g * (v - e)
}
