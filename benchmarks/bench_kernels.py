"""How fast kernels are, beside NumPy, pandas and elephant in the same run, and beside the speed of memory."""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial

import numpy as np
from activity import (
    DT,
    EDGES,
    N_POPULATIONS,
    Activations,
    activations,
    count_with_pandas,
    traces,
    wide_frame,
)
from measure import Figures, Timing, interleaved

from neurolake.kernels.activity.activations import activation_counts
from neurolake.kernels.activity.binning import psth
from neurolake.kernels.activity.spatial import distance_bins, spatiotemporal_counts
from neurolake.kernels.jit import jit, over_rows
from neurolake.kernels.traces.density import VoltageDensity
from neurolake.kernels.traces.raster import trace_raster
from neurolake.kernels.traces.voltages import Moments, quantiles
from neurolake.kernels.trains.rates import bayesian_rates
from neurolake.kernels.trains.spikes import threshold_crossings
from neurolake.kernels.trains.trains import interspike_intervals

# Rows per second of one core in ISF, recorded earlier and not in this run: its rows are synapses.
ISF_RECORDED = {
    "EI": 344_000,
    "EI x distance": 95_000,
    "cell type x column": 32_000,
    "spatiotemporal": 276_000,
}
Work = Callable[[], object]


class Bench:
    """Figures of things that are timed by turns, each as a rate of the units that it works on."""

    def __init__(self, rounds: int) -> None:
        self.figures = Figures("kernels")
        self.rounds = rounds

    def compare(
        self, section: str, unit: str, works: dict[str, tuple[Work, int]], note: str = ""
    ) -> dict[str, float]:
        """Rates of ours, named first, and of others, each on as many units as it is given; and their ratios."""
        for work, _ in works.values():
            work()  # compiled, and in memory
        timings = interleaved({name: work for name, (work, _) in works.items()}, self.rounds)
        rates = {name: n / timings[name].median for name, (_, n) in works.items()}
        ours, *others = works
        self.figures.add_time(section, f"{ours}, {works[ours][1]:,} {unit}", timings[ours], "ms")
        for name, rate in rates.items():
            self.figures.add(
                section, name, rate / 1e6, f"M {unit}/s", note if name == ours else f"{works[name][1]:,}"
            )
        for name in others:
            self.figures.add(section, f"{ours} / {name}", rates[ours] / rates[name], "times")
        return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=18_000, help="traces of 12,000 samples in float32")
    parser.add_argument("--active-trials", type=int, default=4_000, help="of 5,000 synapse activations each")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    bench = Bench(arguments.rounds)
    bench.figures.settings = vars(arguments)
    rows = activations(arguments.active_trials)
    _activations(bench, rows)
    _space(bench, rows)
    del rows
    _traces(bench, traces(arguments.trials))
    _trains(bench)
    _first_calls(bench.figures, arguments.rounds)
    bench.figures.report()


# Activations


def _activations(bench: Bench, rows: Activations) -> None:
    few = rows.first(8)
    frame = wide_frame(few)
    distance = distance_bins(rows.distance)
    groups = {
        "EI": (rows.ei, 2, ["EI"]),
        "EI x distance": ((rows.ei * 27 + distance).astype(np.int8), 54, ["EI", "z"]),
        "cell type x column": (rows.population, N_POPULATIONS, ["cell_type", "column"]),
    }
    for name, (group, n_groups, by) in groups.items():
        n_trials = int(rows.trial[-1]) + 1
        ours = partial(_count, rows, group, n_trials, n_groups)
        reused = np.zeros((n_groups, n_trials, 300), np.uint32)
        pandas = partial(count_with_pandas, frame, ["trial", *by])
        some = rows.first(400)
        code, n_some = group[: len(some.time)], int(some.trial[-1]) + 1
        histogramdd = partial(_histogramdd, some, code, n_groups)
        _same_counts(_count(some, code, n_some, n_groups), histogramdd(), pandas())
        rates = bench.compare(
            f"counts by {name} and trial in bins of 1 ms",
            "rows",
            {
                "neurolake": (ours, len(rows.time)),
                "neurolake, out= given": (
                    partial(_count, rows, group, n_trials, n_groups, reused),
                    len(rows.time),
                ),
                "pandas groupby": (pandas, len(few.time)),
                "np.histogramdd": (histogramdd, len(some.time)),
            },
            f"{8 + 8 + group.itemsize} bytes read of each row: trial int64, time float64, group {group.dtype}",
        )
        _recorded(bench, name, rates["neurolake"])


