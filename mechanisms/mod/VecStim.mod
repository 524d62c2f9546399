TITLE Source of events at times given in a vector

COMMENT
stim.play(times): events at the times (ms) of a Vector, which must ascend; it is read as the simulation goes along, and
times before the present are passed over. stim.play() lets go of the vector.
ENDCOMMENT

NEURON {
    THREADSAFE
    ARTIFICIAL_CELL VecStim
    RANGE index
    POINTER times
}

ASSIGNED {
    index (1) : of the next event, -1 after the last
    due (ms)  : its time
    times
}

INITIAL {
    index = 0
    advance(t)
    if (index >= 0) {
        net_send(due - t, 1)
    }
}

NET_RECEIVE(weight) {
    if (flag == 1) {
        net_event(t)
        index = index + 1
        advance(t)
        if (index >= 0) {
            net_send(due - t, 1)
        }
    }
}

PROCEDURE advance(now (ms)) {
VERBATIM
    auto* const played = static_cast<IvocVect*>(_p_times);
    int const size = played ? vector_capacity(played) : 0;
    while (index < size && vector_vec(played)[static_cast<int>(index)] < _lnow) {
        index += 1;
    }
    if (index < size) {
        due = vector_vec(played)[static_cast<int>(index)];
    } else {
        index = -1;
    }
ENDVERBATIM
}

PROCEDURE play() {
VERBATIM
    auto* const before = static_cast<IvocVect*>(_p_times);
    _p_times = nullptr;
    if (ifarg(1)) {
        auto* const given = vector_arg(1);
        hoc_obj_ref(*vector_pobj(given));
        _p_times = given;
    }
    if (before) {
        hoc_obj_unref(*vector_pobj(before));
    }
ENDVERBATIM
}

CONSTRUCTOR {
VERBATIM
    _p_times = nullptr;
ENDVERBATIM
}

DESTRUCTOR {
VERBATIM
    if (_p_times) {
        hoc_obj_unref(*vector_pobj(static_cast<IvocVect*>(_p_times)));
    }
ENDVERBATIM
}
