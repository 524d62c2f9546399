"""Mean, standard deviation and quantiles of voltage traces over trials.

Accumulators take blocks of trials ``[trial, time]``, as many as fit into memory, and add them to what they hold:
``update`` and ``merge`` change the accumulator and return it. Parts that were made apart, on other machines for
example, are merged. NaN is a sample that was not taken: it is left out at its time and nowhere else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import line, traces
from ..jit import jit, over_rows

_TILE = 512  # samples: the sums of a tile stay in the innermost cache
_SORTED_TILE = 64


class MeanSd(NamedTuple):
    """Number, mean and standard deviation of the samples of each time point.

    Attributes
    ----------
    n
        Number of samples counted, int64[n_time].
    mean, sd
        Their mean and standard deviation in mV, float64[n_time].
    """

    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]


@dataclass(eq=False)
class Moments:
    """Running mean and variance of each time point.

    Attributes
    ----------
    count
        Samples seen that are not NaN, int64[n_time].
    mean
        Their mean in mV, float64[n_time]; 0 before the first.
    squares
        Sum of their squared deviations from it, float64[n_time].

    Notes
    -----
    A block is summed in float64 as deviations from its first sample; blocks are joined after Chan, Golub & LeVeque
    (1983). Neither loses digits to a mean that is large beside the deviations. An infinite sample makes the figures
    of its time infinite or NaN.
    """

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def empty(cls, n_time: int) -> "Moments":
        """Make an accumulator without trials.

        Parameters
        ----------
        n_time
            Number of samples of a trial.
        """
        return cls(np.zeros(n_time, np.int64), np.zeros(n_time), np.zeros(n_time))

    def update(self, voltage: ArrayLike) -> "Moments":
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
        return self.update_parts([voltage])

    def update_parts(self, parts: Iterable[ArrayLike], room: NDArray[np.float64] | None = None) -> "Moments":
        """Add trials that come part by part, as `update` adds them at once: to the same last digit.

        Parameters
        ----------
        parts
            Voltages in mV, each of shape (n_trials, n_time), float32 or float64; each may be overwritten by the next.
        room
            Memory for sums, float64[4, n_time], which is overwritten; fresh by default, which costs as much as some trials.

        Raises
        ------
        ValueError
            The number of times is another, or *room* is of another shape or type.
        """
        n_time = len(self.count)
        sums = np.empty((4, n_time)) if room is None else room
        if sums.shape != (4, n_time) or sums.dtype != np.float64:
            raise ValueError(f"room is {sums.dtype}{list(sums.shape)}; expected float64[4, {n_time}]")
        sums[...] = 0
        seen, origin, total, square = sums
        for voltage in parts:
            rows = traces("voltage", voltage)
            if rows.shape[1] != n_time:
                raise ValueError(f"voltage has shape {rows.shape}; expected (n_trials, {n_time})")
            over_rows(partial(_add, rows, seen, origin, total, square), n_time, rows.size)
        share = np.maximum(seen, 1)
        # All are 0 where nothing was seen.
        with np.errstate(invalid="ignore"):
            squares = np.fmax(0.0, square - total * total / share)
        return self.merge(Moments(seen.astype(np.int64), origin + total / share, squares))

    def merge(self, other: "Moments") -> "Moments":
        """Add what another accumulator has seen.

        Parameters
        ----------
        other
            The other accumulator.

        Raises
        ------
        ValueError
            Its number of times is another.
        """
        if other.count.shape != self.count.shape:
            raise ValueError(f"other has {len(other.count)} times; expected {len(self.count)}")
        total = self.count + other.count
        share = other.count / np.maximum(total, 1)
        apart = other.mean - self.mean
        self.squares += other.squares + apart * apart * share * self.count
        self.mean += apart * share
        self.count[:] = total
        return self

    def finish(self, *, ddof: int = 0) -> MeanSd:
        """Return mean and standard deviation; NaN where no sample was seen, the latter where *ddof* or fewer were.

        Parameters
        ----------
        ddof
            The divisor of the variance is ``count - ddof``: 0 as in NumPy, 1 as in pandas.
        """
        mean = np.where(self.count > 0, self.mean, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            sd = np.sqrt(self.squares / (self.count - ddof))
        return MeanSd(self.count.copy(), mean, np.where(self.count > ddof, sd, np.nan))


def quantiles(voltage: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """Quantiles over trials at each time point, exactly.

    All trials are needed at once, but not all times: read ``[every trial, some times]`` block by block.
    `neurolake.kernels.traces.density.VoltageDensity` estimates quantiles to within a bin from blocks of trials.

    Parameters
    ----------
    voltage
        Voltages in mV, shape (n_trials, n_time), float32 or float64; NaN is left out.
    q
        Quantiles in [0, 1], shape (n_q,).

    Returns
    -------
    numpy.ndarray
        float64[n_q, n_time]; NaN at times without a sample.

    Raises
    ------
    ValueError
        If shapes do not match, or a quantile is out of range.

    Notes
    -----
    Between two samples as ``numpy.nanquantile`` with ``method="linear"``, in float64.
    """
    rows, asked = traces("voltage", voltage), checked_quantiles(q)
    found = np.full((len(asked), rows.shape[1]), np.nan)
    if len(rows):
        over_rows(partial(_quantiles, rows, asked, found), rows.shape[1], rows.size)
    return found


def checked_quantiles(q: ArrayLike) -> NDArray[np.float64]:
    """Return quantiles as float64[n_q], checked.

    Parameters
    ----------
    q
        Quantiles between 0 and 1, shape (n_q,) or one.

    Raises
    ------
    ValueError
        A quantile is not between 0 and 1.
    """
    asked = line("q", q)
    wrong = np.flatnonzero(~((asked >= 0) & (asked <= 1)))
    if wrong.size:
        raise ValueError(f"q[{wrong[0]}] is {asked[wrong[0]]}; expected 0 <= q <= 1")
    return asked


def _quantiles(
    voltage: NDArray[Any], q: NDArray[np.float64], found: NDArray[np.float64], begin: int, end: int
) -> None:
    for start in range(begin, end, _SORTED_TILE):
        stop = min(start + _SORTED_TILE, end)
        ordered = np.ascontiguousarray(voltage[:, start:stop].T)
        ordered.sort(axis=1)  # NumPy's sort is SIMD, needs no GIL, and puts NaN last
        last = len(voltage) - 1 - np.isnan(ordered).sum(axis=1)
        place = q[:, None] * np.maximum(last, 0)
        lower = np.floor(place).astype(np.int64)
        columns = np.arange(stop - start)
        low = ordered[columns, lower].astype(np.float64)
        high = ordered[columns, np.minimum(lower + 1, np.maximum(last, 0))].astype(np.float64)
        found[:, start:stop] = np.where(last >= 0, _between(low, high, place - lower), np.nan)


def _between(
    low: NDArray[np.float64], high: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Linear, and from the nearer end, so that it is monotonic and ends at both ends."""
    apart = high - low
    return np.where(share < 0.5, low + apart * share, high - apart * (1 - share))


