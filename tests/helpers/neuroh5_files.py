"""NeuroH5 files for tests: small networks made here, a reader of the specification of its own, and what two files differ in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

POPULATIONS = {"STIM": (0, 4), "PYR": (100, 5), "INT": (7, 3)}
PROJECTIONS = [("STIM", "PYR"), ("PYR", "PYR"), ("INT", "PYR"), ("PYR", "INT")]
SPARSE: dict[str, Any] = {"chunks": (1000,), "maxshape": (None,)}

# Writing


def write_types(
    file: Any,
    populations: Mapping[str, tuple[int, int]] = POPULATIONS,
    projections: Sequence[tuple[str, str]] = PROJECTIONS,
    layers: Mapping[str, int] | None = None,
) -> None:
    """The group H5Types: populations with label and count, pairs that may be connected."""
    group = file.create_group("H5Types")
    label = h5py.enum_dtype({name: number for name, (number, _) in populations.items()}, basetype="<u2")
    group["Population labels"] = label
    group["Population range"] = np.dtype([("Start", "<u8"), ("Count", "<u4"), ("Population", label)])
    group["Population projections"] = np.dtype([("Source", label), ("Destination", label)])
    start, rows = 0, []
    for number, count in sorted(populations.values()):
        rows.append((start, count, number))
        start += count
    group.create_dataset("Populations", data=np.array(rows, group["Population range"].dtype))
    pairs = [(populations[pre][0], populations[post][0]) for pre, post in projections]
    kind = group["Population projections"]
    group.create_dataset("Valid population projections", data=np.array(pairs, kind.dtype), dtype=kind)
    if layers is not None:
        group["Layer tags"] = h5py.enum_dtype(dict(layers), basetype="u1")


def write_attribute(
    file: Any, path: str, cells: Sequence[int], rows: Sequence[Any], dtype: str, **storage: Any
) -> None:
    """An attribute of cells: a row of values for each of *cells*."""
    group, kept = file.create_group(path), {**SPARSE, **storage}
    sizes = [len(row) for row in rows]
    values = np.concatenate([np.asarray(row, dtype) for row in rows]) if len(rows) else np.empty(0, dtype)
    group.create_dataset("Cell Index", data=np.asarray(cells, "<u4"), **kept)
    group.create_dataset(
        "Attribute Pointer", data=np.concatenate([[0], np.cumsum(sizes)]).astype("<u8"), **kept
    )
    group.create_dataset("Attribute Value", data=values.astype(dtype), **kept)


Tree = dict[str, Any]


def tree(seed: int = 0, length: int = 4) -> Tree:
    """A soma of two points with two branches of *length* points each, which begin at the soma's last point."""
    draw = np.random.default_rng(seed)
    size = 2 + 2 * length
    parents = [-1, 0, 1, *range(2, 1 + length), 1, *range(2 + length, size - 1)]
    branches = [[1, *range(2, 2 + length)], [1, *range(2 + length, size)]]
    return {
        **{axis: draw.normal(0, 50, size).astype("f4") for axis in "xyz"},
        "radius": draw.uniform(0.5, 2, size).astype("f4"),
        "layer": draw.integers(-1, 4, size).astype("i1"),
        "parent": parents,
        "type": [1, 1] + [3] * length + [4] * length,
        "sections": [[0, 1], *branches],
        "links": [(0, 1), (0, 2)],
    }


