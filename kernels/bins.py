"""The bin that a number falls into, and counting there: the inner loops of all histograms.

Bins are left-closed, the last one right-closed, as in ``numpy.histogram``. Work goes in blocks of `BLOCK` numbers
that stay in the innermost cache: bins are found by loops without branches, which vectorise, then counted one by
one, which cannot.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import rising
from .jit import jit

BLOCK = 1024


def checked_edges(values: ArrayLike) -> NDArray[np.float64]:
    """Return bin edges as float64, checked.

    Parameters
    ----------
    values
        Edges, shape (n_bins + 1,), not decreasing.

    Raises
    ------
    ValueError
        There are none, one is NaN, or they decrease.
    """
    edges = rising("edges", values)
    if not edges.size:
        raise ValueError("edges are empty; expected n_bins + 1 of them")
    return edges


def even_width(edges: NDArray[np.float64]) -> float:
    """Return the w with which ``edges[k] == edges[0] + k * w`` to the last bit but in the last edge; 0 if there is none.

    ``numpy.arange`` and ``numpy.linspace`` make such edges.

    Parameters
    ----------
    edges
        Edges of bins, float64[n_bins + 1], not decreasing.
    """
    if len(edges) < 2 or not np.isfinite(edges[[0, -1]]).all():
        return 0.0
    for width in (edges[1] - edges[0], (edges[-1] - edges[0]) / (len(edges) - 1)):
        # Where rounding is not small beside a bin, `find_bins` could guess more than one bin wrong.
        if width > 1e6 * np.spacing(np.abs(edges[[0, -1]]).max()):
            even = edges[0] + np.arange(len(edges)) * width
            if np.array_equal(even[:-1], edges[:-1]) and abs(even[-1] - edges[-1]) < width / 2:
                return float(width)
    return 0.0


@jit
def find_bins(
    values: NDArray[Any], edges: NDArray[np.float64], width: float, bins: NDArray[np.int32]
) -> None:
    """Write the bin of each value, -1 outside of the edges and for NaN.

    Parameters
    ----------
    values
        The values, shape (n,), in the unit of the edges.
    edges
        Edges of the bins, float64[n_bins + 1], not decreasing.
    width
        Their `even_width`.
    bins
        Gets the number of the bin of each value, int32[n].
    """
    if width > 0.0:
        _find_even_bins(values, edges[0], edges[-1], width, len(edges) - 2.0, bins)
    else:
        for i in range(len(values)):
            bins[i] = _search(np.float64(values[i]), edges)


@jit
def _find_even_bins(
    values: NDArray[Any], first: float, final: float, width: float, last: float, bins: NDArray[np.int32]
) -> None:
    inverse = 1.0 / width
    for i in range(len(values)):
        value = np.float64(values[i])
        bin_ = np.floor((value - first) * inverse)
        # Rounding may put the guess next to the right bin; the edges themselves decide.
        bin_ -= 1.0 if value < first + bin_ * width else 0.0
        bin_ += 1.0 if value >= first + (bin_ + 1.0) * width else 0.0
        bin_ = min(last, bin_)
        bins[i] = np.int32(bin_ if (value >= first) & (value <= final) else -1.0)


@jit
def _search(value: float, edges: NDArray[np.float64]) -> int:
    if len(edges) < 2 or not (edges[0] <= value <= edges[-1]):
        return -1
    first, n = 0, len(edges) - 1
    while n > 1:
        half = n // 2
        first += half * int(edges[first + half] <= value)
        n -= half
    return first


@jit
def tally(counts: NDArray[Any], position: NDArray[np.int64], limit: int) -> int:
    """Add 1 at each position that is not negative; return a position where the count passed *limit*, or -1.

    Parameters
    ----------
    counts
        The counts to add to, integers, shape (n_counts,).
    position
        Where to add, int64[n]; negative positions are skipped.
    limit
        Greatest count that is allowed.
    """
    full = -1
    for i in range(len(position)):
        if position[i] >= 0:
            place = np.uint64(position[i])  # unsigned: no test for an index from the end
            count = counts[place] + 1
            if count > limit:
                full = int(position[i])
            counts[place] = count
    return full
