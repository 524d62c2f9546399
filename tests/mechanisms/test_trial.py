"""A trial as a function: of its key alone, whatever ran before, and of stored input as of drawn."""

import copy
from typing import Any

import numpy as np
import pytest

from neurolake.mechanisms.demo.cell import cell_parameters, recording_landmark
from neurolake.mechanisms.demo.input import POPULATIONS, demo_wiring, network_parameters
from neurolake.mechanisms.demo.shape import demo_morphology
from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.trial.simulation import Played, Recorded, Simulation, Trial

T_STOP = 40.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The demo's files, written without the help of another room."""
    folder = tmp_path_factory.mktemp("model")
    wiring, lines = demo_wiring(), []
    for shape in demo_morphology().shapes:
        lines += [f"{{create {shape.name}}}"]
        if shape.parent >= 0:
            parent = demo_morphology().shapes[shape.parent].name
            lines += [f"{{connect {shape.name}(0), {parent}({shape.parent_x})}}"]
        lines += [
            f"{{access {shape.name}}}",
            *(f"{{pt3dadd({x},{y},{z},{d})}}" for x, y, z, d in shape.points),
        ]
    (folder / "cell.hoc").write_text("\n".join(lines))
    names = [POPULATIONS[number].name for number in wiring.population]
    rows = zip(names, wiring.section_id, wiring.x.tolist(), strict=True)
    (folder / "cell.syn").write_text("".join(f"{name}\t{section}\t{x!r}\n" for name, section, x in rows))
    rows = zip(names, wiring.cell_id, wiring.synapse_id, strict=True)
    header = "# connections of\n# cell.syn\n\n"
    (folder / "cell.con").write_text(header + "".join(f"{name}\t{cell}\t{own}\n" for name, cell, own in rows))
    place = " ".join(map(str, recording_landmark()))
    (folder / "sites.landmarkAscii").write_text(f"define Markers 1\n@1\n{place}\n")
    return folder


@pytest.fixture
def trees():
    return [
        cell_parameters(morphology="cell.hoc", recording_sites="sites.landmarkAscii"),
        network_parameters("C2", synapse_file="cell.syn", connection_file="cell.con"),
    ]


@pytest.fixture(scope="module")
def simulation(folder, library):
    return Simulation(
        cell_parameters(morphology="cell.hoc", recording_sites="sites.landmarkAscii"),
        network_parameters("C2", synapse_file="cell.syn", connection_file="cell.con"),
        folder,
        recorded=Recorded(segments=("v", "i_membrane"), dt=1.0),
    )


@pytest.fixture(scope="module")
def trial(simulation) -> Trial:
    return simulation.trial(1, 0, t_stop=T_STOP)


def same(a: Trial, b: Trial) -> bool:
    traces = [np.array_equal(a.time, b.time)]
    traces += [np.array_equal(a.voltage[site], b.voltage[site]) for site in a.voltage]
    tables = [
        np.array_equal(x[name], y[name])
        for x, y in ((a.synapses, b.synapses), (a.cells, b.cells))
        for name in x
    ]
    return a.voltage.keys() == b.voltage.keys() and all(traces + tables)


def test_a_key_names_one_trial_whatever_ran_before(simulation, trial):
    other = simulation.trial(1, 1, t_stop=T_STOP)
    assert not same(other, trial)
    assert not same(simulation.trial(2, 0, t_stop=T_STOP), trial)
    assert same(simulation.trial(1, 0, t_stop=T_STOP), trial)


def test_time_steps_are_neurons(trial):
    assert trial.time[0] == 0.0 and T_STOP <= trial.time[-1] < T_STOP + 0.026
    assert np.allclose(trial.time, 0.025 * np.arange(len(trial.time)), atol=1e-9)
    assert {len(voltage) for voltage in trial.voltage.values()} == {len(trial.time)}


def test_tables_are_ordered_and_belong_together(simulation, trial):
    table, embedding = trial.synapses, simulation.embedding
    keys = list(zip(table["synapse_type"], table["synapse_id"], table["time"], strict=True))
    assert keys == sorted(keys) and len(keys) > 100
    again = np.flatnonzero(table["activation"])
    assert len(again) and (table["activation"][again] == table["activation"][again - 1] + 1).all()
    assert (table["synapse_id"][again] == table["synapse_id"][again - 1]).all()
    # A synapse is activated when the cell that drives it fires.
    cell = {
        (embedding.populations[kind], synapse): own
        for kind, synapse, own in zip(
            embedding.population.tolist(),
            embedding.synapse_id.tolist(),
            embedding.cell_id.tolist(),
            strict=True,
        )
    }
    fired = set(
        zip(
            *(trial.cells[name].tolist() for name in ("presynaptic_cell_type", "cell_id", "time")),
            strict=True,
        )
    )
    for kind, synapse, time in keys:
        assert (str(kind), cell[str(kind), int(synapse)], float(time)) in fired


