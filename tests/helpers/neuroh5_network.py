"""MiV-Simulator's own network, read with h5py for tests of the kernels that build such networks."""

from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import yaml

from neurolake.kernels.network.segments import CellTree, Density

SECTIONS = {"soma": 1, "basal": 3, "apical": 4, "ais": 7}
LAYERS = {"SO": 5, "SP": 6, "SR": 8, "SLM": 9, "default": None}
TYPES = {"excitatory": 0, "inhibitory": 1}


class Attributes(NamedTuple):
    """A namespace of a population: values of each attribute, and the rows of each cell in the order of node ids."""

    offsets: np.ndarray
    values: dict[str, np.ndarray]


def first_row(group: Any) -> np.ndarray:
    """The value of the first cell of an attribute group."""
    (pointer,) = {name for name in group if name.endswith("Pointer")} - (
        {"Section Pointer"} if "Attribute Pointer" in group else set()
    )
    begin, end = group[pointer][:2]
    return np.asarray(group["Attribute Value"][begin:end])


def cell_tree(file: Path, population: str) -> CellTree:
    """The tree that all cells of a population share."""
    with h5py.File(file) as h5:
        trees = h5["Populations"][population]["Trees"]
        packed = first_row(trees["Section"]).astype(int)
        index: list[int] = []
        offsets, at = [0], 1
        for _ in range(packed[0]):
            index += packed[at + 1 : at + 1 + packed[at]].tolist()
            at += 1 + packed[at]
            offsets.append(len(index))
        parent = np.full(packed[0], -1, np.int32)
        parent[first_row(trees["Destination Section"])] = first_row(trees["Source Section"])
        swc = first_row(trees["SWC Type"]).astype(np.int16)[index]
        return CellTree(
            offsets=np.array(offsets),
            points=np.stack([first_row(trees[f"{axis} Coordinate"])[index] for axis in "XYZ"], 1).astype(
                float
            ),
            diameter=2.0 * first_row(trees["Radius"])[index],
            layer=first_row(trees["Point Layer"]).astype(np.int16)[index],
            parent=parent,
            type=swc[np.array(offsets[1:]) - 1],
        )


def attributes(file: Path, population: str, namespace: str) -> Attributes:
    """A namespace whose attributes have one pointer, cells in order."""
    with h5py.File(file) as h5:
        group = h5["Populations"][population][namespace]
        some = next(iter(group.values()))
        order = np.argsort(some["Cell Index"][:])
        pointer = some["Attribute Pointer"][:].astype(np.int64)
        rows = np.concatenate([np.arange(pointer[k], pointer[k + 1]) for k in order])
        offsets = np.concatenate([[0], np.cumsum(np.diff(pointer)[order])])
        return Attributes(offsets, {name: group[name]["Attribute Value"][:][rows] for name in group})


def edges(file: Path, target: str, source: str) -> dict[str, np.ndarray]:
    """Edges of a projection: target, source, syn_id and distance of each."""
    with h5py.File(file) as h5:
        group = h5["Projections"][target][source]
        inside = group["Edges"]
        pointer = inside["Destination Pointer"][:].astype(np.int64)
        first, blocks = (
            inside["Destination Block Index"][:],
            inside["Destination Block Pointer"][:].astype(np.int64),
        )
        ends = np.minimum(blocks[1:], len(pointer) - 1)
        targets = np.concatenate([first[b] + np.arange(ends[b] - blocks[b]) for b in range(len(first))])
        return {
            "target": np.repeat(targets, np.diff(pointer)),
            "source": inside["Source Index"][:],
            "syn_id": group["Synapses/syn_id"][:],
            "distance": group["Connections/distance"][:],
        }


def densities(folder: Path, population: str) -> list[Density]:
    """Synapse densities of the tutorial's configuration."""
    text = yaml.safe_load((folder / "config" / f"{population}_synapse_density.yaml").read_text())
    return [
        Density(SECTIONS[section], TYPES[kind], LAYERS[layer], float(line["mean"]), float(line["variance"]))
        for section, kinds in text.items()
        for kind, layers in kinds.items()
        for layer, line in layers.items()
    ]
