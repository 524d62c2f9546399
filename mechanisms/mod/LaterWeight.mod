TITLE Another weight of a connection from a time on

COMMENT
At the time at (ms), counted from the beginning of the simulation, the weight that the pointer weight is set to becomes value; before, it is
before. Connections have no such thing of their own: NEURON's weights are numbers that stay, unless somebody changes them between
steps (Carnevale NT, Hines ML (2006) The NEURON Book. Cambridge University Press). This process stands at the segment of the synapse, so
that its event belongs to the thread that reads the weight.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS LaterWeight
    RANGE at, before, value
    POINTER weight
}

PARAMETER {
    at = 0 (ms)
    before = 0
    value = 0
}

ASSIGNED {
    weight
}

INITIAL {
    weight = before
    net_send(at, 1)
}

NET_RECEIVE (unused) {
    INITIAL {
    }
    if (flag == 1) {
        weight = value
    }
}
