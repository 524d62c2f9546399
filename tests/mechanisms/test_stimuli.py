"""Clamps on a passive cell against closed forms, and signals against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolake.kernels.traces.noise import poisson_times
from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.live.solver import choose_solver
from neurolake.mechanisms.network.attached import Timing
from neurolake.mechanisms.network.cells import Detector, NetworkCell, NetworkNode
from neurolake.mechanisms.stimuli.clamps import ConductanceClamp, CurrentClamp, VoltageClamp
from neurolake.mechanisms.stimuli.fields import FieldClamp, FieldSource
from neurolake.mechanisms.stimuli.noise import ColouredNoise, DrawnSignal, ShotNoise, WhiteNoise
from neurolake.mechanisms.stimuli.places import ClampPlace
from neurolake.mechanisms.stimuli.signals import Waveform, pulses, ramp, sinusoid

TIMING = Timing(60.0, dt=0.005, v_init=-70.0)
AREA, G, REST = np.pi * 20 * 20 * 1e-8, 1e-4, -70.0  # cm2, S/cm2, mV
RESISTANCE, TAU = 1e-6 / (AREA * G), 1e-3 / G  # MOhm, ms
KEY = (1, "noise", 5)
NODES = {0: NetworkNode(0, "cells", 0), 1: NetworkNode(1, "cells", 1)}


@pytest.fixture
def cells(library):
    """Two passive spheres of 20 um."""
    from neuron import h

    made = {}
    for gid in NODES:
        soma, dend = h.Section(name="soma_0"), h.Section(name="dend_1")
        soma.L = soma.diam = 20
        soma.insert("pas")
        soma.g_pas, soma.e_pas = G, REST
        # Not connected, so that the sphere alone has the time constant.
        made[gid] = NetworkCell(gid, [soma, dend], Detector())
    return made


def simulate(cells, *clamps, gid=0, more=()):
    """Time, potential of a cell's soma, and other references, at every step."""
    from neuron import h

    held = [clamp.attach(cells, TIMING) for clamp in clamps]
    references = [h._ref_t, cells[gid].sections[0](0.5)._ref_v, *more]
    vectors = [h.Vector().record(reference) for reference in references]
    h.load_file("stdrun.hoc")
    h.CVode().active(False)
    h.dt, h.steps_per_ms, h.secondorder = TIMING.dt, 1 / TIMING.dt, 2
    h.finitialize(TIMING.v_init)
    h.continuerun(TIMING.t_stop)
    found = [np.array(vector) for vector in vectors]
    del held
    return found


def charged(time, start, stop, current):
    """Potential of the sphere under a step of current, in mV."""
    rise = 1 - np.exp(-np.clip(time - start, 0, stop - start) / TAU)
    return REST + RESISTANCE * current * rise * np.exp(-np.clip(time - stop, 0, None) / TAU)


@pytest.mark.parametrize("electrode", [True, False])
@pytest.mark.parametrize("as_signal", [True, False])
def test_a_step_charges_the_membrane(cells, electrode, as_signal):
    current = ramp(0.05, 0.05, 10, 30) if as_signal else (10.0, 30.0, 0.05)
    clamp = CurrentClamp("step", {0: current}, electrode=electrode)
    assert clamp.check(NODES, TIMING) == [] and clamp.mechanisms == (() if electrode else ("SourceCurrent",))
    time, v = simulate(cells, clamp)
    assert v == pytest.approx(charged(time, 10, 40, 0.05), abs=0.01)
    assert simulate(cells, clamp, gid=1)[1] == pytest.approx(REST)


def test_only_a_current_that_is_no_electrodes_is_one_of_the_membrane(cells):
    from neuron import h

    h.CVode().use_fast_imem(True)
    try:
        sums = []
        for electrode in (True, False):
            clamp = CurrentClamp("step", {0: (0.0, 100.0, 0.05)}, electrode=electrode)
            sums.append(simulate(cells, clamp, more=[cells[0].sections[0](0.5)._ref_i_membrane_])[2][-1])
    finally:
        h.CVode().use_fast_imem(False)
    assert sums == pytest.approx([0.05, 0.0], abs=1e-9)


def test_a_ramp_follows_its_closed_form(cells):
    time, v = simulate(cells, CurrentClamp("ramp", {0: ramp(0.0, 0.1, 10, 40)}))
    since = np.clip(time - 10, 0, 40)
    slope = 0.1 / 40
    # The solution of tau v' = R slope t - v.
    expected = REST + RESISTANCE * slope * (since - TAU * (1 - np.exp(-since / TAU)))
    during = time <= 50
    assert v[during] == pytest.approx(expected[during], abs=0.02)


