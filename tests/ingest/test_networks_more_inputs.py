"""Uniform fields of SONATA and currents of NWB, run: against closed forms, and plain NEURON."""

import json

import h5py
import numpy as np
import pytest
from nerves import delete_all_sections
from sonata_files import write_nodes

import neurolake
from neurolake.ingest.networks.acting import sonata_clamps
from neurolake.ingest.networks.runs import run_network
from neurolake.ingest.networks.sonata import SonataSimulation
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.ingest.wiring.circuit import NetworkSource
from neurolake.ingest.wiring.faults import Faults
from neurolake.mechanisms.network.cells import Detector, NetworkCell

FIELD = {
    "module": "spatially_uniform_e_field", "input_type": "extracellular_stimulation", "node_set": "all", "delay": 2.0, "duration": 3.0,
    "ramp_up_time": 1.0, "ramp_down_time": 2.0, "fields": [{"Ex": 50, "Ey": 0, "Ez": -20}, {"Ex": 0, "Ey": 30, "Ez": 0, "frequency": 300, "phase": 0.4}],
}  # fmt: skip
SWEEP = np.repeat([0.0, 1.0, -0.5, 2.0, 0.0, 0.0], 10) * 1e-10  # A
CLAMP = {"module": "IClamp", "input_type": "nwb", "file": "sweeps.nwb", "sweep_id": 7, "node_set": "first"}
PLACES = np.array([[0.0, 0.0, 0.0], [100.0, 20.0, 5.0]])


def cable(node):
    """A straight cable along x, or along y."""
    from neuron import h

    soma, dend = h.Section(name="soma[0]"), h.Section(name="dend[0]")
    along = np.array([1.0, 0.0, 0.0] if node.node_id == 0 else [0.0, 1.0, 0.0])
    for section, begin, end, wide, count in ((soma, -5, 5, 10, 1), (dend, 5, 205, 2, 8)):
        for at in (begin, end):
            section.pt3dadd(*(along * at), wide)
        section.nseg = count
        section.insert("pas")
        section.e_pas, section.g_pas = -65.0, 2e-4
    dend.connect(soma(1))
    return NetworkCell(node.gid, [soma, dend], Detector())


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs")
    write_nodes(
        path / "nodes.h5", 2, population="net", model_template=np.array(["Cable"] * 2, h5py.string_dtype()),
        **{axis: PLACES[:, at] for at, axis in enumerate("xyz")},
    )  # fmt: skip
    with h5py.File(path / "sweeps.nwb", "w") as file:
        series = file.create_group("epochs/Sweep_7/stimulus/timeseries")
        series["data"], series["starting_time"] = SWEEP, 0.0
        series["starting_time"].attrs["rate"] = 10_000.0
    told = {
        "run": {"tstop": 10.0, "dt": 0.025},
        "conditions": {"celsius": 10.0, "v_init": -65.0},
        "node_sets_file": "sets.json",
        "inputs": {
            "field": FIELD,
            "sweep": CLAMP,
            "window": {**CLAMP, "sweep_window": [0.5, 3.0], "delay": 2.0, "downsample": 0.5},
        },
        "networks": {"nodes": [{"nodes_file": "nodes.h5", "node_types_file": None}], "edges": []},
    }
    (path / "sets.json").write_text('{"first": {"node_id": [0]}}')
    (path / "simulation.json").write_text(json.dumps(told))
    made = neurolake.create(path / "lake", durable=False)
    ingest_sonata(made, path / "simulation.json", name="net")
    return made


@pytest.fixture(autouse=True)
def no_sections():
    yield
    delete_all_sections()


def recorded(lake, name, variable, inputs):
    run_network(
        lake,
        "net",
        name=name,
        templates={"Cable": cable},
        record=[f"all:{variable}"],
        inputs=inputs,
        save_state=False,
    )
    return np.asarray(lake.head.arrays[f"reports/{name}/all {variable}/net"][...]).reshape(-1, 2, 9)


