"""Synapses and sources against closed forms; states are read, not the conductance, which NEURON has from before."""

import numpy as np
import pytest

DT = 0.025
GLUTAMATE = {"tau1": 26.0, "tau2": 2.0, "tau3": 2.5, "tau4": 0.1}


@pytest.fixture
def place(library):
    """The middle of a section that an enormous capacitance holds at its potential."""
    from neuron import h

    section = h.Section(name="place")
    section.L = section.diam = 10
    section.cm = 1e9
    h.CVode().active(False)
    yield section(0.5)
    del section


def simulate(times, targets, record, *, v=-70.0, t_stop=60.0):
    """Play *times* to (process, weights) pairs; the references' values at every step, with time first."""
    from neuron import h

    source, played = h.VecStim(), h.Vector(times)
    source.play(played)
    connections = [h.NetCon(source, process) for process, _ in targets]
    for connection, (_, weights) in zip(connections, targets, strict=True):
        connection.delay = 0
        for k, weight in enumerate(weights):
            connection.weight[k] = weight
    vectors = [h.Vector().record(reference) for reference in (h._ref_t, *record)]
    h.load_file("stdrun.hoc")
    h.dt, h.steps_per_ms, h.celsius = DT, 1 / DT, 34.0
    h.finitialize(v)
    h.continuerun(t_stop)
    return [vector.as_numpy().copy() for vector in vectors]


def double_exponential(time, event, rise, decay):
    """A difference of exponentials with a peak of 1."""
    since = np.maximum(time - event, 0)
    peak = np.log(decay / rise) * rise * decay / (decay - rise)
    height = np.exp(-peak / decay) - np.exp(-peak / rise)
    return np.where(time > event - DT / 2, np.exp(-since / decay) - np.exp(-since / rise), 0) / height


def glutamate(place, **parameters):
    from neuron import h

    synapse = h.glutamate_syn(place)
    for name, value in {**GLUTAMATE, **parameters}.items():
        setattr(synapse, name, value)
    return synapse


@pytest.mark.parametrize("v", [-70.0, -30.0, 20.0])
def test_glutamate_is_two_double_exponentials_and_a_magnesium_block(place, v):
    synapse = glutamate(place, e=5.0)
    record = [getattr(synapse, f"_ref_{name}") for name in ("A", "B", "C", "D", "gnmda", "inmda", "iampa")]
    time, a, b, c, d, g, nmda, ampa = simulate([10.0], [(synapse, (1.5, 0.8))], record, v=v)
    assert a - b == pytest.approx(0.8 * double_exponential(time, 10.0, 2.0, 26.0), rel=1e-9, abs=1e-12)
    assert c - d == pytest.approx(1.5 * double_exponential(time, 10.0, 0.1, 2.5), rel=1e-9, abs=1e-12)
    assert (a - b).max() == pytest.approx(0.8, rel=1e-3) and (c - d).max() == pytest.approx(1.5, rel=0.02)
    unblocked = 1 / (1 + 0.25 * np.exp(-0.08 * v))
    # Currents were computed from the states that the step started with.
    assert g[1:] == pytest.approx(((a - b) * unblocked)[:-1], rel=1e-6, abs=1e-9)
    assert nmda[1:] == pytest.approx((1e-3 * (a - b) * unblocked * (v - 5))[:-1], rel=1e-6, abs=1e-9)
    assert ampa[1:] == pytest.approx((1e-3 * (c - d) * (v - 5))[:-1], rel=1e-6, abs=1e-9)