def test_a_sine_is_filtered_as_by_resistance_and_capacitance(cells):
    frequency = 50.0
    time, v = simulate(cells, CurrentClamp("sine", {0: sinusoid(0.05, frequency, 0, 60)}))
    w = 2e-3 * np.pi * frequency
    gain, phase = RESISTANCE * 0.05 / np.hypot(1, w * TAU), np.arctan(w * TAU)
    expected = REST + gain * (np.sin(w * time - phase) + np.sin(phase) * np.exp(-time / TAU))
    assert v == pytest.approx(expected, abs=0.02)


def test_currents_add_up(cells):
    step, line = (
        CurrentClamp("step", {0: (5.0, 20.0, 0.03)}),
        CurrentClamp("ramp", {0: ramp(0.02, 0.0, 15, 30)}),
    )
    alone = [simulate(cells, clamp)[1] - REST for clamp in (step, line)]
    assert simulate(cells, step, line)[1] - REST == pytest.approx(sum(alone), abs=1e-9)


@pytest.mark.parametrize("electrode", [True, False])
def test_a_conductance_draws_the_membrane_to_its_reversal_potential(cells, electrode):
    """A step of g: v goes to (G v0 + g e) / (G + g) with the time constant C / (G + g)."""
    from neuron import h

    clamp = ConductanceClamp("g", {0: ramp(0.001, 0.001, 10, 30)}, reversal=-20.0, electrode=electrode)
    assert clamp.check(NODES, TIMING) == []
    h.CVode().use_fast_imem(True)
    try:
        time, v, current = simulate(cells, clamp, more=[cells[0].sections[0](0.5)._ref_i_membrane_])
    finally:
        h.CVode().use_fast_imem(False)
    own = 1 / RESISTANCE
    level, tau = (own * REST - 0.001 * 20) / (own + 0.001), TAU * own / (own + 0.001)
    during, after = (time >= 10) & (time < 40), time >= 40
    assert v[during] == pytest.approx(level + (REST - level) * np.exp(-(time[during] - 10) / tau), abs=0.03)
    last = level + (REST - level) * np.exp(-30 / tau)
    assert v[after] == pytest.approx(REST + (last - REST) * np.exp(-(time[after] - 40) / TAU), abs=0.03)
    # What an electrode injects leaves through the membrane; what stands for synapses is part of its current.
    inside = current[np.searchsorted(time, 35)]
    assert inside == pytest.approx(-0.001 * (level + 20) if electrode else 0.0, abs=1e-3)


@pytest.mark.parametrize("delay", [0.0, 10.0])
def test_a_voltage_clamp_holds_potentials_and_lets_go(cells, delay):
    clamp = VoltageClamp("hold", [0], [(10.0, -50.0), (10.0, -80.0)], delay, resistance=0.1)
    assert clamp.check(NODES, TIMING) == []
    time, v = simulate(cells, clamp)
    share = RESISTANCE / (RESISTANCE + 0.1)
    for begin, level in ((delay, -50.0), (delay + 10, -80.0)):
        inside = (time > begin + 1) & (time < begin + 10)
        assert v[inside] == pytest.approx(REST + (level - REST) * share, abs=0.01)
    after = time > delay + 20.1
    assert v[after] == pytest.approx(REST - 10 * share * np.exp(-(time[after] - delay - 20) / TAU), abs=0.05)
    before = time < delay
    assert v[before] == pytest.approx(REST, abs=1e-3)


def test_faults_of_clamps_are_told(cells):
    strangers = CurrentClamp("far", {7: (0, 1, 1), 8: ramp(0, np.nan, 0, 1)})
    assert [
        "no cells 7, 8" in strangers.check(NODES, TIMING)[0],
        "not finite" in strangers.check(NODES, TIMING)[1],
    ]
    hold = VoltageClamp("hold", [9], [(0.0, -60.0)], resistance=0)
    open_ended = ConductanceClamp("g", {9: WhiteNoise(*KEY, 0, 1, 0.0, 0.0, 0, 1)}, np.inf)
    assert len(open_ended.check(NODES, TIMING)) == 3
    assert len(hold.check(NODES, TIMING)) == 3
    for place, told in (
        (ClampPlace(section=2), "no section 2"),
        (ClampPlace(part="apic"), r"apic\[0\]"),
        (ClampPlace(part="dend", index=1), r"dend\[1\]"),
    ):
        with pytest.raises(ModelError, match=told):
            place.of(cells[0])
    assert ClampPlace(part="dend").of(cells[0]).sec == cells[0].sections[1]
    assert ClampPlace(0.5, section=1).of(cells[0]).sec == cells[0].sections[1]
    with pytest.raises(ModelError, match="point process"):
        ClampPlace().of(NetworkCell(3, process=object()))