def _count(
    rows: Activations, group: np.ndarray, n_trials: int, n_groups: int, out: np.ndarray | None = None
) -> np.ndarray:
    return activation_counts(
        rows.trial, group, rows.time, EDGES, n_trials=n_trials, n_groups=n_groups, out=out
    )


def _histogramdd(rows: Activations, group: np.ndarray, n_groups: int) -> np.ndarray:
    edges = [np.arange(n_groups + 1), np.arange(rows.trial[-1] + 2), EDGES]
    return np.histogramdd((group, rows.trial, rows.time), edges)[0]


def _same_counts(ours: np.ndarray, numpy: np.ndarray, pandas: dict) -> None:
    assert np.array_equal(ours, numpy)
    ours = ours[:, :8].transpose(1, 0, 2).reshape(-1, 300)
    theirs = np.array(list(pandas.values()))
    # Groups have other names and so another order there.
    assert sorted(map(bytes, ours[ours.any(axis=1)].astype(int))) == sorted(
        map(bytes, theirs[theirs.any(axis=1)])
    )


def _recorded(bench: Bench, name: str, rate: float) -> None:
    ratio = rate / ISF_RECORDED[name]
    bench.figures.add(
        "recorded earlier, not from this run",
        f"neurolake / ISF: {name}",
        ratio,
        "times",
        f"{ISF_RECORDED[name]:,} rows/s",
    )


def _space(bench: Bench, rows: Activations) -> None:
    some, few = rows.first(200), rows.first(8)
    ours = partial(spatiotemporal_counts, rows.distance, rows.time, EDGES)
    pandas = partial(count_with_pandas, wide_frame(few), ["z"])
    distances = np.arange(27) * 50
    histogram2d = partial(np.histogram2d, some.distance, some.time, (distances, EDGES))
    assert np.array_equal(spatiotemporal_counts(some.distance, some.time, EDGES), histogram2d()[0])
    assert np.array_equal(spatiotemporal_counts(few.distance, few.time, EDGES), list(pandas().values()))
    rates = bench.compare(
        "counts by distance (50 µm) and time (1 ms)",
        "rows",
        {
            "neurolake": (ours, len(rows.time)),
            "pandas groupby": (pandas, len(few.time)),
            "np.histogram2d": (histogram2d, len(some.time)),
        },
        "16 bytes read of each row: distance and time float64",
    )
    _recorded(bench, "spatiotemporal", rates["neurolake"])


# Traces


@jit
def _read(words: np.ndarray, begin: int, end: int) -> int:
    total = np.uint64(0)
    for i in range(begin, end):
        total += words[i]
    return total


def _traces(bench: Bench, voltage: np.ndarray) -> None:
    time = np.arange(voltage.shape[1]) * DT
    words, few = voltage.reshape(-1).view(np.uint64), voltage[:200]
    detect, read = (
        partial(threshold_crossings, voltage, time, 0.0),
        partial(over_rows, partial(_read, words), len(words)),
    )
    elephant = _elephant_spikes(few[:20])
    assert len(threshold_crossings(few[:20], time, 0.0).time) == elephant() == len(_numpy_spikes(few[:20])[0])
    rates = bench.compare(
        "spike detection",
        "samples",
        {
            "neurolake": (detect, voltage.size),
            "reading memory": (read, voltage.size),
            "NumPy": (partial(_numpy_spikes, few), few.size),
            "elephant": (elephant, few[:20].size),
        },
        "4 bytes read of each sample",
    )
    share = 100 * rates["neurolake"] / rates["reading memory"]
    bench.figures.add(
        "spike detection", "memory read while reading is all", rates["reading memory"] * 4e-9, "GB/s"
    )
    bench.figures.add("spike detection", "of the speed of reading", share, "%")
    _statistics(bench, voltage, few)
    _drawing(bench, voltage, time)


