"""Circuits of SONATA run: synapses and inputs of both dialects, against plain NEURON and stored results of others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from sonata_files import write_edges, write_nodes, write_spikes

import neurolake
from neurolake.ingest.networks.acting import sonata_clamps
from neurolake.ingest.networks.runs import run_network
from neurolake.ingest.networks.sonata import SonataSimulation
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.ingest.wiring.circuit import NetworkSource
from neurolake.ingest.wiring.edges import EdgeTargets, edge_rows
from neurolake.ingest.wiring.faults import Faults
from neurolake.ingest.wiring.readers import connections_of
from neurolake.lake.errors import InputError
from neurolake.mechanisms.network.attached import Timing
from neurolake.mechanisms.network.templates import Search
from neurolake.mechanisms.stimuli.clamps import CurrentClamp, VoltageClamp
from neurolake.mechanisms.templates.finders import find_template

BALL = """
begintemplate SonataBall
public soma, dend, all
create soma[1], dend[1]
objref all
proc init() {
    all = new SectionList()
    connect dend[0](0), soma[0](1)
    soma[0] { L = 15 diam = 15 insert hh all.append() }
    dend[0] { L = 200 diam = 2 nseg = 5 insert pas e_pas = -65 all.append() }
}
endtemplate SonataBall
"""
FILES = {
    "exc.json": {"level_of_detail": "exp2syn", "tau1": 0.2, "tau2": 3.0, "erev": 0.0},
    "jump.json": {"level_of_detail": "instantaneous", "sign": -1},
    "fire.json": {"type": "NEURON_IntFire1", "tau": 0.02, "refrac": 0.002},
}
# Source, target, section, position, weight, delay.
INPUTS = [(0, 0, 1, 0.7, 0.004, 1.5), (1, 1, 0, 0.5, 0.003, 2.0), (1, 0, 1, 0.1, 0.002, 1.0)]
TRAINS = {0: np.array([5.0, 12.0, 13.0, 40.0]), 1: np.array([3.3, 25.0, 26.0, 27.0])}
STEP = {
    "input_type": "current_clamp",
    "module": "IClamp",
    "node_set": {"population": "net"},
    "amp": 0.2,
    "delay": 50.0,
    "duration": 20.0,
}
RUN = {"tstop": 100.0, "dt": 0.05, "spike_threshold": -10.0}


def text(values):
    return np.array(values, h5py.string_dtype())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A circuit of bmtk's dialect: two cells of a template in hoc, one point process, two sources."""
    path = tmp_path_factory.mktemp("sonata")
    (path / "components" / "parameters").mkdir(parents=True)
    (path / "components" / "ball.hoc").write_text(BALL)
    for name, told in FILES.items():
        (path / "components" / "parameters" / name).write_text(json.dumps(told))
    write_nodes(
        path / "net_nodes.h5", 3, population="net",
        model_type=text(["biophysical", "biophysical", "point_neuron"]),
        model_template=text(["hoc:SonataBall", "hoc:SonataBall", "nrn:IntFire1"]),
        dynamics_params=text(["", "", "fire.json"]),
        tuning_angle=np.array([0.0, 30.0, 170.0]),
    )  # fmt: skip
    write_nodes(path / "virt_nodes.h5", 2, population="virt", model_type=text(["virtual"] * 2))
    source, target, section, position, weight, delay = zip(*INPUTS, strict=True)
    write_edges(
        path / "virt_net.h5", source, target, population="virt_net",
        afferent_section_id=np.array(section), afferent_section_pos=np.array(position),
        syn_weight=np.array(weight), delay=np.array(delay), model_template=text(["exp2syn"] * 3),
        dynamics_params=text(["exc.json"] * 3),
    )  # fmt: skip
    write_edges(
        path / "net_point.h5", [0, 1], [2, 2], population="net_point",
        nsyns=np.array([3, 1]), syn_weight=np.array([-0.4, -0.3]), delay=np.array([1.0, 2.0]),
        dynamics_params=text(["jump.json"] * 2), model_template=text(["", ""]),
    )  # fmt: skip
    for name, ends in (("virt_net", ("virt", "net")), ("net_point", ("net", "net"))):
        with h5py.File(path / f"{name}.h5", "a") as file:
            for end, population in zip(("source", "target"), ends, strict=True):
                file[f"edges/{name}/{end}_node_id"].attrs["node_population"] = population
    spikes = [(node, time) for node, times in TRAINS.items() for time in times]
    write_spikes(path / "spikes.h5", *zip(*spikes, strict=True), population="virt")
    networks = {
        "nodes": [{"nodes_file": f"{name}_nodes.h5", "node_types_file": None} for name in ("net", "virt")],
        "edges": [
            {"edges_file": f"{name}.h5", "edge_types_file": None} for name in ("virt_net", "net_point")
        ],
    }
    simulation = {
        "run": RUN,
        "conditions": {"celsius": 10.0, "v_init": -64.0},
        "inputs": {"trains": {"input_type": "spikes", "module": "sonata", "input_file": "spikes.h5", "node_set": "virt"}, "step": {**STEP, "node_set": [1]}},
        "networks": networks,
    }  # fmt: skip
    (path / "simulation.json").write_text(json.dumps(simulation))
    return path


