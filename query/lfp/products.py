"""Products of coefficients and currents that are too large for memory: in blocks of groups, time and segments."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels import lfp
from .matching import Groups

BLOCK_BYTES = 32 * 2**20
"""Of currents, of coefficients and of results that a task holds at a time, each."""

MOST_FRAMES = 4096
_LEAST_FRAMES = 256
_GAP = 64


@dataclass(frozen=True, eq=False)
class Product:
    """A signal to be computed.

    Coefficients are read once for each block of time, which is as long as memory allows: so reading them costs
    little compared with the report, and only a block of each is held at a time.

    Parameters
    ----------
    report, coefficients
        Arrays that can be read box by box: [time, element] and [electrode, segment].
    columns, factor_of
        Elements that count, and the segment of each, int64[N].
    groups
        Groups of those elements.
    scale
        From the report's unit to nA.
    rows
        Times of the report.
    dtype
        Type of the arithmetic and of the result: float32 or float64.
    """

    report: Any
    coefficients: Any
    columns: NDArray[np.int64]
    factor_of: NDArray[np.int64]
    groups: Groups
    scale: float
    rows: slice
    dtype: np.dtype[Any]

    @property
    def n_contacts(self) -> int:
        """Rows of the coefficients."""
        return int(self.coefficients.shape[0])

    def lazy(self) -> Any:
        """Return the signal [group, electrode, time] as a dask array."""
        import dask
        import dask.array as da

        # One object of the graph, which all tasks refer to: it holds the labels of all segments.
        own = dask.delayed(self, traverse=False, pure=False)
        at_a_time, frames = self._sizes()
        whole = []
        for low in range(0, len(self.groups), at_a_time):
            high = min(low + at_a_time, len(self.groups))
            parts = []
            for begin in range(self.rows.start, self.rows.stop, frames):
                end = min(begin + frames, self.rows.stop)
                shape = (high - low, self.n_contacts, end - begin)
                parts.append(da.from_delayed(own.block(low, high, begin, end), shape, self.dtype))
            whole.append(da.concatenate(parts, axis=2))
        return da.concatenate(whole, axis=0)

    def _sizes(self) -> tuple[int, int]:
        """Groups and times of a block: few groups rather than few times, for chunks of the report hold many."""
        frames = self.rows.stop - self.rows.start
        row = 8 * self.n_contacts
        groups = max(1, BLOCK_BYTES // (row * min(frames, _LEAST_FRAMES)))
        groups = min(groups, len(self.groups))
        most = max(1, min(BLOCK_BYTES // (row * groups), MOST_FRAMES, frames))
        chunk = _chunk(self.report, 0)
        return groups, most - most % chunk if most >= chunk else most

    def block(self, low: int, high: int, begin: int, end: int) -> NDArray[Any]:
        """Compute some groups at some of the report's times, [group, electrode, time].

        Parameters
        ----------
        low, high
            First group, and the one after the last.
        begin, end
            Row of the report's first time, and the one after the last.
        """
        total = np.zeros((high - low, self.n_contacts, end - begin))
        columns, factor_of, group = self.columns, self.factor_of, self.groups.of
        if high - low < len(self.groups):
            own = np.flatnonzero((group >= low) & (group < high))
            columns, factor_of, group = columns[own], factor_of[own], group[own]
        size = self._elements(end - begin)
        for first in range(0, len(columns), size):
            some = slice(first, first + size)
            currents = _gathered(self.report, (begin, end), columns[some]).astype(self.dtype, copy=False)
            factors = _gathered(self.coefficients, (0, self.n_contacts), factor_of[some])
            members, local = np.unique(group[some], return_inverse=True)
            if len(members) == 1:
                total[members[0] - low] += lfp.signal(factors, currents)
            else:
                total[members - low] += lfp.signal(factors, currents, local, n_groups=len(members))
        return (total * self.scale).astype(self.dtype)

    def _elements(self, frames: int) -> int:
        """Elements of a block, whole chunks of them where they are many."""
        most: int = max(1, BLOCK_BYTES // max(self.dtype.itemsize * frames, 8 * self.n_contacts))
        chunk = _chunk(self.report, 1)
        return most - most % chunk if most >= chunk else most


def _chunk(array: Any, axis: int) -> int:
    chunks = getattr(array, "chunks", None)
    return int(np.max(np.atleast_1d(chunks[axis]))) if chunks else 1


def _gathered(array: Any, rows: tuple[int, int], columns: NDArray[np.int64]) -> NDArray[Any]:
    """Some columns of an array of two axes, of some rows; near ones are read together."""
    wanted, back = np.unique(columns, return_inverse=True)
    runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > _GAP) + 1)
    parts = [_box(array, rows, (int(run[0]), int(run[-1]) + 1)) for run in runs]
    if len(runs) == 1 and len(wanted) == parts[0].shape[1]:
        return parts[0] if (columns == wanted).all() else parts[0][:, back]
    picked = [part[:, run - run[0]] for part, run in zip(parts, runs, strict=True)]
    return np.concatenate(picked, axis=1)[:, back]


def _box(array: Any, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[Any]:
    if hasattr(array, "read_box"):
        found: NDArray[Any] = array.read_box([rows, columns])
        return found
    return np.asarray(array[slice(*rows), slice(*columns)])