def test_clamps_are_told_apart_by_what_they_do(library):
    def of(amplitude=0.1, x=0.5, level=-50.0, strength=2.0, electrode=True):
        steps = {0: (1.0, 2.0, amplitude), 1: ramp(0, amplitude, 0, 5)}
        field = FieldSource(lambda own: strength * np.ones(3), ramp(1, 1, 0, amplitude))
        return [
            CurrentClamp("one", steps, ClampPlace(x), electrode),
            ConductanceClamp("two", {0: ramp(0, amplitude, 0, 5)}, level, ClampPlace(x), electrode),
            VoltageClamp("three", [0], [(amplitude, level)], place=ClampPlace(x)),
            FieldClamp("four", [field]),
        ]

    first = [clamp.identity for clamp in of()]
    assert first == [clamp.identity for clamp in of()] and len(set(first)) == 4
    changes = [
        ({"amplitude": 0.2}, 0, 4),
        ({"x": 0.2}, 0, 3),
        ({"level": -40.0}, 1, 3),
        ({"strength": 1.0}, 3, 4),
    ]
    for change, begin, end in [*changes, ({"electrode": False}, 0, 2)]:
        differ = [clamp.identity != before for clamp, before in zip(of(**change), first, strict=True)]
        assert differ == [begin <= at < end for at in range(4)], change


# Signals


@given(st.floats(-5, 5), st.floats(0.1, 20), st.floats(1, 200), st.floats(0, 50), st.floats(1, 100))
def test_pulses_are_as_often_and_as_long_as_asked(amplitude, width, frequency, delay, duration):
    signal = pulses(amplitude, width, frequency, delay, duration)
    time = np.linspace(0, delay + duration + 10, 777) + 1e-4
    since, period = time - delay, 1000 / frequency
    inside = (since >= 0) & (since < duration) & (np.mod(since, period) < width)
    edges = np.concatenate([signal.time, delay + period * np.arange(50)])
    near = np.min(np.abs(time[:, None] - edges[None]), axis=1) < 1e-6
    assert signal.at(time)[~near] == pytest.approx(np.where(inside, amplitude, 0.0)[~near])


def test_signals_are_zero_outside_and_jump_where_they_begin():
    for signal in (
        ramp(1, 2, 10, 20),
        sinusoid(1, 30, 10, 20),
        WhiteNoise(*KEY, 10, 20, 0.5, -np.inf, 3, 0.1).waveform,
    ):
        assert signal.at(np.array([0.0, 9.999, 30.001, 100])).tolist() == [0, 0, 0, 0]
        assert (np.diff(signal.time) >= 0).all()
    assert ramp(1, 2, 10, 20).at(np.array([10.0, 20.0])).tolist() == [1.0, 1.5]
    doubled = ramp(1, 2, 10, 20).scaled(2)
    assert isinstance(doubled, Waveform) and doubled.value.tolist() == [0, 2, 4, 0]


LONG = (*KEY, 0.0, 200_000.0, 0.25, -np.inf)


def settled(signal):
    """Values once the signal is stationary."""
    return signal.waveform.value[1000:-2]


def test_white_noise_has_its_mean_and_variance():
    values = settled(WhiteNoise(*LONG, 2.0, 0.25))
    assert values.mean() == pytest.approx(2.0, abs=0.005)
    assert values.var() == pytest.approx(0.25, rel=0.01)


def test_an_ou_process_has_its_mean_deviation_and_correlation():
    values = settled(ColouredNoise(*LONG, 1.0, 0.3, 5.0)) - 1.0
    assert values.mean() == pytest.approx(0.0, abs=0.01)
    assert values.std() == pytest.approx(0.3, rel=0.02)
    for lag in (4, 20, 40):
        expected = 0.09 * np.exp(-lag * 0.25 / 5.0)
        assert np.mean(values[:-lag] * values[lag:]) == pytest.approx(expected, abs=0.003)
    uncorrelated = settled(ColouredNoise(*LONG, 1.0, 0.3, 0.0)) - 1.0
    assert uncorrelated.std() == pytest.approx(0.3, rel=0.01)
    assert np.mean(uncorrelated[1:] * uncorrelated[:-1]) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("variance", [1e-4, 4e-3], ids=["even", "varied"])