@pytest.fixture
def lake(folder, tmp_path):
    made = neurolake.create(tmp_path / "lake", durable=False)
    ingest_sonata(made, folder / "simulation.json", name="small")
    return made


def by_hand(folder):
    """The same network in plain NEURON: spikes of cells 0 to 2."""
    from neuron import h

    from neurolake.mechanisms.library import load

    load()
    h.load_file("stdrun.hoc")
    find_template("hoc:SonataBall", Search([folder / "components"])).hoc.load()
    cells = [h.SonataBall() for _ in range(2)]
    fire = h.IntFire1()
    fire.tau, fire.refrac = 20.0, 2.0
    held, spikes = [], [h.Vector() for _ in range(3)]
    for node, times in TRAINS.items():
        source, vector = h.VecStim(), h.Vector(times)
        source.play(vector)
        held += [source, vector]
        for _, target, section, position, weight, delay in (row for row in INPUTS if row[0] == node):
            synapse = h.Exp2Syn(list(cells[target].all)[section](position))
            synapse.tau1, synapse.tau2, synapse.e = 0.2, 3.0, 0.0
            connection = h.NetCon(source, synapse)
            connection.weight[0], connection.delay = weight, delay
            held += [synapse, connection]
    for node, weight, delay in ((0, 1.2, 1.0), (1, 0.3, 2.0)):
        soma = cells[node].soma[0]
        connection = h.NetCon(soma(0.5)._ref_v, fire, sec=soma)
        connection.threshold, connection.weight[0], connection.delay = -10.0, weight, delay
        held.append(connection)
    clamp = h.IClamp(cells[1].soma[0](0.5))
    clamp.delay, clamp.dur, clamp.amp = 50.0, 20.0, 0.2
    for node, vector in enumerate(spikes):
        if node == 2:
            detector = h.NetCon(fire, None)
        else:
            detector = h.NetCon(cells[node].soma[0](0.5)._ref_v, None, sec=cells[node].soma[0])
            detector.threshold = -10.0
        detector.record(vector)
        held.append(detector)
    h.CVode().active(False)
    h.dt, h.celsius, h.secondorder, h.steps_per_ms = 0.05, 10.0, 0, 20
    h.finitialize(-64.0)
    h.continuerun(100.0)
    return [np.array(vector) for vector in spikes]


