"""Values of a NeuroH5 file's datasets as a lake has them: parts of tables, trees and recordings, in the order of an index."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary import reports as report_kinds
from ...lake import Snapshot, Table
from ...lake.errors import InputError
from ..circuits.trees import Forest, expanded, starts_of
from ..hdf5.reading import Ids
from .cells import Index

Values = NDArray[Any]

_LARGE = (circuits.EDGES, circuits.SYNAPSES, circuits.SPIKES, circuits.INPUTS)


class StoredValues:
    """Parts of the nodes of a circuit, as the layout of a file names them.

    Parameters
    ----------
    snapshot, circuit
        Which circuit of which snapshot.
    indices
        Indexes by number.
    """

    def __init__(self, snapshot: Snapshot, circuit: str, indices: Mapping[int, Index]) -> None:
        self.snapshot, self.circuit, self.indices = snapshot, circuit, indices
        self._forest = lru_cache(1)(self.trees)
        self._flat = lru_cache(1)(self._column)

    def blocks(self, node: str, part: str) -> Iterator[Values]:
        """Yield the values of a dataset in blocks: a file of the table each, if edges, synapses or spikes are in its order.

        Parameters are those of `part`.

        Parameters
        ----------
        node
            Name of the node.
        part
            Part of the node, such as a column.
        """
        if part.startswith("@rows.") and any(kind.parts(node) for kind in _LARGE):
            number, _, column = part.removeprefix("@rows.").partition(".")
            index, table = self.indices[int(number)], self.snapshot.tables[node]
            in_order = table.sorted_by[:1] == [key_of(table)] and not (np.diff(index.node_id) <= 0).any()
            # Each row of the index has all rows of its cell: if there are no others, they are those of the table.
            if in_order and int(index.size.sum()) == table.rows:
                for values in column_blocks(table, column):
                    yield _filled(values, node, column).to_numpy(zero_copy_only=False)
                return
        yield self.part(node, part)

    def part(self, node: str, part: str) -> Values:
        """Return the values of a dataset.

        Parameters
        ----------
        node
            The node that holds them.
        part
            Which part of it: a column, or ``@`` and how it is derived.
        """
        if not part.startswith("@"):
            found: Values = self.snapshot.tables[node].to_arrow([part])[part].to_numpy()
            return found
        what, _, rest = part[1:].partition(".")
        if what == "axis":
            return np.asarray(self.snapshot.arrays[node][:])
        if what == "column":
            return np.asarray(self.snapshot.arrays[node][:, int(rest)])
        number, _, column = rest.partition(".")
        index = self.indices[int(number)]
        if what == "cells":
            return index.node_id
        if what == "pointers":
            return np.concatenate([[0], np.cumsum(index.size)])
        if what == "times":
            axis = np.asarray(self.snapshot.arrays[node][:])
            return axis[expanded(_before(index), index.size)]
        if what == "frames":
            return self._frames(node, index)
        if what == "rows":
            return self._rows(node, column, index)
        return self._tree(node, what.removeprefix("tree:"), index)

    def _rows(self, node: str, column: str, index: Index) -> Values:
        cells, values = self._flat(node, column)
        start = np.searchsorted(cells, index.node_id) + _before(index)
        return values[expanded(start, index.size)]

    def _column(self, node: str, column: str) -> tuple[Ids, Values]:
        """The cell of each value of a column, and the values, without gaps; a list counts as its values."""
        table = self.snapshot.tables[node]
        key = key_of(table)
        rows = table.to_arrow([*dict.fromkeys([key, column])])
        cells = rows[key].to_numpy()
        if (np.diff(cells) < 0).any():
            # Spikes of other sources are in the order of time.
            rows = rows.take(pa.array(np.argsort(cells, kind="stable")))
            cells = rows[key].to_numpy()
        values = rows[column].combine_chunks()
        if any(kind.parts(node) for kind in _LARGE):
            values = _filled(values, node, column)
        if values.null_count:
            cells, values = cells[values.is_valid().to_numpy(zero_copy_only=False)], values.drop_null()
        if pa.types.is_list(values.type):
            return np.repeat(cells, values.value_lengths().to_numpy()), values.flatten().to_numpy()
        return cells, values.to_numpy(zero_copy_only=False)

    def _frames(self, node: str, index: Index) -> Values:
        ranges = self.snapshot.tables[report_kinds.RANGES.beside(node)].to_arrow(["node_id", "start"])
        array = self.snapshot.arrays[node]
        # One column after another, as rows of a cell follow each other in time.
        flat = np.ascontiguousarray(np.asarray(array[:, :]).T).reshape(-1)
        column = ranges["start"].to_numpy()[np.searchsorted(ranges["node_id"].to_numpy(), index.node_id)]
        return flat[expanded(column * array.shape[0] + _before(index), index.size)]

    def _tree(self, node: str, part: str, index: Index) -> Values:
        forest, places = self._forest()
        names = self.snapshot.tables[node].to_arrow(["node_id", "morphology"])
        at = np.searchsorted(names["node_id"].to_numpy(), index.node_id)
        trees = np.array(
            [places[name] for name in names["morphology"].take(pa.array(at)).to_pylist()], np.int64
        )
        sizes = forest.size_of(part)
        values: Values = getattr(forest, part)[expanded(starts_of(sizes)[trees], sizes[trees])]
        return values / np.float32(2) if part == "diameter" else values

    def trees(self) -> tuple[Forest, dict[str, int]]:
        """Return the distinct trees of the circuit, and which of them has a name."""
        names = [kind.of(circuit=self.circuit) for kind in (circuits.POINTS, circuits.SECTIONS)]
        kept = [self.snapshot.tables[name].to_arrow() for name in names if name in self.snapshot.tables]
        points, sections = kept or (
            circuits.POINTS.schema.empty_table(),
            circuits.SECTIONS.schema.empty_table(),
        )
        forest, found = Forest.of_tables(points, sections)
        return forest, {name: at for at, name in enumerate(found)}


def column_blocks(table: Table, column: str) -> Iterator[pa.Array]:
    """Yield a column of a table in the order of its rows, a file of the table at a time.

    Parameters
    ----------
    table
        A table of the circuit.
    column
        Name of the column.
    """
    if table.evolved:
        yield table.to_arrow([column])[column].combine_chunks()
        return
    for path in table.paths():
        yield pq.read_table(path, columns=[column], partitioning=None)[column].combine_chunks()


def _filled(values: pa.Array, node: str, column: str) -> pa.Array:
    """A column that has a value for each row, as NeuroH5 wants it; reals that lack are no numbers."""
    if values.null_count and not pa.types.is_floating(values.type):
        raise InputError(f"{node}: some rows have no {column}, which NeuroH5 cannot say")
    return values.fill_null(float("nan")) if values.null_count else values


def key_of(table: Table) -> str:
    """Return the column of a table that says which cell a row belongs to.

    Parameters
    ----------
    table
        A table of the circuit.
    """
    return "target_node_id" if "target_node_id" in table.columns else "node_id"


def fitted(values: Values, kind: np.dtype[Any], what: str) -> Values:
    """Return values as another type, which must hold them.

    Parameters
    ----------
    values
        The values.
    kind
        Type of NumPy.
    what
        What it is called in messages.

    Raises
    ------
    InputError
        A whole number has no place in the type, or a real number is too large for single precision.
    """
    found = values.astype(kind)
    if kind.kind in "iu" and not np.array_equal(found.astype(values.dtype), values):
        wrong = values[found.astype(values.dtype) != values][0]
        limits = np.iinfo(kind)
        raise InputError(f"{what} is {wrong}, and NeuroH5 has {limits.min} to {limits.max} for it")
    if kind.kind == "f" and not np.array_equal(np.isfinite(found), np.isfinite(values)):
        raise InputError(f"{what} is too large for single precision, which NeuroH5 has")
    return found


def _before(index: Index) -> Ids:
    """How many values of its cell come before those of each row."""
    sizes = index.size[index.order]
    total = starts_of(sizes)
    first = index.occurrence[index.order] == 0
    before = np.empty(len(sizes), np.int64)
    before[index.order] = total - np.maximum.accumulate(np.where(first, total, 0))
    return before
