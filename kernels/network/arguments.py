"""What the kernels of networks share: checks of their arguments, and the error of a synapse without a source."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import whole_numbers
from ..jit import jit

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


class SourcelessError(ValueError):
    """A synapse that no source can have.

    Parameters
    ----------
    message
        What is wrong.
    cell
        Position of the target cell among those given.
    row
        Row of the synapse.
    """

    def __init__(self, message: str, cell: int, row: int) -> None:
        super().__init__(message)
        self.cell, self.row = cell, row


def cell_ids(cells: ArrayLike) -> Integers:
    """Return numbers of cells as parts of a key, int64[n_cells].

    Parameters
    ----------
    cells
        Ids, int[n_cells].

    Raises
    ------
    ValueError
        They are not whole numbers in ``[0, 2**32)``.
    """
    ids = whole_numbers("cells", cells).astype(np.int64)
    bad = np.flatnonzero((ids < 0) | (ids >= 2**32))
    if bad.size:
        raise ValueError(f"cells[{bad[0]}] is {ids[bad[0]]}; expected a number from 0 to 2**32 - 1")
    return ids


def coordinates(name: str, pair: tuple[ArrayLike, ArrayLike], n: int | None = None) -> tuple[Reals, Reals]:
    """Return the coordinates u and v of cells, finite and of one length, as float64.

    Parameters
    ----------
    name
        Name of the cells in messages.
    pair
        u and v in µm, shape (n_cells,) each.
    n
        How many there must be; any number by default.

    Raises
    ------
    ValueError
        Shapes differ, or a coordinate is not finite; the message names the cell.
    """
    u, v = (np.ascontiguousarray(each, np.float64) for each in pair)
    expected = (len(u) if u.ndim and n is None else n,)
    for axis, values in (("u", u), ("v", v)):
        if values.shape != expected:
            raise ValueError(f"{name} {axis} has shape {values.shape}; expected {expected}")
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise ValueError(f"{name} {axis}[{bad[0]}] is {values[bad[0]]}; expected a finite distance in um")
    return u, v


@jit
def longer(values: NDArray[Any], size: int) -> NDArray[Any]:
    """Return a copy of values, with room for more behind them.

    Parameters
    ----------
    values
        The values, along the first axis.
    size
        Length of the copy along that axis.
    """
    room = np.empty(size, values.dtype)
    room[: len(values)] = values
    return room