def test_gaba_is_a_double_exponential(place):
    from neuron import h

    synapse = h.gaba_syn(place)
    synapse.e, synapse.risetime, synapse.decaytime = -80.0, 1.0, 20.0
    time, r, d, i = simulate([10.0], [(synapse, (2.0,))], [synapse._ref_R, synapse._ref_D, synapse._ref_i])
    assert d - r == pytest.approx(2.0 * double_exponential(time, 10.0, 1.0, 20.0), rel=1e-9, abs=1e-12)
    assert i[1:] == pytest.approx((1e-3 * (d - r) * (-70 + 80))[:-1], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", ["LinExp2Syn", "LinExp2SynNMDA"])
@pytest.mark.parametrize("rise, decay", [(0.5, 3.0), (2.0, 80.0), (0.08, 4.8)])
def test_sources_of_one_synapse_have_peaks_of_their_own_and_add_up(place, kind, rise, decay):
    from neuron import h

    synapse = getattr(h, kind)(place)
    synapse.tau_rise, synapse.tau_decay = rise, decay
    states = [synapse._ref_falling, synapse._ref_rising]
    alone = []
    for weights in ((2.0, 0.003), (0.5, 0.02)):
        time, falling, rising = simulate([10.0], [(synapse, weights)], states)
        expected = weights[0] * weights[1] * double_exponential(time, 10.0, rise, decay)
        assert falling - rising == pytest.approx(expected, rel=1e-9, abs=1e-15)
        alone.append(falling - rising)
    targets = [(synapse, (2.0, 0.003)), (synapse, (0.5, 0.02)), (synapse, (2.0, 0.003))]
    _, falling, rising = simulate([10.0], targets, states)
    assert falling - rising == pytest.approx(2 * alone[0] + alone[1], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("rise, decay", [(3.0, 3.0), (9.0, 3.0)])
def test_a_rise_that_is_no_faster_than_the_decay_is_an_alpha_function(place, rise, decay):
    from neuron import h

    synapse = h.LinExp2Syn(place)
    synapse.tau_rise, synapse.tau_decay = rise, decay
    time, falling, rising = simulate(
        [10.0], [(synapse, (1.0, 1.0))], [synapse._ref_falling, synapse._ref_rising]
    )
    since = np.where(time > 10 - DT / 2, time - 10, 0)
    assert falling - rising == pytest.approx(since / decay * np.exp(1 - since / decay), abs=1e-4)


def test_current_of_a_linear_synapse_follows_from_its_conductance(place):
    from neuron import h

    synapse = h.LinExp2Syn(place)
    synapse.e = -60.0
    record = [synapse._ref_falling, synapse._ref_rising, synapse._ref_g, synapse._ref_i]
    _, falling, rising, g, i = simulate([10.0], [(synapse, (1.0, 0.02))], record)
    # Currents were computed from the states that the step started with.
    assert g[1:] == pytest.approx((falling - rising)[:-1], rel=1e-9, abs=1e-15)
    assert i[1:] == pytest.approx((g * (-70 + 60))[1:], rel=1e-6, abs=1e-15)


@pytest.mark.parametrize("v", [-90.0, -60.0, -20.0, 0.0, 30.0])
@pytest.mark.parametrize(
    "mg, kd, gamma, shift", [(1.0, 3.57, 0.062, 0.0), (2.0, 4.1, 0.063, 10.0), (0.0, 3.57, 0.062, 0.0)]
)
def test_magnesium_blocks_nmda_receptors_at_negative_potentials(place, v, mg, kd, gamma, shift):
    from neuron import h

    synapse = h.LinExp2SynNMDA(place)
    synapse.mg, synapse.Kd, synapse.gamma, synapse.vshift, synapse.e = mg, kd, gamma, shift, 5.0
    record = [synapse._ref_falling, synapse._ref_rising, synapse._ref_open, synapse._ref_i]
    _, falling, rising, unblocked, i = simulate([10.0], [(synapse, (1.0, 0.02))], record, v=v)
    share = 1 / (1 + mg / kd * np.exp(-gamma * (v + shift)))
    assert unblocked[1:] == pytest.approx(share, rel=1e-6)
    assert i[1:] == pytest.approx(((falling - rising) * share * (v - 5))[:-1], rel=1e-6, abs=1e-15)


TIMES = [5.0, 10.0, 12.0, 30.0, 31.0]


def varela(d, f, taud=200.0, tauf=200.0):
    """Size of the answer to each of `TIMES`."""
    depression, facilitation, last, sizes = 1.0, 1.0, TIMES[0], []
    for time in TIMES:
        depression = 1 - (1 - depression) * np.exp(-(time - last) / taud)
        facilitation = 1 + (facilitation - 1) * np.exp(-(time - last) / tauf)
        sizes.append(depression * facilitation)
        depression, facilitation, last = depression * d, facilitation + f, time
    return sizes


def train(time, sizes, rise, decay):
    return sum(
        size * double_exponential(time, at, rise, decay) for size, at in zip(sizes, TIMES, strict=True)
    )


@pytest.mark.parametrize(
    "d, f, tau", [(1.0, 0.0, 200.0), (0.6, 0.0, 200.0), (1.0, 0.4, 50.0), (0.5, 0.3, 20.0)]
)
def test_depression_and_facilitation_follow_varelas_recursion(place, d, f, tau):
    from neuron import h

    fast = {"decayampa": d, "facilampa": f, "taudampa": tau, "taufampa": 2 * tau}
    slow = {"decaynmda": f, "facilnmda": d, "taudnmda": 3 * tau, "taufnmda": tau}
    both, gaba = glutamate(place, **fast, **slow), h.gaba_syn(place)
    gaba.decaygaba, gaba.facilgaba, gaba.taudgaba, gaba.taufgaba = d, f, tau, 2 * tau
    record = [both._ref_A, both._ref_B, both._ref_C, both._ref_D, gaba._ref_R, gaba._ref_D]
    time, a, b, c, e, r, g = simulate(TIMES, [(both, (1.0, 2.0)), (gaba, (3.0,))], record)
    sizes = varela(d, f, tau, 2 * tau)
    assert c - e == pytest.approx(train(time, sizes, 0.1, 2.5), rel=1e-9, abs=1e-12)
    assert g - r == pytest.approx(3 * np.array(train(time, sizes, 1.0, 20.0)), rel=1e-9, abs=1e-12)
    assert a - b == pytest.approx(
        2 * np.array(train(time, varela(f, d, 3 * tau, tau), 2.0, 26.0)), rel=1e-9, abs=1e-12
    )


def test_nothing_is_left_of_the_run_before(place):
    synapse = glutamate(place, decayampa=0.5, facilampa=0.2)
    runs = [simulate(TIMES, [(synapse, (1.0, 1.0))], [synapse._ref_A, synapse._ref_C]) for _ in range(2)]
    assert np.array_equal(runs[0], runs[1])


@pytest.mark.parametrize("tau0, tau1, imax", [(1.0, 5.0, 0.5), (0.2, 3.0, 1.2)])
def test_epsp_is_a_current_of_the_given_peak(place, tau0, tau1, imax):
    from neuron import h

    source = h.epsp(place)
    source.onset, source.tau0, source.tau1, source.imax = 10.0, tau0, tau1, imax
    time, i = simulate([], [], [source._ref_i])
    # NEURON computes a current at the middle of its step.
    expected = -imax * double_exponential(time - DT / 2, 10.0, tau0, tau1)
    assert i[1:] == pytest.approx(expected[1:], rel=1e-6, abs=1e-9)
    assert i.min() == pytest.approx(-imax, rel=1e-3)


def recursion(use, dep, fac, times):
    """Mean release of each spike after Tsodyks and Markram, from rest."""
    u, r, last, means = 0.0, 1.0, times[0], []
    for time in times:
        u = u * np.exp(-(time - last) / fac) if fac else 0.0
        u = u + use * (1 - u)
        r = 1 - (1 - r) * np.exp(-(time - last) / dep) if dep else 1.0
        means.append(u * r)
        r, last = r - u * r, time
    return np.array(means)


SPIKES = [2.0 + 10 * k for k in range(6)] + [140.0]
SYNAPSES = 1000


@pytest.mark.parametrize(
    "use, dep, fac", [(0.5, 100.0, 0.0), (0.1, 20.0, 200.0), (0.4, 60.0, 30.0), (0.3, 0.0, 0.0)]
)
@pytest.mark.parametrize("kind", ["ProbAMPANMDA2", "ProbUDFsyn2"])
def test_mean_release_follows_the_tsodyks_markram_recursion(place, kind, use, dep, fac):
    from neuron import h

    synapses = [getattr(h, kind)(place) for _ in range(SYNAPSES)]
    for number, synapse in enumerate(synapses):
        synapse.Use, synapse.Dep, synapse.Fac = use, dep, fac
        synapse.rng.set_ids(1, 2, number).set_seq(0)
    steps = np.array(SPIKES) / DT
    _, *released = simulate(
        SPIKES, [(own, (1.0,)) for own in synapses], [own._ref_released for own in synapses], t_stop=141
    )
    after = np.array(released)[:, (steps + 2).astype(int)]
    found, expected = np.diff(after, axis=1, prepend=0).mean(axis=0), recursion(use, dep, fac, SPIKES)
    assert np.abs(found - expected).max() < 4 * np.sqrt(0.25 / SYNAPSES)


def test_a_releases_answer_is_a_double_exponential(place):
    from neuron import h

    both, one = h.ProbAMPANMDA2(place), h.ProbUDFsyn2(place)
    both.weight_factor_NMDA = 0.7
    record = [
        getattr(both, f"_ref_{name}") for name in ("A_AMPA", "B_AMPA", "A_NMDA", "B_NMDA", "i_NMDA", "i_AMPA")
    ]
    record += [one._ref_A, one._ref_B, one._ref_i]
    time, a, b, c, d, nmda, ampa, e, f, i = simulate([10.0], [(both, (2.0,)), (one, (3.0,))], record, v=-40.0)
    assert b - a == pytest.approx(2.0 * double_exponential(time, 10.0, 0.2, 1.7), rel=1e-9, abs=1e-12)
    assert d - c == pytest.approx(1.4 * double_exponential(time, 10.0, 0.29, 43.0), rel=1e-9, abs=1e-12)
    assert f - e == pytest.approx(3.0 * double_exponential(time, 10.0, 0.2, 8.0), rel=1e-9, abs=1e-12)
    unblocked = 1 / (1 + np.exp(0.062 * 40) / 3.57)
    assert nmda[1:] == pytest.approx((1e-3 * (d - c) * unblocked * -40)[:-1], rel=1e-6, abs=1e-9)
    assert ampa[1:] == pytest.approx((1e-3 * (b - a) * -40)[:-1], rel=1e-6, abs=1e-9)
    assert i[1:] == pytest.approx((1e-3 * (f - e) * 40)[:-1], rel=1e-6, abs=1e-9)


def test_draws_are_keyed(place):
    from neuron import h

    def releases(*key):
        synapse = h.ProbUDFsyn2(place)
        synapse.Use, synapse.Dep = 0.5, 0.0
        synapse.Fac = 0.0
        synapse.rng.set_ids(*key).set_seq(0)
        times = np.arange(1.0, 60.0)
        return simulate(times.tolist(), [(synapse, (1.0,))], [synapse._ref_released])[1]

    assert np.array_equal(releases(1, 2, 3), releases(1, 2, 3))
    assert not np.array_equal(releases(1, 2, 3), releases(1, 2, 4))


def events(source, t_stop=10.0):
    from neuron import h

    found = h.Vector()
    watch = h.NetCon(source, None)
    watch.record(found)
    h.load_file("stdrun.hoc")
    h.dt, h.steps_per_ms = DT, 1 / DT
    h.finitialize(-70)
    h.continuerun(t_stop)
    return list(found)


def test_a_source_plays_its_vector_again_and_again(library):
    from neuron import h

    section, source, played = h.Section(name="clock"), h.VecStim(), h.Vector([0.0, 1.0, 1.0, 2.26, 9.0, 30.0])
    source.play(played)
    assert events(source) == events(source) == [0.0, 1.0, 1.0, 2.26, 9.0]
    played.x[1] = 0.5
    assert events(source)[:2] == [0.0, 0.5], "it reads the vector as it is"
    source.play(h.Vector([-3.0, 4.0]))
    assert events(source) == [4.0], "it keeps a vector that nobody else holds; what is past is passed over"
    source.play()
    assert events(source) == []
    assert section.nseg == 1
