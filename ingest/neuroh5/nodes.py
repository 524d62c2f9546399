"""Nodes of a NeuroH5 network: cells of all populations with what namespaces of one value say of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...lake import Transaction
from ..circuits.trees import bits
from .cells import Attribute, Indices
from .namespaces import PLACES, Namespace
from .trees import PARTS, StoredTrees
from .types import NumberedCells

OWN = ("node_id", "gid", "morphology")
_ORDER = [*PLACES.values()]


class NodeColumns:
    """The tables of nodes of an ingest, and of what the lake has already.

    Parameters
    ----------
    transaction, circuit
        Where to write, and what the circuit is called.
    """

    def __init__(self, transaction: Transaction, circuit: str) -> None:
        self.transaction, self.circuit = transaction, circuit
        self.populations: dict[str, NumberedCells] = {}
        self._columns: dict[str, dict[str, tuple[pa.Field, NDArray[Any], NDArray[np.bool_]]]] = {}
        self._trees: dict[str, NDArray[Any]] = {}
        self._told: dict[str, dict[str, Any]] = {}

    def node(self, population: str) -> str:
        """Return the name of a population's table.

        Parameters
        ----------
        population
            Name of the population.
        """
        return circuits.NODES.of(circuit=self.circuit, population=population)

    def add_populations(self, populations: Mapping[str, NumberedCells]) -> None:
        """Begin the tables of some populations, with the columns that the lake has.

        Parameters
        ----------
        populations
            Cells by name of the population.
        """
        for name in populations.keys() - self.populations.keys():
            self.populations[name] = populations[name]
            self._columns[name] = {}
            self._trees[name] = np.full(populations[name].count, None, object)
            self._told[name] = {}
            table = self.transaction.table(self.node(name))
            if table is None:
                continue
            self._told[name] = dict(self.transaction.drafts[self.node(name)].meta["attributes"])
            rows = table.to_arrow()
            for field in rows.schema:
                column = rows[field.name]
                if field.name == "morphology":
                    self._trees[name][:] = column.to_pylist()
                elif field.name not in OWN:
                    known = column.is_valid().to_numpy()
                    values = column.fill_null(0).to_numpy()
                    source = (field.metadata or {}).get(b"source", b"").decode()
                    own = circuits.attribute(field.name, field.type, source)
                    self._columns[name][field.name] = own, values.copy(), known.copy()

    def add(
        self, namespace: Namespace, columns: Mapping[str, Attribute], indices: Indices, rows: str
    ) -> None:
        """Note a namespace's attributes of cells, by the name of the column.

        Parameters
        ----------
        namespace
            Attributes by name, with their cells.
        columns
            Attributes by name of the column.
        indices, rows
            The indexes of the ingest, and the table that they become.

        Raises
        ------
        IngestError
            Something else was said of a cell before; names file, dataset and cell.
        """
        held, size = self._columns[namespace.population], self.populations[namespace.population].count
        if namespace.told:
            self._told[namespace.population][namespace.name] = {
                name: value.tolist() if hasattr(value, "tolist") else str(value)
                for name, value in namespace.told.items()
            }
        for column, one in columns.items():
            values = one.read(np.arange(len(one.index.node_id)))
            cells = one.index.node_id
            if column not in held:
                field = circuits.attribute(column, pa.from_numpy_dtype(values.dtype), one.short)
                held[column] = field, np.zeros(size, values.dtype), np.zeros(size, bool)
            _, known_values, known = held[column]
            unlike = known[cells] & (bits(known_values[cells].astype(values.dtype)) != bits(values))
            if unlike.any():
                cell = int(cells[int(np.argmax(unlike))])
                raise one.source.error(
                    one.values,
                    f"cell {cell} of {namespace.population} has another {column} elsewhere, {known_values[cell]}",
                )
            known_values[cells], known[cells] = values, True
            one.claim(indices.number(one.index), rows, self.node(namespace.population), column)

    def add_trees(
        self, population: str, trees: StoredTrees, names: Sequence[str], indices: Indices, rows: str
    ) -> None:
        """Note which tree each cell has.

        Parameters
        ----------
        population
            Name of the population.
        trees
            The population's trees.
        names
            Name of each row of *trees*.
        indices
            Indexes of the circuit, which the trees' index joins.
        rows
            Name of the table of indexes.

        Raises
        ------
        IngestError
            A cell had another tree before.
        """
        held, cells = self._trees[population], trees.node_id
        for cell, name in zip(cells.tolist(), names, strict=True):
            if held[cell] not in (None, name):
                raise trees.source.error(
                    trees.name, f"cell {cell} of {population} has another tree elsewhere"
                )
            held[cell] = name
        for name, one in trees.attributes.items():
            one.claim(indices.number(one.index), rows, self.node(population), f"@tree:{PARTS[name][0]}")

    def write(self) -> None:
        """Write all tables."""
        for name, population in self.populations.items():
            ids = np.arange(population.count)
            fields = [
                circuits.NODE_COLUMNS["node_id"],
                circuits.attribute("gid", pa.int64(), "Start + Cell Index"),
            ]
            columns = [pa.array(ids), pa.array(ids + population.start)]
            for column in sorted(self._columns[name], key=_ORDER.index):
                field, values, known = self._columns[name][column]
                fields.append(field)
                columns.append(pa.array(values, mask=~known))
            if any(tree is not None for tree in self._trees[name]):
                fields.append(circuits.attribute("morphology", pa.string(), "Trees"))
                columns.append(pa.array(self._trees[name].tolist(), pa.string()))
            kind = circuits.NODES
            self.transaction.write_table(
                self.node(name),
                pa.table(columns, pa.schema(fields)),
                doc=kind.doc,
                sorted_by=kind.sorted_by,
                attributes={**self._told[name], "population": name, "size": population.count},
            )
