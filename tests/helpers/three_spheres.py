"""Three cells of SONATA with four edges, in either dialect, and what overrides make of these."""

import json

import h5py
import numpy as np
from sonata_files import write_edges, write_nodes

import neurolake
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.ingest.wiring.circuit import NetworkSource
from neurolake.ingest.wiring.edges import EdgeTargets, edge_rows
from neurolake.ingest.wiring.faults import Faults
from neurolake.ingest.wiring.overrides import overridden, overrides_of
from neurolake.ingest.wiring.readers import connections_of
from neurolake.mechanisms.network.cells import Detector, NetworkCell
from neurolake.mechanisms.network.templates import Search

TYPED = {
    "afferent_section_id": np.zeros(4, int),
    "afferent_section_pos": np.full(4, 0.5),
    "conductance": np.array([2.0, 3.0, 4.0, 5.0]),
    "delay": np.full(4, 1.5),
    "syn_type_id": np.array([110, 110, 10, 110]),
    "decay_time": np.full(4, 2.0),
    "u_syn": np.full(4, 0.5),
    "depression_time": np.full(4, 100.0),
    "facilitation_time": np.full(4, 20.0),
    "u_hill_coefficient": np.array([2.5, 2.5, 2.5, 1.5]),
    "conductance_scale_factor": np.array([-1.0, 0.6, 0.7, -1.0]),
}
ENDS = ([0, 1, 2, 0], [1, 2, 0, 2])


def text(values):
    return np.array(values, h5py.string_dtype())


def ingested(folder, edges, **simulation):
    """A lake with a circuit of three cells whose edges have some columns."""
    folder.mkdir()
    write_nodes(
        folder / "nodes.h5", 3, population="net", model_template=text(["Sphere"] * 3),
        exc_mini_frequency=np.array([0.0, 50.0, 0.0]), inh_mini_frequency=np.array([25.0, 0.0, 0.0]),
    )  # fmt: skip
    write_edges(folder / "edges.h5", *ENDS, population="net__net__chemical", **edges)
    with h5py.File(folder / "edges.h5", "a") as file:
        for end in ("source", "target"):
            file[f"edges/net__net__chemical/{end}_node_id"].attrs["node_population"] = "net"
    (folder / "sets.json").write_text('{"first": {"node_id": [0]}, "last": {"node_id": [2]}}')
    told = {
        "run": {"tstop": 40.0, "dt": 0.025},
        "node_sets_file": "sets.json",
        "networks": {
            "nodes": [{"nodes_file": "nodes.h5", "node_types_file": None}],
            "edges": [{"edges_file": "edges.h5", "edge_types_file": None}],
        },
        **simulation,
    }
    (folder / "simulation.json").write_text(json.dumps(told))
    lake = neurolake.create(folder / "lake", durable=False)
    ingest_sonata(lake, folder / "simulation.json", name="net", on_error="skip")
    return lake


def connections(lake, overrides=(), conditions=None, seed=0):
    """Edges by number: weight, delay, parameters and spontaneous events; and faults."""
    source, faults = NetworkSource.read(lake.head, "net"), Faults()
    settings = {"connection_overrides": list(overrides), "conditions": conditions or {}}
    (projection,) = source.projections
    rows = edge_rows(
        source, projection, None, 0.025, faults, EdgeTargets(search=Search(settings=settings), seed=seed)
    )
    found = {}
    read = overrides_of(source, settings, 0.025, faults)
    for each in overridden(rows, connections_of(rows), read, 1000.0):
        for at, number in enumerate(each.number.tolist()):
            own = dict(each.kind.parameters) | {
                name: float(values[at]) for name, values in each.parameters.items()
            }
            minis = None if each.minis is None else each.minis[at]
            found[number] = (float(each.weights[at, 0]), float(each.delay[at]), own, minis, each.seed)
    return found, list(faults)


def numbers(lake, source, target):
    """Number of the edge between two cells."""
    table = lake.head.tables["edges/net/net__net__chemical"].to_arrow().to_pylist()
    (found,) = [
        row["edge_id"] for row in table if (row["source_node_id"], row["target_node_id"]) == (source, target)
    ]
    return found


def sphere(node):
    """A passive sphere."""
    from neuron import h

    soma = h.Section(name="soma_0")
    soma.L = soma.diam = 20
    soma.insert("pas")
    soma.g_pas, soma.e_pas = 1e-3, -65.0
    return NetworkCell(node.gid, [soma], Detector())


ALLEN = {
    "afferent_section_id": np.zeros(4, int),
    "afferent_section_pos": np.full(4, 0.5),
    "syn_weight": np.full(4, 0.002),
    "delay": np.full(4, 1.5),
    "model_template": text(["exp2syn"] * 4),
    "dynamics_params": text([""] * 4),
}
