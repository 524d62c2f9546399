"""A circuit of glia whose every number is known: cubes around 27 astrocytes, two straight vessels and one between them."""

from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
import pyarrow as pa

from neurolake.catalog.vocabulary import circuits, glia

SIDE, SCALE, CELLS = 20.0, 1.1, 27
FACES = [(axis, side) for axis in range(3) for side in (0, 1)]


@dataclass(frozen=True)
class SmallGlia:
    """What was written: places of somata, segments of vessels (start, end), places and ends of synapses, edges."""

    somata: np.ndarray
    segments: np.ndarray
    diameters: np.ndarray
    section: np.ndarray
    synapses: np.ndarray
    pre: np.ndarray
    post: np.ndarray
    endfeet: np.ndarray
    neuroglial: np.ndarray
    junctions: np.ndarray
    areas: np.ndarray


def centres() -> np.ndarray:
    """Middles of the cubes: 3 x 3 x 3 of 20 um, from 0 to 60 um."""
    return np.array(list(product(range(3), repeat=3)), float) * SIDE + SIDE / 2


def write_small_glia(lake: Any, name: str = "glia", seed: int = 0) -> SmallGlia:
    """Write the circuit, in one commit.

    Parameters
    ----------
    lake
        An open lake.
    name
        Of the circuit.
    seed
        Of places of somata within their cubes, and of synapses.
    """
    chance = np.random.default_rng(seed)
    middle = centres()
    somata = middle + chance.uniform(-3, 3, middle.shape)
    segments, diameters, section, ends = _vessels()
    synapses = chance.uniform(0, 60, (300, 3))
    pre, post = chance.integers(0, 5, (2, 300))
    post = np.sort(post)
    inside = (np.abs(synapses[None] - middle[:, None]) <= SIDE * SCALE / 2).all(axis=2)
    cell, synapse = np.nonzero(inside)
    order = np.lexsort((synapse, cell, post[synapse]))
    neuroglial = np.stack([cell, post[synapse], synapse], axis=1)[order]
    half = SIDE * SCALE / 2
    mid = segments.mean(axis=1)
    near = (np.abs(mid[None] - middle[:, None]) <= half).all(axis=2)
    # The first two segments of each cell's vessels; of the last cell, three, of which one did not grow.
    endfeet = np.array([(cell, row) for cell in range(CELLS) for row in np.flatnonzero(near[cell])[:2]])
    areas = 100.0 + 10.0 * np.arange(len(endfeet))
    areas[-1] = 0.0
    junctions = np.array([(0, 1), (1, 2), (2, 3), (1, 0), (3, 4), (10, 11), (11, 12), (0, 1)])
    made = SmallGlia(
        somata, segments, diameters, section, synapses, pre, post, endfeet, neuroglial, junctions, areas
    )
    with lake.transaction("Write glia") as tx:
        _write_nodes(tx, name, made, ends)
        _write_edges(tx, name, made)
        _write_domains(tx, name)
        _write_meshes(tx, name, made)
        _write_surface(tx, name)
        _write_trees(tx, name, made)
        layers = np.repeat(np.arange(1, 4), 2)[None, :, None] * np.ones((6, 1, 6), int)
        tx.write_array(
            glia.VOXELS.of(circuit=name, volume="brain_regions"),
            layers.astype(np.uint32),
            dimension_names=["x", "y", "z"],
            attributes={"voxel_size": [10.0] * 3, "offset": [0.0] * 3},
        )
        tx.write_table(
            glia.REGIONS.of(circuit=name),
            pa.table(
                {
                    "region_id": [9, 1, 2, 3],
                    "acronym": ["root", "L1", "L2", "L3"],
                    "name": ["root", "layer 1", "layer 2", "layer 3"],
                    "parent_id": pa.array([None, 9, 9, 9], pa.int64()),
                    "depth": [0, 1, 1, 1],
                }
            ),
        )
    return made


