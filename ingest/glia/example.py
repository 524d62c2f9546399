"""An example of a circuit to build: an atlas, vessels, and neurons with synapses, all made by a few rules.

Nothing of it is measured: vessels are noisy arcs between the nodes of a shaken grid, in one piece; neurons are somata with synapses
around them. It has as many astrocytes in a volume as cortex has, and fewer synapses.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...lake.errors import IngestError, InputError
from ..hdf5.layout import hdf5
from ..spatial.nrrd import VoxelVolume, nrrd_bytes

Reals = NDArray[np.float64]

DENSITY = 16_000.0
"""Astrocytes per mm³ in the deep layer."""

_UPPER = 0.25  # part of them that the upper layer lacks

_VOXEL = 20.0  # about; in µm
_SPACING = 62.0  # between nodes of the grid that vessels follow, in µm
_SYNAPSES_A_NEURON = 400

MANIFEST = """\
# A circuit of astrocytes between vessels and neurons, with ArchNGV's keys; docs/ngv.md lists them.
ngv:
  common:
    seed: 0
    region: Cortex
    atlas: atlas
    vasculature: vasculature.h5
    base_circuit_sonata: neurons/circuit_config.json

  assign_emodels: {hoc_template: astrocyte.hoc}

  cell_placement:
    density: '[density]astrocytes'
    soma_radius: [5.6, 0.74, 0.1, 20]
    Energy: {potentials: {spring: [32.0, 1.0]}}
    MetropolisHastings: {n_initial: 10, beta: 0.01, ntrials: 3, cutoff_radius: 60.0}

  microdomains:
    overlap_distribution: {type: normal, values: [0.1, 1.0e-07]}

  gliovascular_connectivity:
    graph_targeting: {linear_density: 0.17}
    connection:
      reachout_strategy: maximum_reachout
      endfeet_distribution: [2, 2, 1, 5]

  endfeet_surface_meshes:
    fmm_cutoff_radius: 1000.0
    area_distribution: [192.0, 160.0, 0.0, 1000.0]
    thickness_distribution: [0.97, 0.1, 0.01, 2.0]

  synthesis:
    perimeter_distribution:
      enabled: true
      statistical_model: {slope: 2.06, intercept: 1.022, standard_deviation: 1.1161}
      smoothing: {window: [1.0, 1.0, 1.0, 1.0, 1.0]}

  gap_junctions: {reach: 0.5}  # µm between surfaces; a key of neurolake's
