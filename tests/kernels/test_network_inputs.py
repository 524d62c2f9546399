"""Features of input cells and their spikes: closed forms, statistics of Poisson processes, invariances."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurolake.kernels.network.features import (
    chosen_features,
    constant_rates,
    equilibration_ramp,
    linear_rates,
    phase_modulation,
    preferred_phases,
    receptive_field_rates,
    trajectory,
)
from neurolake.kernels.network.inputs import input_spikes

TIME = np.arange(0, 1001.0)


class TestFeatures:
    def test_types_are_chosen_by_probability_and_of_each_cell_alone(self):
        p = [0.2, 0.0, 0.5, 0.3]
        found = chosen_features(np.arange(20_000), p, seed=1, population="STIM")
        counts = np.bincount(found, minlength=4)
        assert counts[1] == 0
        assert stats.chisquare(counts[[0, 2, 3]], 20_000 * np.array([0.2, 0.5, 0.3])).pvalue > 1e-3
        assert chosen_features([777], p, seed=1, population="STIM")[0] == found[777]
        assert (chosen_features(np.arange(20_000), p, seed=1, population="PYR") != found).any()
        with pytest.raises(ValueError, match="of sum 1"):
            chosen_features([1], [0.5, 0.4], seed=1, population="STIM")

    def test_a_trajectory_keeps_its_velocity(self):
        """The tutorial's: 283 cm at 30 cm/s last 9.43 s, after 250 ms of equilibration."""
        found = trajectory([[-100, -100], [100, 100]], 30.0, 1.0, 250.0)
        assert found.time[0] == -250
        assert found.time[250] == 0
        assert len(found.time) == 250 + 9428 + 1
        np.testing.assert_allclose(found.position[250], [-100, -100])
        np.testing.assert_allclose(np.linalg.norm(np.diff(found.position, axis=0), axis=1), 0.03, rtol=1e-9)
        np.testing.assert_allclose(found.distance, found.time * 0.03, atol=1e-12)

    def test_a_trajectory_turns_at_its_points(self):
        found = trajectory([[0, 0], [3, 0], [3, 4]], 1000.0, 1.0)
        np.testing.assert_allclose(
            found.position, [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1], [3, 2], [3, 3], [3, 4]]
        )
        with pytest.raises(ValueError, match="points 1 and 2"):
            trajectory([[0, 0], [3, 0], [3, 0]], 1.0, 1.0)
        with pytest.raises(ValueError, match="velocity is 0"):
            trajectory([[0, 0], [3, 0]], 0.0, 1.0)

    def test_rates_of_signals(self):
        np.testing.assert_array_equal(constant_rates([5.0, 7.0], 2), [[5, 5], [7, 7]])
        np.testing.assert_allclose(linear_rates([-1, 0.25, 2], [8.0]), [[0, 2, 8]])
        np.testing.assert_allclose(linear_rates([[0.5, 1.0], [0.0, 0.1]], [8.0, 10.0]), [[4, 8], [0, 1]])
        found = receptive_field_rates([0.0, 1.0, 3.0], [1.0], [2.0], [10.0])
        np.testing.assert_allclose(found, [10 * np.exp([-0.125, 0, -0.5])])
        plane = receptive_field_rates([[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0]], [5.0], [1.0])
        np.testing.assert_allclose(plane, [[1, np.exp(-0.5)]])

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: constant_rates([-1.0], 3), r"peak\[0\] is -1"),
            (lambda: linear_rates([[1.0], [2.0]], [1.0]), "signal has shape"),
            (lambda: receptive_field_rates([0.0], [0.0], [0.0], [1.0]), r"width\[0\] is 0"),
            (lambda: receptive_field_rates([0.0], [[0.0, 1.0]], [1.0], [1.0]), "as many dimensions"),
            (lambda: receptive_field_rates([0.0], [0.0, 1.0], [1.0], [1.0]), "one per cell"),
            (lambda: phase_modulation(TIME, [0.0], frequency=5, depth=1.5), "depth is 1.5"),
            (
                lambda: phase_modulation(TIME, [0.0], frequency=5, depth=1, position=[1, 2]),
                "position has shape",
            ),
            (lambda: preferred_phases([1], (20, 20), seed=1, population="a"), "the second larger"),
        ],
    )
    def test_arguments_that_make_no_sense(self, make, message):
        with pytest.raises(ValueError, match=message):
            make()

    @settings(deadline=None)
    @given(st.floats(0, 1), st.floats(0, 360))
    def test_modulation_keeps_the_mean_over_a_cycle_and_is_greatest_at_its_phase(self, depth, phase):
        time = np.arange(200.0)
        found = phase_modulation(time, [phase], frequency=5.0, depth=depth)[0]
        assert found.mean() == pytest.approx(1)
        assert found.min() >= -1e-12
        assert found.max() / max(found.min(), 1e-300) >= 1
        if depth > 0.01:
            # A bound of half a sample: 0.9 degrees of a cycle of 200 ms.
            distance = (time[found.argmax()] * 1.8 - phase + 180) % 360 - 180
            assert abs(distance) <= 0.9 + 1e-6

    def test_the_oscillation_travels(self):
        found = phase_modulation(
            TIME, [0.0, 0.0], frequency=5.0, depth=1.0, position=[0.0, 1000.0], slope=18.0, offset=0.0
        )
        np.testing.assert_allclose(found[1, 10:], found[0, :-10], atol=1e-9)

    def test_preferred_phases_lie_about_the_middle_of_their_range(self):
        found = preferred_phases(np.arange(5000), (100, 200), seed=1, population="PYR")
        sd = 50 / np.sqrt(2 * np.log(100))
        assert stats.kstest(found, stats.norm(150, sd).cdf).pvalue > 1e-3
        around = preferred_phases(np.arange(5000), (300, 420), seed=1, population="PYR")
        assert (around >= 0).all()
        assert (around < 360).all()
        assert (around < 90).mean() == pytest.approx(0.5, abs=0.04)

    def test_the_ramp_is_half_a_hann_window(self):
        np.testing.assert_allclose(
            equilibration_ramp([-250.0, -125.0, 0.0, 10.0]), [0, 0.5, 1, 1], atol=1e-15
        )
        np.testing.assert_array_equal(equilibration_ramp([0.0, 1.0]), [1, 1])