def write_trees(
    file: Any, population: str, cells: Sequence[int], trees: Sequence[Tree], linked: bool = True
) -> None:
    """Trees of cells; indexes that attributes share are hard links, or copies."""
    root = f"Populations/{population}/Trees"
    packed = [
        [len(one["sections"]), *(word for points in one["sections"] for word in (len(points), *points))]
        for one in trees
    ]
    parts = {
        **{f"{axis.upper()} Coordinate": ([one[axis] for one in trees], "<f4") for axis in "xyz"},
        "Radius": ([one["radius"] for one in trees], "<f4"),
        "Point Layer": ([one["layer"] for one in trees], "i1"),
        "Parent Point": ([one["parent"] for one in trees], "<i4"),
        "SWC Type": ([one["type"] for one in trees], "i1"),
        "Section": (packed, "<u2"),
        "Source Section": ([[a for a, _ in one["links"]] for one in trees], "<u2"),
        "Destination Section": ([[b for _, b in one["links"]] for one in trees], "<u2"),
    }
    for name, (rows, dtype) in parts.items():
        write_attribute(file, f"{root}/{name}", cells, rows, dtype)
    if linked:
        group = file[root]
        group["Cell Index"] = group["X Coordinate/Cell Index"]
        for name in parts:
            owner = (
                "Section" if name == "Section" else "Source Section" if "Section" in name else "X Coordinate"
            )
            for dataset, source in (("Cell Index", "X Coordinate"), ("Attribute Pointer", owner)):
                if name != source:
                    del group[f"{name}/{dataset}"]
                    group[f"{name}/{dataset}"] = group[f"{source}/{dataset}"]
        for name in ("Section", "Source Section"):
            group[f"{name}/Section Pointer"] = group[f"{name}/Attribute Pointer"]


def write_edges(
    file: Any,
    target: str,
    source: str,
    blocks: Sequence[tuple[int, Sequence[Sequence[int]]]],
    attributes: Mapping[str, tuple[Sequence[Any], str]] | None = None,
    sentinel: int = 1,
) -> None:
    """Edges in blocks: the first destination of each, and the sources of the destinations from there on."""
    root, rows = f"Projections/{target}/{source}", [row for _, block in blocks for row in block]
    ends = np.concatenate([[0], np.cumsum([len(block) for _, block in blocks])])
    ends[-1] += sentinel
    edges = {
        "Destination Block Index": np.array([first for first, _ in blocks], "<u4"),
        "Destination Block Pointer": ends.astype("<u8"),
        "Destination Pointer": np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype("<u8"),
        "Source Index": np.array([cell for row in rows for cell in row], "<u4"),
    }
    for name, values in edges.items():
        file.create_dataset(f"{root}/Edges/{name}", data=values, **SPARSE)
    for name, (numbers, dtype) in (attributes or {}).items():
        file.create_dataset(f"{root}/{name}", data=np.asarray(numbers, dtype), **SPARSE)


def write_synapses(
    file: Any, population: str, cells: Sequence[int], counts: Sequence[int], seed: int = 0
) -> None:
    """Synapses of cells, as many as *counts* says of each, numbered from 0 in each."""
    draw = np.random.default_rng(seed)
    root = f"Populations/{population}/Synapse Attributes"
    write_attribute(file, f"{root}/syn_ids", cells, [np.arange(n) for n in counts], "<u4")
    for name, dtype, low, high in (
        ("syn_secs", "<u4", 0, 3),
        ("syn_layers", "i1", -1, 4),
        ("syn_types", "u1", 0, 2),
        ("swc_types", "u1", 1, 9),
    ):
        write_attribute(file, f"{root}/{name}", cells, [draw.integers(low, high, n) for n in counts], dtype)
    for name in ("syn_locs", "syn_cdists"):
        write_attribute(file, f"{root}/{name}", cells, [draw.random(n) for n in counts], "<f4")


def write_coordinates(file: Any, namespace: str = "Generated Coordinates", seed: int = 0) -> None:
    """Places of all cells of `POPULATIONS`, those of PYR in another order than their numbers."""
    draw = np.random.default_rng(seed)
    for population, (_, count) in POPULATIONS.items():
        cells = [3, 1, 4, 0, 2] if population == "PYR" else range(count)
        for axis in "XYZUVL":
            values = draw.normal(0, 100, count).astype("f4")
            path = f"Populations/{population}/{namespace}/{axis} Coordinate"
            write_attribute(file, path, cells, values[list(cells)][:, None], "<f4")