def _numpy_spikes(voltage: np.ndarray) -> tuple[np.ndarray, ...]:
    return np.nonzero((voltage[:, :-1] < 0) & (voltage[:, 1:] >= 0))


def _elephant_spikes(voltage: np.ndarray) -> Callable[[], int]:
    import neo
    import quantities as pq
    from elephant.spike_train_generation import threshold_detection

    signal = neo.AnalogSignal(voltage.T.astype(float), units="mV", sampling_period=DT * pq.ms)

    def detect() -> int:
        return sum(len(train) for train in threshold_detection(signal, threshold=0.0 * pq.mV))

    return detect


def _statistics(bench: Bench, voltage: np.ndarray, few: np.ndarray) -> None:
    n_time = voltage.shape[1]
    found = Moments.empty(n_time).update(few).finish()
    assert np.allclose(found.mean, few.mean(axis=0, dtype=float)) and np.allclose(
        found.sd, few.std(axis=0, dtype=float)
    )
    bench.compare(
        "mean and SD of each time point",
        "samples",
        {
            "neurolake": (lambda: Moments.empty(n_time).update(voltage), voltage.size),
            "NumPy": (lambda: (few.mean(axis=0, dtype=float), few.std(axis=0, dtype=float)), few.size),
        },
        "4 bytes read of each sample",
    )
    piece = np.ascontiguousarray(voltage[:, :400])
    assert np.allclose(quantiles(piece, [0.25, 0.5]), np.quantile(piece.astype(float), [0.25, 0.5], axis=0))
    bench.compare(
        "quartiles of each time point, exact",
        "samples",
        {
            "neurolake": (lambda: quantiles(piece, [0.25, 0.5, 0.75]), piece.size),
            "np.quantile": (
                lambda: np.quantile(piece[:, :20], [0.25, 0.5, 0.75], axis=0),
                piece[:, :20].size,
            ),
        },
    )
    density = VoltageDensity.empty(n_time)
    columns = [np.ascontiguousarray(column) for column in voltage[:, :20].T]
    bench.compare(
        "voltage density, 0.05 mV",
        "samples",
        {
            "neurolake": (lambda: density.update(voltage), voltage.size),
            "np.histogram": (
                lambda: [np.histogram(c, 3000, (-100, 50)) for c in columns],
                voltage[:, :20].size,
            ),
        },
    )


def _drawing(bench: Bench, voltage: np.ndarray, time: np.ndarray) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    def draw_with_matplotlib() -> None:
        figure = Figure((10, 5), dpi=120)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(time[0], time[-1]), ylim=(-100, 50))
        axes.add_collection(
            LineCollection([np.column_stack((time, trace)) for trace in voltage[:50]], linewidths=0.5)
        )
        FigureCanvasAgg(figure).draw()

    size = {"width": 1200, "height": 600, "v_min": -100.0, "v_max": 50.0}
    works = {
        "neurolake": (lambda: trace_raster(voltage, time, **size), len(voltage)),
        "matplotlib": (draw_with_matplotlib, 50),
    }
    bench.compare("traces drawn, 1200 x 600 pixels, from memory", "traces", works, "12,000 samples each")


# Trains


