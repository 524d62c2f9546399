"""What contacts record of membrane currents while they are simulated; the currents are not kept."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ...kernels.lfp import signal_in_order
from .recording import CURRENT, Reals, SegmentFrames, Sink

BLOCK_BYTES = 2**20


def block_of(n_values: int) -> int:
    """Return how many times a block of a signal has.

    Parameters
    ----------
    n_values
        Values at each time: contacts, times groups.
    """
    return max(1, BLOCK_BYTES // (np.float32().itemsize * max(1, n_values)))


def _own(values: Reals) -> Reals:
    return values


class ContactSums:
    """A sink of frames with membrane currents, which hands on what contacts record of them, in blocks of time.

    A block of `block_of` times is in memory, however long the simulation is. Sums are float64 and in the order of
    segments (`kernels.lfp.signal_in_order`), so that the same trial gives the same bits in any process.

    Parameters
    ----------
    name
        What the signal is called in the frames that are handed on.
    factors
        Coefficients in mV/nA (or any unit per nA), shape (n_contacts, n_segments); the columns of all frames are these
        segments, in order.
    sink
        Called with blocks of frames, float32[n_frames, n_contacts], or with groups [n_frames, n_groups, n_contacts].
    groups
        Group of each segment, shape (n_segments,); a signal for each.
    n_groups
        Number of groups; one without segments has a signal of zeros.
    total
        What makes a sum over all processes of the sum over this one's segments, float64; by default this process has all.
    """

    def __init__(
        self,
        name: str,
        factors: ArrayLike,
        sink: Sink,
        groups: ArrayLike | None = None,
        *,
        n_groups: int | None = None,
        total: Callable[[Reals], Reals] = _own,
    ) -> None:
        self._name, self._sink, self._total = name, sink, total
        # The columns of one segment stand together, which the kernel wants.
        self._factors = np.asarray(np.asarray(factors, np.float64), order="F")
        self._groups = None if groups is None else np.asarray(groups, np.intp)
        shape: tuple[int, ...] = (len(self._factors),)
        if self._groups is not None:
            self._n_groups = int(self._groups.max(initial=-1)) + 1 if n_groups is None else n_groups
            shape = (self._n_groups, *shape)
        self._block = block_of(int(np.prod(shape)))
        self._time = np.empty(self._block)
        self._values = np.empty((self._block, *shape))
        self._filled = 0

    def __call__(self, frames: SegmentFrames) -> None:
        """Record a block; membrane currents are among its variables.

        Parameters
        ----------
        frames
            Times, and currents in nA.
        """
        currents = frames.values[CURRENT]
        count = None if self._groups is None else self._n_groups
        made = signal_in_order(self._factors, currents, self._groups, n_groups=count)
        begin = 0
        while begin < len(frames.time):
            taken = min(len(frames.time) - begin, self._block - self._filled)
            own = slice(self._filled, self._filled + taken)
            self._time[own] = frames.time[begin : begin + taken]
            self._values[own] = made[begin : begin + taken]
            self._filled += taken
            begin += taken
            if self._filled == self._block:
                self.finish()

    def finish(self) -> None:
        """Hand on what was recorded since the last block."""
        if self._filled:
            filled = slice(self._filled)
            total = self._total(self._values[filled]).astype(np.float32)
            self._sink(SegmentFrames(self._time[filled], {self._name: total}))
        self._filled = 0
