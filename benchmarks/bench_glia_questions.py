"""How fast circuits of glia are asked: the questions of docs/ngv.md and what circuits answer, by the number of astrocytes.

The circuit is that of `bench_contacts`: random somata at 16,000 per mm³, power diagrams, vessels that wander, a thousand synapses
for each astrocyte. Endfeet have areas without surfaces, gap junctions join random neighbours, and there are no trees, so
questions about these are left out.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from bench_contacts import SYNAPSES, Block
from measure import HERE, Figures, Timing, seconds

import neurolake as nl
from neurolake.catalog.vocabulary import circuits, glia
from neurolake.kernels.glia.domains import power_domains
from neurolake.kernels.glia.shapes import domain_measures

NAME = "example"
GUIDE = (HERE.parent / "docs" / "ngv.md").read_text(encoding="utf-8")


def questions() -> dict[str, str]:
    """SQL of the guide by its first line, of what the circuit has."""
    chapter = GUIDE.split("\n## Questions in SQL\n")[1].split("\n## ")[0]
    found = re.findall(r"^```sql\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)
    left_out = ("spikes/", "glia/other", ".branches")
    return {
        " ".join(query.split())[:60]: query for query in found if not any(word in query for word in left_out)
    }


def write(lake: Any, block: Block) -> None:
    """Write the circuit in one commit."""
    chance = np.random.default_rng(2)
    domains = power_domains(block.somata, block.radii, [0.0] * 3, [block.side] * 3)
    measures = domain_measures(domains)
    feet, wrapped = block.gliovascular(), block.neuroglial()
    of = np.repeat(np.arange(block.n), np.diff(domains.triangle_offsets))
    faces = np.unique(np.stack([of, domains.faces, domains.neighbors], axis=1), axis=0)
    inner = faces[faces[:, 2] > faces[:, 0]]
    joined = inner[chance.random(len(inner)) < 0.3][:, [0, 2]]
    joined = joined[np.argsort(joined[:, 1], kind="stable")]
    points = np.repeat(np.arange(block.n), np.diff(domains.point_offsets))
    low, high = np.full((block.n, 3), np.inf), np.full((block.n, 3), -np.inf)
    np.minimum.at(low, points, domains.points)
    np.maximum.at(high, points, domains.points)
    centroid = np.stack([np.bincount(points, axis, block.n) for axis in domains.points.T], 1)
    centroid /= np.bincount(points, minlength=block.n)[:, None]

    def xyz(values: np.ndarray, before: str = "", kind: str = "f8") -> dict[str, np.ndarray]:
        return {f"{before}{axis}": values[:, k].astype(kind) for k, axis in enumerate("xyz")}

    def edges(tx: Any, kind: str, ends: tuple[str, str], source: Any, target: Any, **more: Any) -> None:
        columns = {
            "edge_id": np.arange(len(source)),
            "source_node_id": source,
            "target_node_id": target,
            **more,
        }
        told = {"source_population": ends[0], "target_population": ends[1]}
        tx.write_table(circuits.EDGES.of(circuit=NAME, population=kind), pa.table(columns), attributes=told)

    vessels = block.vessels
    number = np.arange(block.n)
    with lake.transaction("Write a circuit of glia") as tx:
        tx.write_table(
            glia.ASTROCYTES.of(circuit=NAME),
            pa.table({"node_id": number, **xyz(block.somata), "radius": block.radii}),
        )
        tx.write_table(
            glia.VASCULATURE.of(circuit=NAME),
            pa.table(
                {
                    "node_id": np.arange(len(vessels.start)),
                    **xyz(vessels.start, "start_", "f4"),
                    **xyz(vessels.end, "end_", "f4"),
                    "start_diameter": vessels.start_diameter,
                    "end_diameter": vessels.end_diameter,
                    "start_node": vessels.start_node,
                    "end_node": vessels.end_node,
                    "type": np.full(len(vessels.start), 6, "i4"),
                    "section_id": vessels.section.astype("u4"),
                    "segment_id": (
                        np.arange(len(vessels.section)) - np.searchsorted(vessels.section, vessels.section)
                    ).astype("u4"),
                }
            ),
        )
        tx.write_table(
            circuits.NODES.of(circuit=NAME, population="All"),
            pa.table({"node_id": np.arange(block.neurons[-1] + 1)}),
        )
        edges(
            tx,
            "All",
            ("All", "All"),
            chance.integers(0, block.neurons[-1] + 1, len(block.neurons)),
            block.neurons,
            **xyz(block.synapses, "efferent_center_", "f4"),
        )
        edges(
            tx,
            "neuroglial",
            ("astrocytes", "All"),
            wrapped.astrocyte,
            wrapped.neuron,
            synapse_id=wrapped.synapse,
        )
        edges(tx, "glialglial", ("astrocytes", "astrocytes"), joined[:, 0], joined[:, 1])
        foot = np.arange(len(feet.segment))
        edges(
            tx,
            "gliovascular",
            ("vasculature", "astrocytes"),
            feet.segment,
            feet.astrocyte,
            endfoot_id=foot,
            **xyz(feet.surface, "endfoot_surface_", "f4"),
        )
        area = np.maximum(chance.normal(192, 60, len(foot)), 1)
        sizes = {
            "surface_area": area,
            "unreduced_surface_area": 1.3 * area,
            "surface_thickness": np.ones(len(foot)),
        }
        tx.write_table(glia.ENDFEET.of(circuit=NAME), pa.table({"endfoot_id": foot, **sizes}))
        where = {"circuit": NAME, "population": "astrocytes"}
        boundary = np.zeros(block.n, bool)
        boundary[faces[faces[:, 2] < 0, 0]] = True
        tx.write_table(
            glia.DOMAINS.of(**where),
            pa.table(
                {
                    "node_id": number,
                    "volume": measures.volume,
                    "area": measures.area,
                    **xyz(centroid, "centroid_"),
                    **xyz(low, "min_"),
                    **xyz(high, "max_"),
                    "scale": np.ones(block.n),
                    "faces": np.bincount(faces[:, 0], minlength=block.n),
                    "boundary": boundary,
                }
            ),
        )
        tx.write_table(
            glia.DOMAIN_FACES.of(**where),
            pa.table(
                {
                    "node_id": faces[:, 0],
                    "face": faces[:, 1],
                    "neighbour": faces[:, 2],
                    "area": np.ones(len(faces)),
                }
            ),
        )
        arrays = (
            (glia.DOMAIN_POINTS, domains.points.astype("f4"), domains.point_offsets),
            (
                glia.DOMAIN_TRIANGLES,
                np.column_stack([domains.faces, domains.triangles]),
                domains.triangle_offsets,
            ),
            (glia.DOMAIN_NEIGHBOURS, domains.neighbors, domains.triangle_offsets),
        )
        for kind, values, offsets in arrays:
            tx.write_array(kind.of(**where), values)
            tx.write_array(kind.of(**where) + glia.OFFSETS, offsets)


def asked(circuit: Any) -> dict[str, Callable[[], object]]:
    """What the circuit answers, by name."""
    cells, vessels, neurons = circuit.astrocytes, circuit.vasculature, circuit.neurons
    some = np.arange(0, len(cells), max(len(cells) // 1000, 1))
    return {
        "endfeet, synapses, neurons and gap junctions of every astrocyte": cells.counts,
        "neurons of 1,000 astrocytes": lambda: cells.neurons(some),
        "vessels of 1,000 astrocytes": lambda: cells.vessels(some),
        "synapses of one astrocyte, with both neurons": lambda: cells.synapses([5]),
        "astrocytes of all neurons": neurons.astrocytes,
        "vessels of ten neurons": lambda: neurons.vessels(np.arange(10)),
        "shortest way from a neuron to a vessel": lambda: neurons.path_to_vessel(3),
        "gap junctions to every astrocyte, and components": lambda: (
            cells.syncytium.hops(3),
            cells.syncytium.components(),
        ),
        "volumes that neighbours share": cells.domains.overlap,
        "vessels within domains": cells.domains.vessels,
        "coverage of vessels": vessels.coverage,
        "nearest neighbours of somata": lambda: cells.pattern().nearest(),
        "Ripley's K at 50 radii up to 125 µm": lambda: cells.pattern().ripley(np.linspace(0, 125, 50)),
        "all checks": circuit.check,
    }


def measure(figures: Figures, n: int, rounds: int) -> None:
    with TemporaryDirectory() as folder:
        lake = nl.create(Path(folder) / "lake", durable=False)
        write(lake, Block(n))
        circuit = nl.circuit(lake, NAME)
        section = f"{n:,} astrocytes, {n * SYNAPSES:,} synapses"
        failed = [str(check) for check in circuit.check() if not check.passed]
        assert not failed, failed
        figures.add(section, "pairs of astrocyte and synapse", circuit.edges["neuroglial"].rows, "edges")
        works: dict[str, Callable[[], object]] = {
            name: lambda query=query: circuit.snapshot.sql(query).fetchall()  # type: ignore[misc]
            for name, query in questions().items()
        }
        for name, work in (works | asked(circuit)).items():
            work()  # compiled, and verified
            figures.add_time(section, name, Timing([seconds(work) for _ in range(rounds)]), "ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000])
    options = parser.parse_args()
    figures = Figures("glia_questions")
    for n in options.sizes:
        measure(figures, n, options.rounds)
    figures.report()


if __name__ == "__main__":
    main()