def write_network(folder: Path) -> list[Path]:
    """A network of three populations in eight files, with all that NeuroH5 may say in odd orders."""
    draw, found = np.random.default_rng(1), []

    def begun(name: str, **types: Any) -> Any:
        found.append(folder / name)
        file = h5py.File(found[-1], "w")
        write_types(file, **types)
        return file

    with begun("types.h5", layers={"SO": 0, "SP": 1}):
        pass
    with begun("coords.h5") as file:
        write_coordinates(file)
        for population, (_, count) in POPULATIONS.items():
            for axis in "UV":
                path = f"Populations/{population}/Arc Distances/{axis} Distance"
                write_attribute(
                    file, path, range(count), draw.normal(size=(count, 1)), "<f4", compression="gzip"
                )
            file[f"Populations/{population}/Arc Distances"].attrs["Reference U Min"] = -1.5
    with begun("cells.h5") as file:
        write_coordinates(file, "Coordinates")
        write_trees(file, "PYR", [4, 3, 2, 1, 0], [tree(1), tree(1), tree(2), tree(1), tree(2)])
        write_trees(file, "INT", [2, 0], [tree(1), tree(3, 6)], linked=False)
        write_synapses(file, "PYR", [4, 0, 2, 1], [3, 5, 0, 7])
        write_synapses(file, "INT", [0, 1, 2], [2, 2, 2])
        weights = {"syn_id": ([[1, 0], [4]], "<u4"), "AMPA": ([[0.5, 1.5], [2.5]], "<f4")}
        for name, (rows, dtype) in weights.items():
            write_attribute(file, f"Populations/PYR/Log-Normal Weights/{name}", [2, 0], rows, dtype)
        write_attribute(file, "Populations/PYR/Odd/level", [0, 1], [[1], [-2]], "<i2")
        write_attribute(file, "Populations/PYR/Odd/only some", [1], [[3, 4, 5]], "<u2")
    with begun("connections.h5") as file:
        write_edges(
            file,
            "PYR",
            "STIM",
            [(3, [[0, 1], [2]]), (0, [[3, 3, 1]])],
            {"Synapses/syn_id": ([0, 1, 2, 4, 3, 1], "<u4"), "Connections/distance": (draw.random(6), "<f4")},
        )
        write_edges(
            file,
            "PYR",
            "PYR",
            [(1, [[0], [], [4, 2]])],
            {"Synapses/syn_id": ([6, 0, 3], "<u4"), "Own/age": ([1, 2, 3], "i1")},
            sentinel=0,
        )
        write_edges(file, "INT", "PYR", [], {"Synapses/syn_id": ([], "<u4")}, sentinel=0)
    with begun("gaps.h5", projections=[("INT", "INT")]) as file:
        gaps = {
            f"Location/{side} {what}": ([1, 2], dtype)
            for side in ("Source", "Destination")
            for what, dtype in (("section", "<u4"), ("position", "<f4"))
        }
        strengths = {f"Coupling strength/{side}": ([0.25, 0.5], "<f4") for side in ("Source", "Destination")}
        write_edges(file, "INT", "INT", [(0, [[1, 2]])], gaps | strengths)
    with begun("features.h5") as file:
        write_attribute(
            file, "Populations/STIM/Constant Selectivity A/Peak Rate", range(4), [[80.0]] * 4, "<f4"
        )
        write_attribute(
            file, "Populations/STIM/Constant Selectivity A/Selectivity Type", range(4), [[3]] * 4, "u1"
        )
    with begun("inputs.h5") as file:
        root = "Populations/STIM/Input Spikes A Diag"
        trains = [np.sort(draw.uniform(-50, 300, size)) for size in (5, 0, 9, 2)]
        write_attribute(file, f"{root}/Spike Train", range(4), trains, "<f4")
        write_attribute(file, f"{root}/Trial Index", range(4), [train > 100 for train in trains], "u1")
        write_attribute(file, f"{root}/Trial Duration", range(4), [[100.0, 200.0]] * 4, "<f4")
        for name in "txyd":
            file[f"Trajectory A Diag/{name}"] = np.linspace(0, 1, 7, dtype="<f4")
    with begun("results.h5") as file:
        cells, root = [0, 1, 2, 0, 1, 2], "Populations/INT/Spike Events"
        trains = [np.sort(draw.uniform(-250, 300, size)) for size in (2, 0, 3, 1, 4, 0)]
        write_attribute(file, f"{root}/t", cells, trains, "<f4")
        write_attribute(file, f"{root}/Trial Index", cells, [[0] * len(train) for train in trains], "u1")
        write_attribute(file, f"{root}/Trial Duration", cells, [[550.0]] * 3 + [[800.0]] * 3, "<f4")
        write_attribute(file, f"{root}/artificial", cells, [[0]] * 6, "u1")
        axis = (np.arange(50) * 0.1 - 2).astype("f4")
        frames = [axis[:30], axis[:30], axis[30:], axis[30:]]
        write_attribute(file, "Populations/INT/Intracellular soma/t", [2, 0, 2, 0], frames, "<f4")
        values = [draw.normal(-70, 5, len(part)) for part in frames]
        write_attribute(file, "Populations/INT/Intracellular soma/v", [2, 0, 2, 0], values, "<f4")
        for number in range(2):
            file[f"Local Field Potential Electrode {number}/t"] = axis
            file[f"Local Field Potential Electrode {number}/v"] = draw.normal(size=50).astype("f4")
    return found


