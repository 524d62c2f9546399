"""Voltage density: how often each voltage was seen at each time, a histogram that trials are added to."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..bins import even_width, find_bins, tally
from ..checks import traces
from ..jit import jit, over_rows
from .voltages import checked_quantiles

_TILE = 32  # samples: their histograms stay in the second cache while trials go by


@dataclass(eq=False)
class VoltageDensity:
    """Histogram of voltages over trials for each time point.

    ``update`` and ``merge`` change the accumulator and return it.

    Attributes
    ----------
    edges
        Edges of the voltage bins in mV, float64[n_bins + 1]; bins as those of ``numpy.histogram``.
    counts
        Trials in each bin, uint32[n_time, n_bins].
    below, above
        Trials beyond the edges, int64[n_time]. NaN is counted nowhere.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.uint32]
    below: NDArray[np.int64]
    above: NDArray[np.int64]

    @classmethod
    def empty(
        cls, n_time: int, *, v_min: float = -100.0, v_max: float = 50.0, width: float = 0.05
    ) -> "VoltageDensity":
        """Make an accumulator without trials; the default bins are those of the In Silico Framework.

        Parameters
        ----------
        n_time
            Number of samples of a trial.
        v_min, v_max
            Lowest and highest edge of the bins in mV.
        width
            Width of a bin in mV; *v_min* to *v_max* must be a whole number of them.

        Raises
        ------
        ValueError
            The bins make no sense.
        """
        if not (np.isfinite([v_min, v_max, width]).all() and v_min < v_max and width > 0):
            raise ValueError(
                f"bins of {width} mV from {v_min} to {v_max}: expected finite v_min < v_max, width > 0"
            )
        n_bins = round((v_max - v_min) / width)
        if n_bins < 1 or abs(n_bins * width - (v_max - v_min)) > 1e-6 * width:
            raise ValueError(f"{v_min} to {v_max} mV is no whole number of bins of {width} mV")
        edges = np.linspace(v_min, v_max, n_bins + 1)
        outside = np.zeros((2, n_time), np.int64)
        return cls(edges, np.zeros((n_time, n_bins), np.uint32), *outside)

    def update(self, voltage: ArrayLike) -> "VoltageDensity":
        """Add trials.

        Parameters
        ----------
        voltage
            Voltages in mV, shape (n_trials, n_time), float32 or float64.

        Raises
        ------
        ValueError
            The number of times is another.
        """
        rows = traces("voltage", voltage)
        if rows.shape[1] != len(self.counts):
            raise ValueError(f"voltage has shape {rows.shape}; expected (n_trials, {len(self.counts)})")
        kernel = partial(_add, rows, self.edges, even_width(self.edges), self.counts, self.below, self.above)
        over_rows(kernel, rows.shape[1], rows.size)
        return self

    def merge(self, other: "VoltageDensity") -> "VoltageDensity":
        """Add what another accumulator has seen.

        Parameters
        ----------
        other
            The other accumulator.

        Raises
        ------
        ValueError
            Its times or bins differ.
        """
        if other.counts.shape != self.counts.shape or not np.array_equal(other.edges, self.edges):
            raise ValueError(
                f"other has {len(other.counts)} times and {len(other.edges) - 1} bins from {other.edges[0]} to "
                f"{other.edges[-1]} mV; expected those of this one"
            )
        self.counts += other.counts
        self.below += other.below
        self.above += other.above
        return self

    def finish(self) -> NDArray[np.float64]:
        """Probability density of the voltage at each time in 1/mV, float64[n_time, n_bins]; NaN without samples.

        Samples beyond the edges count in the whole, so that a row sums to one only if there are none.
        """
        with np.errstate(invalid="ignore"):
            shares = self.counts / self._samples()[:, None]
        return shares / np.diff(self.edges)

    def quantiles(self, q: ArrayLike) -> NDArray[np.float64]:
        """Return quantiles over trials at each time in mV, to within a bin, float64[n_q, n_time].

        The voltage up to which a share *q* of the samples lies, samples spread evenly over their bin. -inf or inf
        if it lies beyond the edges, NaN at times without a sample.

        Parameters
        ----------
        q
            Quantiles between 0 and 1, shape (n_q,).

        Raises
        ------
        ValueError
            A quantile is not between 0 and 1.
        """
        asked = checked_quantiles(q)
        found = np.full((len(asked), len(self.counts)), np.nan)
        _quantiles(self.counts, self.edges, self.below, self._samples(), asked, found)
        return found

    def _samples(self) -> NDArray[np.int64]:
        inside: NDArray[np.int64] = self.counts.sum(axis=1, dtype=np.int64)
        return inside + self.below + self.above


@jit
def _add(
    voltage: NDArray[Any],
    edges: NDArray[np.float64],
    width: float,
    counts: NDArray[np.uint32],
    below: NDArray[np.int64],
    above: NDArray[np.int64],
    begin: int,
    end: int,
) -> None:
    flat, n_bins = counts.reshape(-1), counts.shape[1]
    bins, position = np.empty(_TILE, np.int32), np.empty(_TILE, np.int64)
    for start in range(begin, end, _TILE):
        n = min(_TILE, end - start)
        for row in range(len(voltage)):
            trace = voltage[row, start : start + n]
            find_bins(trace, edges, width, bins)
            for i in range(n):
                position[i] = (start + i) * n_bins + bins[i] if bins[i] >= 0 else -1
                below[start + i] += int(trace[i] < edges[0])
                above[start + i] += int(trace[i] > edges[-1])
            tally(flat, position[:n], 1 << 62)


@jit
def _quantiles(
    counts: NDArray[np.uint32],
    edges: NDArray[np.float64],
    below: NDArray[np.int64],
    samples: NDArray[np.int64],
    q: NDArray[np.float64],
    found: NDArray[np.float64],
) -> None:
    for i in range(len(counts)):
        for k in range(len(q)):
            if samples[i] > 0:
                found[k, i] = _quantile(counts[i], edges, below[i], q[k] * samples[i])


@jit
def _quantile(counts: NDArray[np.uint32], edges: NDArray[np.float64], below: int, target: float) -> float:
    if below > 0 and target <= below:
        return -np.inf
    before = np.float64(below)
    for k in range(len(counts)):
        if counts[k] > 0 and before + counts[k] >= target:
            return edges[k] + (edges[k + 1] - edges[k]) * (target - before) / counts[k]  # type: ignore[no-any-return]
        before += counts[k]
    return np.inf
