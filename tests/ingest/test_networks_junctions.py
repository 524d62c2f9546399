"""Gap junctions of SONATA's dialects: two spheres that a junction joins, against their closed form; and faults of edges."""

import json

import h5py
import numpy as np
import pytest
from small_trees import small_tree
from sonata_files import write_edges, write_nodes

import neurolake
from neurolake.ingest.networks.runs import run_network
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.ingest.wiring.circuit import NetworkSource
from neurolake.ingest.wiring.edges import EdgeRows, EdgeTargets, edge_rows
from neurolake.ingest.wiring.faults import Faults
from neurolake.ingest.wiring.junctions import are_junctions, gap_junctions, may_have_junctions
from neurolake.ingest.wiring.sonata_edges import synapse_places
from neurolake.lake.errors import InputError
from neurolake.mechanisms.network.cells import Detector, NetworkCell

AREA, G, REST = np.pi * 20 * 20 * 1e-8, 1e-3, -65.0  # cm2, S/cm2, mV
OWN = AREA * G * 1e6  # uS
CURRENT = 0.1  # nA


def sphere(node):
    """A passive sphere, and one that hangs on it: one compartment."""
    from neuron import h

    soma, other = h.Section(name="soma_0"), h.Section(name="dend_1")
    soma.L = soma.diam = 20
    soma.insert("pas")
    soma.g_pas, soma.e_pas = G, REST
    other.L = other.diam = 0.001
    other.connect(soma(1))
    return NetworkCell(node.gid, [soma, other], Detector())


def text(values):
    return np.array(values, h5py.string_dtype())


BLUE_BRAIN = {
    "afferent_junction_id": np.array([7, 3]),
    "efferent_junction_id": np.array([3, 7]),
    "afferent_section_id": np.array([0, 0]),
    "afferent_section_pos": np.array([0.5, 0.5]),
    "conductance": np.array([2.0, 2.0]),  # nS
}
ALLEN = {
    "is_gap_junction": text(["True", "False"]),
    "syn_weight": np.array([0.002, 0.1]),  # uS
    "afferent_section_id": np.array([0, 0]),
    "afferent_section_pos": np.array([0.5, 0.5]),
    "delay": np.array([1.0, 1.0]),
    "model_template": text(["", "exp2syn"]),
    "dynamics_params": text(["", ""]),
}


def ingested(folder, population, source=(0, 1), target=(1, 0), **columns):
    """A lake with a circuit of three spheres, the first of which a current enters."""
    folder.mkdir(exist_ok=True)
    write_nodes(folder / "nodes.h5", 3, population="net", model_template=text(["Sphere"] * 3))
    write_edges(folder / "edges.h5", source, target, population=population, **columns)
    with h5py.File(folder / "edges.h5", "a") as file:
        for end in ("source", "target"):
            file[f"edges/{population}/{end}_node_id"].attrs["node_population"] = "net"
    step = {"input_type": "current_clamp", "module": "IClamp", "amp": CURRENT, "delay": 0.0, "duration": 1e9, "node_set": [0]}  # fmt: skip
    simulation = {
        "run": {"tstop": 40.0, "dt": 0.025},
        "conditions": {"celsius": 6.3, "v_init": REST},
        "inputs": {"step": step},
        "networks": {
            "nodes": [{"nodes_file": "nodes.h5", "node_types_file": None}],
            "edges": [{"edges_file": "edges.h5", "edge_types_file": None}],
        },
    }
    (folder / "simulation.json").write_text(json.dumps(simulation))
    lake = neurolake.create(folder / "lake", durable=False)
    ingest_sonata(lake, folder / "simulation.json", name="joined")
    return lake


@pytest.mark.parametrize(
    ("population", "columns"),
    [("net__net__electrical", BLUE_BRAIN), ("net_net", ALLEN)],
    ids=["blue brain", "allen"],
)
def test_two_cells_share_a_current_as_their_conductances_say(tmp_path, population, columns):
    """(G + g) v0 = I + g v1 and (G + g) v1 = g v0, from rest, once nothing changes any more."""
    lake = ingested(tmp_path / "c", population, **columns)
    done = run_network(
        lake, "joined", name="run", templates={"Sphere": sphere}, record=["soma"], save_state=False
    )
    assert done.load.junctions == 2
    # Of bmtk's table, the other edge is a synapse.
    assert done.load.connections == (1 if "syn_weight" in columns else 0)
    last = np.asarray(lake.head.arrays["reports/run/soma v/net"][-1]) - REST
    g = 0.002
    both = OWN + g
    first = CURRENT * both / (both**2 - g**2)
    assert last == pytest.approx([first, first * g / both, 0.0], rel=1e-4, abs=1e-4)