# Reading


def read_network(path: Path) -> dict[str, Any]:
    """All that the specification knows of a file, one Python list a cell: nothing here is the project's.

    Returns
    -------
    dict
        ``gids``: start by population. ``valid``: pairs. ``cells``: by (population, namespace, attribute) the values of each
        cell, rows of one cell joined in their order. ``edges``: by (source, target) rows of target, source and attributes.
    """
    found: dict[str, Any] = {"gids": {}, "valid": set(), "cells": {}, "edges": {}}
    with h5py.File(path) as file:
        names = {v: k for k, v in h5py.check_enum_dtype(file["H5Types/Population labels"].dtype).items()}
        for start, _, label in file["H5Types/Populations"][()].tolist():
            found["gids"][names[label]] = start
        for pair in file["H5Types/Valid population projections"][()].tolist():
            found["valid"].add(tuple(names[label] for label in pair))
        for population in file.get("Populations", ()):
            for namespace in file["Populations"][population]:
                group = file["Populations"][population][namespace]
                for name in (key for key in group if isinstance(group[key], h5py.Group)):
                    found["cells"][population, namespace, name] = _cells(group[name])
        for target in file.get("Projections", ()):
            for source in file["Projections"][target]:
                group = file["Projections"][target][source]
                found["edges"][source, target] = _edges(group)
    return found


def _cells(group: Any) -> dict[int, list[Any]]:
    cells, pointers, values = (
        group[f"{name}"][()] for name in ("Cell Index", "Attribute Pointer", "Attribute Value")
    )
    found: dict[int, list[Any]] = {}
    for row, cell in enumerate(cells.tolist()):
        found.setdefault(cell, []).extend(values[pointers[row] : pointers[row + 1]].tolist())
    return found


def _edges(group: Any) -> list[dict[str, Any]]:
    first, blocks, pointers, sources = (
        group[f"Edges/{name}"][()].tolist()
        for name in (
            "Destination Block Index",
            "Destination Block Pointer",
            "Destination Pointer",
            "Source Index",
        )
    )
    told = {
        f"{namespace}/{name}": group[namespace][name][()].tolist()
        for namespace in group
        if namespace != "Edges"
        for name in group[namespace]
    }
    found = []
    for block, cell in enumerate(first):
        for number, at in enumerate(range(blocks[block], blocks[block + 1])):
            if at < len(pointers) - 1:
                for edge in range(pointers[at], pointers[at + 1]):
                    row = {"target": cell + number, "source": sources[edge], "edge": edge}
                    found.append({**row, **{name: values[edge] for name, values in told.items()}})
    return found


def contents(path: Path) -> dict[str, Any]:
    """Everything a file holds by each of its names, bit for bit: values, types with their names, links and attributes."""
    found: dict[str, Any] = {}

    def look(group: Any, root: str) -> None:
        found[root or "/"] = {name: np.asarray(value).tolist() for name, value in group.attrs.items()}
        for name, item in group.items():
            where = f"{root}/{name}"
            if isinstance(item, h5py.Group):
                look(item, where)
            elif isinstance(item, h5py.Datatype):
                found[where] = item.id.encode()
            else:
                kind, links = item.id.get_type(), h5py.h5o.get_info(item.id).rc
                storage = (item.shape, item.maxshape, item.compression)
                found[where] = kind.encode(), kind.committed(), links, storage, item[()].tobytes()

    with h5py.File(path) as file:
        look(file, "")
    return found
