"""What configurations of neurodamus say besides: replays onto cells that are simulated, other processes at synapses, and which cells there are."""

import json

import numpy as np
import pytest
from nerves import delete_all_sections
from sonata_files import write_nodes, write_spikes
from three_spheres import ALLEN, TYPED, connections, ingested, numbers, sphere

import neurolake
from neurolake.ingest.networks.runs import run_network
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.ingest.wiring.circuit import NetworkSource
from neurolake.ingest.wiring.faults import Faults
from neurolake.ingest.wiring.replays import replays_of
from neurolake.lake.errors import InputError

REPLAY = {
    "input_type": "spikes",
    "module": "synapse_replay",
    "spike_file": "../spikes.h5",
    "node_set": "last",
    "delay": 7.0,
    "duration": 5.0,
}
PLASTIC = {
    "Use_d_TM": 0.2, "Use_p_TM": 0.6, "theta_d": 0.01, "theta_p": 0.02, "rho0_GB": np.array([0.0, 1.0, 0.0, 1.0]), "volume_CR": 0.1,
    "gmax_d_AMPA": 1.0, "gmax_p_AMPA": 3.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_sections():
    yield
    delete_all_sections()


def run(lake, name="run", **options):
    return run_network(
        lake, "net", name=name, templates={"Sphere": sphere}, record=["soma"], save_state=False, **options
    )


def test_spikes_are_replayed_onto_connections_of_cells_that_are_simulated(tmp_path):
    from neuron import h

    write_spikes(tmp_path / "spikes.h5", [0, 1, 0, 0, 0], [5.0, 6.0, 10.0, 20.0, 20.0], population="net")
    lake = ingested(tmp_path / "c", ALLEN, inputs={"again": REPLAY})
    report = run(lake)
    found = np.asarray(lake.head.arrays["reports/run/soma v/net"][:])
    # Only connections onto the last cell, of spikes from 7 ms on: those of cell 0.
    assert np.ptp(found[:, :2]) < 1e-4 and report.spikes == {"net": 0} and report.notices == []
    assert np.array_equal(_again(lake, "threads", threads=2), found)
    cell = sphere(type("Node", (), {"gid": 0}))
    synapse, source, times = h.Exp2Syn(cell.sections[0](0.5)), h.VecStim(), h.Vector([10.0, 20.0, 20.0])
    source.play(times)
    joined = h.NetCon(source, synapse)
    joined.weight[0], joined.delay = 0.002, 1.5
    v = h.Vector().record(cell.sections[0](0.5)._ref_v)
    h.CVode().active(False)
    h.load_file("stdrun.hoc")
    h.dt, h.celsius, h.secondorder, h.steps_per_ms = 0.025, 35.0, 0, 40
    h.finitialize(-65.0)
    h.continuerun(40.0)
    assert found[:, 2] == pytest.approx(v.as_numpy()[: len(found)], abs=1e-5) and np.ptp(found[:, 2]) > 0.5
    del cell, synapse, source, joined, v, times


def _again(lake, name, **options):
    run(lake, name, **options)
    return np.asarray(lake.head.arrays[f"reports/{name}/soma v/net"][:])


def test_a_run_may_leave_replays_out_and_tells_what_is_wrong_with_them(tmp_path):
    write_spikes(tmp_path / "spikes.h5", [0], [10.0], population="net")
    lake = ingested(
        tmp_path / "c",
        ALLEN,
        inputs={"again": REPLAY, "first": {**REPLAY, "source": "last", "spike_file": "../spikes.h5"}},
    )
    assert np.ptp(_again(lake, "none", inputs=[])) < 1e-4
    source, faults = NetworkSource.read(lake.head, "net"), Faults()
    (one,) = replays_of(
        source, {"inputs": {"again": {**REPLAY, "source": "first", "delay": 0}}}, [], None, 0, 2.0, faults
    )
    assert one.targets == {2} and {gid: times.tolist() for gid, times in one.times.items()} == {0: [12.0]}
    for change, told in (
        ({"delay": "x"}, "delay is 'x'"),
        ({"node_set": "nobody"}, "nobody"),
        ({"source": "no"}, "'no'"),
    ):
        faults = Faults()
        assert replays_of(source, {"inputs": {"again": {**REPLAY, **change}}}, [], None, 0, 0.0, faults) == []
        (fault,) = faults
        assert fault.startswith("input again: ") and told in fault


def test_other_processes_stand_at_synapses_with_the_numbers_of_edges(tmp_path):
    own = {"erev": np.array([-70.0, 0.0, 1.0, 2.0]), "tau1": np.arange(1.0, 5.0), "tau2": np.arange(5.0, 9.0)}
    more = {
        name: value if isinstance(value, np.ndarray) else np.full(4, value) for name, value in PLASTIC.items()
    }
    lake = ingested(tmp_path / "c", {**TYPED, **own, **more, "conductance_scale_factor": np.full(4, 0.5)})
    every = {"name": "o", "source": "net", "target": "net"}
    made, faults = connections(
        lake,
        [
            {**every, "modoverride": "Exp2Syn", "weight": 2},
            {**every, "name": "p", "synapse_configure": "%s.tau2 = 9"},
        ],
    )
    table = lake.head.tables["edges/net/net__net__chemical"].to_arrow().to_pylist()
    rows = {row["edge_id"]: row for row in table}
    assert faults == [] and len(made) == 4
    for number, (weight, _, values, _, _) in made.items():
        row = rows[number]
        # Values stay with what later overrides say, and the weight does not.
        assert values == {"e": row["erev"], "tau1": row["tau1"], "tau2": 9.0} and weight == row["conductance"]
    made, faults = connections(lake, [{**every, "modoverride": "GluSynapse"}], {"extracellular_calcium": 1.5})
    assert faults == []
    for number, (weight, _, values, _, seed) in made.items():
        row = rows[number]
        half = row["u_hill_coefficient"] ** 4
        hill = (half + 16) / 16 * 1.5**4 / (half + 1.5**4)
        strong = row["rho0_GB"] > 0.5
        peak = 3.0 if strong else 1.0
        assert (
            values["Use"] == pytest.approx(hill * (0.6 if strong else 0.2)) and values["gmax0_AMPA"] == peak
        )
        assert values["gmax_NMDA"] == peak * 0.5 and values["volume_CR"] == 0.1 and values["Dep"] == 100.0
        assert weight == row["conductance"] and seed is not None


def test_edges_of_the_type_exp2syn_need_no_override(tmp_path):
    own = {
        name: TYPED[name] for name in ("afferent_section_id", "afferent_section_pos", "conductance", "delay")
    }
    lake = ingested(
        tmp_path / "c", {**own, "erev": np.zeros(4), "tau1": np.full(4, 0.5), "tau2": np.full(4, 3.0)}
    )
    made, faults = connections(lake)
    assert faults == [] and all(each[2] == {"tau1": 0.5, "tau2": 3.0, "e": 0.0} for each in made.values())


def test_rise_times_of_inhibition_are_drawn_as_neurodamus_draws_them(tmp_path):
    from neuron import h

    lake = ingested(tmp_path / "c", TYPED)
    assert all("tau_r_GABAA" not in each[2] for each in connections(lake)[0].values())
    made, _ = connections(lake, conditions={"randomize_gaba_rise_time": True})
    (number,) = [number for number, each in made.items() if "tau_r_GABAA" in each[2]]
    assert number == numbers(lake, 2, 0)
    stream = h.Random()
    stream.Random123(0 + 251, number + 100, made[number][4] + 150)
    stream.lognormal(0.2, 0.1)
    assert made[number][2]["tau_r_GABAA"] == stream.repick() > 0


def test_only_cells_of_the_node_set_are_simulated(tmp_path):
    lake = ingested(tmp_path / "c", ALLEN, node_set="first")
    report = run(lake)
    assert (
        report.cells == 1
        and "2 cells are not simulated, because node_set of the configuration, 'first'" in report.notices[0]
    )
    assert run(lake, "all", cells={"net": None}).cells == 3
    with pytest.raises(InputError, match="nobody"):
        run(ingested(tmp_path / "d", ALLEN, node_set="nobody"))


def test_what_is_not_supported_is_told_and_not_passed_over(tmp_path):
    change = [{"name": "no sodium", "node_set": "first", "type": "ttx"}]
    lake = ingested(tmp_path / "c", ALLEN, conditions={"modifications": change})
    with pytest.raises(InputError, match=r"conditions\.modifications no sodium: type 'ttx' is not supported"):
        run(lake)


def test_a_simulation_that_names_no_circuit_has_that_of_the_usual_name(tmp_path):
    write_nodes(tmp_path / "nodes.h5", 2, population="net")
    (tmp_path / "circuit_config.json").write_text(
        json.dumps({"networks": {"nodes": [{"nodes_file": "nodes.h5"}], "edges": []}})
    )
    (tmp_path / "simulation.json").write_text(json.dumps({"run": {"tstop": 1.0, "dt": 0.1}}))
    lake = neurolake.create(tmp_path / "lake", durable=False)
    ingest_sonata(lake, tmp_path / "simulation.json", name="net")
    assert "nodes/net/net" in lake.head.tables
