"""A small circuit in a lake, of three populations: `python small_circuit.py LAKE RUN OPTIONS` runs it.

STIM replays spikes, E and I are balls with a stick. OPTIONS are JSON: arguments of `run_network`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import neurolake
from neurolake.catalog.vocabulary import circuits

SIZES = {"STIM": 4, "E": 6, "I": 3}
STARTS = {"STIM": 0, "E": 4, "I": 10}
TREE = "tree"
VELOCITY = 250.0
T_STOP = 120.0
CONFIGURATION: dict[str, Any] = {
    "Model Name": "small",
    "Definitions": {
        "Populations": {"STIM": 0, "E": 1, "I": 2},
        "Layers": {"L": 0},
    },
    "Geometry": {
        "Parametric Surface": {"Layer Extents": {"L": [[0, 0, 0], [100, 100, 100]]}},
        "Cell Distribution": {name: {"L": size} for name, size in SIZES.items()},
    },
    "Cell Types": {
        "STIM": {"template": "VecStim", "spike train": {"namespace": "in", "attribute": "t"}},
        "E": {"template": "Ball"},
        "I": {"template": "Ball"},
    },
    "Connection Generator": {
        "Connection Velocity": dict.fromkeys(SIZES, VELOCITY),
        "Axon Extent": {name: {"default": {"width": [100, 100]}} for name in SIZES},
        "Synapses": {
            "E": {
                "STIM": {
                    "type": "excitatory",
                    "sections": ["basal"],
                    "layers": ["L"],
                    "proportions": [1],
                    "mechanisms": {
                        "AMPA": {"tau_rise": 0.5, "tau_decay": 3.0, "e": 0, "g_unit": 0.004, "weight": 1.0},
                        "NMDA": {"g_unit": 0.0005, "weight": 0.5},
                    },
                },
                "I": {
                    "type": "inhibitory",
                    "sections": ["soma"],
                    "layers": ["L"],
                    "proportions": [1],
                    "mechanisms": {
                        "GABA_A": {"tau_rise": 0.3, "tau_decay": 6.0, "e": -75, "g_unit": 0.002, "weight": 1}
                    },
                },
            },
            "I": {
                "E": {
                    "type": "excitatory",
                    "sections": ["basal"],
                    "layers": ["L"],
                    "proportions": [1],
                    "mechanisms": {
                        "AMPA": {"tau_rise": 0.5, "tau_decay": 3.0, "e": 0, "g_unit": 0.01, "weight": 1}
                    },
                }
            },
        },
    },
    "Global Parameters": {"celsius": 6.3},
}


def edges() -> dict[str, list[tuple[int, int, int, float]]]:
    """Edges by projection: source, target, synapse and distance."""
    draw = np.random.default_rng(3)
    counts = {name: dict.fromkeys(range(size), 0) for name, size in SIZES.items()}
    found: dict[str, list[tuple[int, int, int, float]]] = {}
    for source, target, each in (("STIM", "E", 3), ("I", "E", 2), ("E", "I", 4)):
        rows = []
        for cell in range(SIZES[target]):
            for _ in range(each):
                synapse = counts[target][cell]
                counts[target][cell] += 1
                distance = float(np.float32(draw.uniform(1, 900)))
                rows.append((int(draw.integers(SIZES[source])), cell, synapse, distance))
        found[f"{source}__{target}"] = rows
    return found


def place(projection: str, synapse: int) -> tuple[int, float]:
    """Section and position of a synapse."""
    if projection == "I__E":
        return 0, 0.5
    return 1, float(np.float32(0.1 + 0.17 * (synapse % 5)))


def trains() -> dict[int, np.ndarray]:
    """Spikes of the inputs."""
    return {
        cell: np.sort(np.random.default_rng(cell).uniform(0, T_STOP, 30)) for cell in range(SIZES["STIM"])
    }


def write_circuit(lake: Any, name: str = "small", junctions: bool = False) -> None:
    """Write the circuit into a lake, in one commit."""
    with lake.transaction(f"Write {name}") as transaction:
        for population, size in SIZES.items():
            table = {
                "node_id": np.arange(size),
                "gid": np.arange(size) + STARTS[population],
                **{axis: np.arange(size) * 10.0 for axis in "xyz"},
            }
            if population != "STIM":
                table["morphology"] = np.array([TREE] * size)
            transaction.write_table(circuits.NODES.of(circuit=name, population=population), pa.table(table))
        points = {
            "morphology": [TREE] * 4,
            "point_id": [0, 1, 2, 3],
            "parent_id": [-1, 0, 1, 2],
            "x": [0.0, 12.0, 20.0, 190.0],
            "y": [0.0] * 4,
            "z": [0.0] * 4,
            "diameter": [12.0, 12.0, 1.0, 1.0],
            "type": [1, 1, 3, 3],
            "layer": [0] * 4,
        }
        transaction.write_table(
            circuits.POINTS.of(circuit=name), pa.table(points, circuits.POINTS.schema_of(points))
        )
        sections = {
            "morphology": [TREE] * 2,
            "section_id": [0, 1],
            "parent_id": [None, 0],
            "type": [1, 3],
            "points": [[0, 1], [1, 2, 3]],
            "rank": [None, 0],
        }
        transaction.write_table(
            circuits.SECTIONS.of(circuit=name), pa.table(sections, circuits.SECTIONS.schema)
        )
        _write_edges(transaction, name, junctions)
        time = np.concatenate([*trains().values()])
        cell = np.repeat(np.arange(SIZES["STIM"]), [len(each) for each in trains().values()])
        transaction.write_table(
            circuits.INPUTS.of(circuit=name, input="in", population="STIM"),
            pa.table({"node_id": cell, "time": time}),
        )
        row = {
            "name": name,
            "format": "neuroh5",
            "configuration": None,
            "seed": None,
            "populations": sorted(SIZES),
            "nodes": sum(SIZES.values()),
            "edges": 0,
        }
        transaction.append_table(
            circuits.CIRCUITS.name, pa.Table.from_pylist([row], circuits.CIRCUITS.schema)
        )


def _write_edges(transaction: Any, name: str, junctions: bool) -> None:
    synapses: dict[str, list[tuple[Any, ...]]] = {"E": [], "I": []}
    for projection, rows in edges().items():
        source, target = projection.split("__")
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        names = ("source_node_id", "target_node_id", "synapse_id", "distance")
        table = {"edge_id": np.arange(len(rows)), **dict(zip(names, columns, strict=True))}
        table["distance"] = table["distance"].astype(np.float32)
        transaction.write_table(
            circuits.EDGES.of(circuit=name, population=projection),
            pa.table(table),
            attributes={"source_population": source, "target_population": target},
        )
        for _, cell, synapse, _ in rows:
            section, position = place(projection, synapse)
            synapses[target].append((cell, synapse, section, position, 3 if section else 1))
    for population, found in synapses.items():
        names = ("node_id", "synapse_id", "section_id", "section_pos", "swc_type")
        columns = dict(
            zip(names, (np.array(column) for column in zip(*sorted(found), strict=True)), strict=True)
        )
        columns["swc_type"] = columns["swc_type"].astype(np.uint8)
        transaction.write_table(circuits.SYNAPSES.of(circuit=name, population=population), pa.table(columns))
    if junctions:
        table = {
            "edge_id": np.arange(2),
            "source_node_id": np.array([0, 1]),
            "target_node_id": np.array([1, 2]),
            **{f"{side}_section_id": np.array([1, 1]) for side in ("efferent", "afferent")},
            **{f"{side}_section_pos": np.array([0.3, 0.7]) for side in ("efferent", "afferent")},
            **{f"{side}_coupling": np.array([0.5, 0.5]) for side in ("efferent", "afferent")},
        }
        transaction.write_table(
            circuits.EDGES.of(circuit=name, population="E__E__electrical"),
            pa.table(table),
            attributes={"source_population": "E", "target_population": "E"},
        )


VOLTAGES: dict[int, Any] = {}
"""Potential of each soma at every step, by gid: what a hoc Vector records."""


def ball(node: Any) -> Any:
    """The template of both populations: a soma with hh and a passive stick, of the tree's lengths."""
    from neuron import h

    from neurolake.mechanisms.network.cells import Detector, NetworkCell

    soma, stick = h.Section(name=f"soma{node.gid}"), h.Section(name=f"stick{node.gid}")
    stick.connect(soma(1))
    soma.L = soma.diam = 12
    stick.L, stick.diam, stick.nseg = 178, 1, 5
    soma.insert("hh")
    stick.insert("pas")
    for segment in stick:
        segment.pas.g, segment.pas.e = 0.0005, -65
    VOLTAGES[node.gid] = h.Vector().record(soma(0.5)._ref_v)
    return NetworkCell(node.gid, (soma, stick), Detector(0, 0.5, -10.0), held=VOLTAGES[node.gid])


def run(lake: Any, name: str, **options: Any) -> Any:
    """Run the circuit."""
    from neurolake.ingest.networks.runs import run_network

    chosen = {
        "circuit": "small",
        "t_stop": T_STOP,
        "configuration": CONFIGURATION,
        "templates": {"Ball": ball},
        **options,
    }
    return run_network(lake, name=name, **chosen)


def main() -> None:
    """Run as the command line asks."""
    report = run(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3] if len(sys.argv) > 3 else "{}"))
    print(report.run, sum(report.spikes.values()))


if __name__ == "__main__":
    if not Path(sys.argv[1]).exists():
        write_circuit(neurolake.create(sys.argv[1]))
    main()
