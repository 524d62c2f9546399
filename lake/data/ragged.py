"""Ragged data: any number of elements for each of some things, as two arrays of a lake, values and offsets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MalformedError

Offsets = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ragged:
    """Elements of some things, one thing after another.

    Attributes
    ----------
    values
        All elements, of shape [element, …].
    offsets
        Where the elements of each thing begin, and after the last where they end, int64[thing + 1]: those of thing i are
        ``values[offsets[i]:offsets[i + 1]]``.

    Raises
    ------
    InputError
        The offsets do not rise from 0 to the number of the values.
    """

    values: NDArray[Any]
    offsets: Offsets

    def __post_init__(self) -> None:
        wrong = fault_of(self.offsets, len(self.values))
        if wrong is not None:
            raise InputError(f"offsets of ragged data: {wrong}")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, thing: int) -> NDArray[Any]:
        """Return the elements of one thing.

        Raises
        ------
        IndexError
            There is no such thing.
        """
        if not -len(self) <= thing < len(self):
            raise IndexError(f"{thing} of {len(self)}")
        at = thing % len(self)
        part: NDArray[Any] = self.values[self.offsets[at] : self.offsets[at + 1]]
        return part

    @property
    def sizes(self) -> Offsets:
        """How many elements each thing has."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> Offsets:
        """Number of the thing that each element is of."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def take(self, things: NDArray[np.integer[Any]]) -> "Ragged":
        """Return the elements of some things, in the given order.

        Parameters
        ----------
        things
            Numbers of the things.
        """
        sizes = self.sizes[things]
        offsets = offsets_of(sizes)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][things] - offsets[:-1], sizes)
        return Ragged(self.values[rows], offsets)

    @classmethod
    def of(cls, pieces: Sequence[NDArray[Any]]) -> "Ragged":
        """Return some arrays as ragged data, one after another.

        Parameters
        ----------
        pieces
            At least one array; all are of one type, and of one shape but for the first axis.
        """
        return cls(np.concatenate(pieces), offsets_of(np.array([len(piece) for piece in pieces])))


def offsets_of(sizes: NDArray[np.integer[Any]]) -> Offsets:
    """Return the offsets of things that have so many elements.

    Parameters
    ----------
    sizes
        Number of elements of each thing.
    """
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def fault_of(offsets: NDArray[Any], values: int) -> str | None:
    """Return what is wrong with offsets, in words; None if they rise from 0 to the number of the values.

    Parameters
    ----------
    offsets
        The offsets, of any type.
    values
        How many values there are.
    """
    if offsets.ndim != 1 or not len(offsets) or offsets.dtype.kind not in "iu":
        return f"shape {offsets.shape} of {offsets.dtype}, expected at least one whole number"
    if offsets[0] != 0 or offsets[-1] != values:
        return f"they go from {offsets[0]} to {offsets[-1]}, expected 0 to {values}, the number of the values"
    falls = offsets[1:] < offsets[:-1]
    if falls.any():
        at = int(np.argmax(falls)) + 1
        return f"offset {offsets[at]} at position {at} is less than the one before, {offsets[at - 1]}"
    return None


class _Writer(Protocol):
    """What writes arrays: a transaction of a lake."""

    def write_array(
        self,
        name: str,
        values: NDArray[Any],
        *,
        dimension_names: Sequence[str] | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Any: ...

    def append_array(self, name: str, values: NDArray[Any]) -> Any: ...


def write_ragged(
    transaction: _Writer,
    nodes: tuple[str, str],
    pieces: Iterable[Ragged],
    *,
    dimension_names: tuple[Sequence[str], Sequence[str]],
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write ragged data as an array of values and an array of offsets; existing nodes of those names are replaced.

    Parameters
    ----------
    transaction
        Writes the nodes.
    nodes
        Names of the values and of the offsets.
    pieces
        At least one part of the data, in order: memory is that of one part.
    dimension_names
        Names of the axes of the values, and of the offsets.
    attributes
        Of the values.

    Raises
    ------
    InputError
        There is no part, or parts differ in type or shape.
    """
    written, ends = False, [np.zeros(1, np.int64)]
    for piece in pieces:
        if written:
            transaction.append_array(nodes[0], piece.values)
        else:
            transaction.write_array(
                nodes[0], piece.values, dimension_names=dimension_names[0], attributes=attributes
            )
        written = True
        ends.append(ends[-1][-1] + piece.offsets[1:])
    if not written:
        raise InputError(f"{nodes[0]}: ragged data of no part, whose type is not known")
    offsets = np.concatenate(ends).astype(np.int64, copy=False)
    transaction.write_array(nodes[1], offsets, dimension_names=dimension_names[1])


def read_ragged(
    arrays: Mapping[str, Any], nodes: tuple[str, str], things: tuple[int, int] | None = None
) -> Ragged:
    """Read ragged data of a lake, all of it or that of successive things.

    Parameters
    ----------
    arrays
        The arrays of a snapshot, by name.
    nodes
        Names of the values and of the offsets.
    things
        Half-open range of things; all by default.

    Raises
    ------
    NotFoundError
        There are no such arrays.
    InputError
        There are no such things.
    MalformedError
        The offsets are none of the values.
    """
    values, offsets = (arrays[node] for node in nodes)
    if offsets.ndim != 1 or not values.ndim:
        raise MalformedError(f"{nodes[1]}: shape {offsets.shape} is none of offsets")
    first, stop = (0, offsets.shape[0] - 1) if things is None else things
    if not 0 <= first <= stop <= offsets.shape[0] - 1:
        raise InputError(
            f"{nodes[0]} is of {offsets.shape[0] - 1} things, which has no range {first} to {stop}"
        )
    bounds = offsets[first : stop + 1].astype(np.int64)
    low, high = int(bounds[0]), int(bounds[-1])
    if not 0 <= low <= high <= values.shape[0]:
        raise MalformedError(f"{nodes[1]}: offsets {low} to {high} of {values.shape[0]} values")
    wrong = fault_of(bounds - low, high - low)
    if wrong is not None:
        raise MalformedError(f"{nodes[1]}: {wrong}")
    return Ragged(values[low:high], bounds - low)