@jit
def _add(
    voltage: NDArray[Any],
    seen: NDArray[np.float64],
    origin: NDArray[np.float64],
    total: NDArray[np.float64],
    square: NDArray[np.float64],
    begin: int,
    end: int,
) -> None:
    """Number, sum and sum of squares of deviations from the first sample of each time, which is noted when it comes."""
    for start in range(begin, end, _TILE):
        stop = min(start + _TILE, end)
        for i in range(start, stop):
            if seen[i] == 0.0:
                origin[i] = _first_sample(voltage[:, i])
        sums = origin[start:stop], total[start:stop], square[start:stop], seen[start:stop]
        row = 0
        # Sums are loaded and stored once for four trials.
        while row + 4 <= len(voltage):
            one, two = voltage[row, start:stop], voltage[row + 1, start:stop]
            _add_four(one, two, voltage[row + 2, start:stop], voltage[row + 3, start:stop], *sums)
            row += 4
        while row < len(voltage):
            _add_one(voltage[row, start:stop], *sums)
            row += 1


@jit
def _deviation(sample: Any, origin: float) -> tuple[float, float]:
    """How far a sample is from the origin, and 1; twice 0 for NaN."""
    taken = not np.isnan(sample)
    return (np.float64(sample) - origin if taken else 0.0), (1.0 if taken else 0.0)


@jit
def _add_one(
    trace: NDArray[Any],
    origin: NDArray[np.float64],
    total: NDArray[np.float64],
    square: NDArray[np.float64],
    seen: NDArray[np.float64],
) -> None:
    for i in range(len(trace)):
        apart, taken = _deviation(trace[i], origin[i])
        total[i] += apart
        square[i] += apart * apart
        seen[i] += taken


@jit
def _add_four(
    one: NDArray[Any],
    two: NDArray[Any],
    three: NDArray[Any],
    four: NDArray[Any],
    origin: NDArray[np.float64],
    total: NDArray[np.float64],
    square: NDArray[np.float64],
    seen: NDArray[np.float64],
) -> None:
    for i in range(len(total)):
        a, m = _deviation(one[i], origin[i])
        b, n = _deviation(two[i], origin[i])
        c, o = _deviation(three[i], origin[i])
        d, p = _deviation(four[i], origin[i])
        # In the order of the trials, one by one.
        total[i] = (((total[i] + a) + b) + c) + d
        square[i] = (((square[i] + a * a) + b * b) + c * c) + d * d
        seen[i] += m + n + o + p


@jit
def _first_sample(column: NDArray[Any]) -> float:
    for value in column:
        if not np.isnan(value):
            return np.float64(value)
    return 0.0
