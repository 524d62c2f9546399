"""Spike-triggered averages: the mean course of a voltage around spikes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import codes, event_times, rising, traces
from .voltages import MeanSd, Moments

_BATCH = 1024  # windows copied at a time


@dataclass(eq=False)
class TriggeredAverage:
    """Mean and standard deviation of the windows around spikes; trials are added block by block.

    ``update`` and ``merge`` change the accumulator and return it.

    Attributes
    ----------
    before, after
        A window is the *before* samples before the spike's sample, that sample, and the *after* samples after it.
    moments
        Moments of the windows so far.
    n_used, n_dropped
        Windows in it, and windows that would leave the trace and are left out.
    """

    before: int
    after: int
    moments: Moments
    n_used: int = 0
    n_dropped: int = 0

    @classmethod
    def empty(cls, before: int, after: int) -> "TriggeredAverage":
        """Make an accumulator without spikes.

        Parameters
        ----------
        before, after
            Number of samples of a window before the spike's sample, and after it.

        Raises
        ------
        ValueError
            A number is negative.
        """
        if before < 0 or after < 0:
            raise ValueError(f"window of {before} samples before and {after} after; expected 0 or more")
        return cls(before, after, Moments.empty(before + 1 + after))

    def update(
        self, voltage: ArrayLike, sample_times: ArrayLike, trial: ArrayLike, time: ArrayLike
    ) -> "TriggeredAverage":
        """Add the spikes of a block of trials.

        Parameters
        ----------
        voltage
            Voltages in mV, shape (n_trials, n_time), float32 or float64. NaN is left out of its sample's mean.
        sample_times
            Times of the samples in ms, shape (n_time,), not decreasing.
        trial, time
            Row of *voltage* of each spike, and its time in ms, shape (n_spikes,), in any order. The spike's
            sample is the first one at or after that time.

        Raises
        ------
        ValueError
            If shapes do not match, a trial has no row, times are NaN or sample times decrease.
        """
        rows, samples = traces("voltage", voltage), rising("sample_times", sample_times)
        if rows.shape[1] != len(samples):
            raise ValueError(
                f"voltage has shape {rows.shape}, sample_times {samples.shape}; expected (n_trials, n_time)"
            )
        moment = event_times("time", time)
        trials = codes("trial", trial, len(rows), len(moment))
        centre = np.searchsorted(samples, moment)
        whole = (centre >= self.before) & (centre + self.after < len(samples))
        self.n_used += int(whole.sum())
        self.n_dropped += int((~whole).sum())
        self._add(rows, trials[whole], centre[whole])
        return self

    def merge(self, other: "TriggeredAverage") -> "TriggeredAverage":
        """Add what another accumulator has seen.

        Parameters
        ----------
        other
            The other accumulator.

        Raises
        ------
        ValueError
            Its windows have other lengths.
        """
        if (other.before, other.after) != (self.before, self.after):
            raise ValueError(
                f"other has windows of {other.before} + 1 + {other.after} samples; "
                f"expected {self.before} + 1 + {self.after}"
            )
        self.moments.merge(other.moments)
        self.n_used += other.n_used
        self.n_dropped += other.n_dropped
        return self

    def finish(self, *, ddof: int = 0) -> MeanSd:
        """Return the windows counted, mean and standard deviation at each sample from *before* to *after* the spike's.

        Parameters
        ----------
        ddof
            The divisor of the variance is n - ddof: 0 as in NumPy, 1 as in pandas.
        """
        return self.moments.finish(ddof=ddof)

    def _add(self, voltage: NDArray[Any], trial: NDArray[Any], centre: NDArray[np.int64]) -> None:
        window = np.arange(-self.before, self.after + 1)
        for start in range(0, len(centre), _BATCH):
            batch = slice(start, start + _BATCH)
            self.moments.update(voltage[trial[batch, None], centre[batch, None] + window])
