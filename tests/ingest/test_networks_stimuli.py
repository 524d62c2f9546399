"""Inputs of SONATA that act on cells, run: fields against closed forms and plain NEURON, noise on the cells that it is for."""

import json

import numpy as np
import pytest
from sonata_files import write_nodes
from typer.testing import CliRunner

import neurolake
from neurolake.cli import app
from neurolake.ingest.lfp.electrodes import store_electrodes
from neurolake.ingest.lfp.stimulation import parsed_fields
from neurolake.ingest.networks.acting import sonata_clamps
from neurolake.ingest.networks.runs import run_network
from neurolake.ingest.networks.sonata import SonataSimulation
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.ingest.wiring.circuit import NetworkSource
from neurolake.ingest.wiring.faults import Faults
from neurolake.kernels.lfp.electrodes import Electrodes
from neurolake.lake.errors import InputError
from neurolake.mechanisms.stimuli.signals import parse_signal

CABLE = """
begintemplate StraightCable
public soma, dend, all
create soma[1], dend[1]
objref all
proc init() {
    all = new SectionList()
    connect dend[0](0), soma[0](1)
    soma[0] {
        pt3dadd(-5, 0, 0, 10) pt3dadd(5, 0, 0, 10)
        nseg = 1 insert pas e_pas = -65 g_pas = 0.0002 all.append()
    }
    dend[0] {
        pt3dadd(5, 0, 0, 2) pt3dadd(205, 0, 0, 2)
        nseg = 8 insert pas e_pas = -65 g_pas = 0.0002 all.append()
    }
}
endtemplate StraightCable
"""
# Where cells are, and electrodes: of one, a mesh that is turned by 90 degrees about z.
CELLS = np.array([[0.0, 0.0, 0.0], [0.0, 300.0, 40.0]])
POSITIONS = """ip pos_x pos_y pos_z rotation_x rotation_y rotation_z electrode_mesh_file
0 60.0 50.0 0.0 0.0 0.0 0.0 point.csv
1 100.0 -80.0 20.0 0.0 0.0 1.5707963267948966 bar.csv
"""
MESHES = {"point.csv": "x_pos y_pos z_pos\n3 4 5\n", "bar.csv": "x_pos y_pos z_pos\n0 1 0\n10 1 0\n20 1 0\n"}
POINTS = [(60.0, 50.0, 0.0, 1.0), *((100.0, -80.0 + y, 20.0, 1 / 3) for y in (-10.0, 0.0, 10.0))]
RESISTANCE = 250.0
SINE = {"shape": "sin", "del": 2.0, "amp": 0.02, "dur": 5.0, "freq": 300.0, "phase": 0.5, "offset": 0.01}
XSTIM = {
    "input_type": "lfp",
    "module": "xstim",
    "node_set": "all",
    "positions_file": "$STIM_DIR/places.csv",
    "resistance": RESISTANCE,
    "waveform": SINE,
}
RUN = {"tstop": 10.0, "dt": 0.025}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two straight cables, electrodes with meshes, and a waveform in each of bmtk's forms."""
    path = tmp_path_factory.mktemp("xstim")
    (path / "templates").mkdir()
    (path / "stim").mkdir()
    (path / "templates" / "cable.hoc").write_text(CABLE)
    (path / "stim" / "places.csv").write_text(POSITIONS)
    for name, text in MESHES.items():
        (path / "stim" / name).write_text(text)
    (path / "stim" / "wave.csv").write_text("time\tamplitude\n2.0\t0.0\n4.0\t0.01\n6.0\t0.004\n")
    (path / "stim" / "wave.json").write_text(json.dumps({"shape": "DC", "amp": 0.01, "del": 3, "dur": 4}))
    (path / "stim" / "amps.csv").write_text("timestamps amps\n2.0 0.01\n4.0 0.0\n6.0 0.02\n")
    (path / "node_sets.json").write_text('{"first": {"node_id": [0]}}')
    (path / "compartments.json").write_text(
        '{"spots": {"population": "net", "compartment_set": [[0, 1, 0.25], [0, 1, 0.75], [1, 0, 0.5]]}}'
    )
    write_nodes(
        path / "nodes.h5", 2, population="net",
        **{axis: CELLS[:, at] for at, axis in enumerate("xyz")},
        model_template=np.array(["hoc:StraightCable"] * 2, object),
        **{"dynamics_params/threshold_current": np.array([0.1, 0.2]), "dynamics_params/input_resistance": np.array([50.0, 100.0])},
    )  # fmt: skip
    inputs = {
        "field": XSTIM,
        "curve": {**XSTIM, "waveform": "$STIM_DIR/wave.csv", "node_set": "first"},
        "step": {**XSTIM, "waveform": "$STIM_DIR/wave.json"},
        "amps": {"input_type": "file", "module": "IClamp", "file": "stim/amps.csv", "node_set": "first"},
    }
    simulation = {
        "manifest": {"$STIM_DIR": "./stim"},
        "run": RUN,
        "conditions": {"celsius": 10.0, "v_init": -65.0},
        "node_sets_file": "node_sets.json",
        "compartment_sets_file": "compartments.json",
        "inputs": inputs,
        "networks": {"nodes": [{"nodes_file": "nodes.h5", "node_types_file": None}], "edges": []},
    }
    (path / "simulation.json").write_text(json.dumps(simulation))
    return path