def test_a_circuit_of_bmtks_dialect_is_that_of_plain_neuron(folder, lake):
    expected = by_hand(folder)
    done = run_network(lake, "small", name="again", templates=[folder / "components"], save_state=False)
    assert (done.t_stop, done.cells, done.edges) == (100.0, 5, 5)
    table = lake.head.tables["spikes/again/net"].to_arrow()
    node, time = table["node_id"].to_numpy(), table["time"].to_numpy()
    for at, times in enumerate(expected):
        assert np.sort(time[node == at]).tolist() == times.tolist()
        assert len(times) > 1
    # The templates and parameters that were used are kept with the run.
    rows = lake.head.tables["files"].to_arrow().to_pylist()
    kept = {row["path"].rsplit("/", 1)[-1] for row in rows if row["run"] == "again"}
    assert {"ball.hoc", "exc.json", "jump.json", "fire.json"} <= kept


def test_inputs_can_be_chosen(folder, lake):
    done = run_network(
        lake,
        "small",
        name="step",
        inputs=["step"],
        t_stop=80,
        templates=[folder / "components"],
        save_state=False,
    )
    assert done.spikes["net"] > 0
    times = lake.head.tables["spikes/step/net"].to_arrow()["time"].to_numpy()
    assert times.min() > 50


def test_all_that_is_wrong_is_told_at_once(folder, lake, tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "ball.hoc").write_text(BALL)
    with pytest.raises(InputError) as told:
        run_network(lake, "small", name="bad", templates=[tmp_path / "templates"], dt=1.75)
    said = str(told.value)
    for part in ("exc.json", "fire.json", "jump.json", "is shorter than the time step", "cannot be run"):
        assert part in said, said
    assert "spikes/bad/net" not in lake.head.tables


# Edges without NEURON


def source_of(lake, name):
    return NetworkSource.read(lake.head, name)


def connections(source, targets=None):
    """Connections of all projections, and what is wrong with them."""
    faults, made = Faults(), []
    for projection in source.projections:
        rows = edge_rows(source, projection, None, 0.1, faults, targets)
        made += connections_of(rows)
    return made, list(faults)


@pytest.fixture
def drawn(tmp_path):
    """Makes a circuit whose synapses are to be placed, and the cells that they end at."""
    from small_trees import small_tree

    from neurolake.mechanisms.network.cells import NetworkNode

    def make(**attributes):
        path = tmp_path / "drawn"
        path.mkdir()
        write_nodes(path / "nodes.h5", 4, tuning_angle=np.array([0.0, 45.0, 90.0, 170.0]))
        columns = {
            "syn_weight": np.full(3, 0.5), "delay": np.full(3, 2.0), "model_template": text(["Exp2Syn"] * 3),
            "dynamics_params": text(["exc.json"] * 3), **attributes,
        }  # fmt: skip
        write_edges(path / "edges.h5", [0, 1, 2], [3, 3, 1], **columns)
        networks = {
            "nodes": [{"nodes_file": "nodes.h5", "node_types_file": None}],
            "edges": [{"edges_file": "edges.h5", "edge_types_file": None}],
        }
        (path / "circuit.json").write_text(json.dumps({"networks": networks}))
        lake = neurolake.create(tmp_path / "lake", durable=False)
        ingest_sonata(lake, path / "circuit.json", name="drawn")
        nodes = {gid: NetworkNode(gid, "cells", gid, small_tree()) for gid in range(4)}
        search = Search(files={"exc.json": json.dumps(FILES["exc.json"]).encode()})
        return source_of(lake, "drawn"), lambda seed=0: EdgeTargets(nodes, {}, search, seed)

    return make


