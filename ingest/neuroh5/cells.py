"""Attributes of cells: rows of values, each of a cell, in any order and as often as its writer appended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...lake.digest import digest_of
from ..circuits.trees import bits, expanded, starts_of
from ..hdf5.reading import HDF5File, Ids

CELLS, POINTERS, VALUES = "Cell Index", "Attribute Pointer", "Attribute Value"
BLOCK_VALUES = 2**20
WHOLE_BYTES = 2**28
"""A dataset whose rows are wanted in another order than they lie in is held whole if it is no larger."""
REPEATED = ("error", "first", "last")

Values = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Index:
    """Which cell each row is of, and how many values it has; int64[row] both."""

    node_id: Ids
    size: Ids

    @cached_property
    def order(self) -> Ids:
        """Rows by cell; those of one cell as they are in the file."""
        return np.argsort(self.node_id, kind="stable")

    @cached_property
    def occurrence(self) -> Ids:
        """How many rows of its cell come before each row."""
        nodes = self.node_id[self.order]
        new = np.r_[True, np.diff(nodes) != 0][: len(nodes)]
        first = np.maximum.accumulate(np.where(new, np.arange(len(nodes)), 0))
        found = np.empty(len(nodes), np.int64)
        found[self.order] = np.arange(len(nodes)) - first
        return found

    @cached_property
    def repeats(self) -> bool:
        """Whether a cell has several rows."""
        return bool(self.occurrence.any())

    @cached_property
    def digest(self) -> str:
        """Name of the content."""
        return digest_of(self.node_id.tobytes() + self.size.tobytes())

    def equals(self, other: "Index") -> bool:
        """Return whether two indexes have the same rows.

        Parameters
        ----------
        other
            The other index.
        """
        return np.array_equal(self.node_id, other.node_id) and np.array_equal(self.size, other.size)


class Indices:
    """The distinct indexes of an ingest, numbered; most attributes of a namespace share one.

    Parameters
    ----------
    first
        Number of the first.
    """

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.found: list[Index] = []
        self._known: dict[str, int] = {}

    def number(self, index: Index) -> int:
        """Return the number of an index; equal indexes have one number.

        Parameters
        ----------
        index
            The index.
        """
        if index.digest not in self._known:
            self._known[index.digest] = self.first + len(self.found)
            self.found.append(index)
        return self._known[index.digest]


@dataclass(frozen=True, eq=False)
class Attribute:
    """One attribute of cells.

    Attributes
    ----------
    source, name
        The file; the path in it.
    index
        Its rows.
    start
        Where the values of each row begin, int64[row].
    values
        The dataset of all values.
    pieces
        Datasets by the part of the layout that refers to them: of the index, and the values.
    """

    source: HDF5File
    name: str
    index: Index
    start: Ids
    values: Any
    pieces: dict[str, Any]

    @property
    def short(self) -> str:
        """Its name within the namespace."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def scalar(self) -> bool:
        """Whether each row has one value."""
        return bool((self.index.size == 1).all())

    def read(self, rows: Ids) -> Values:
        """Read the values of some rows, one row after another.

        Parameters
        ----------
        rows
            Numbers of the rows, int64.
        """
        self.source.at = self.values.name
        start, size = self.start[rows], self.index.size[rows]
        start, size = start[size > 0], size[size > 0]
        if not len(start):
            return self._values(0, 0)
        low, high = int(start.min()), int((start + size).max())
        if np.array_equal(start[1:], start[:-1] + size[:-1]):
            return self._values(low, high)
        if high - low <= 2 * int(size.sum()):
            return self._values(low, high)[expanded(start - low, size)]
        if self.values.nbytes <= WHOLE_BYTES:
            return self._whole[expanded(start, size)]
        return self._picked(start, size)

    def _values(self, low: int, high: int) -> Values:
        found: Values = self.values[low:high]
        return found

    @cached_property
    def _whole(self) -> Values:
        return self._values(0, len(self.values))

    def _picked(self, start: Ids, size: Ids) -> Values:
        """Pieces that lie apart, each run of neighbours read at once."""
        order = np.argsort(start, kind="stable")
        stops = (start + size)[order]
        first = np.flatnonzero(np.r_[True, start[order][1:] != stops[:-1]])
        lows, highs = start[order][first].tolist(), stops[np.r_[first[1:] - 1, len(order) - 1]].tolist()
        read = np.concatenate([self._values(*ends) for ends in zip(lows, highs, strict=True)])
        held = np.empty(len(order), np.int64)
        held[order] = starts_of(size[order])
        return read[expanded(held, size)]

    def kept(self, repeated: str) -> "Attribute":
        """Return the attribute with one row for each cell.

        Parameters
        ----------
        repeated
            Which row of a cell that has several: the ``first`` or the ``last``; or it is an ``error``.

        Raises
        ------
        IngestError
            A cell has several rows, and they are an error.
        """
        index = self.index
        if not index.repeats:
            return self
        if repeated == "error":
            several = np.unique(index.node_id[index.occurrence > 0])
            raise self.source.error(
                f"{self.name}/{CELLS}",
                f"{len(several):,} cells are there more than once, the first is cell {several[0]}: a step that ran twice "
                "appends, and everything counts double. Run it on a new file, or ingest with repeated='first' "
                "or 'last' to take one row of each",
            )
        last = index.order[np.r_[np.diff(index.node_id[index.order]) != 0, True]]
        rows = np.flatnonzero(index.occurrence == 0) if repeated == "first" else np.sort(last)
        return Attribute(
            self.source,
            self.name,
            Index(index.node_id[rows], index.size[rows]),
            self.start[rows],
            self.values,
            self.pieces,
        )

    def claim(self, number: int, rows: str, node: str, part: str) -> None:
        """Note which nodes hold the datasets now.

        Parameters
        ----------
        number
            Number of the index in the table *rows*.
        rows
            Name of the table of indexes.
        node
            Name of the node that holds the values.
        part
            Part of that node.
        """
        for piece, dataset in self.pieces.items():
            self.source.claim(dataset, rows, f"@{piece}.{number}")
        told = f"{part}.{number}" if part.startswith("@") else f"@rows.{number}.{part}"
        self.source.claim(self.values, node, told)