def over_time(time):
    """What two fields are at times, in V/m: float64[n, 3]."""
    height = np.interp(time, [2.0, 3.0, 6.0, 8.0], [0.0, 1.0, 1.0, 0.0], left=0.0, right=0.0)
    swing = np.cos(2e-3 * np.pi * 300 * (time - 2.0) + 0.4)
    return height[:, None] * np.stack([0 * time + 50.0, 30.0 * swing, 0 * time - 20.0], axis=1)


def test_the_gradient_of_the_potential_is_the_field_and_the_soma_is_ground(lake):
    found = recorded(lake, "outside", "e_extracellular", ["field"])
    away = np.array([0.0, *(5.0 + 12.5 + 25.0 * np.arange(8))])
    time = 0.0125 + 0.025 * np.arange(len(found))
    fields = over_time(time)
    expected = 1e-3 * np.stack([fields[:, :1] * away, fields[:, 1:2] * away], axis=1)
    assert found == pytest.approx(expected, abs=1e-6) and np.ptp(found) > 9


def test_a_long_constant_field_polarises_a_cable_as_its_closed_form_says(lake):
    steady = {
        **FIELD,
        "duration": 1e4,
        "ramp_up_time": 0,
        "ramp_down_time": 0,
        "delay": 0,
        "fields": [{"Ex": 50, "Ey": 0, "Ez": 0}],
    }
    faults = Faults()
    source = NetworkSource.read(lake.head, "net")
    clamps = sonata_clamps(source, SonataSimulation({"inputs": {"f": steady}}), None, 0, faults)
    assert list(faults) == []
    run_network(
        lake, "net", name="steady", templates={"Cable": straight}, record=["all:v@10"], inputs=[], clamps=clamps, t_stop=200,
        cells={"net": [0]}, save_state=False,
    )  # fmt: skip
    found = np.asarray(lake.head.arrays["reports/steady/all v/net"][...])[-1] + 65.0
    # A cable with sealed ends of length l in a field E: v(x) = -E lambda sinh((x - l / 2) / lambda) / cosh(l / (2 lambda)).
    constant = np.sqrt(1.0 / 2e-4 * 2e-4 / (4 * 35.4)) * 1e4  # µm
    x = (np.arange(401) + 0.5) / 401 * 400 - 200
    # The outside potential rises along x: inside, the cable is pulled down there.
    expected = -0.05 * constant * np.sinh(x / constant) / np.cosh(200 / constant)
    assert found == pytest.approx(expected, rel=2e-3, abs=1e-3) and np.ptp(found) > 10


def straight(node):
    """One cable of 400 µm along x: its soma is all of it."""
    from neuron import h

    soma = h.Section(name="soma[0]")
    for at in (-200, 200):
        soma.pt3dadd(at, 0, 0, 2)
    soma.nseg, soma.Ra, soma.cm = 401, 35.4, 1.0
    soma.insert("pas")
    soma.e_pas, soma.g_pas = -65.0, 2e-4
    return NetworkCell(node.gid, [soma], Detector())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"fields": []}, "fields is [], expected a list of objects with Ex, Ey, Ez"),
        ({"fields": [{"Ex": 1, "Ey": 2}]}, "fields[0].Ez is None, expected a number"),
        ({"fields": [{"Ex": 1, "Ey": 2, "Ez": 0, "frequency": 20_000}]}, "fields[0].frequency is 20000 Hz"),
        ({"ramp_up_time": -1}, "times of 0 or more"),
        ({"duration": None}, "duration is None, expected a number"),
    ],
)
def test_faults_of_fields_name_the_key(lake, change, told):
    source, faults = NetworkSource.read(lake.head, "net"), Faults()
    assert (
        sonata_clamps(source, SonataSimulation({"inputs": {"f": {**FIELD, **change}}}), None, 0, faults) == []
    )
    (fault,) = faults
    assert fault.startswith("input f: ") and told in fault