def test_synapses_are_placed_where_the_edge_says_the_same_every_time(drawn):
    source, targets = drawn(
        nsyns=np.array([200, 3, 100]),
        target_sections=text(["['basal']", "['somatic', 'apical']", "['apical']"]),
        distance_range=text(["[0, 1e20]", "[0.0, 50.0]", "[60.0, 120.0]"]),
    )
    made, faults = connections(source, targets())
    assert faults == [] and len(made) == 1 and made[0].kind.mechanism == "Exp2Syn"
    assert made[0].kind.parameters == {"tau1": 0.2, "tau2": 3.0, "e": 0.0}
    edge, section, x = made[0].number, made[0].section, made[0].position
    assert np.bincount(edge).tolist() == [200, 3, 100]
    assert set(section[edge == 0]) == {1} and set(section[edge == 1]) <= {0, 2, 3, 4}
    # Section 2 begins 8 um from the soma's middle and is 100 long, sections 3 and 4 follow.
    away = np.where(section == 2, 8 + 100 * x, 108 + x * np.hypot(50, 100))[edge == 2]
    assert (away >= 60).all() and (away <= 120).all() and set(section[edge == 2]) == {2, 3, 4}
    again, _ = connections(source, targets())
    other, _ = connections(source, targets(seed=1))
    assert np.array_equal(again[0].position, x) and not np.array_equal(other[0].position, x)
    first = made[0].take(edge == 1)
    alone = edge_rows(source, source.projections[0], np.array([3]), 0.1, Faults(), targets())
    part = connections_of(alone)[0]
    assert np.array_equal(part.position[part.number == 1], first.position), "whatever else is drawn"


def test_weights_follow_tuning_where_the_edge_says_so(drawn):
    source, targets = drawn(
        afferent_section_id=np.array([0, 1, 2]), afferent_section_pos=np.array([0.5, 0.5, 0.5]),
        weight_function=text(["gaussianLL", "wmax", "gaussianLL"]), weight_sigma=np.full(3, 50.0),
    )  # fmt: skip
    made, faults = connections(source, targets())
    assert faults == []
    # 0 and 170 degrees are 10 apart, 90 and 45 are 45.
    expected = 0.5 * np.exp(-((np.array([10.0, 0.0, 45.0]) / 50) ** 2))
    order = np.argsort(made[0].number)
    assert made[0].weights[order, 0] == pytest.approx(expected)


@pytest.mark.parametrize(
    "changed, told",
    [
        ({"target_sections": text(["['nose']"] * 3)}, "no part of a cell is called 'nose'"),
        ({"distance_range": text(["[5000, 6000]"] * 3)}, "has no soma, axon, dend, apic at 5000"),
        ({"afferent_section_id": np.array([0, 1, 9]), "afferent_section_pos": np.full(3, 0.5)}, "section 9"),
        (
            {"afferent_section_id": np.array([0, 1, 1]), "afferent_section_pos": np.full(3, 1.5)},
            "position 1.5",
        ),
        ({"afferent_section_id": np.array([0, 1, 1])}, "neither afferent_section_pos"),
        ({"weight_function": text(["strange"] * 3)}, "weight_function 'strange'"),
        ({"dynamics_params": text(["gone.json"] * 3)}, "gone.json"),
        ({"delay": np.array([1.0, -2.0, 3.0])}, "its delay of -2 ms is negative"),
        ({"model_template": text(["Exp2Syn", "", "Exp2Syn"])}, "names no model_template"),
    ],
)
def test_faults_of_edges_are_told(drawn, changed, told):
    source, targets = drawn(**changed)
    _, faults = connections(source, targets())
    assert any(told in fault for fault in faults), faults


# Inputs


def clamps_of(lake, inputs, wanted=None):
    source, faults = source_of(lake, "small"), Faults()
    made = sonata_clamps(source, SonataSimulation({"inputs": inputs}), wanted, 3, faults)
    return made, list(faults)


