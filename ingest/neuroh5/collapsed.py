"""A circuit as files of Cells, Connections, inputs and results, whatever it came from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary import reports as report_kinds
from ...catalog.vocabulary.kinds import Kind
from ...lake import Snapshot, Table
from ...lake.errors import InputError
from ..hdf5.layout import Item
from ..hdf5.reading import Ids
from .cells import CELLS, POINTERS, VALUES, Index, Indices
from .layout import LINK, OF_TYPE, TYPE
from .namespaces import EVENTS, OF_SYNAPSES, PLACES, SYNAPSES, TIME, TRAIN, TRIAL
from .projections import BLOCK_CELLS, BLOCK_POINTERS, COLUMNS, EDGES, SOURCES
from .projections import POINTERS as DESTINATIONS
from .results import POINTS, POTENTIAL, TRAJECTORY
from .stored import StoredValues, column_blocks, key_of
from .trees import OWNER, PARTS, TREES
from .types import (
    CHEMICAL,
    ELECTRICAL,
    LABELS,
    LAYERS,
    MOST_CELLS,
    MOST_LABELS,
    PAIR,
    POPULATIONS,
    PROJECTIONS,
    RANGE,
    ROOT,
    NetworkTypes,
    NumberedCells,
)

CELL_FILE, CONNECTION_FILE, GAP_FILE = "cells.h5", "connections.h5", "gap_junctions.h5"
INPUT_FILE, RESULT_FILE = "input_spikes.h5", "results.h5"
OWN_NAMESPACE = "Attributes"
"""Where columns go that no namespace of NeuroH5 has."""
_CHUNK = 1000
_SYNAPSE_TYPES = {"synapse_id": "<u4", "section_id": "<u4", "layer": "|i1", "type": "|u1", "swc_type": "|u1"}
_EDGE_TYPES = {"synapse_id": "<u4", "efferent_section_id": "<u4", "afferent_section_id": "<u4"}
_TREE_TYPES = {"parent": "<i4", "layer": "|i1", "type": "|i1"}
_WIDE = {"int64": "<i4", "uint64": "<u4", "bool": "|u1", "double": "<f4"}


def collapsed_files(snapshot: Snapshot, circuit: str) -> tuple[dict[str, list[Item]], Mapping[int, Index]]:
    """Return files by name as they are to be laid out, and the indexes that they share.

    Text and reports of several elements a cell are left out: NeuroH5 has no word for them.

    Parameters
    ----------
    snapshot
        The commit to read.
    circuit
        Name of the circuit.

    Raises
    ------
    InputError
        A population or a pair of populations cannot be numbered, or edges do not tell which populations they join.
    """
    return _Collapse(snapshot, circuit).files()


class _Collapse:
    def __init__(self, snapshot: Snapshot, circuit: str) -> None:
        self.snapshot, self.circuit = snapshot, circuit
        self.indices = Indices()
        self.items: dict[str, list[Item]] = {}
        self.pairs: dict[str, list[tuple[str, str]]] = {}
        self.beside: dict[str, str] = {}

    def files(self) -> tuple[dict[str, list[Item]], Mapping[int, Index]]:
        """All files, those with something in them."""
        types = self._types()
        for population, table in self._tables(circuits.NODES):
            self._nodes(population, table)
        for population, table in self._tables(circuits.SYNAPSES):
            self._synapses(population, table)
        for name, table in self._tables(circuits.EDGES):
            self._edges(name, table, types)
        self._activity(types)
        self._features()
        for probe in self._names(report_kinds.LFP):
            self._potentials(probe)
        for path in self._names(circuits.TRAJECTORIES):
            self._trajectory(path)
        if not self.items:
            self.items[CELL_FILE] = []
        made = {
            file: [*_of_types(types, self._valid(types, file)), *items]
            for file, items in sorted(self.items.items())
        }
        return made, dict(enumerate(self.indices.found))

    def _tables(self, kind: Kind) -> Iterator[tuple[str, Table]]:
        for name, table in self.snapshot.tables.items():
            parts = kind.parts(name)
            if (
                parts is not None
                and parts["circuit"] == self.circuit
                and not name.endswith(circuits.BY_SOURCE.ending)
            ):
                yield parts["population"], table

    def _names(self, kind: Kind) -> list[str]:
        nodes = self.snapshot.tables if kind.stored_as == "table" else self.snapshot.arrays
        found = [name for name in nodes if (parts := kind.parts(name)) and parts["circuit"] == self.circuit]
        # What stands beside an array, such as its times, has its name and more.
        return [name for name in found if not any(name.startswith(f"{other}.") for other in found)]

    def _attributes(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.snapshot.tree[name].meta["attributes"]
        return found

    # Types

    def _types(self) -> NetworkTypes:
        counts: dict[str, int] = {}
        for population, table in self._tables(circuits.NODES):
            ids = table.to_arrow(["node_id"])["node_id"].to_numpy()
            counts[population] = int(ids.max(initial=-1)) + 1
        name = circuits.POPULATIONS.of(circuit=self.circuit)
        known = self.snapshot.tables[name].to_arrow().to_pylist() if name in self.snapshot.tables else []
        found = {row["population"]: NumberedCells(row["label"], row["start"], row["count"]) for row in known}
        start = max((one.start + one.count for one in found.values()), default=0)
        label = max((one.label for one in found.values()), default=-1)
        for node in self.snapshot.tables:
            for kind in (circuits.SPIKES, circuits.INPUTS):
                if (parts := kind.parts(node)) and parts["circuit"] == self.circuit:
                    ids = self.snapshot.tables[node].to_arrow(["node_id"])["node_id"].to_numpy()
                    population = self._attributes(node).get("population", parts["population"])
                    if population not in found:
                        counts[population] = max(counts.get(population, 0), int(ids.max(initial=-1)) + 1)
        for population in sorted(counts.keys() - found.keys()):
            label += 1
            found[population] = NumberedCells(label, start, counts[population])
            start += counts[population]
        if start > MOST_CELLS or label >= MOST_LABELS:
            raise InputError(
                f"{self.circuit!r} has {start:,} cells in populations up to number {label}; NeuroH5 has at most "
                f"{MOST_CELLS:,} cells, and numbers of populations below {MOST_LABELS:,}"
            )
        layers = circuits.LAYERS.of(circuit=self.circuit)
        tags = self.snapshot.tables[layers].to_arrow().to_pylist() if layers in self.snapshot.tables else []
        return NetworkTypes(found, None, {row["layer"]: row["label"] for row in tags})

    def _valid(self, types: NetworkTypes, file: str) -> list[tuple[str, str]]:
        """Pairs of populations that may be connected, those of the circuit and those that are."""
        kind, holder = (ELECTRICAL, GAP_FILE) if file == GAP_FILE else (CHEMICAL, CONNECTION_FILE)
        name = circuits.PROJECTIONS.of(circuit=self.circuit)
        rows = self.snapshot.tables[name].to_arrow().to_pylist() if name in self.snapshot.tables else []
        told = [(row["source"], row["target"]) for row in rows if row["kind"] == kind]
        return list(dict.fromkeys([*told, *self.pairs.get(holder, ())]))

    # Cells

    def _put(self, file: str, *items: Item) -> None:
        self.items.setdefault(file, []).extend(items)

    def _attribute(self, file: str, path: str, dtype: str, node: str, part: str, index: Index) -> None:
        """An attribute of cells: the values are *part* of *node*, in the order of the index."""
        number, total = self.indices.number(index), int(index.size.sum())
        rows = len(index.node_id)
        told = f"{part}.{number}" if part.startswith("@") else f"@rows.{number}.{part}"
        self._put(
            file,
            _dataset(f"{path}/{CELLS}", "<u4", rows, "", f"@cells.{number}"),
            _dataset(f"{path}/{POINTERS}", "<u8", rows + 1, "", f"@pointers.{number}"),
            _dataset(f"{path}/{VALUES}", dtype, total, node, told),
        )

    def _nodes(self, population: str, table: Table) -> None:
        places = {column: name for name, column in PLACES.items()}
        known = {"gid", *circuits.NODE_COLUMNS}
        told = self._attributes(table.name)
        for field in table.schema():
            dtype = _dtype(field.type)
            if field.name in known or dtype is None:
                continue
            rows = table.to_arrow(["node_id", field.name])
            cells = rows["node_id"].filter(rows[field.name].is_valid()).to_numpy()
            if not len(cells):
                continue
            namespace = OWN_NAMESPACE
            if field.name in places:
                namespace = "Arc Distances" if field.name.endswith("_distance") else "Coordinates"
            path = f"/Populations/{population}/{namespace}/{places.get(field.name, field.name)}"
            index = Index(np.sort(cells), np.ones(len(cells), np.int64))
            self._attribute(CELL_FILE, path, dtype, table.name, field.name, index)
        references = told.get("Arc Distances")
        if references:
            self._put(
                CELL_FILE, Item("", f"/Populations/{population}/Arc Distances", attributes=_reals(references))
            )
        if "morphology" in table.columns:
            self._trees(population, table)

    def _trees(self, population: str, table: Table) -> None:
        forest, places = StoredValues(self.snapshot, self.circuit, {}).trees()
        rows = table.to_arrow(["node_id", "morphology"]).sort_by("node_id")
        names = rows["morphology"].to_pylist()
        has = np.array([name in places for name in names], bool)
        if not has.any():
            return
        cells = rows["node_id"].to_numpy()[has]
        trees = np.array([places[name] for name in names if name in places])
        root = f"/Populations/{population}/{TREES}"
        number = self.indices.number(Index(cells, forest.points[trees]))
        shared = f"{root}/{CELLS}"
        self._put(CELL_FILE, _dataset(shared, "<u4", len(cells), "", f"@cells.{number}"))
        for name, (part, kind) in PARTS.items():
            index = Index(cells, forest.size_of(part)[trees])
            number, path = self.indices.number(index), f"{root}/{name}"
            pointer, owner = f"{path}/{POINTERS}", f"{root}/{OWNER[name]}/{POINTERS}"
            held = _dataset(pointer, "<u8", len(cells) + 1, "", f"@pointers.{number}")
            dtype = "<f4" if kind == "f" else _TREE_TYPES.get(part, "<u2")
            self._put(
                CELL_FILE,
                _link(f"{path}/{CELLS}", shared),
                held if pointer == owner else _link(pointer, owner),
                _dataset(
                    f"{path}/{VALUES}", dtype, int(index.size.sum()), table.name, f"@tree:{part}.{number}"
                ),
            )
        for name in ("Section", "Source Section"):
            self._put(CELL_FILE, _link(f"{root}/{name}/Section Pointer", f"{root}/{name}/{POINTERS}"))

    def _synapses(self, population: str, table: Table) -> None:
        names, index = {column: name for name, column in OF_SYNAPSES.items()}, _index(table)
        for column, dtype in _columns(table, _SYNAPSE_TYPES):
            path = f"/Populations/{population}/{SYNAPSES}/{names.get(column, column)}"
            self._attribute(CELL_FILE, path, dtype, table.name, column, index)

    # Edges

    def _edges(self, name: str, table: Table, types: NetworkTypes) -> None:
        told = self._attributes(table.name)
        named = [*name.split("__"), "", ""]
        source, target = (
            str(told.get(f"{end}_population") or part)
            for end, part in zip(("source", "target"), named[:2], strict=True)
        )
        if source not in types.populations or target not in types.populations:
            raise InputError(f"{table.name} does not tell which populations of {self.circuit!r} it joins")
        file = GAP_FILE if ELECTRICAL in name else CONNECTION_FILE
        if (source, target) in self.pairs.setdefault(file, []):
            raise InputError(
                f"{table.name}: NeuroH5 has one projection from {source} to {target}, {self.circuit!r} has several"
            )
        self.pairs[file].append((source, target))
        index, root = _index(table), f"/Projections/{target}/{source}"
        number, size = self.indices.number(index), len(table)
        first, ends = _blocks(index.node_id)
        self._put(
            file,
            _constant(f"{root}/{EDGES}/{BLOCK_CELLS}", first.astype("<u4")),
            _constant(f"{root}/{EDGES}/{BLOCK_POINTERS}", ends.astype("<u8")),
            _dataset(
                f"{root}/{EDGES}/{DESTINATIONS}", "<u8", len(index.node_id) + 1, "", f"@pointers.{number}"
            ),
            _dataset(f"{root}/{EDGES}/{SOURCES}", "<u4", size, table.name, f"@rows.{number}.source_node_id"),
        )
        paths = {column: "/".join(place) for place, column in COLUMNS.items()}
        for column, dtype in _columns(table, _EDGE_TYPES):
            own = column.replace(".", "/", 1) if "." in column else f"{OWN_NAMESPACE}/{column}"
            path = f"{root}/{paths.get(column, own)}"
            self._put(file, _dataset(path, dtype, size, table.name, f"@rows.{number}.{column}"))

    # Activity

    def _activity(self, types: NetworkTypes) -> None:
        """Spikes of inputs and of results, and recordings; remembers in which file their namespaces are."""
        for name, table in self.snapshot.tables.items():
            if (parts := circuits.INPUTS.parts(name)) and parts["circuit"] == self.circuit:
                cells = types.populations[parts["population"]].count
                self._spikes(INPUT_FILE, parts["population"], parts["input"], table, TRAIN, cells)
        for _, table in self._tables(circuits.SPIKES):
            told = self._attributes(table.name)
            population = told.get("population", table.name.rsplit("/", 1)[-1])
            cells = types.populations[population].count
            self._spikes(RESULT_FILE, population, told.get("namespace", EVENTS), table, TIME, cells)
        for name in self._names(report_kinds.REPORT):
            self._report(name)

    def _spikes(
        self, file: str, population: str, namespace: str, table: Table, time: str, cells: int
    ) -> None:
        self.beside[namespace] = file
        root, found = f"/Populations/{population}/{namespace}", _index(table)
        # Readers ask for every cell, also for those that never fired.
        sizes = np.zeros(cells, np.int64)
        sizes[found.node_id] = found.size
        index = Index(np.arange(cells), sizes)
        self._attribute(file, f"{root}/{time}", "<f4", table.name, "time", index)
        if "trial" in table.columns:
            self._attribute(file, f"{root}/{TRIAL}", "|u1", table.name, "trial", index)

    def _report(self, name: str) -> None:
        ranges = self.snapshot.tables[report_kinds.RANGES.beside(name)].to_arrow()
        frames, elements = self.snapshot.arrays[name].shape
        if elements != len(ranges):
            return
        parts = report_kinds.REPORT.parts(name) or {}
        attributes: dict[str, Any] = self.snapshot.arrays[name].attrs.asdict()
        told = attributes.get("report") or {}
        namespace = str(told.get("namespace", f"Intracellular {parts['report']}"))
        quantity = str(told.get("variable_name", "v"))
        self.beside[namespace] = RESULT_FILE
        index = Index(ranges["node_id"].to_numpy(), np.full(elements, frames))
        root = f"/Populations/{parts['population']}/{namespace}"
        made = {item.path for item in self.items.get(RESULT_FILE, ())}
        if f"{root}/{TIME}/{VALUES}" not in made:
            times = report_kinds.REPORT_TIME.beside(name)
            self._attribute(RESULT_FILE, f"{root}/{TIME}", "<f4", times, "@times", index)
        self._attribute(RESULT_FILE, f"{root}/{quantity}", "<f4", name, "@frames", index)

    def _features(self) -> None:
        for name, table in self.snapshot.tables.items():
            parts = circuits.FEATURES.parts(name)
            if parts is None or parts["circuit"] != self.circuit:
                continue
            file = self.beside.get(parts["namespace"], CELL_FILE)
            rows = table.to_arrow()
            for field in rows.schema:
                inner = field.type.value_type if pa.types.is_list(field.type) else field.type
                dtype = _dtype(inner)
                if field.name == "node_id" or dtype is None:
                    continue
                known = rows[field.name].is_valid()
                cells = rows["node_id"].filter(known).to_numpy()
                sizes = np.ones(len(cells), np.int64)
                if pa.types.is_list(field.type):
                    sizes = pc.list_value_length(rows[field.name].filter(known)).to_numpy().astype(np.int64)
                path = f"/Populations/{parts['population']}/{parts['namespace']}/{field.name}"
                self._attribute(file, path, dtype, name, field.name, Index(cells, sizes))

    def _potentials(self, name: str) -> None:
        labels = self.snapshot.tables[report_kinds.LFP_ELECTRODES.beside(name)].to_arrow()["name"].to_pylist()
        size = self.snapshot.arrays[name].shape[0]
        for column, label in enumerate(labels):
            root = f"/{POTENTIAL}{label}"
            self._put(
                RESULT_FILE,
                _dataset(f"{root}/t", "<f4", size, report_kinds.LFP_TIME.beside(name), "@axis"),
                _dataset(f"{root}/v", "<f4", size, name, f"@column.{column}"),
            )

    def _trajectory(self, name: str) -> None:
        table, label = self.snapshot.tables[name], (circuits.TRAJECTORIES.parts(name) or {})["trajectory"]
        for short, column in POINTS.items():
            self._put(INPUT_FILE, _dataset(f"/{TRAJECTORY}{label}/{short}", "<f4", len(table), name, column))


# Types of NeuroH5


def _of_types(types: NetworkTypes, pairs: Sequence[tuple[str, str]]) -> Iterator[Item]:
    numbers = {name: one.label for name, one in types.populations.items()}
    label = {"enum": numbers, "base": "<u2"}
    ranges = {"compound": [["Start", 0, "<u8"], ["Count", 8, "<u4"], ["Population", 12, label]], "size": 14}
    pair = {"compound": [["Source", 0, label], ["Destination", 2, label]], "size": 4}
    for name, kind in ((LABELS, label), (PAIR, pair), (RANGE, ranges)):
        yield Item("", f"{ROOT}/{name}", type=json.dumps(kind), part=TYPE)
    if types.layers:
        tags = {"enum": dict(types.layers), "base": "|u1"}
        yield Item("", f"{ROOT}/{LAYERS}", type=json.dumps(tags), part=TYPE)
    rows = np.array(
        sorted((one.start, one.count, one.label) for one in types.populations.values()), "<u8,<u4,<u2"
    )
    yield Item("", f"{ROOT}/{POPULATIONS}", json.dumps(ranges), [len(rows)], value=rows.tobytes())
    valid = np.array([(numbers[pre], numbers[post]) for pre, post in pairs], "<u2")
    yield Item(
        "",
        f"{ROOT}/{PROJECTIONS}",
        json.dumps(pair),
        [len(pairs)],
        part=f"{OF_TYPE}{ROOT}/{PAIR}",
        value=valid.tobytes(),
    )


def _dtype(kind: pa.DataType) -> str | None:
    """The type of NeuroH5 for values of a column; None where it has none."""
    if str(kind) in _WIDE:
        return _WIDE[str(kind)]
    if pa.types.is_integer(kind) or pa.types.is_float32(kind):
        return str(np.dtype(kind.to_pandas_dtype()).str)
    return None


def _columns(table: Table, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Columns besides the ids of rows that NeuroH5 has a type for, and that type."""
    own = {*circuits.NODE_COLUMNS, *circuits.EDGE_COLUMNS}
    for field in table.schema():
        dtype = known.get(field.name) or _dtype(field.type)
        if field.name not in own and dtype is not None:
            yield field.name, dtype