def junctions(lake):
    source, faults = NetworkSource.read(lake.head, "joined"), Faults()
    (projection,) = source.projections
    assert may_have_junctions(source, projection)
    nodes = {node.gid: node for node in source.nodes(source.populations["net"])}
    rows = edge_rows(source, projection, None, 0.025, faults, EdgeTargets(nodes))
    return gap_junctions(rows.take(are_junctions(rows))), list(faults)


def test_sides_of_junctions_find_each_other_by_their_numbers(tmp_path):
    """Rows of the Blue Brain Project: four sides of two junctions, with conductances of their own."""
    columns = {
        "afferent_junction_id": np.array([10, 20, 30, 40]),
        "efferent_junction_id": np.array([40, 30, 20, 10]),
        "afferent_section_id": np.array([0, 1, 0, 1]),
        "afferent_section_pos": np.array([0.1, 0.2, 0.3, 0.4]),
        "conductance": np.array([1.0, 2.0, 3.0, 4.0]),
    }
    lake = ingested(tmp_path / "c", "net__net__electrical_synapse", (0, 0, 2, 1), (1, 2, 0, 0), **columns)
    found, faults = junctions(lake)
    assert faults == []
    assert sorted(map(sorted, found.gid.tolist())) == [[0, 1], [0, 2]]
    at = int(np.argmax((found.gid == 1).any(axis=1)))
    sides = dict(
        zip(
            found.gid[at].tolist(),
            zip(found.section[at], found.position[at], found.conductance[at], strict=True),
            strict=True,
        )
    )
    assert sides[0] == pytest.approx((1, 0.4, 0.004)) and sides[1] == pytest.approx((0, 0.1, 0.001))


def changed(**more):
    return {**BLUE_BRAIN, **more}


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (changed(efferent_junction_id=np.array([3, 8])), "no edge back with afferent_junction_id 8"),
        (changed(afferent_junction_id=np.array([7, 7])), "afferent_junction_id 7 is that of several edges"),
        ({k: v for k, v in BLUE_BRAIN.items() if k != "conductance"}, "need the columns conductance"),
        (
            {k: v for k, v in BLUE_BRAIN.items() if k != "afferent_section_pos"},
            "neither afferent_section_pos nor afferent_segment_id",
        ),
        (
            {
                **{k: v for k, v in BLUE_BRAIN.items() if k != "afferent_section_pos"},
                "afferent_segment_id": np.array([0, 0]),
                "afferent_segment_offset": np.array([0.0, 0.0]),
            },
            "takes the trees of its cells",
        ),
        ({"afferent_section_id": np.array([0, 0])}, "nothing says what its gap junctions are"),
    ],
)
def test_faults_of_junctions_are_told(tmp_path, columns, told):
    lake = ingested(tmp_path / "c", "net__net__electrical", **columns)
    found, faults = junctions(lake)
    assert any(told in fault for fault in faults), faults
    with pytest.raises(InputError, match="cannot be run"):
        run_network(lake, "joined", name="run", templates={"Sphere": sphere})
    assert len(found) == 0 or "trees" in told


def test_a_place_may_be_an_offset_from_a_point_of_its_section():
    """Arc length to the point, and the offset, over that of the section; somata are points."""
    shape = small_tree()
    points = shape.sections[1]
    arc = np.linalg.norm(np.diff(np.stack([shape.x, shape.y, shape.z], axis=1)[points], axis=0), axis=1)
    columns = {
        "target_node_id": np.zeros(3, int),
        "afferent_section_id": np.array([1, 1, 0]),
        "afferent_segment_id": np.array([0, 1, 1]),
        "afferent_segment_offset": np.array([0.5, 0.25, 3.0]),
    }
    nowhere = np.zeros(3, int)
    rows = EdgeRows(None, None, columns, nowhere, nowhere, {0: shape}, 0.025, Faults())
    found = synapse_places(rows, np.arange(3))
    assert found.position == pytest.approx([0.5 / arc.sum(), (arc[0] + 0.25) / arc.sum(), 0.5])
    assert not list(rows.faults)