def test_inputs_of_both_dialects_become_clamps(lake):
    common = {"input_type": "current_clamp", "node_set": "net", "delay": 10, "duration": 20}
    inputs = {
        "several": {**STEP, "amp": [0.1, 0.2], "delay": [1, 2], "duration": [3, 4], "section_name": "dend", "section_dist": 0.3},
        "line": {**common, "module": "linear", "amp_start": 0.1, "amp_end": 0.3},
        "beats": {**common, "module": "pulse", "amp_start": 0.1, "width": 2, "frequency": 100},
        "wave": {**common, "module": "sinusoidal", "amp_start": 0.1, "frequency": 50, "represents_physical_electrode": True},
        "noise": {**common, "module": "noise", "mean": 0.1, "variance": 0.01},
        "ou": {**common, "module": "ornstein_uhlenbeck", "mean": 0.1, "sigma": 0.01, "tau": 3, "random_seed": 5},
        "hold": {"input_type": "voltage_clamp", "module": "seclamp", "node_set": "net", "delay": 5, "duration": 9, "voltage": -70},
        "levels": {"module": "SEClamp", "node_set": "net", "durations": [1, 2, 3], "amps": [-70, -60, -50], "rs": [0.1]},
        "spikes": {"input_type": "spikes", "module": "synapse_replay", "node_set": "net", "spike_file": "x.h5"},
    }  # fmt: skip
    made, faults = clamps_of(lake, inputs)
    assert faults == [] and len(made) == 9
    named = {clamp.name: clamp for clamp in made}
    assert named["several"].currents == dict.fromkeys(range(3), (2.0, 4.0, 0.2))
    assert (named["several"].place.part, named["several"].place.x) == ("dend", 0.3)
    assert not named["line"].electrode and named["wave"].electrode
    assert named["line"].currents[1].at(np.array([20.0])) == pytest.approx([0.2])
    noises, shared = named["noise"].currents, named["ou"].currents
    assert not np.array_equal(noises[0].waveform.value, noises[1].waveform.value)
    assert np.array_equal(shared[0].waveform.value, shared[1].waveform.value), (
        "a seed of its own correlates cells"
    )
    assert isinstance(named["hold"], VoltageClamp) and named["hold"].levels == [(9.0, -70.0)]
    assert named["levels"].levels == [(1.0, -70.0), (2.0, -60.0), (3.0, -50.0)]
    assert [clamp.name for clamp in clamps_of(lake, inputs, ["wave"])[0]] == ["wave"]
    for clamp in made:
        assert list(clamp.check(dict.fromkeys(range(5)), Timing(100))) == []
        assert isinstance(clamp, CurrentClamp | VoltageClamp)


@pytest.mark.parametrize(
    "entry, told",
    [
        ({"module": "linear", "delay": 0, "duration": 1}, "amp_start is None"),
        ({"module": "linear", "delay": 0, "duration": "long", "amp_start": 1}, "duration is 'long'"),
        ({"module": "shot_noise", "delay": 0, "duration": 1}, "rise_time is None"),
        ({"module": "comsol"}, "'comsol' is not supported"),
        ({"module": "subthreshold", "delay": 0, "duration": 1, "percent_less": 20}, "threshold_current"),
        ({"module": "hyperpolarizing", "delay": 0, "duration": 1}, "holding_current"),
        ({"module": "IClamp", "amp": [1, 2], "delay": 0, "duration": 1}, "as many"),
        ({"module": "IClamp", "amp": 1, "delay": 0, "duration": 1, "node_set": "nobody"}, "node set"),
        ({"module": "IClamp", "amp": 1, "delay": 0, "duration": 1, "node_set": "virt"}, "no cells are in"),
        (
            {"module": "linear", "input_type": "conductance", "delay": 0, "duration": 1, "amp_start": 1},
            "conductance",
        ),
    ],
)
def test_faults_of_inputs_are_told(lake, entry, told):
    _, faults = clamps_of(lake, {"one": {"node_set": "net", **entry}})
    assert len(faults) == 1 and faults[0].startswith("input one: ") and told in faults[0]


# Circuits of others