def draw(rates, n_cells=1, **more):
    cells = more.pop("cells", np.arange(n_cells))
    return input_spikes(TIME, rates, cells, **{"seed": 1, "population": "STIM"} | more)


class TestSpikes:
    def test_a_constant_rate_is_a_poisson_process(self):
        found = draw(np.full(1001, 40.0), 2000)
        counts = np.diff(found.offsets)
        assert abs(counts.mean() - 40) < 4 * np.sqrt(40 / 2000)
        assert counts.var() == pytest.approx(40, rel=0.13)
        assert stats.kstest(found.time[:20_000] / 1000, "uniform").pvalue > 1e-3
        assert (found.time >= 0).all()
        assert (found.time < 1000).all()

    def test_times_are_real_numbers(self):
        """On a grid of 1 ms intervals would be whole, or the rate too high, as MiV-Simulator's 83 Hz for 80."""
        found = draw(np.full(1001, 80.0), 3000, refractory=3.0)
        assert stats.kstest(found.time[:20_000] % 1.0, "uniform").pvalue > 1e-3
        # The first spike comes as if none were before: 0.24 of a refractory period earlier, of 1 s.
        assert len(found.time) / 3000 == pytest.approx(80, abs=0.3)

    def test_a_changing_rate_by_its_integral(self):
        """Times through the integral of the rate are those of a process of rate 1."""
        rates = 50 + 50 * np.cos(TIME / 60)
        found = draw(rates, 1000)
        integral = np.concatenate([[0], np.cumsum((rates[1:] + rates[:-1]) / 2)])
        whole = np.floor(found.time).astype(int)
        part = found.time - whole
        mass = integral[whole] + rates[whole] * part + (rates[whole + 1] - rates[whole]) * part**2 / 2
        assert len(found.time) == pytest.approx(integral[-1] / 1000 * 1000, rel=0.02)
        assert stats.kstest(mass[:20_000] / integral[-1], "uniform").pvalue > 1e-3

    def test_the_refractory_period_is_kept_and_the_rate_with_it(self):
        found = draw(np.full(1001, 100.0), 500, refractory=4.0)
        gaps = np.diff(found.time)[np.diff(found.node_id) == 0]
        assert gaps.min() >= 4
        # Beyond it intervals are exponential; those that end with the trial would be longer.
        beyond = gaps[gaps < 16] - 4
        assert stats.kstest(beyond[:20_000], stats.truncexpon(b=2, scale=6).cdf).pvalue > 1e-3
        assert len(found.time) / 500 == pytest.approx(100, rel=0.02)

    def test_each_cell_has_its_rate_and_zero_is_silent(self):
        rates = np.stack([np.zeros(1001), np.full(1001, 20.0), np.where(TIME < 500, 0.0, 200.0)])
        found = draw(rates, cells=[4, 5, 6], n_trials=50)
        counts = np.bincount(found.node_id, minlength=7)[4:]
        assert counts[0] == 0
        assert counts[1] == pytest.approx(1000, abs=130)
        assert counts[2] == pytest.approx(5000, abs=290)
        assert found.time[found.node_id == 6].min() >= 499

    def test_trials_are_a_column_and_each_is_drawn_alone(self):
        rates = np.full(1001, 30.0)
        both = draw(rates, 3, n_trials=5)
        assert np.unique(both.trial).tolist() == [0, 1, 2, 3, 4]
        order = np.lexsort((both.time, both.trial, both.node_id))
        np.testing.assert_array_equal(order, np.arange(len(order)))
        alone = draw(rates, cells=[2], first_trial=3)
        np.testing.assert_array_equal(alone.time, both.time[(both.node_id == 2) & (both.trial == 3)])
        assert not np.isin(draw(rates, seed=2).time, both.time).any()

    @settings(deadline=None)
    @given(st.permutations(range(6)), st.integers(1, 6))
    def test_a_cells_spikes_depend_on_nothing_else(self, order, n):
        rates = np.random.default_rng(1).uniform(0, 100, (6, 1001))
        all_of_them, some = draw(rates, 6), draw(rates[order[:n]], cells=order[:n])
        for k, cell in enumerate(order[:n]):
            np.testing.assert_array_equal(
                some.time[slice(*some.offsets[k : k + 2])],
                all_of_them.time[slice(*all_of_them.offsets[cell : cell + 2])],
            )

    def test_any_number_of_threads_gives_the_same(self, monkeypatch):
        rates, found = np.full(1001, 60.0), []
        for threads in (1, 5):
            monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
            found.append(draw(rates, 33, n_trials=2, refractory=2.0))
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize(
        ("rates", "more", "message"),
        [
            (np.full(1001, -1.0), {}, "the rate of row 0 at 0.0 ms is -1.0 Hz"),
            (np.full(1001, 400.0), {"refractory": 2.5}, "below one spike in 2.5 ms"),
            (np.full(1000, 1.0), {}, "rates have shape"),
            (np.full((2, 1001), 1.0), {}, "rates have shape"),
            (np.full(1001, 1.0), {"n_trials": -1}, "expected 0 or more"),
            (np.full(1001, np.nan), {}, "the rate of row 0"),
        ],
    )
    def test_arguments_that_make_no_sense(self, rates, more, message):
        with pytest.raises(ValueError, match=message):
            draw(rates, **more)

    def test_times_that_do_not_rise(self):
        with pytest.raises(ValueError, match="time does not rise"):
            input_spikes([0.0, 0.0], [1.0, 1.0], [0], seed=1, population="a")