"""


def write_example_ngv(folder: str | Path, astrocytes: int = 500) -> Path:
    """Write an example circuit to build; the same files every time.

    Parameters
    ----------
    folder
        Where the files go; made if it is not there.
    astrocytes
        How many astrocytes its atlas stands for.

    Returns
    -------
    Path
        ``MANIFEST.yaml``, which `neurolake.build.ngv` takes.

    Raises
    ------
    IngestError
        The folder has something in it.
    InputError
        There are fewer than 10 astrocytes.
    MissingPackageError
        h5py is not installed.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise IngestError("has something in it; choose another folder", folder)
    if astrocytes < 10:
        raise InputError(f"{astrocytes} astrocytes: expected 10 or more")
    hdf5()  # before anything is written
    cells = max(round(float(np.cbrt(astrocytes / DENSITY * 1e9)) / _VOXEL), 3)
    mean = DENSITY * (cells - _UPPER * (cells - cells // 2)) / cells
    side = float(np.cbrt(astrocytes / mean * 1e9))
    random = np.random.default_rng(7)
    for name in ("atlas", "neurons"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _write_atlas(folder / "atlas", cells, side / cells)
    write_example_vessels(folder / "vasculature.h5", side, random)
    _write_neurons(folder / "neurons", side, astrocytes, random)
    (folder / "MANIFEST.yaml").write_text(MANIFEST, encoding="utf-8")
    return folder / "MANIFEST.yaml"


def _write_atlas(folder: Path, cells: int, voxel: float) -> None:
    """Two layers along y: the upper half has fewer astrocytes."""
    ids = np.full((cells, cells, cells), 2, np.int32)
    ids[:, cells // 2 :] = 1
    density = np.where(ids == 1, (1.0 - _UPPER) * DENSITY, DENSITY).astype(np.float32)
    space = {
        "space dimension": "3",
        "space directions": f"({voxel!r},0,0) (0,{voxel!r},0) (0,0,{voxel!r})",
        "space origin": "(0,0,0)",
        "endian": "little",
        "encoding": "gzip",
    }
    for name, values, kind in (("brain_regions", ids, "int32"), ("[density]astrocytes", density, "float")):
        volume = VoxelVolume(values, (voxel,) * 3, (0.0,) * 3, {"type": kind, **space})
        (folder / f"{name}.nrrd").write_bytes(nrrd_bytes(volume))
    layers: list[dict[str, object]] = [
        {"id": number, "acronym": f"L{number}", "name": f"layer {number}", "children": []}
        for number in (1, 2)
    ]
    tree = {"id": 100, "acronym": "Cortex", "name": "cortex", "children": layers}
    (folder / "hierarchy.json").write_text(json.dumps(tree, indent=1), encoding="utf-8")


def write_example_vessels(path: Path, side: float, random: np.random.Generator) -> None:
    """Write vessels as sections along edges of a shaken grid of nodes: a tree of all nodes, and some edges more.

    Parameters
    ----------
    path
        The HDF5 file.
    side
        Of the cube that they fill, in µm.
    random
        What shakes them.
    """
    h5py = hdf5()

    n = max(round(side / _SPACING), 2)
    step = side / n
    at = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3)
    nodes = (at + 0.5) * step + random.uniform(-0.3, 0.3, at.shape) * step
    number = np.arange(n**3).reshape(n, n, n)
    pairs = np.concatenate(
        [
            np.stack([number.take(range(n - 1), axis).ravel(), number.take(range(1, n), axis).ravel()], 1)
            for axis in range(3)
        ]
    )
    pairs = pairs[random.permutation(len(pairs))]
    chosen = _tree_and_more(pairs, n**3, random)
    # Thick in the middle of the block, capillaries elsewhere.
    middle = np.abs(nodes[:, [0, 2]] - side / 2).max(axis=1)
    diameter = np.where(middle < step, 9.0, 5.2) * random.uniform(0.9, 1.1, n**3)
    points: list[Reals] = []
    total = 0
    first: list[int] = []
    kinds: list[int] = []
    for one, other in chosen:
        size = max(int(np.linalg.norm(nodes[other] - nodes[one]) // 8), 2)
        share = np.linspace(0.0, 1.0, size + 1)[:, None]
        bow = random.normal(0, 0.12 * step, 3) * np.sin(np.pi * share)
        shake = random.normal(0, 0.6, (size + 1, 3)) * (share > 0) * (share < 1)
        line = nodes[one] + share * (nodes[other] - nodes[one]) + bow + shake
        width = diameter[one] + share * (diameter[other] - diameter[one])
        first.append(total)
        total += size + 1
        points.append(np.column_stack([line, width]))
        kinds.append(2 if min(diameter[one], diameter[other]) > 7 else 6)
    begins: dict[int, list[int]] = {}
    for k, (one, _) in enumerate(chosen):
        begins.setdefault(one, []).append(k)
    links = [(k, child) for k, (_, other) in enumerate(chosen) for child in begins.get(other, ())]
    with h5py.File(path, "w") as file:
        file["points"] = np.concatenate(points).astype(np.float32)
        file["structure"] = np.stack([first, kinds], axis=1).astype(np.uint64)
        file["connectivity"] = np.array(links, np.int64).reshape(-1, 2)


def _tree_and_more(pairs: NDArray[np.int64], n: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Edges that join all nodes, and a fifth of the others."""
    above = np.arange(n)

    def root(node: int) -> int:
        while above[node] != node:
            above[node] = above[above[node]]
            node = int(above[node])
        return node

    found = []
    for one, other in pairs.tolist():
        joins = root(one) != root(other)
        if joins:
            above[root(one)] = root(other)
        if joins or random.random() < 0.2:
            found.append((one, other))
    return found


def _write_neurons(folder: Path, side: float, astrocytes: int, random: np.random.Generator) -> None:
    """Somata, and synapses on them from others, as SONATA."""
    h5py = hdf5()

    n = max(astrocytes // 2, 10)
    somata = random.uniform(0, side, (n, 3))
    count = n * _SYNAPSES_A_NEURON
    target = np.repeat(np.arange(n), _SYNAPSES_A_NEURON)
    source = (target + random.integers(1, n, count)) % n
    away = random.normal(0, 50.0, (count, 3))
    places = np.abs(somata[target] + away)
    # What leaves the block is folded back into it.
    places = np.where(places > side, np.maximum(2 * side - places, 0.0), places)
    with h5py.File(folder / "nodes.h5", "w") as file:
        group = file.create_group("nodes/neurons")
        group["node_type_id"] = np.full(n, -1, np.int64)
        for axis, name in enumerate("xyz"):
            group[f"0/{name}"] = somata[:, axis]
        group["0/model_type"] = np.array([b"virtual"] * n)
    with h5py.File(folder / "edges.h5", "w") as file:
        group = file.create_group("edges/neurons__neurons__chemical")
        group["edge_type_id"] = np.full(count, -1, np.int64)
        for name, ids in (("source", source), ("target", target)):
            group[f"{name}_node_id"] = ids.astype(np.uint64)
            group[f"{name}_node_id"].attrs["node_population"] = "neurons"
        for axis, name in enumerate("xyz"):
            group[f"0/efferent_center_{name}"] = places[:, axis].astype(np.float32)
    config = {
        "manifest": {"$BASE_DIR": "."},
        "networks": {
            "nodes": [{"nodes_file": "$BASE_DIR/nodes.h5", "node_types_file": None}],
            "edges": [{"edges_file": "$BASE_DIR/edges.h5", "edge_types_file": None}],
        },
    }
    (folder / "circuit_config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
