"""Nodes and edges of a circuit of glia: SONATA's, in final and in intermediate files."""

from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import circuits, glia
from ...catalog.vocabulary.kinds import TableKind
from ...lake import Transaction
from ...lake.errors import NotFoundError
from ..hdf5.reading import HDF5File, IngestContext
from ..sonata.populations import ingest_edges, ingest_nodes
from .found import Found
from .vessels import put_graph

PLACES = "@xyz"
"""Part of a table: x, y and z beside each other."""


_OF_GLIA = {
    "/" + kind.name.replace("{circuit}/", ""): kind
    for kind in (glia.ASTROCYTES, glia.VASCULATURE, glia.GLIOVASCULAR, glia.NEUROGLIAL, glia.GLIALGLIAL)
}
"""What populations are, by their groups in a file."""
_PLACES = ("x", "y", "z", "diameter", "radius")


def _check_columns(source: HDF5File, part: Any, kind: TableKind, table: pa.Table) -> None:
    """Raise `IngestError` unless a population of glia has the attributes that it must, of their types, and places are places."""
    for field in kind.schema:
        where = f"{part.name}/0/{field.name}"
        if field.name not in table.column_names:
            if field.name not in kind.optional:
                raise source.error(where, "there is no such dataset")
            continue
        column = table[field.name]
        if _family(column.type) != _family(field.type):
            raise source.error(where, f"its type is {column.type}, expected {_family(field.type)}")
        if pa.types.is_floating(column.type) and field.name.endswith(_PLACES):
            finite = np.isfinite(column.to_numpy())
            if not finite.all():
                at = int(np.argmin(finite))
                raise source.error(where, f"{column[at].as_py()} at position {at} is no place")


def _family(kind: pa.DataType) -> str:
    if pa.types.is_floating(kind):
        return "real numbers"
    return "whole numbers" if pa.types.is_integer(kind) else "text"