def _index(table: Table) -> Index:
    """Each cell of a table that has several values of each, and how many."""
    counts = np.zeros(0, np.int64)
    for cells in column_blocks(table, key_of(table)):
        found = np.bincount(cells.to_numpy(), minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    nodes = np.flatnonzero(counts)
    return Index(nodes, counts[nodes])


def _blocks(cells: Ids) -> tuple[Ids, Ids]:
    """First cells of the runs of neighbours, and where in *cells* each run begins and the last ends.

    NeuroH5's readers take the last for the number of pointers, of which there is one more than cells.
    """
    if not len(cells):
        return np.empty(0, np.int64), np.zeros(1, np.int64)
    first = np.flatnonzero(np.r_[True, np.diff(cells) != 1])
    return cells[first], np.r_[first, len(cells) + 1]


# Items


def _dataset(path: str, dtype: str, size: int, node: str, part: str) -> Item:
    growing = json.dumps({"maxshape": [None]})
    return Item("", path, json.dumps(dtype), [size], [_CHUNK], growing, node=node, part=part)


def _constant(path: str, values: NDArray[Any]) -> Item:
    growing = json.dumps({"maxshape": [None]})
    return Item(
        "", path, json.dumps(values.dtype.str), [len(values)], [_CHUNK], growing, value=values.tobytes()
    )


def _link(path: str, target: str) -> Item:
    return Item("", path, part=LINK, value=target.encode())


def _reals(told: Mapping[str, Any]) -> str:
    return json.dumps(
        {
            name: {"type": "<f8", "shape": [], "value": [value]}
            for name, value in told.items()
            if isinstance(value, float)
        }
    )