def test_shot_noise_has_the_moments_of_campbells_theorem(sign, variance):
    """Mean rate E[a] int f, variance rate E[a2] int f2, correlation rate E[a2] int f(t) f(t + lag)."""
    rate, mean, rise, decay = 300.0, 0.04, 0.5, 5.0
    values = settled(ShotNoise(*LONG, rate, sign * mean, variance, rise, decay)) * sign
    time = np.arange(0, 100, 0.001)
    shot = np.exp(-time / decay) - np.exp(-time / rise)
    shot /= shot.max()
    second = rate / 1000 * (mean**2 + variance) * 0.001
    assert values.mean() == pytest.approx(rate / 1000 * mean * shot.sum() * 0.001, rel=0.02)
    assert values.std() == pytest.approx(np.sqrt(second * (shot**2).sum()), rel=0.03)
    around = values - values.mean()
    for lag in (1.0, 5.0):
        expected = second * (shot[: -int(lag * 1000)] * shot[int(lag * 1000) :]).sum()
        assert np.mean(around[: -int(4 * lag)] * around[int(4 * lag) :]) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("skew", [0.0, 0.5, 0.9])
def test_shot_noise_of_a_mean_and_a_deviation_has_these(skew):
    noise = ShotNoise.of_moments(DrawnSignal(*LONG), 0.2, 0.05, skew, 0.4, 4.0)
    values = settled(noise)
    assert noise.faults == []
    assert values.mean() == pytest.approx(0.2, rel=0.01) and values.std() == pytest.approx(0.05, rel=0.03)
    # The least skewness that there is for these numbers, times 1 + skew.
    one, two = 4.0 + 0.4, (4.0 + 0.8) * (8.0 + 0.4)
    least = 8 / 3 * one**2 / two * 0.05 / 0.2
    skewness = np.mean(((values - values.mean()) / values.std()) ** 3)
    assert skewness == pytest.approx((1 + skew) * least, abs=0.05)


def test_noise_is_a_function_of_seed_input_and_cell():
    def of(seed, name, cell):
        base = DrawnSignal(seed, name, cell, 5.0, 20.0, 0.25, 0.0)
        shots = ShotNoise.of_moments(base, 0.2, 0.05, 0.5, 0.4, 4.0)
        return [WhiteNoise(seed, name, cell, 5.0, 20.0, 0.5, -9.0, 0.0, 1.0), shots]

    for at in (0, 1):
        one, again = of(1, "a", 7)[at], of(1, "a", 7)[at]
        assert np.array_equal(one.waveform.value, again.waveform.value) and one.identity == again.identity
        for other in (of(2, "a", 7)[at], of(1, "b", 7)[at], of(1, "a", 8)[at]):
            assert not np.array_equal(one.waveform.value, other.waveform.value)
            assert one.identity != other.identity


def test_events_of_a_poisson_process_are_as_often_and_as_far_apart_as_these_are():
    times = poisson_times(50.0, 100_000.0, seed=1, purpose="any", population="p", cell=3)
    apart = np.diff(times)
    assert len(times) == pytest.approx(5000, abs=4 * np.sqrt(5000)) and times.max() < 100_000
    assert apart.min() > 0 and apart.std() == pytest.approx(20.0, rel=0.05)
    assert len(poisson_times(0.0, 100.0, seed=1, purpose="any", population="p", cell=3)) == 0


def test_conductances_are_never_negative():
    low = ColouredNoise(*KEY, 0.0, 100.0, 0.25, 0.0, 0.0, 1.0, 5.0).waveform.value
    assert low.min() == 0.0 and 0.3 < np.mean(low == 0) < 0.7


@pytest.mark.parametrize(
    ("signal", "told"),
    [
        (lambda: WhiteNoise(*KEY, 0, 1, 0.0, 0.0, 0, 1).faults[0], "dt of 0 ms"),
        (lambda: WhiteNoise(*KEY, 0, 1, 0.1, 0.0, 0, -1).faults[0], "variance of -1"),
        (lambda: ColouredNoise(*KEY, 0, 1, 0.1, 0.0, 0, 0, 1).faults[0], "deviation of 0"),
        (lambda: ColouredNoise(*KEY, 0, 1, 0.1, 0.0, 0, 1, -2).faults[0], "constant of -2"),
        (lambda: ShotNoise(*KEY, 0, 1, 0.1, 0.0, 1, 1, 1, 3, 2).faults[0], "decay_time of 2"),
        (lambda: ShotNoise(*KEY, 0, 1, 0.1, 0.0, 1, 0, 1, 1, 2).faults[0], "mean 0"),
        (lambda: ShotNoise(-1, "n", 0, 0, 1, 0.1, 0.0, 1, 1, 1, 1, 2).faults[0], "seed -1"),
    ],
)
def test_faults_of_noise_are_told(signal, told):
    assert told in signal()