class Populations:
    """Populations of a circuit that is being ingested.

    Parameters
    ----------
    context
        What the ingest goes on with.
    circuit
        Name of the circuit.
    neurons
        Circuit of the lake that has the neurons; None if this one has.

    Raises
    ------
    NotFoundError
        The lake has no such circuit.
    """

    def __init__(self, context: IngestContext, circuit: str, neurons: str | None) -> None:
        self.context, self.circuit, self.neurons = context, circuit, neurons
        self.transaction: Transaction = context.transaction
        for owner in dict.fromkeys((neurons, circuit)):
            for node in self.transaction.drafts if owner is not None else ():
                parts = circuits.NODES.parts(node)
                table = self.transaction.table(node)
                if parts is not None and parts["circuit"] == owner and table is not None:
                    told = self.transaction.drafts[node].meta["attributes"]
                    context.sizes[parts["population"]] = told.get("size", table.rows)
        if neurons is not None and not any(
            (parts := circuits.NODES.parts(node)) is not None and parts["circuit"] == neurons
            for node in self.transaction.drafts
        ):
            raise NotFoundError(f"the lake has no circuit {neurons!r} with neurons")

    def endfeet(self) -> int | None:
        """Return how many endfeet the circuit has; None if that is not known."""
        table = self.transaction.table(glia.GLIOVASCULAR.of(circuit=self.circuit))
        return None if table is None else table.rows

    def take(self, source: HDF5File, one: Found) -> None:
        """Write the populations of a file.

        Parameters
        ----------
        source
            The file that is open.
        one
            What it is.

        Raises
        ------
        IngestError
            As `ingest_nodes` and `ingest_edges`; or the circuit has the population already, with other content.
        """
        kinds = {"nodes": circuits.NODES, "edges": circuits.EDGES}
        found = [(group, name) for group in kinds for name in source.groups(group)]
        if not found:
            raise source.error("/", "there is no population of nodes or edges")
        for group, population in found:
            part = source.file[group][population]
            node = kinds[group].of(circuit=self.circuit, population=population)
            if node in self.transaction.drafts:
                self._again(source, part, node, group, one)
            else:
                self._write(source, part, node, group)
            if population == "vasculature" and group == "nodes":
                put_graph(source, self.circuit, self.context)

    def _write(self, source: HDF5File, part: Any, node: str, group: str) -> None:
        (ingest_nodes if group == "nodes" else ingest_edges)(source, part, node, self.context, None)
        kind = _OF_GLIA.get(part.name)
        table = self.transaction.table(node)
        if kind is not None and table is not None:
            _check_columns(source, part, kind, table.to_arrow())

    def _again(self, source: HDF5File, part: Any, node: str, group: str, one: Found) -> None:
        """Take a population that the circuit has: columns that are equal stay where they are, and new ones are added."""
        population = part.name.rsplit("/", 1)[-1]
        stage = glia.STAGES.of(circuit=self.circuit, stage=one.path.stem)
        if stage in self.transaction.drafts:
            raise source.error(part, f"the lake has {node!r} and {stage!r} already; choose another --name")
        size = self.context.sizes.get(population)
        self._write(source, part, stage, group)
        beside = circuits.BY_SOURCE.beside(stage)
        if beside in self.transaction.drafts:
            self.transaction.delete(beside)
        old, new = (self._columns(name) for name in (node, stage))
        differing = [name for name in old.keys() & new.keys() if not old[name].equals(new[name])]
        if differing and not one.intermediate:
            raise source.error(
                part,
                f"{', '.join(sorted(differing)[:3])} differ from those of {node!r}; choose another --name",
            )
        if differing:
            # It is kept as it is, and the population is what it was before.
            if size is not None:
                self.context.sizes[population] = size
            return
        self.transaction.delete(stage)
        if new.keys() <= old.keys():
            source.claims = {
                path: (node if name == stage else name, column)
                for path, (name, column) in source.claims.items()
            }
            return
        if not old.keys() <= new.keys():
            more = {name: column for name, column in old.items() if name not in new}
            self._write(source, part, node, group)
            self._add_columns(node, more)
            return
        self._write(source, part, node, group)

    def _columns(self, node: str) -> dict[str, pa.ChunkedArray]:
        table = self.transaction.table(node)
        found = table.to_arrow() if table is not None else pa.table({})
        return dict(zip(found.column_names, found.columns, strict=True))

    def _add_columns(self, node: str, more: dict[str, pa.ChunkedArray]) -> None:
        table = self.transaction.table(node)
        meta = self.transaction.drafts[node].meta
        if table is None:
            raise NotFoundError(f"there is no table {node!r}")
        found = table.to_arrow()
        for name, values in more.items():
            found = found.append_column(circuits.attribute(name, values.type, ""), values)
        self.transaction.write_table(
            node, found, doc=meta["doc"], sorted_by=meta["sorted_by"], attributes=meta["attributes"]
        )

    def placement(self, source: HDF5File) -> None:
        """Write astrocytes from a file of ids, positions and radii, as cell placement exported them once.

        Parameters
        ----------
        source
            The file that is open.

        Raises
        ------
        IngestError
            A dataset lacks or is of another shape, or the circuit has astrocytes already.
        """
        node = glia.ASTROCYTES.of(circuit=self.circuit)
        if node in self.transaction.drafts:
            raise source.error("/", f"the lake has {node!r} already; choose another --name")
        places = source.dataset(source.file, "positions", "f", shape=(None, 3))
        count = len(places)
        radii = source.dataset(source.file, "radii", "f", length=count)
        ids = np.arange(count)
        if "cell_ids" in source.file:
            dataset = source.dataset(source.file, "cell_ids", length=count)
            ids = source.ids(dataset)
            if not np.array_equal(ids, np.arange(count)):
                raise source.error(dataset, "cells are not numbered 0, 1, 2 …")
            source.claim(dataset, node, "node_id")
        values = places[...]
        if not np.isfinite(values).all():
            raise source.error(
                places, f"cell {int(np.argmin(np.isfinite(values).all(axis=1)))} is at no place"
            )
        columns = {
            "node_id": ids,
            **{axis: values[:, at] for at, axis in enumerate("xyz")},
            "radius": radii[...],
        }
        fields = [
            glia.ASTROCYTES.schema.field(name).with_type(pa.array(values).type)
            for name, values in columns.items()
        ]
        self.transaction.write_table(
            node,
            pa.table(list(columns.values()), pa.schema(fields)),
            doc=glia.ASTROCYTES.doc,
            sorted_by=glia.ASTROCYTES.sorted_by,
            attributes={"population": "astrocytes", "size": count},
        )
        self.context.sizes["astrocytes"] = count
        source.claim(places, node, PLACES)
        source.claim(radii, node, "radius")
