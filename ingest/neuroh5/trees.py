"""Trees of NeuroH5: cells that have the same tree share it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary.circuits import POINTS, SECTIONS
from ...lake import Transaction
from ...lake.errors import IngestError
from ..circuits.trees import Forest, TreeError, trees_of
from ..hdf5.reading import HDF5File, Ids
from .cells import Attribute, blocks, read_attribute

TREES = "Trees"
PARTS = {
    "X Coordinate": ("x", "f"),
    "Y Coordinate": ("y", "f"),
    "Z Coordinate": ("z", "f"),
    "Radius": ("diameter", "f"),
    "Point Layer": ("layer", "i"),
    "SWC Type": ("type", "i"),
    "Parent Point": ("parent", "i"),
    "Section": ("packed", "u"),
    "Source Section": ("link_parent", "u"),
    "Destination Section": ("link_child", "u"),
}
"""Parts of a forest by attribute, and the kind of their values."""
OWNERS = ("X Coordinate", "Section", "Source Section")
"""Attributes whose rows are those of all points, of the packed sections, and of the links."""
_NAMES = {part: name for name, (part, _) in PARTS.items()}
OWNER = {
    name: OWNERS[1] if name == "Section" else OWNERS[2] if name.endswith(" Section") else OWNERS[0]
    for name in PARTS
}
_SECTIONS = "Section Pointer"
_SMALL = {"layer": np.int8, "type": np.int8}


@dataclass(frozen=True, eq=False)
class StoredTrees:
    """The trees of a population in a file, one a row."""

    source: HDF5File
    name: str
    attributes: dict[str, Attribute]

    @property
    def node_id(self) -> Ids:
        """The cell of each tree."""
        return self.attributes[OWNERS[0]].index.node_id

    @property
    def sizes(self) -> Ids:
        """How many points each tree has."""
        return self.attributes[OWNERS[0]].index.size

    def read(self, rows: Ids) -> Forest:
        """Read some of the trees.

        Parameters
        ----------
        rows
            Numbers of the rows, int64.
        """
        found: dict[str, Any] = {}
        for name, (part, _) in PARTS.items():
            values = self.attributes[name].read(rows)
            if part == "diameter":
                values = values * np.float32(2)
            found[part] = values.astype(
                _SMALL.get(part, values.dtype if values.dtype.kind == "f" else np.int32), copy=False
            )
        sizes = [self.attributes[name].index.size[rows] for name in OWNERS]
        return Forest(**found, points=sizes[0], words=sizes[1], links=sizes[2])

    def error(self, fault: TreeError, rows: Ids) -> IngestError:
        """Return an error of one of some trees, with file, dataset and cell.

        Parameters
        ----------
        fault
            What is wrong, and in which tree.
        rows
            Rows that were read, int64.
        """
        where = f"{self.name}/{_NAMES[fault.part]}/Attribute Value"
        return self.source.error(where, f"cell {self.node_id[rows[fault.tree]]}: {fault.reason}")


def read_trees(source: HDF5File, group: Any, count: int, repeated: str) -> StoredTrees:
    """Read the trees of a population.

    Parameters
    ----------
    source
        The file that is open.
    group
        The group ``Trees``.
    count
        How many cells the population has.
    repeated
        What becomes of cells that have several trees, as of `Attribute.kept`.

    Raises
    ------
    IngestError
        An attribute lacks, or its rows are not those of the others.
    """
    found: dict[str, Attribute] = {}
    for name, (_, kind) in PARTS.items():
        where = f"{group.name}/{name}"
        source.at = where
        if name not in group or hasattr(group[name], "dtype"):
            raise source.error(where, "there is no such group")
        kinds = "f" if kind == "f" else "iu"
        attribute = read_attribute(source, group[name], count, kinds)
        owner = found.get(OWNER[name], attribute)
        first = found.get(OWNERS[0], attribute)
        if not np.array_equal(attribute.index.node_id, first.index.node_id):
            raise source.error(f"{where}/Cell Index", f"its cells are not those of {OWNERS[0]}")
        if not np.array_equal(attribute.index.size, owner.index.size):
            raise source.error(f"{where}/Attribute Pointer", f"its pointers are not those of {OWNER[name]}")
        found[name] = attribute
    for where, dataset in (("", "Cell Index"), ("Section", _SECTIONS), ("Source Section", _SECTIONS)):
        _check_other_name(source, group[where] if where else group, dataset, found[where or OWNERS[0]])
    return StoredTrees(source, group.name, {name: one.kept(repeated) for name, one in found.items()})


def _check_other_name(source: HDF5File, group: Any, name: str, attribute: Attribute) -> None:
    """Compare what is usually another name of an index with it: some readers take the one, some the other."""
    if name not in group:
        return
    told = source.ids(source.dataset(group, name, shape=(None,)))
    bounds = np.concatenate([[0], np.cumsum(attribute.index.size)]) if len(told) else told
    if not np.array_equal(told, bounds if name == _SECTIONS else attribute.index.node_id):
        raise source.error(f"{group.name}/{name}", f"it does not say what the index of {attribute.name} says")


@dataclass
class Woods:
    """The distinct trees of an ingest.

    Attributes
    ----------
    known
        How many points the trees have that the lake holds, by name.
    where
        Where the others are: the trees of a file, and the row.
    """

    known: dict[str, int] = field(default_factory=dict)
    where: dict[str, tuple[StoredTrees, int]] = field(default_factory=dict)

    def named(self, trees: StoredTrees) -> Sequence[str]:
        """Return the name of each tree of a population, in the order of its cells; check and note new ones.

        Parameters
        ----------
        trees
            The population's trees.

        Raises
        ------
        IngestError
            One is no tree; names the cell.
        """
        order, names = np.argsort(trees.node_id, kind="stable"), np.empty(len(trees.node_id), object)
        for part in blocks(trees.sizes[order]):
            rows = order[part]
            forest = trees.read(rows)
            found = forest.digests()
            new: dict[str, int] = {}
            for at, name in enumerate(found):
                if name not in self.known and name not in self.where:
                    new.setdefault(name, at)
            places = np.array([*new.values()], np.int64)
            try:
                forest.take(places).check()
            except TreeError as fault:
                raise trees.error(fault, rows[places]) from fault
            self.where.update(zip(new, ((trees, int(row)) for row in rows[places]), strict=True))
            names[rows] = found
        return names.tolist()

    def write(self, transaction: Transaction, circuit: str) -> list[str]:
        """Write the tables of points and sections by the names of the trees; return the names of both if they are new.

        Parameters
        ----------
        transaction
            Writes the nodes.
        circuit
            Name of the circuit.
        """
        nodes = POINTS.of(circuit=circuit), SECTIONS.of(circuit=circuit)
        if not self.where:
            return []
        old = [table.to_arrow() for node in nodes if (table := transaction.table(node)) is not None]
        for node in nodes:
            if node in transaction.drafts:
                transaction.delete(node)
        for points, sections in self._tables(old):
            for node, kind, rows in zip(nodes, (POINTS, SECTIONS), (points, sections), strict=True):
                transaction.append_table(node, rows, doc=kind.doc, sorted_by=kind.sorted_by)
        return [*nodes]

    def _tables(self, old: Sequence[pa.Table]) -> Iterator[tuple[pa.Table, pa.Table]]:
        if old:
            # Trees that a lake has are few, or they would not be distinct.
            forest, names = Forest.of_tables(*old)
            held = {name: (forest, at) for at, name in enumerate(names)}
        else:
            held = {}
        everything = sorted([*held, *self.where])
        sizes = [
            int(held[name][0].points[held[name][1]])
            if name in held
            else int(self.where[name][0].sizes[self.where[name][1]])
            for name in everything
        ]
        for part in blocks(np.array(sizes)):
            names = everything[part]
            yield self._joined(names, held).tables(names)

    def _joined(self, names: Sequence[str], held: dict[str, tuple[Forest, int]]) -> Forest:
        groups: dict[int, tuple[Any, list[int], list[int]]] = {}
        for at, name in enumerate(names):
            owner, row = held[name] if name in held else self.where[name]
            _, rows, places = groups.setdefault(id(owner), (owner, [], []))
            rows.append(row)
            places.append(at)
        parts: list[Forest] = []
        order = np.empty(len(names), np.int64)
        for owner, rows, places in groups.values():
            order[places] = np.arange(len(places)) + sum(len(part) for part in parts)
            wanted = np.array(rows)
            parts.append(owner.take(wanted) if isinstance(owner, Forest) else owner.read(wanted))
        return Forest.joined(parts).take(order)


def stored_names(transaction: Transaction, circuit: str) -> dict[str, int]:
    """Return how many points each tree of a circuit in the lake has, by name.

    Parameters
    ----------
    transaction
        Holds the circuit's trees.
    circuit
        Name of the circuit.
    """
    points, sections = (transaction.table(kind.of(circuit=circuit)) for kind in (POINTS, SECTIONS))
    if points is None or sections is None:
        return {}
    return dict(trees_of(points.to_arrow(["morphology"]), sections.to_arrow(["morphology"])))