def _vessels() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two vessels along z, and one from the middle of the first to that of the second."""
    points = [[11.0, 11, z] for z in range(0, 61, 10)] + [[51.0, 51, z] for z in range(0, 61, 10)]
    points += [[21.0, 21, 30], [31, 31, 30], [41, 41, 30]]
    chains = [[0, 1, 2, 3], [3, 4, 5, 6], [3, 14, 15, 16, 10], [7, 8, 9, 10], [10, 11, 12, 13]]
    ends = np.array([pair for chain in chains for pair in pairwise(chain)])
    section = np.array([k for k, chain in enumerate(chains) for _ in chain[1:]])
    wide = np.linspace(8.0, 3.0, len(points))
    places = np.array(points)
    return places[ends], wide[ends], section, ends


def _write_nodes(tx: Any, name: str, made: SmallGlia, ends: np.ndarray) -> None:
    cells = {axis: made.somata[:, k] for k, axis in enumerate("xyz")}
    tx.write_table(
        glia.ASTROCYTES.of(circuit=name),
        pa.table(
            {
                "node_id": range(CELLS),
                **cells,
                "radius": np.full(CELLS, 3.0),
                "morphology": [f"GLIA_{k:013d}" for k in range(CELLS)],
            }
        ),
    )
    n = len(made.segments)
    within = np.arange(n) - np.searchsorted(made.section, made.section)
    tx.write_table(
        glia.VASCULATURE.of(circuit=name),
        pa.table(
            {
                "node_id": range(n),
                **{f"start_{axis}": made.segments[:, 0, k].astype("f4") for k, axis in enumerate("xyz")},
                **{f"end_{axis}": made.segments[:, 1, k].astype("f4") for k, axis in enumerate("xyz")},
                "start_diameter": made.diameters[:, 0].astype("f4"),
                "end_diameter": made.diameters[:, 1].astype("f4"),
                "start_node": ends[:, 0].astype("u8"),
                "end_node": ends[:, 1].astype("u8"),
                "type": np.array([2, 2, 6, 1, 1], "i4")[made.section],
                "section_id": made.section.astype("u4"),
                "segment_id": within.astype("u4"),
            }
        ),
    )
    points = np.zeros((17, 4))
    for pair, place, wide in zip(ends, made.segments, made.diameters, strict=True):
        points[pair, :3], points[pair, 3] = place, wide
    tx.write_table(
        glia.VESSEL_POINTS.of(circuit=name),
        pa.table(
            {"point_id": range(17), **{k: points[:, i] for i, k in enumerate(("x", "y", "z", "diameter"))}}
        ),
    )
    tx.write_table(
        glia.VESSEL_SECTIONS.of(circuit=name),
        pa.table(
            {
                "section_id": range(5),
                "type": pa.array([2, 2, 6, 1, 1], pa.int32()),
                "segments": [3, 3, 4, 3, 3],
            }
        ),
    )
    tx.write_table(
        circuits.NODES.of(circuit=name, population="All"),
        pa.table({"node_id": range(5), "x": [5.0, 15, 25, 35, 45], "y": [30.0] * 5, "z": [30.0] * 5}),
    )


def _write_edges(tx: Any, name: str, made: SmallGlia) -> None:
    def edges(kind: str, source: str, target: str, ends: np.ndarray, **more: Any) -> None:
        ends = np.asarray(ends)
        order = np.lexsort((np.arange(len(ends)), ends[:, 1]))
        columns = {
            "edge_id": np.arange(len(ends)),
            "source_node_id": ends[order, 0],
            "target_node_id": ends[order, 1],
        }
        columns |= {key: np.asarray(values)[order] for key, values in more.items()}
        tx.write_table(
            circuits.EDGES.of(circuit=name, population=kind),
            pa.table(columns),
            attributes={"source_population": source, "target_population": target},
        )

    edges(
        "All",
        "All",
        "All",
        np.stack([made.pre, made.post], axis=1),
        **{f"efferent_center_{axis}": made.synapses[:, k] for k, axis in enumerate("xyz")},
    )
    edges(
        "neuroglial",
        "astrocytes",
        "All",
        made.neuroglial[:, :2],
        synapse_id=made.neuroglial[:, 2].astype("u8"),
    )
    cell, row = made.endfeet.T
    middle = made.segments[row].mean(axis=1)
    edges(
        "gliovascular",
        "vasculature",
        "astrocytes",
        np.stack([row, cell], axis=1),
        endfoot_id=np.arange(len(cell)).astype("u8"),
        **{f"endfoot_surface_{axis}": middle[:, k].astype("f4") for k, axis in enumerate("xyz")},
        vasculature_section_id=made.section[row].astype("u4"),
        vasculature_segment_id=(row - np.searchsorted(made.section, made.section[row])).astype("u4"),
        astrocyte_section_id=(1 + np.arange(len(cell)) - np.searchsorted(cell, cell)).astype("u4"),
    )
    edges(
        "glialglial",
        "astrocytes",
        "astrocytes",
        made.junctions,
        efferent_section_id=np.ones(len(made.junctions), "i4"),
        afferent_section_id=np.full(len(made.junctions), 2, "i4"),
        spine_length=np.full(len(made.junctions), 0.1, "f4"),
    )


def cube() -> tuple[np.ndarray, np.ndarray]:
    """Corners of a cube of edge 2 around 0, and its triangles with the number of their face first."""
    corners = np.array(list(product((-1, 1), repeat=3)), float)
    triangles = []
    for face, (axis, side) in enumerate(FACES):
        four = np.flatnonzero(corners[:, axis] == 2 * side - 1)
        a, b, c, d = four[[0, 1, 3, 2]]
        if np.dot(np.cross(corners[b] - corners[a], corners[c] - corners[a])[axis], 2 * side - 1) < 0:
            b, d = d, b
        triangles += [[face, a, b, c], [face, a, c, d]]
    return corners, np.array(triangles)


def _write_domains(tx: Any, name: str) -> None:
    corners, triangles = cube()
    half, middle = SIDE * SCALE / 2, centres()
    place = np.array(list(product(range(3), repeat=3)))
    beside = np.full((CELLS, 6), -1)
    for cell, face in product(range(CELLS), range(6)):
        axis, side = FACES[face]
        other = place[cell].copy()
        other[axis] += 2 * side - 1
        walls = not 0 <= other[axis] <= 2
        beside[cell, face] = -1 - face if walls else other @ [9, 3, 1]
    domains = glia.DOMAINS.of(circuit=name, population="astrocytes")
    tx.write_table(
        domains,
        pa.table(
            {
                "node_id": range(CELLS),
                "volume": np.full(CELLS, (2 * half) ** 3),
                "area": np.full(CELLS, 24 * half**2),
                **{f"centroid_{axis}": middle[:, k] for k, axis in enumerate("xyz")},
                **{f"min_{axis}": middle[:, k] - half for k, axis in enumerate("xyz")},
                **{f"max_{axis}": middle[:, k] + half for k, axis in enumerate("xyz")},
                "scale": np.full(CELLS, SCALE),
                "faces": np.full(CELLS, 6),
                "boundary": (beside < 0).any(axis=1),
            }
        ),
    )
    tx.write_table(
        glia.DOMAIN_FACES.of(circuit=name, population="astrocytes"),
        pa.table(
            {
                "node_id": np.repeat(np.arange(CELLS), 6),
                "face": np.tile(np.arange(6), CELLS),
                "neighbour": beside.ravel(),
                "triangles": np.full(6 * CELLS, 2),
                "area": np.full(6 * CELLS, 4 * half**2),
            }
        ),
    )
    arrays = (
        (glia.DOMAIN_POINTS, (corners * half + middle[:, None]).reshape(-1, 3).astype("f4"), 8),
        (glia.DOMAIN_TRIANGLES, np.tile(triangles, (CELLS, 1)), 12),
        (glia.DOMAIN_NEIGHBOURS, np.repeat(beside, 2, axis=1).ravel(), 12),
    )
    for kind, values, size in arrays:
        node = kind.of(circuit=name, population="astrocytes")
        tx.write_array(node, values)
        tx.write_array(node + glia.OFFSETS, np.arange(CELLS + 1) * size)


def _write_meshes(tx: Any, name: str, made: SmallGlia) -> None:
    grown = made.areas > 0
    sizes = np.where(grown, 1, 0)
    tx.write_table(
        glia.ENDFEET.of(circuit=name),
        pa.table(
            {
                "endfoot_id": range(len(made.areas)),
                "points": 3 * sizes,
                "triangles": sizes,
                "surface_area": made.areas.astype("f4"),
                "unreduced_surface_area": (1.5 * made.areas).astype("f4"),
                "surface_thickness": np.where(grown, 1.0, 0.0).astype("f4"),
            }
        ),
    )
    middle = made.segments[made.endfeet[:, 1]].mean(axis=1)
    side = np.sqrt(2 * made.areas)
    points = np.repeat(middle[:, None], 3, axis=1)
    points[:, 1, 0] += side
    points[:, 2, 1] += side
    for kind, values, size in (
        (glia.MESH_POINTS, points[grown].reshape(-1, 3).astype("f4"), 3 * sizes),
        (glia.MESH_TRIANGLES, np.tile([[0, 1, 2]], (grown.sum(), 1)), sizes),
    ):
        node = kind.of(circuit=name, mesh="endfeet")
        tx.write_array(node, values)
        tx.write_array(node + glia.OFFSETS, np.concatenate([[0], np.cumsum(size)]))


def _write_surface(tx: Any, name: str) -> None:
    """A cube of edge 2 as the surface of the vessels."""
    corners, triangles = cube()
    sizes = {"mesh_id": [0], "points": [8], "triangles": [12], "area": [24.0]}
    tx.write_table(glia.MESHES.of(circuit=name, mesh="vessels"), pa.table(sizes))
    for kind, values in ((glia.MESH_POINTS, corners.astype("f4")), (glia.MESH_TRIANGLES, triangles[:, 1:])):
        node = kind.of(circuit=name, mesh="vessels")
        tx.write_array(node, values)
        tx.write_array(node + glia.OFFSETS, np.array([0, len(values)]))


def _write_trees(tx: Any, name: str, made: SmallGlia) -> None:
    """Of each cell a soma, a perisynaptic section of 5 um, and to each endfoot a straight perivascular one."""
    sections: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    for cell in range(CELLS):
        key = f"GLIA_{cell:013d}"
        mine = made.endfeet[made.endfeet[:, 0] == cell, 1]
        ends = [made.segments[row].mean(axis=0) - made.somata[cell] for row in mine]
        lines = [(1, None, [[0, 0, 0]]), (3, 0, [[0, 0, 0], [3, 4, 0]])]
        lines += [(2, 0, [[0, 0, 0], end / 2, end]) for end in ends]
        for number, (kind, parent, places) in enumerate(lines):
            first = sum(1 for point in points if point["morphology"] == key)
            sections.append(
                {
                    "morphology": key,
                    "section_id": number,
                    "parent_id": parent,
                    "type": kind,
                    "points": list(range(first, first + len(places))),
                }
            )
            points += [
                {
                    "morphology": key,
                    "point_id": first + k,
                    "parent_id": -1,
                    **dict(zip("xyz", map(float, place), strict=True)),
                    "diameter": 6.0 if kind == 1 else 1.0,
                    "type": kind,
                    "layer": -1,
                }
                for k, place in enumerate(places)
            ]
    for kind, rows in ((circuits.SECTIONS, sections), (circuits.POINTS, points)):
        schema = kind.schema_of([field for field in rows[0] if field in kind.schema.names])
        tx.write_table(kind.of(circuit=name), pa.Table.from_pylist(rows, schema))