def _trains(bench: Bench) -> None:
    import neo
    import quantities as pq
    from elephant.statistics import isi, time_histogram

    rng = np.random.default_rng(0)
    trial = np.repeat(np.arange(18_000), 5)
    time = np.sort(rng.uniform(0, 300, (18_000, 5)), axis=1).ravel()
    trains = [neo.SpikeTrain(row * pq.ms, t_stop=300 * pq.ms) for row in time.reshape(-1, 5)[:500]]
    elephant = partial(time_histogram, trains, bin_size=1 * pq.ms, output="mean")
    assert np.allclose(psth(time[:2500], EDGES, n_trials=500), elephant().magnitude.ravel())
    bench.compare(
        "PSTH of 1 ms, 5 spikes a trial",
        "spikes",
        {
            "neurolake": (partial(psth, time, EDGES, n_trials=18_000), len(time)),
            "np.histogram": (partial(np.histogram, time, EDGES), len(time)),
            "elephant": (elephant, 2500),
        },
    )
    intervals = np.concatenate([isi(train).magnitude for train in trains])
    ours = interspike_intervals(trial[:2500], time[:2500])
    assert np.allclose(ours[~np.isnan(ours)], intervals)
    bench.compare(
        "intervals between spikes",
        "spikes",
        {
            "neurolake": (partial(interspike_intervals, trial, time), len(time)),
            "elephant": (lambda: [isi(train) for train in trains], 2500),
        },
    )
    at = np.arange(0.0, 300.0, 2.0)
    bench.compare(
        "BAKS rates at 150 times, 5 spikes a unit",
        "spikes",
        {"neurolake": (partial(bayesian_rates, trial, time, at, n_units=18_000), len(time))},
    )


# What the first call costs


_IMPORT = "import time; began = time.perf_counter(); import {module}; print(time.perf_counter() - began)"
_FIRST = """
import time, numpy as np
from neurolake.kernels.activity import activations, binning, reduced, spatial
from neurolake.kernels.traces import density, raster, voltages
from neurolake.kernels.trains import bursts, rates, spikes
zero, one = np.zeros(1, int), np.ones(1)
v, t = np.zeros((2, 4), np.float32), np.arange(4.0)
calls = {{
    "threshold_crossings": lambda: spikes.threshold_crossings(v, t, 0.0),
    "activation_counts": lambda: activations.activation_counts(zero, zero, one, t, n_trials=1, n_groups=1),
    "temporal_counts": lambda: binning.temporal_counts(one, t),
    "spatiotemporal_counts": lambda: spatial.spatiotemporal_counts(one, one, t),
    "burst_events": lambda: bursts.burst_events(zero, one),
    "Moments.update": lambda: voltages.Moments.empty(4).update(v),
    "VoltageDensity.update": lambda: density.VoltageDensity.empty(4).update(v),
    "trace_raster": lambda: raster.trace_raster(v, t, width=2, height=2, v_min=-1.0, v_max=1.0),
    "bayesian_rates": lambda: rates.bayesian_rates(zero, one, t, n_units=1),
    "causal_convolution": lambda: reduced.causal_convolution(v, one),
}}
began = time.perf_counter()
calls["{call}"]()
print(time.perf_counter() - began)
"""
_CALLS = (
    "threshold_crossings",
    "activation_counts",
    "temporal_counts",
    "spatiotemporal_counts",
    "burst_events",
    "Moments.update",
    "VoltageDensity.update",
    "trace_raster",
    "bayesian_rates",
    "causal_convolution",
)


def _first_calls(figures: Figures, rounds: int) -> None:
    for module in ("neurolake", "neurolake.kernels", "neurolake.kernels.jit"):
        timing = Timing([_python(_IMPORT.format(module=module), None) for _ in range(rounds)])
        figures.add_time("import in a new process", module, timing, "ms")
    for call in _CALLS:
        with tempfile.TemporaryDirectory() as cache:
            compiled = _python(_FIRST.format(call=call), cache)
            figures.add("first call in a new process", f"{call}, compiled", compiled, "s")
            timing = Timing([_python(_FIRST.format(call=call), cache) for _ in range(rounds)])
        figures.add_time("first call in a new process", f"{call}, from the cache on disk", timing, "ms")


def _python(code: str, cache: str | None) -> float:
    """What a new process prints: seconds."""
    environment = os.environ | ({"NUMBA_CACHE_DIR": cache} if cache else {})
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return float(done.stdout)


if __name__ == "__main__":
    main()
