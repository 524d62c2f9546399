TITLE Current that stands for synapses: it counts as a current of the membrane

COMMENT
The current of amp (nA) from del on for dur (ms), as of an IClamp, but through the membrane: it is part of i_membrane, and so of
extracellular potentials, while that of an electrode is not. SONATA's inputs of which represents_physical_electrode is false are such
currents (BlueBrain/sonata-extension (2023), inputs). Positive currents depolarise.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS SourceCurrent
    RANGE del, dur, amp, i
    NONSPECIFIC_CURRENT i
}

UNITS {
    (nA) = (nanoamp)
}

PARAMETER {
    del = 0 (ms)
    dur = 0 (ms)
    amp = 0 (nA)
}

ASSIGNED {
    i (nA)
}

INITIAL {
    i = 0
}

BREAKPOINT {
    at_time(del)
    at_time(del + dur)
    if (t >= del && t < del + dur) {
        i = -amp
    } else {
        i = 0
    }
}