def test_the_ring_test_of_neurodamus_is_wired_as_its_files_say(shared_data, tmp_path):
    """Its mechanisms (ProbAMPANMDA_EMS, ProbGABAAB_EMS) and its template TestCell are not public data: the wiring is checked."""
    lake = neurolake.create(tmp_path / "lake", durable=False)
    ingest_sonata(
        lake, shared_data / "sonata" / "neurodamus_ringtest" / "simulation_config.json", name="ring"
    )
    source = source_of(lake, "ring")
    made, faults = connections(source)
    assert faults == []
    found = sorted(
        (each.name.split("__chemical")[0], each.kind.mechanism, int(a), int(b), float(d), float(w))
        for each in made
        for a, b, d, w in zip(each.source, each.target, each.delay, each.weights[:, 0], strict=True)
    )
    # Cells 0 to 2 are RingA, 3 and 4 RingB; types from 100 on are excitatory.
    amp, gaba = "ProbAMPANMDA_EMS", "ProbGABAAB_EMS"
    assert found == sorted([
        ("RingA__RingA", gaba, 2, 0, 15.0, 13.0), ("RingA__RingA", gaba, 0, 1, 13.0, 11.0), ("RingA__RingA", amp, 1, 2, 14.0, 12.0),
        ("RingA__RingB", amp, 0, 3, 3.0, 100.0), ("RingB__RingB", gaba, 4, 3, 24.0, 22.0), ("RingB__RingB", gaba, 3, 4, 23.0, 21.0),
    ])  # fmt: skip
    first = next(each for each in made if each.kind.mechanism == amp and each.name.startswith("RingA__RingA"))
    assert {name: values.tolist() for name, values in first.parameters.items()} == {
        "Use": [17.0], "Dep": [15.0], "Fac": [16.0], "tau_d_AMPA": [13.0], "Nrrp": [4.0],
    }  # fmt: skip
    assert first.section.tolist() == [1] and first.position.tolist() == [0.75]
    with pytest.raises(InputError) as told:
        run_network(lake, "ring", name="run")
    assert (
        "TestCell" in str(told.value) and f"{amp}.mod" in str(told.value) and f"{gaba}.mod" in str(told.value)
    )


AGAIN = """
import sys
import numpy as np
import neurolake
from neurolake.ingest.networks.runs import run_network
from neurolake.ingest.sonata.ingest import ingest_sonata

folder, config, examples = sys.argv[1:]
lake = neurolake.create(folder, durable=False)
ingest_sonata(lake, config, name="bio")
components = [f"{examples}/bio_1cell/components", f"{examples}/bio_components"]
mods = [f"{examples}/bio_components/mechanisms/modfiles"]
run_network(lake, "bio", name="again", templates=components, mechanisms=mods, save_state=False)
head = lake.head
theirs, ours = (np.sort(head.tables[f"spikes/{run}/biocell"].to_arrow()["time"].to_numpy()) for run in ("bio", "again"))
print(len(theirs), len(ours), np.abs(theirs - ours).max())
stored = np.asarray(head.arrays["reports/bio/membrane_potential/biocell"][:]).ravel()
again = np.asarray(head.arrays["reports/again/membrane_potential/biocell"][:]).ravel()
# The configuration's own report, with the time 0 that theirs does not have.
assert len(again) == len(stored) + 1
difference = np.abs(again[1 : len(stored) + 1] - stored)
print(difference.max(), difference[:5000].max())
"""