@pytest.mark.parametrize(("mean", "skew", "rise"), [(-0.1, 0.5, 1.0), (0.1, 1.0, 1.0), (0.1, 0.5, 4.0)])
def test_moments_that_no_shots_have_are_refused(mean, skew, rise):
    with pytest.raises(ValueError, match=r"expected|above 0"):
        ShotNoise.of_moments(DrawnSignal(*LONG), mean, 0.1, skew, rise, 4.0)


# Fields


def middles(cells):
    """x of the middle of each segment of a straight cable along x, in um."""
    return np.array(
        [section.L * segment.x for cell in cells for section in cell.sections for segment in section]
    )


@pytest.fixture
def cable(library):
    """A passive cable of 1 mm along x, which is 4.1 length constants."""
    from neuron import h

    section = h.Section(name="dend_0")
    section.L, section.diam, section.nseg, section.Ra, section.cm = 1000, 1, 101, 150, 1
    section.insert("pas")
    section.g_pas, section.e_pas = 1 / 3500, REST
    yield NetworkCell(0, [section], Detector())
    h.delete_section(sec=section)
    choose_solver()


def test_a_uniform_field_polarises_a_cable_as_its_closed_form_says(cable):
    """Tranchina & Nicholson (1986): V = -E lambda sinh(X) / cosh(L / 2 lambda), from the middle of the cable."""
    from neuron import h

    section, strength = cable.sections[0], 2e-3  # mV/um
    source = FieldSource(lambda own: strength * middles(own), ramp(1, 1, 5, 100))
    clamp = FieldClamp("field", [source])
    assert clamp.check(NODES, TIMING) == [] and clamp.mechanisms == ("FieldPotential",)
    held = clamp.attach({0: cable}, TIMING)
    h.load_file("stdrun.hoc")
    h.CVode().active(False)
    h.dt, h.steps_per_ms, h.secondorder = 0.025, 40, 0
    h.finitialize(REST)
    h.continuerun(4.9)
    assert [segment.v for segment in section] == pytest.approx([REST] * 101, abs=1e-6)
    h.continuerun(60)
    length = 1e4 * np.sqrt(1e-4 / 4 * 3500 / 150)
    away = middles([cable]) - 500
    expected = -strength * length * np.sinh(away / length) / np.cosh(500 / length)
    assert np.array([segment.v for segment in section]) - REST == pytest.approx(expected, abs=2e-3)
    h.continuerun(140)
    assert [segment.v for segment in section] == pytest.approx([REST] * 101, abs=1e-3), "it ends"
    assert held == ()


def test_sources_of_a_field_add_up_and_follow_their_waveforms(cable):
    from neuron import h

    section = cable.sections[0]
    line, wave = ramp(0.0, 2.0, 1, 10), sinusoid(0.5, 100, 0, 20)
    one, two = (
        FieldSource(lambda own: 0.01 * middles(own), line),
        FieldSource(lambda own: np.full(101, -1.0), wave),
    )
    FieldClamp("both", [one, two]).attach({0: cable}, TIMING)
    time, outside = h.Vector().record(h._ref_t), h.Vector().record(section(0.5)._ref_e_extracellular)
    h.CVode().active(False)
    h.dt, h.steps_per_ms = 0.025, 40
    h.finitialize(REST)
    h.continuerun(15)
    middle = np.array(time) + 0.0125
    expected = 5.0 * line.at(middle) - wave.at(middle)
    away = np.min(np.abs(middle[:, None] - np.array([1.0, 11.0])[None]), axis=1) > 1e-6
    assert np.array(outside)[away] == pytest.approx(expected[away], abs=1e-9)


def test_faults_of_fields_are_told(cable):
    source = FieldSource(lambda own: np.zeros(3), ramp(1, 1, 0, 1))
    many = [FieldSource(source.potentials, ramp(1, 1, 0, end)) for end in range(1, 6)]
    assert "5 waveforms" in FieldClamp("many", many).check(NODES, TIMING)[0]
    assert FieldClamp("one", [source] * 5).check(NODES, TIMING) == [], "sources of one waveform are one"
    endless = FieldSource(lambda own: np.zeros(101), ramp(np.inf, 1, 0, 1))
    assert "not finite" in FieldClamp("endless", [endless]).check(NODES, TIMING)[0]
    with pytest.raises(ModelError, match="101 segments"):
        FieldClamp("few", [source]).attach({0: cable}, TIMING)