@pytest.fixture(scope="module")
def lake(folder, tmp_path_factory):
    made = neurolake.create(tmp_path_factory.mktemp("lake") / "lake", durable=False)
    ingest_sonata(made, folder / "simulation.json", name="cables")
    return made


def middles():
    """Middles of all segments of both cells, float64[2, 9, 3]: the soma's centre is at the cell's place."""
    x = np.array([0.0, *(5.0 + 12.5 + 25.0 * np.arange(8))])
    return CELLS[:, None, :] + np.stack([x, 0 * x, 0 * x], axis=1)[None]


def around(places):
    """Potential of all points per mA in mV: rho I / (4 pi r), float64[...]."""
    found = np.zeros(places.shape[:-1])
    for x, y, z, share in POINTS:
        away = np.linalg.norm(places - np.array([x, y, z]), axis=-1)
        # Ohm cm is 1e4 Ohm um; mA times Ohm is mV.
        found += share * RESISTANCE * 1e4 / (4 * np.pi * away)
    return found


def recorded(lake, name, variable, **options):
    """A variable of all segments, float64[time, 2, 9]."""
    templates = [options.pop("folder") / "templates"]
    run_network(
        lake,
        "cables",
        name=name,
        templates=templates,
        record=[f"all:{variable}"],
        save_state=False,
        **options,
    )
    return np.asarray(lake.head.arrays[f"reports/{name}/all {variable}/net"][...]).reshape(-1, 2, 9)


def sine(time):
    inside = (time > 2.0) & (time < 7.0)
    return np.where(inside, 0.02 * np.sin(2e-3 * np.pi * 300.0 * time + 0.5) + 0.01, 0.0)


def test_a_segment_has_the_potential_of_points_in_a_homogeneous_medium(lake, folder):
    found = recorded(lake, "outside", "e_extracellular", inputs=["field"], folder=folder)
    # What a frame has is for the middle of the next step.
    time = 0.0125 + 0.025 * np.arange(len(found))
    expected = sine(time)[:, None, None] * around(middles())[None]
    assert found == pytest.approx(expected, abs=2e-3, rel=1e-4)
    assert np.abs(expected).max() > 10


def test_cells_do_what_they_do_in_plain_neuron(lake, folder):
    from neuron import h

    h.load_file("stdrun.hoc")
    found = recorded(lake, "inside", "v", inputs=["field"], folder=folder)
    cells = [h.StraightCable() for _ in CELLS]
    held, watched = [], []
    time = 0.0125 + 0.025 * np.arange(-1, 405)
    for cell, strengths in zip(cells, around(middles()), strict=True):
        segments = [segment for section in cell.all for segment in section]
        for section in cell.all:
            section.insert("extracellular")
        for segment, strength in zip(segments, strengths, strict=True):
            played = h.Vector(sine(time) * strength), h.Vector(time)
            played[0].play(segment._ref_e_extracellular, played[1], 1)
            held += played
            watched.append(h.Vector().record(segment._ref_v))
    h.CVode().active(False)
    h.dt, h.celsius, h.secondorder, h.steps_per_ms = 0.025, 10.0, 0, 40
    h.finitialize(-65.0)
    h.continuerun(10.0)
    plain = np.array([vector.as_numpy().copy() for vector in watched]).T.reshape(-1, 2, 9)
    del segments, section, cell, cells, played
    held.clear()
    watched.clear()
    assert found == pytest.approx(plain[: len(found)], abs=1e-4)
    assert np.ptp(found) > 1


def test_fields_add_up_each_around_its_own_cells(lake, folder):
    found = recorded(lake, "both", "e_extracellular", inputs=["curve", "step"], folder=folder)
    time = 0.0125 + 0.025 * np.arange(len(found))
    step = np.where((time > 3) & (time < 7), 0.01, 0.0)
    # A waveform of a file holds its first and last value before and after.
    curve = np.interp(time, [2.0, 4.0, 6.0], [0.0, 0.01, 0.004])
    strengths = around(middles())
    expected = step[:, None, None] * strengths[None]
    expected[:, 0] += curve[:, None] * strengths[None, 0]
    assert found == pytest.approx(expected, abs=2e-3, rel=1e-4)
    assert curve[-1] == 0.004