@pytest.mark.parametrize("kind, spikes", [("iclamp", 20), ("syns", 39)])
def test_results_of_bmtks_example_come_out_again(shared_data, tmp_path, kind, spikes):
    """Every spike at its time step, and the potential, as bmtk stored them."""
    examples = os.environ.get("NEUROLAKE_BMTK_EXAMPLES")
    if not examples:
        pytest.skip(
            "NEUROLAKE_BMTK_EXAMPLES names no folder: its templates and mechanisms are in the folder examples of the public "
            "repository AllenInstitute/bmtk"
        )
    config = shared_data / "sonata" / "bmtk_bio_1cell" / f"config.simulation_{kind}.json"
    # A process of its own: bmtk's mechanisms have names of ours.
    (tmp_path / "again.py").write_text(AGAIN)
    done = subprocess.run(
        [sys.executable, tmp_path / "again.py", tmp_path / "lake", config, examples],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    theirs, ours, apart, everywhere, before = map(float, done.stdout.split()[-5:])
    assert theirs == ours == spikes and apart < 1e-9
    # float32 is what we store; after many spikes, the last bits of another NEURON have grown to a few microvolts.
    assert before < 1e-5 and everywhere < 0.01
    assert Path(examples).is_dir()


OTHERS = """
import json, shutil, sys
import numpy as np
import neurolake
from neurolake.ingest.networks.runs import run_network
from neurolake.ingest.sonata.ingest import ingest_sonata

folder, examples = sys.argv[1:]
lake = neurolake.create(folder, durable=False)
components = {"templates": [f"{examples}/bio_components"], "mechanisms": [f"{examples}/bio_components/mechanisms"], "save_state": False}
# Their outputs are not published with them.
ingest_sonata(lake, f"{examples}/bio_14cells/config.simulation.json", name="v1", on_error="skip")
for name in ("once", "twice"):
    run_network(lake, "v1", name=name, t_stop=200, **components)
once, twice = (lake.head.tables[f"spikes/{name}/v1"].to_arrow() for name in ("once", "twice"))
told = lake.head.tables["inputs/v1/LGN_spikes/lgn"].to_arrow()["time"].to_numpy()
played = lake.head.tables["spikes/once/lgn"].to_arrow().num_rows
print("cells", once.num_rows, once.equals(twice), played, int((told < 200).sum()))
ingest_sonata(lake, f"{examples}/bio_advanced_stimuli/config.simulation_xstim.json", name="field", on_error="skip")
run_network(lake, "field", name="outside", t_stop=1010, record=["none", "soma:e_extracellular@10"], **components)
found = np.asarray(lake.head.arrays["reports/outside/soma e_extracellular/bio"][:])
nodes = lake.head.tables["nodes/field/bio"].to_arrow().to_pylist()
stimulations = f"{examples}/bio_components/stimulations"
mesh = np.loadtxt(f"{stimulations}/stimxmesh.csv", skiprows=1, ndmin=2)
place = np.loadtxt(f"{stimulations}/485058595_0000.csv", skiprows=1, usecols=(2, 3, 4))
points = mesh - mesh.mean(axis=0) + place
# The middle of the step after a frame; 300 Ohm cm; mA.
current = 0.1 * np.sin(2e-3 * np.pi * 8 * (1010 + 0.05) + np.pi)
for node, value in zip(nodes, found[-1]):
    away = np.linalg.norm(points - [node["x"], node["y"], node["z"]], axis=1)
    print("field", value, np.mean(300e4 * current / (4 * np.pi * away)), np.abs(found[:-2]).max())
"""


def test_other_examples_of_bmtk_run(tmp_path):
    """bio_14cells, whose results are not published; and xstim, whose potential at somata is that of its mesh of electrodes."""
    examples = os.environ.get("NEUROLAKE_BMTK_EXAMPLES")
    if not examples:
        pytest.skip("NEUROLAKE_BMTK_EXAMPLES names no folder")
    (tmp_path / "others.py").write_text(OTHERS)
    done = subprocess.run(
        [sys.executable, tmp_path / "others.py", tmp_path / "lake", examples],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    (cells,) = [row[1:] for row in rows if row[0] == "cells"]
    assert int(cells[0]) > 0 and cells[1] == "True" and cells[2] == cells[3]
    fields = [tuple(map(float, row[1:])) for row in rows if row[0] == "field"]
    assert len(fields) == 5
    for found, expected, before in fields:
        assert found == pytest.approx(expected, rel=1e-3) and before == 0.0
