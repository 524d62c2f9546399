"""Signals of a simulation while it runs, whose membrane currents are never stored."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ...kernels import lfp
from ...lake.errors import InputError
from .inputs import columns_of
from .matching import grouped
from .signals import labelled_signal


class Recorder:
    """What contacts record of currents that come block by block.

    Call it with each block; `signal` returns all that was recorded so far. It holds no currents: its memory
    is that of the coefficients and of the result.

    Parameters
    ----------
    coefficients
        [electrode, segment] as `coefficients` returns them; the columns of all blocks are their segments, in
        order.
    by, nodes
        As of `signal`.
    dtype
        Type of the blocks and of the result.

    Raises
    ------
    InputError
        Labels of the coefficients are missing, or as `signal`.

    Examples
    --------
    >>> import numpy as np
    >>> from neurolake.query import lfp
    >>> cell = {f"{end}_{axis}": np.zeros(1) for end in ("start", "end") for axis in "xyz"}
    >>> record = lfp.Recorder(lfp.coefficients(cell, [[10.0, 0, 0]], "point", minimum_distance=None))
    >>> record(np.ones((2, 1)), time=[0.0, 0.1])
    >>> record.signal().shape
    (1, 2)
    """

    def __init__(
        self, coefficients: xr.DataArray, by: str | None = None, *, nodes: Any = None, dtype: str = "float32"
    ) -> None:
        if (
            not isinstance(coefficients, xr.DataArray)
            or coefficients.ndim != 2
            or "node_id" not in coefficients.coords
        ):
            raise InputError("coefficients are [electrode, segment] with node_id, section_id and segment_id")
        table = None if nodes is None else columns_of(nodes, "nodes")
        self._labels = coefficients.isel(segment=slice(0))
        self._factors = np.ascontiguousarray(coefficients.values, np.dtype(dtype))
        self._groups = grouped(np.asarray(coefficients["node_id"].values), by, "population", table)
        self._by = by
        self._blocks: list[NDArray[Any]] = []
        self._times: list[NDArray[np.float64]] = []

    def __repr__(self) -> str:
        n_contacts, n_segments = self._factors.shape
        return f"<Recorder of {n_contacts} contacts, {n_segments:,} segments, {sum(map(len, self._times)):,} times>"

    def __call__(self, currents: ArrayLike, time: ArrayLike) -> None:
        """Record a block.

        Parameters
        ----------
        currents
            Membrane currents in nA, shape (n_times, n_segments).
        time
            Times in ms, shape (n_times,), after those of the block before.

        Raises
        ------
        InputError
            Shapes do not fit, or times do not rise.
        """
        values = np.asarray(currents, self._factors.dtype)
        times = np.array(time, np.float64)
        expected = (len(times) if times.ndim == 1 else "n_times", self._factors.shape[1])
        if values.shape != expected or times.ndim != 1:
            raise InputError(
                f"currents have shape {values.shape}, time {times.shape}; expected {expected} and one each"
            )
        last = self._times[-1][-1:] if self._times else np.empty(0)
        if not (np.diff(np.concatenate([last, times])) > 0).all():
            raise InputError("times do not rise")
        if len(times):
            groups, count = (None, None) if len(self._groups) == 1 else (self._groups.of, len(self._groups))
            made = lfp.signal(self._factors, values, groups, n_groups=count)
            self._blocks.append(made.reshape(len(self._groups), *made.shape[-2:]))
            self._times.append(times)

    def signal(self) -> xr.DataArray:
        """Return all that was recorded, as `lfp_signals.signal` does."""
        empty = np.empty((len(self._groups), len(self._factors), 0), self._factors.dtype)
        values = np.concatenate([empty, *self._blocks], axis=2)
        times = np.concatenate([np.empty(0), *self._times])
        return labelled_signal(values, self._labels, self._groups, times, self._by, "population")
