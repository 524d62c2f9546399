TITLE Extracellular potential of electrodes around a cell

COMMENT
Outside of each segment is the potential sum_k phi_k w_k(t), where phi_k (mV per unit) says how strong a source k is there, and its waveform
w_k is a broken line, 0 before its first and after its last point. It is the battery of NEURON's mechanism extracellular: Carnevale NT,
Hines ML (2006) The NEURON Book. Cambridge University Press. FieldPotential takes it there through the pointer ex. Waveforms are those of
the process: wave(k, times, values) of any instance sets that of source k from two Vectors; without Vectors there is none.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX FieldPotential
    RANGE phi0, phi1, phi2, phi3
    POINTER ex
}

VERBATIM
#include <algorithm>
#include <vector>

namespace {
    std::vector<double> field_times[4], field_values[4];
}
ENDVERBATIM

UNITS {
    (mV) = (millivolt)
}

PARAMETER {
    phi0 = 0 (mV)
    phi1 = 0 (mV)
    phi2 = 0 (mV)
    phi3 = 0 (mV)
}

ASSIGNED {
    dt (ms)
    ex (mV)
}

INITIAL {
    ex = potential(t + 0.5 * dt)
}

BREAKPOINT {
    : comes at the end of a step, for the middle of the next, at which currents are taken
    ex = potential(t + 0.5 * dt)
}

FUNCTION potential(time (ms)) (mV) {
    potential = phi0 * waveform(0, time)
    if (phi1 != 0) {
        potential = potential + phi1 * waveform(1, time)
    }
    if (phi2 != 0) {
        potential = potential + phi2 * waveform(2, time)
    }
    if (phi3 != 0) {
        potential = potential + phi3 * waveform(3, time)
    }
}

FUNCTION waveform(source, time (ms)) {
VERBATIM
    auto const& times = field_times[static_cast<int>(_lsource)];
    auto const& values = field_values[static_cast<int>(_lsource)];
    // The first point that is later: where the line jumps, what comes after counts.
    auto const after = std::upper_bound(times.begin(), times.end(), _ltime) - times.begin();
    double found = 0.0;
    if (after > 0 && after < static_cast<long>(times.size())) {
        double const width = times[after] - times[after - 1];
        double const share = width > 0.0 ? (_ltime - times[after - 1]) / width : 0.0;
        found = values[after - 1] + share * (values[after] - values[after - 1]);
    }
    _lwaveform = found;
ENDVERBATIM
}

PROCEDURE wave(source) {
VERBATIM
    int const source = static_cast<int>(_lsource);
    field_times[source].clear();
    field_values[source].clear();
    if (ifarg(2)) {
        auto* const times = vector_arg(2);
        auto* const values = vector_arg(3);
        int const count = vector_capacity(times);
        field_times[source].assign(vector_vec(times), vector_vec(times) + count);
        field_values[source].assign(vector_vec(values), vector_vec(values) + count);
    }
ENDVERBATIM
}