def test_a_current_of_a_file_holds_until_the_next_one(lake, folder):
    source, simulation, faults = of(lake)
    (clamp,) = sonata_clamps(source, simulation, ["amps"], 0, faults)
    assert not list(faults) and list(clamp.currents) == [0]
    assert clamp.currents[0].at(np.array([1.0, 3.0, 5.0, 7.0, 8.1])).tolist() == [0, 0.01, 0, 0.02, 0]


def of(lake):
    return NetworkSource.read(lake.head, "cables"), SonataSimulation.of(lake.head, "cables"), Faults()


COMMON = {"input_type": "current_clamp", "node_set": "all", "delay": 1.0, "duration": 50.0}
SHOTS = {**COMMON, "rise_time": 0.4, "decay_time": 4.0}


def clamps(lake, **inputs):
    source, simulation, faults = of(lake)
    made = sonata_clamps(
        source, SonataSimulation({"inputs": inputs}, lake.head, simulation.nodes), None, 3, faults
    )
    return made, list(faults)


def test_noise_of_every_kind_has_the_numbers_of_its_cells(lake):
    conductance = {"input_type": "conductance", "represents_physical_electrode": True, "reversal": -10.0}
    made, faults = clamps(
        lake,
        shots={**SHOTS, "module": "shot_noise", "rate": 100, "amp_mean": 0.1, "amp_var": 0.02},
        absolute={**SHOTS, "module": "absolute_shot_noise", "mean": 0.1, "sigma": 0.02, "relative_skew": 0.2},
        relative={**SHOTS, "module": "relative_shot_noise", "mean_percent": 50, "sd_percent": 10},
        open={**SHOTS, **conductance, "module": "relative_shot_noise", "mean_percent": 50, "sd_percent": 10},
        ou={**COMMON, **conductance, "module": "ornstein_uhlenbeck", "mean": 0.01, "sigma": 0.02, "tau": 3},
        part={
            **COMMON,
            "module": "relative_ornstein_uhlenbeck",
            "mean_percent": 20,
            "sd_percent": 5,
            "tau": 3,
        },
    )
    assert faults == []
    named = {clamp.name: clamp for clamp in made}
    first = {name: (getattr(each, "currents", None) or each.conductances)[1] for name, each in named.items()}
    assert (first["shots"].rate, first["shots"].mean, first["shots"].variance) == (100, 0.1, 0.02)
    assert (first["shots"].rise, first["shots"].decay, first["shots"].dt) == (0.4, 4.0, 0.25)
    assert (first["part"].mean, first["part"].deviation) == pytest.approx((0.04, 0.01))
    # Of a conductance, a percentage is of the input conductance, 1 / 100 MOhm.
    from neurolake.kernels.traces.noise import Shots

    for name, mean, deviation in (("absolute", 0.1, 0.02), ("relative", 0.1, 0.02), ("open", 5e-3, 1e-3)):
        each = first[name]
        shots = Shots(each.rate, each.mean, each.variance, each.rise, each.decay)
        assert shots.moments[:2] == pytest.approx((mean, deviation)), name
    assert (named["open"].reversal, named["open"].electrode) == (-10.0, True)
    assert first["ou"].waveform.value.min() == 0.0 and first["part"].lowest == -np.inf


def test_noise_does_not_depend_on_which_cells_are_there(lake, folder):
    told = {**COMMON, "module": "ornstein_uhlenbeck", "mean": 0.0, "sigma": 0.02, "tau": 3}
    both, one = clamps(lake, a=told)[0][0], clamps(lake, a={**told, "node_ids": [1]})[0][0]
    assert np.array_equal(both.currents[1].waveform.value, one.currents[1].waveform.value)
    assert list(one.currents) == [1]


