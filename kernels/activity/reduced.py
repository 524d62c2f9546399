"""What a reduced model does with its kernel: weigh activity at every time, and look up how likely a spike is."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import line
from ..jit import jit, over_rows

_TYPES = frozenset(map(np.dtype, ("uint16", "uint32", "int64", "float32", "float64")))


def causal_convolution(
    activity: ArrayLike, kernel: ArrayLike, *, out: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Weigh the activity of each trial before and at every time by a kernel.

    Parameters
    ----------
    activity
        Counts per bin, shape (n_trials, n_time), of any real type. What came before the first bin is taken as 0.
    kernel
        Weights, shape (width,), from the oldest bin to the newest, as a model's coefficients for a window.
    out
        float64[n_trials, n_time] to add to: the groups of a model are added one after another.

    Returns
    -------
    numpy.ndarray
        float64[n_trials, n_time] of ``sum(activity[trial, t - width + 1 + k] * kernel[k])`` over k; *out* itself if
        it was given. At the last bin of a window it is the model's value for that window.

    Raises
    ------
    ValueError
        If shapes or types do not match, or a weight is not finite.
    """
    counts, weights = np.asarray(activity), line("kernel", kernel)
    if counts.ndim != 2:
        raise ValueError(f"activity has shape {counts.shape}; expected (n_trials, n_time)")
    wrong = np.flatnonzero(~np.isfinite(weights))
    if wrong.size:
        raise ValueError(f"kernel[{wrong[0]}] is {weights[wrong[0]]}; expected a finite weight")
    counts = np.ascontiguousarray(counts, counts.dtype if counts.dtype in _TYPES else np.float64)
    total = np.zeros(counts.shape) if out is None else out
    if total.shape != counts.shape or total.dtype != np.float64:
        raise ValueError(f"out is {total.dtype}{list(total.shape)}; expected float64{list(counts.shape)}")
    over_rows(partial(_convolve, counts, weights, total), len(counts), counts.size)
    return total


@dataclass(frozen=True, eq=False)
class Lookup:
    """Probability of a spike for each whole value of a model.

    Attributes
    ----------
    first
        The value that ``probability[0]`` belongs to; the next ones follow in steps of 1.
    probability
        float64[n_values].
    """

    first: int
    probability: NDArray[np.float64]

    def __call__(self, values: ArrayLike) -> NDArray[np.float64]:
        """Probability at the nearest whole value, beyond the table that of its end; `ValueError` at NaN."""
        given = np.asarray(values, np.float64)
        unknown = np.argwhere(np.isnan(given))
        if len(unknown):
            raise ValueError(f"values[{', '.join(map(str, unknown[0]))}] is NaN; expected a number")
        place = np.clip(np.round(given) - self.first, 0, len(self.probability) - 1)
        return self.probability[place.astype(np.int64)]


def spike_lookup(values: ArrayLike, spike: ArrayLike, *, step: int = 5) -> Lookup:
    """Compute how often trials of each value of a model had a spike.

    Parameters
    ----------
    values
        Value of the model for each trial, shape (n_trials,).
    spike
        Whether the trial had a spike, bool[n_trials].
    step
        Trials are put together by ``round(value / step) * step``.

    Returns
    -------
    Lookup
        The share of spikes at those values, linear between them. It reaches 30 % of their range beyond both
        ends: from 0 at its first value up to the first share, and constant past the last.

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite, step is not positive, or all values fall together.

    Notes
    -----
    The lookup series of ISF's ``ReducedLdaModel``. Where its range ends before the last share, ours ends with it.
    """
    scores, spikes = line("values", values), np.asarray(spike)
    if spikes.shape != scores.shape or spikes.dtype != np.bool_:
        raise ValueError(f"spike is {spikes.dtype}{list(spikes.shape)}; expected bool[{len(scores)}]")
    wrong = np.flatnonzero(~np.isfinite(scores))
    if wrong.size:
        raise ValueError(f"values[{wrong[0]}] is {scores[wrong[0]]}; expected a finite number")
    if step < 1:
        raise ValueError(f"step is {step}; expected 1 or more")
    keys, key = np.unique(np.round(scores / step).astype(np.int64) * step, return_inverse=True)
    if len(keys) < 2:
        raise ValueError(
            f"values fall into {len(keys)} bin of {step}; expected two at least: use a smaller step"
        )
    shares = np.bincount(key, spikes) / np.bincount(key)
    margin = 0.3 * (keys[-1] - keys[0])
    index = np.arange(int(keys[0] - margin), max(int(keys[-1] + margin), keys[-1] + 1))
    if index[0] < keys[0]:
        keys, shares = np.append(index[0], keys), np.append(0.0, shares)
    return Lookup(int(index[0]), np.interp(index, keys, shares))


@jit
def _convolve(
    activity: NDArray[Any], kernel: NDArray[np.float64], out: NDArray[np.float64], begin: int, end: int
) -> None:
    n_time, width = activity.shape[1], len(kernel)
    for row in range(begin, end):
        for back in range(min(width, n_time)):
            weight, sums = kernel[width - 1 - back], out[row, back:]
            for t in range(n_time - back):
                sums[t] += weight * activity[row, t]