def test_a_field_without_ramps_is_whole_at_once_and_a_cosine_is_exact_between_steps(lake):
    source, faults = NetworkSource.read(lake.head, "net"), Faults()
    told = {**FIELD, "ramp_up_time": 0, "ramp_down_time": 0}
    (clamp,) = sonata_clamps(source, SonataSimulation({"inputs": {"f": told}}), None, 0, faults)
    steady, swing = (source.waveform for source in clamp.sources)
    time = np.array([1.99, 2.0, 3.0, 4.999, 5.01])
    assert steady.at(time).tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]
    middles = 2.0125 + 0.025 * np.arange(100)
    assert swing.at(middles) == pytest.approx(np.cos(2e-3 * np.pi * 300 * (middles - 2.0) + 0.4), abs=1e-12)


def test_a_sweep_of_nwb_holds_each_sample_until_the_next(lake):
    source, simulation = NetworkSource.read(lake.head, "net"), SonataSimulation.of(lake.head, "net")
    faults = Faults()
    made = {clamp.name: clamp for clamp in sonata_clamps(source, simulation, ["sweep", "window"], 0, faults)}
    assert list(faults) == []
    level = np.repeat([0.0, 0.1, -0.05, 0.2, 0.0, 0.0], 10)
    ((gid, wave),) = made["sweep"].currents.items()
    time = 0.05 + 0.1 * np.arange(60)
    assert gid == 0 and wave.at(time) == pytest.approx(level, abs=1e-15)
    ((_, wave),) = made["window"].currents.items()
    # Every fifth sample, from 0.5 to 3 ms, from 2 ms on.
    assert wave.at(np.array([1.9, 2.1, 2.6, 3.1, 3.6, 4.1, 4.6, 5.1])) == pytest.approx(
        [0, 0, 0.1, 0.1, -0.05, -0.05, 0.2, 0]
    )


def test_a_cell_does_with_a_sweep_what_it_does_in_plain_neuron(lake):
    from neuron import h

    found = recorded(lake, "swept", "v", ["sweep"])[:, 0, 0]
    cell = cable(type("Node", (), {"gid": 0, "node_id": 0})())
    clamp = h.IClamp(cell.sections[0](0.5))
    clamp.dur = 1e9
    played = h.Vector(SWEEP * 1e9)
    played.play(clamp._ref_amp, 0.1)
    v = h.Vector().record(cell.sections[0](0.5)._ref_v)
    h.CVode().active(False)
    h.load_file("stdrun.hoc")
    h.dt, h.celsius, h.secondorder, h.steps_per_ms = 0.025, 10.0, 0, 40
    h.finitialize(-65.0)
    h.continuerun(10.0)
    assert found == pytest.approx(v.as_numpy()[: len(found)], abs=1e-4) and np.ptp(found) > 1
    del cell, clamp, played, v


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sweep_id": None}, "sweep_id is None, expected the number of a sweep"),
        ({"sweep_id": 8}, "there is no epochs/Sweep_8/stimulus/timeseries; it has the epochs Sweep_7"),
        ({"sweep_window": [3, 1]}, "sweep_window is [3, 1]"),
        ({"file": "other.nwb"}, "no file is 'other.nwb'"),
        ({"file": "sets.json"}, "cannot be read as a sweep of NWB"),
    ],
)
def test_faults_of_sweeps_name_the_file_and_the_key(lake, change, told):
    source, simulation = NetworkSource.read(lake.head, "net"), SonataSimulation.of(lake.head, "net")
    faults = Faults()
    changed = SonataSimulation({"inputs": {"s": {**CLAMP, **change}}}, simulation.snapshot, simulation.nodes)
    assert sonata_clamps(source, changed, None, 0, faults) == []
    (fault,) = faults
    assert fault.startswith("input s: ") and told in fault