def read_attribute(
    source: HDF5File, group: Any, count: int, kinds: str = "iuf", *, cells: str = CELLS
) -> Attribute:
    """Read an attribute of the cells of a population.

    Parameters
    ----------
    source
        The file that is open.
    group
        The group of the attribute.
    count
        How many cells the population has.
    kinds
        Kinds of NumPy's types that values may have.
    cells
        Name of the dataset of the rows' cells.

    Raises
    ------
    IngestError
        A dataset lacks or has another type, a cell is not in the population, or pointers do not ascend from 0 to
        the number of values; names file and dataset.
    """
    values = source.dataset(group, VALUES, kinds, shape=(None,))
    numbers = source.dataset(group, cells, shape=(None,))
    pointers = source.dataset(
        group, POINTERS, length=len(numbers) + 1 if len(numbers) or len(values) else None
    )
    nodes, bounds = source.ids(numbers, count), source.ids(pointers)
    check_pointers(source, pointers, bounds, len(values))
    return Attribute(
        source,
        group.name,
        Index(nodes, np.diff(bounds)[: len(nodes)]),
        bounds[:-1][: len(nodes)],
        values,
        {"cells": numbers, "pointers": pointers},
    )


def check_pointers(source: HDF5File, dataset: Any, bounds: Ids, size: int) -> None:
    """Raise `IngestError` unless pointers ascend from 0 to *size*.

    Parameters
    ----------
    source
        The file that is open.
    dataset
        Dataset of the pointers, for messages.
    bounds
        The pointers, int64.
    size
        What the last pointer must be.
    """
    if not len(bounds) and not size:
        return
    falls = np.flatnonzero(np.diff(bounds) < 0)
    if len(falls):
        at = int(falls[0])
        raise source.error(
            dataset, f"pointers must ascend: {bounds[at + 1]} at position {at + 1} follows {bounds[at]}"
        )
    if not len(bounds) or bounds[0] != 0 or bounds[-1] != size:
        raise source.error(
            dataset,
            f"pointers must go from 0 to {size}, the number of values; these go from "
            f"{bounds[0] if len(bounds) else 'nothing'} to {bounds[-1] if len(bounds) else 'nothing'}",
        )


def read_namespace(source: HDF5File, group: Any, count: int) -> dict[str, Attribute]:
    """Read the attributes in a namespace of a population, by name; see `read_attribute`.

    Parameters
    ----------
    source
        The file that is open.
    group
        Group of the namespace.
    count
        Number of cells of the population.
    """
    return {
        name: read_attribute(source, group[name], count)
        for name in group
        if not hasattr(group[name], "dtype")
    }


def same_content(one: Attribute, other: Attribute) -> bool:
    """Return whether two attributes have the same values for the same cells, in any order.

    Parameters
    ----------
    one, other
        The two attributes.
    """
    a, b = one.index, other.index
    if len(a.node_id) != len(b.node_id) or one.values.dtype != other.values.dtype:
        return False
    if not Index(a.node_id[a.order], a.size[a.order]).equals(Index(b.node_id[b.order], b.size[b.order])):
        return False
    return all(
        np.array_equal(bits(one.read(a.order[part])), bits(other.read(b.order[part])))
        for part in blocks(a.size[a.order])
    )


def blocks(sizes: Ids, most: int = BLOCK_VALUES) -> Iterator[slice]:
    """Divide rows into blocks of at most *most* values, or of one row.

    Parameters
    ----------
    sizes
        Number of values of each row, int64.
    most
        Number of values of a block.
    """
    stops = np.cumsum(sizes)
    low = 0
    while low < len(sizes):
        done = int(stops[low - 1]) if low else 0
        high = max(low + 1, int(np.searchsorted(stops, done + most, "right")))
        yield slice(low, high)
        low = high


def aligned(attributes: Sequence[Attribute], to: Attribute) -> list[Attribute]:
    """Return the attributes that have a value for each value of another.

    Parameters
    ----------
    attributes
        The attributes to choose from.
    to
        The other attribute.
    """
    return [each for each in attributes if each.index.equals(to.index)]
