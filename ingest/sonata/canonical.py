"""The dialect of libsonata: how what a lake holds is laid out in files, whatever it came from."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary import reports as report_kinds
from ...lake import Snapshot, Table
from ...lake.errors import InputError
from ..circuits.swc import swc_files
from ..hdf5.layout import Item
from ..outgoing import as_part
from .populations import CODE, DYNAMICS, EDGES, INDICES, RANGES

_SORTINGS = {"none": 0, "by_id": 1, "by_time": 2}
FROM = "@from."
"""Part of a report: its frames from a number on."""
_ROUNDING = 1e-6
_TEXT = {"text": "utf-8", "length": None}
_SPIKES, _NODES, _EDGES = "spikes.h5", "nodes.h5", "edges.h5"
_MORPHOLOGIES = "morphologies"
_CIRCUIT, _SIMULATION = "circuit_config.json", "simulation_config.json"
_REPORT_KEYS = ("type", "cells", "sections", "compartments", "variable_name", "compartment_set", "scaling")
_POPULATION_TYPES = ("biophysical", "virtual", "single_compartment", "point_neuron")

Files = dict[str, str | bytes | list[Item]]


def canonical_files(snapshot: Snapshot, run: str) -> Files:
    """Return the files of a run by path: HDF5 files as they are to be laid out, and configurations.

    Parameters
    ----------
    snapshot
        The commit to read.
    run
        Name of the run.

    Raises
    ------
    InputError
        Ids of nodes are not 0, 1, 2 …, which this dialect cannot say; or two names would be one in HDF5.
    """
    laid: dict[str, list[Item]] = {}
    for file, items in _laid_out(snapshot, run):
        laid.setdefault(file, [Item(file, "/")]).extend(items)
    for file, items in laid.items():
        _refuse_same(file, items)
    sets = _sets(snapshot, run)
    told = {_CIRCUIT: _circuit(snapshot, run, laid), _SIMULATION: _simulation(snapshot, run, laid, sets)}
    configurations = {name: json.dumps(content, indent=2).encode() for name, content in told.items()}
    shapes = {f"{_MORPHOLOGIES}/{file}": text for file, text in swc_files(snapshot, run)}
    return {**laid, **{f"{kind}.json": node for kind, node in sets.items()}, **configurations, **shapes}


def _refuse_same(file: str, items: list[Item]) -> None:
    taken: dict[str, Item] = {}
    for item in items:
        other = taken.setdefault(item.path, item) if item.type is not None else item
        if other is not item:
            said = " and ".join(
                repr((each.part or "").removeprefix("@rows.") or each.node) for each in (other, item)
            )
            raise InputError(
                f"{said} would both be {item.path} in {file}; rename one, or use the dialect of the source"
            )


def _laid_out(snapshot: Snapshot, run: str) -> Iterator[tuple[str, list[Item]]]:
    for name in snapshot:
        room, *parts = name.split("/")
        if (
            room not in circuits.ROOMS
            or parts[:1] != [run]
            or ("." in parts[-1] and name not in _whole(snapshot))
        ):
            continue
        if room == "nodes" and len(parts) == 2:
            yield _NODES, node_items(snapshot.tables[name], parts[1])
        elif room == "edges" and len(parts) == 2:
            yield _EDGES, edge_items(snapshot, name, parts[1])
        elif room == "spikes" and len(parts) == 2:
            yield _SPIKES, _spikes(snapshot.tables[name], parts[1])
        elif room == "inputs":
            yield f"inputs/{parts[1]}.h5", _spikes(snapshot.tables[name], parts[2])
        elif room == "reports":
            yield f"reports/{parts[1]}.h5", _report(snapshot, name, parts[2])
        elif room == "electrodes":
            yield f"electrodes/{parts[1]}.h5", _weights(snapshot, name, parts[2])


def _whole(snapshot: Snapshot) -> set[str]:
    """Nodes that stand for a population; others, such as ``x.elements``, stand beside one."""
    return {name for name in snapshot if not any(name.startswith(f"{other}.") for other in snapshot)}


# Items


def laid_item(
    path: str,
    kind: Any,
    shape: tuple[int, ...],
    node: str,
    part: str,
    attributes: Mapping[str, Any] | None = None,
) -> Item:
    """Return a dataset whose values are a node's.

    Parameters
    ----------
    path
        Of the dataset.
    kind
        Type of its values, as `layout.type_json` has it.
    shape
        Its shape.
    node, part
        What holds the values.
    attributes
        Text or, as a pair of type and number, numbers by name.
    """
    return Item(
        "",
        path,
        type=json.dumps(kind),
        shape=list(shape),
        attributes=_attributes(attributes),
        node=node,
        part=part,
    )


def constant_item(path: str, values: Any, attributes: Mapping[str, Any] | None = None) -> Item:
    """Return a dataset with these values, numbers or text.

    Parameters
    ----------
    path
        Of the dataset.
    values
        The values.
    attributes
        As of `laid_item`.
    """
    array = np.asarray(values)
    told = _attributes(attributes)
    if array.dtype.kind == "U":
        text = json.dumps(array.reshape(-1).tolist()).encode()
        return Item("", path, json.dumps(_TEXT), list(array.shape), attributes=told, value=text)
    return Item(
        "", path, json.dumps(array.dtype.str), list(array.shape), attributes=told, value=array.tobytes()
    )


def _attributes(values: Mapping[str, Any] | None) -> str:
    told = {}
    for name, value in (values or {}).items():
        kind, number = value if isinstance(value, tuple) else (_TEXT, value)
        told[name] = {"type": kind, "shape": [], "value": [number]}
    return json.dumps(told)


def node_items(table: Table, population: str) -> list[Item]:
    """Return how libsonata has the nodes of a population.

    Parameters
    ----------
    table
        Its table.
    population
        Its name.

    Raises
    ------
    InputError
        Its nodes are not numbered 0, 1, 2 …
    """
    ids = table.to_arrow(["node_id"])["node_id"].to_numpy()
    if not np.array_equal(ids, np.arange(len(ids))):
        raise InputError(f"{table.name}: libsonata numbers nodes 0, 1, 2 …; use the dialect of the source")
    return _population(table, f"/nodes/{population}", "node", [*circuits.NODE_COLUMNS])


def edge_items(
    snapshot: Snapshot, name: str, population: str, joined_to: Mapping[str, str] | None = None
) -> list[Item]:
    """Return how libsonata has the edges of a population, with the indices of both ends.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        The table of the edges.
    population
        What they are called.
    joined_to
        ``source_population`` and ``target_population``, where the table does not say them.
    """
    table, root = snapshot.tables[name], f"/edges/{population}"
    attributes = {**(joined_to or {}), **snapshot.tree[name].meta["attributes"]}
    items = _population(table, root, "edge", [*circuits.EDGE_COLUMNS])
    for direction, end in INDICES.items():
        joined = attributes.get(end.replace("node_id", "population"))
        told = {} if joined is None else {"node_population": joined}
        items.append(laid_item(f"{root}/{end}", "<u8", (len(table),), table.name, f"@rows.{end}", told))
        ends = table.to_arrow(["edge_id", end]).sort_by("edge_id")[end].to_numpy()
        runs = int(np.count_nonzero(np.diff(ends))) + (1 if len(ends) else 0)
        index, nodes = f"{root}/indices/{direction}", int(ends.max(initial=-1)) + 1
        items.append(laid_item(f"{index}/{RANGES[0]}", "<u8", (nodes, 2), table.name, f"@{end}.{RANGES[0]}"))
        items.append(laid_item(f"{index}/{EDGES}", "<u8", (runs, 2), table.name, f"@{end}.{EDGES}"))
    return items


def _population(table: Table, root: str, kind: str, own: list[str]) -> list[Item]:
    """The types and the one group of attributes that nodes and edges have."""
    shape, types = (len(table),), f"{root}/{kind}_type_id"
    items = [
        Item("", f"{root}/0"),
        laid_item(types, "<i8", shape, table.name, f"@rows.{kind}_type_id")
        if f"{kind}_type_id" in table.columns
        # Circuits of other sources have no types, for which SONATA says -1.
        else constant_item(types, np.full(shape, -1, "<i8")),
    ]
    for field in table.schema():
        codes_of = field.name.removesuffix(CODE)
        if field.name in own or (codes_of != field.name and codes_of in table.columns):
            continue
        name = field.name.replace(f"{DYNAMICS}.", f"{DYNAMICS}/")
        # bmtk's types name a file so; to libsonata it is a group.
        name = f"{DYNAMICS}_file" if name == DYNAMICS else name
        told = _TEXT if pa.types.is_string(field.type) else np.dtype(field.type.to_pandas_dtype()).str
        items.append(laid_item(f"{root}/0/{name}", told, shape, table.name, f"@rows.{field.name}"))
    return items


def _spikes(table: Table, population: str) -> list[Item]:
    order = {"node_id": "by_id", "time": "by_time"}.get("".join(table.sorted_by[:1]), "none")
    root, shape = f"/spikes/{population}", (len(table),)
    return [
        Item(
            "",
            root,
            attributes=_attributes({"sorting": ({"enum": _SORTINGS, "base": "|u1"}, _SORTINGS[order])}),
        ),
        laid_item(f"{root}/node_ids", "<u8", shape, table.name, "node_id"),
        laid_item(f"{root}/timestamps", "<f8", shape, table.name, "time", {"units": "ms"}),
    ]


def _report(snapshot: Snapshot, name: str, population: str) -> list[Item]:
    array, root = snapshot.arrays[name], f"/report/{population}"
    first, start, stop, step = _frames(array)
    size = (array.shape[1],)
    elements, nodes = (
        snapshot.tables[kind.beside(name)] for kind in (report_kinds.ELEMENTS, report_kinds.RANGES)
    )
    positions = elements.to_arrow(["element_pos"])["element_pos"]
    items = [
        laid_item(
            f"{root}/data",
            "<f4",
            (array.shape[0] - first, *size),
            name,
            f"{FROM}{first}" if first else "",
            {"units": array.attrs["units"] or "mV"},
        ),
        constant_item(f"{root}/mapping/time", [start, stop, step], {"units": "ms"}),
        laid_item(f"{root}/mapping/element_ids", "<u4", size, elements.name, "element_id"),
        laid_item(f"{root}/mapping/node_ids", "<u8", (len(nodes),), nodes.name, "node_id"),
        laid_item(f"{root}/mapping/index_pointers", "<u8", (len(nodes) + 1,), nodes.name, "@pointers"),
    ]
    if positions.null_count < len(positions):
        items.append(laid_item(f"{root}/mapping/element_pos", "<f8", size, elements.name, "element_pos"))
    return items


def _frames(array: Any) -> tuple[int, float, float, float]:
    """The first frame to write, and start, stop and step (ms) from there on: libsonata has no times below 0."""
    told: dict[str, Any] = array.attrs.asdict()
    if "dt" not in told:
        raise InputError(f"frames of {array.path!r} are not equally far apart, which SONATA cannot say")
    start, step = told["t_start"], told["dt"]
    first = min(array.shape[0], max(0, math.ceil(-start / step - _ROUNDING)))
    return first, max(start + first * step, 0.0) if first else start, start + step * array.shape[0], step


def _weights(snapshot: Snapshot, name: str, population: str) -> list[Item]:
    array = snapshot.arrays[name]
    if array.attrs["units"] != "mV/nA":
        raise InputError(
            f"{name} is in {array.attrs['units']}, SONATA has mV/nA; use the dialect of the source"
        )
    nodes = snapshot.tables[report_kinds.RANGES.beside(name)]
    items = [
        laid_item(f"/electrodes/{population}/scaling_factors", "<f8", array.shape, name, ""),
        laid_item(f"/{population}/node_ids", "<u8", (len(nodes),), nodes.name, "node_id"),
        laid_item(f"/{population}/offsets", "<u8", (len(nodes) + 1,), nodes.name, "@pointers"),
    ]
    compartments = report_kinds.COMPARTMENTS.beside(name)
    if compartments in snapshot.tables:
        items.append(
            laid_item(f"/{population}/neurite_types", "<i4", array.shape[:1], compartments, "neurite_type")
        )
    rows = snapshot.tables[report_kinds.ELECTRODES.beside(name)].to_arrow().to_pylist()
    for row in rows:
        if row["name"] is None:
            continue
        if row["name"] == population:
            raise InputError(f"{name}: electrode {population!r} is called like the population")
        root = f"/electrodes/{as_part(row['name'], 'electrode')}"
        items.append(constant_item(f"{root}/{population}", np.uint64(row["column"])))
        items.append(constant_item(f"{root}/position", np.array([row[axis] for axis in "xyz"], "<f4")))
        items += [
            constant_item(f"{root}/{key}", row[key])
            for key in ("type", "layer", "region")
            if row[key] is not None
        ]
    return items


# Configurations


def _circuit(snapshot: Snapshot, run: str, laid: Mapping[str, list[Item]]) -> dict[str, Any]:
    nodes = {
        name.rsplit("/", 1)[-1]: {"type": _type(snapshot.tables[name])}
        for name in _whole(snapshot)
        if name.startswith(f"{circuits.NODES.folder}{run}/")
    }
    edges = {
        name.rsplit("/", 1)[-1]: {"type": "chemical"}
        for name in _whole(snapshot)
        if name.startswith(f"{circuits.EDGES.folder}{run}/")
    }
    return {
        "version": 2,
        "components": {"morphologies_dir": _MORPHOLOGIES, "biophysical_neuron_models_dir": "models"},
        "networks": {
            "nodes": [{"nodes_file": _NODES, "populations": nodes}] if _NODES in laid else [],
            "edges": [{"edges_file": _EDGES, "populations": edges}] if _EDGES in laid else [],
        },
    }


def _type(table: Table) -> str:
    if "model_type" not in table.columns:
        return "biophysical"
    told = pc.unique(table.to_arrow(["model_type"])["model_type"]).to_pylist()
    return str(told[0]) if len(told) == 1 and told[0] in _POPULATION_TYPES else "biophysical"


def _sets(snapshot: Snapshot, run: str) -> dict[str, str]:
    """File nodes of node sets and compartment sets, which are the same in all dialects."""
    name = circuits.FILES.of(circuit=run)
    rows = snapshot.tables[name].to_arrow().to_pylist() if name in snapshot.tables else []
    return {row["kind"]: row["node"] for row in rows if row["kind"] in ("node_sets", "compartment_sets")}


def _simulation(
    snapshot: Snapshot, run: str, laid: Mapping[str, list[Item]], sets: Mapping[str, str]
) -> dict[str, Any]:
    arrays = {name.split("/")[2]: snapshot.arrays[name] for name in snapshot.arrays if _is_report(name, run)}
    reports = {name: _report_config(array, name, laid) for name, array in arrays.items()}
    told = {
        "dt": min((report["dt"] for report in reports.values()), default=0.1),
        "tstop": max((report["end_time"] for report in reports.values()), default=0.0),
        "random_seed": 0,
    }
    return {
        "version": 2,
        "network": _CIRCUIT,
        **{f"{kind}_file": f"{kind}.json" for kind in sets},
        "run": told,
        "output": {"output_dir": ".", "spikes_file": _SPIKES},
        "reports": reports,
    }


def _is_report(name: str, run: str) -> bool:
    return name.startswith(f"{report_kinds.REPORT.folder}{run}/") and not name.endswith(
        report_kinds.REPORT_TIME.ending
    )


def _report_config(array: Any, name: str, laid: Mapping[str, list[Item]]) -> dict[str, Any]:
    told, (_, start, stop, step) = array.attrs["report"], _frames(array)
    kept = {key: told[key] for key in _REPORT_KEYS if isinstance(told.get(key), str)}
    # Lakes from before names with folders do not say it: the name was that of the file.
    called = array.attrs.get("weights", PurePath(told.get("electrodes_file", "")).stem)
    weights = f"electrodes/{called}.h5"
    if kept.get("type") == "lfp":
        # It is always made of membrane currents; libsonata does not want to be told.
        kept.pop("variable_name", None)
    else:
        kept = {"type": "compartment", "variable_name": name, **kept}
    return {
        **kept,
        **({"electrodes_file": weights} if weights in laid else {}),
        "unit": array.attrs["units"] or "mV",
        "dt": step,
        "start_time": start,
        "end_time": stop,
        "file_name": f"reports/{name}.h5",
        "enabled": True,
    }