def test_an_input_acts_at_the_places_of_its_compartment_set(lake):
    made, faults = clamps(
        lake, spots={**COMMON, "compartment_set": "spots", "module": "linear", "amp_start": 0.1}
    )
    assert faults == []
    places = [{gid: (at.section, at.x) for gid, at in clamp.place.items()} for clamp in made]
    assert places == [{0: (1, 0.25), 1: (0, 0.5)}, {0: (1, 0.75)}]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({**SHOTS, "module": "shot_noise", "rate": 1, "amp_mean": 1}, "amp_var is None"),
        ({**SHOTS, "module": "absolute_shot_noise", "mean": -1, "sigma": 1}, "mean -1"),
        (
            {**SHOTS, "module": "absolute_shot_noise", "mean": 1, "sigma": 1, "relative_skew": 1},
            "relative_skew 1",
        ),
        (
            {**SHOTS, "module": "absolute_shot_noise", "mean": 1, "sigma": 1, "rise_time": 5},
            "rise to be shorter",
        ),
        (
            {**COMMON, "module": "linear", "amp_start": 1, "compartment_set": "none"},
            "no compartment set 'none'",
        ),
        ({**XSTIM, "resistance": 0}, "resistance is 0"),
        ({**XSTIM, "positions_file": "gone.csv"}, "no file is 'gone.csv'"),
        ({**XSTIM, "positions_file": "$STIM_DIR/wave.json"}, "no column 'pos_x'"),
        ({**XSTIM, "waveform": {**SINE, "shape": "saw"}}, "waveform.shape is 'saw'"),
        ({**XSTIM, "waveform": {"shape": "dc", "del": 1, "dur": 1}}, "waveform.amp is None"),
        ({**XSTIM, "waveform": 3}, "waveform is 3"),
        ({**XSTIM, "waveform": "$STIM_DIR/bar.csv"}, "no column 'time'"),
        ({"module": "IClamp", "file": "stim/bar.csv"}, "no column 'timestamps'"),
    ],
)
def test_faults_of_inputs_are_told(lake, told, expected):
    _, faults = clamps(lake, one=told)
    assert len(faults) == 1 and faults[0].startswith("input one: ") and expected in faults[0], faults


def test_numbers_that_make_no_signal_are_told_before_anything_is_made(lake, folder):
    made, faults = clamps(
        lake,
        fast={**SHOTS, "module": "shot_noise", "rate": 1, "amp_mean": 1, "amp_var": 1, "decay_time": 0.1},
        still={**COMMON, "module": "ornstein_uhlenbeck", "mean": 0, "sigma": 0, "tau": 1},
    )
    nodes, (one, two) = {0: None, 1: None}, made
    assert faults == []
    assert "rise to be shorter" in one.check(nodes, None)[0] and "deviation of 0" in two.check(nodes, None)[0]


# The command line


def test_contacts_stimulate_from_the_command_line(lake, folder):
    store_electrodes(
        lake, "probe", Electrodes(["e0", "e1"], np.array([[0, 60.0, 0], [0, 90.0, 0]]), ["PointSource"] * 2)
    )
    current = "step:amplitude=50000,delay=2,duration=5"
    done = CliRunner().invoke(
        app,
        [
            "run-network", "cables", "--lake", str(lake.url), "--name", "typed", "--templates", str(folder / "templates"),
            "--inputs", "none-of-them", "--stimulate", f"electrodes/probe/e0={current}",
        ],
    )  # fmt: skip
    assert "no input 'none-of-them'" in str(done.exception)
    field = parsed_fields(
        lake,
        [
            f"electrodes/probe/e0={current}",
            "electrodes/probe/e1=sine:amplitude=1,frequency=10,delay=0,duration=1",
        ],
    )
    assert len(field) == 1 and sorted(field[0].currents) == ["e0", "e1"]
    found = recorded(
        lake,
        "probed",
        "e_extracellular",
        inputs=[],
        folder=folder,
        clamps=parsed_fields(lake, [f"electrodes/probe/e0={current}"]),
    )
    away = np.linalg.norm(middles() - np.array([0, 60.0, 0]), axis=-1)
    # 1 / (4 pi sigma r), with 0.3 S/m.
    assert found[200] == pytest.approx(50_000 / (4 * np.pi * 0.3 * away), rel=1e-5)
    assert found[40].max() == found[-1].max() == 0.0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("electrodes/probe", "write NODE/CONTACT=SIGNAL"),
        ("electrodes/probe/e0=saw:amplitude=1", "no shape 'saw'; there are step, ramp, pulses, sine"),
        ("electrodes/probe/e0=step:amplitude=1", "a step is said as step:amplitude=…,delay=…,duration=…"),
        ("electrodes/probe/e0=step:amplitude=x,delay=1,duration=1", "expected NAME=NUMBER"),
        ("electrodes/probe/e0=gone.csv", "there is no file gone.csv"),
        ("electrodes/gone/e0=step:amplitude=1,delay=1,duration=1", "not in the lake"),
    ],
)
def test_what_says_no_field_is_told(lake, text, told):
    with pytest.raises(InputError, match="--stimulate") as raised:
        parsed_fields(lake, [text])
    assert told in str(raised.value)


def test_signals_are_read_from_text_and_files(tmp_path):
    wave = parse_signal("pulses:amplitude=2,width=1,frequency=100,delay=5,duration=20")
    assert wave.at(np.array([4.0, 5.5, 6.5, 15.5])).tolist() == [0, 2, 0, 2]
    with pytest.raises(ValueError, match="0 everywhere"):
        parse_signal("step:amplitude=0,delay=1,duration=1")