def test_what_was_drawn_can_be_played(simulation, trial):
    played = Played(trial.synapses, trial.cells)
    assert same(simulation.trial(99, 7, t_stop=T_STOP, played=played), trial)


def test_the_past_is_played_and_the_future_drawn(simulation, trial):
    crossed = simulation.trial(5, 0, t_stop=T_STOP, played=Played(trial.synapses, trial.cells, until=20.0))
    past = trial.time <= 20.0
    assert np.array_equal(crossed.voltage["soma"][past], trial.voltage["soma"][past])
    other = simulation.drawn(5, 0, T_STOP)[0]
    late = np.sort(crossed.synapses["time"][crossed.synapses["time"] > 20.0])
    assert np.array_equal(late, np.sort(other["time"][other["time"] > 20.0]))


def test_frames_of_all_segments(simulation, trial):
    frames = trial.segments
    voltage, current = frames.values["v"], frames.values["i_membrane"]
    assert voltage.shape == current.shape == (41, simulation.cell.n_segments.sum())
    assert voltage.dtype == current.dtype == np.float32
    assert np.array_equal(frames.time, trial.time[::40])
    soma = sum(simulation.cell.n_segments[: simulation.cell.labels.index("Soma")])
    middle = soma + simulation.cell.soma.nseg // 2
    assert np.array_equal(voltage[:, middle], trial.voltage["soma"][::40].astype(np.float32))
    # All that flows in flows out: no electrode is there.
    assert np.abs(current.astype(float).sum(axis=1)).max() < 1e-6 * np.abs(current).max(axis=1).max() * 300


def test_recording_changes_nothing(folder, trees, trial):
    bare = Simulation(*trees, folder, recorded=Recorded(sites=False)).trial(1, 0, t_stop=T_STOP)
    assert (set(bare.voltage), bare.segments) == ({"soma"}, None)
    assert np.array_equal(bare.voltage["soma"], trial.voltage["soma"])


def test_a_cell_alone(folder, trees):
    alone = Simulation(trees[0], None, folder)
    alone.check()
    trial = alone.trial(1, 0, t_stop=20.0)
    assert trial.voltage["soma"].max() < -60
    assert [len(column) for column in (*trial.synapses.values(), *trial.cells.values())] == [0] * 12


def test_input_without_an_end(simulation):
    with pytest.raises(ValueError, match="t_stop is inf"):
        simulation.drawn(1, 0, np.inf)


def changed(trees: list[Any], tree: int, *keys: str, value: Any) -> list[Any]:
    fresh = copy.deepcopy(trees)
    at = fresh[tree]
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    return fresh


@pytest.mark.parametrize(
    ("tree", "keys", "value", "match"),
    [
        (0, ("sim", "tStart"), 100.0, "sim.tStart: trials start at 0"),
        (0, ("sim", "tStop"), 0.0, "sim.tStop: 0, expected a number above 0"),
        (0, ("sim", "Vinit"), None, "sim.Vinit: None, expected a number"),
        (0, ("neuron", "filename"), "gone.hoc", "gone.hoc: cannot be read"),
        (0, ("sim", "recordingSites"), ["cell.hoc"], "cell.hoc: no landmarks after a line '@1'"),
        (
            1,
            ("network", "VPM_C2", "synapses", "distributionFile"),
            "other.syn",
            "have to share one .syn and one .con file, found L1_C2: cell.syn, cell.con; VPM_C2: other.syn",
        ),
        (1, ("network",), {}, "found none"),
    ],
)
def test_what_cannot_be_simulated(folder, trees, tree, keys, value, match):
    with pytest.raises(ModelError, match=match):
        Simulation(*changed(trees, tree, *keys, value=value), folder).check()


@pytest.mark.parametrize("interval", [0.01, 0.03])
def test_frames_between_steps_are_refused(folder, trees, interval):
    recorded = Recorded(segments=("v",), dt=interval)
    with pytest.raises(ModelError, match=r"no multiple of the time step 0\.025 ms"):
        Simulation(*trees, folder, recorded=recorded)
    with pytest.raises(ModelError, match="no segment has a variable 'w'"):
        Simulation(*trees, folder, recorded=Recorded(segments=("w",)))
