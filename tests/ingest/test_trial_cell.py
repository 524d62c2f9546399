"""A stored trial as a cell: its synapses where they were, its voltages as stored, and the same again when it plays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nerves import delete_all_sections

import neurolake as nl
from neurolake.ingest.demo import write_demo_model
from neurolake.ingest.runs.trial_cell import TrialCell
from neurolake.mechanisms.cell.modify import soma_current_injection

TRIAL = "stim_C2/seed7/000001"


@pytest.fixture(scope="module")
def lake(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two trials, of which voltages of all segments were recorded."""
    delete_all_sections()
    folder = tmp_path_factory.mktemp("stored")
    model = write_demo_model(folder / "model")
    lake = nl.create(folder / "lake", durable=False)
    record = "soma,site,all-segments:v"
    done = nl.run(
        lake, model.cell, model.networks["C2"], trials=2, t_stop=60, seed=7, processes=1, record=record
    )
    assert not done.failures
    return lake


@pytest.fixture(scope="module")
def cell(lake: Any) -> Iterator[TrialCell]:
    with nl.trial_cell(lake, TRIAL) as made:
        yield made
    delete_all_sections()


def stored(lake: Any, query: str) -> pd.DataFrame:
    return lake.sql(query, trial=TRIAL).df()


def test_synapses_are_those_of_the_trial(lake: Any, cell: TrialCell) -> None:
    rows = stored(
        lake,
        "select s.* from synapse_activation s join trials using (trial_id) where sim_trial_index = $trial"
        " order by synapse_type, synapse_id, time",
    )
    keys = ["synapse_type", "synapse_id", "section_id", "section_pt_id"]
    assert len(cell.activations) == len(rows) > 100
    synapses = cell.synapses
    assert len(cell.connections) == len(synapses)
    found = synapses[[*keys, "soma_distance", "dendrite_label", "times"]].explode("times", ignore_index=True)
    expected = rows[[*keys, "soma_distance", "dendrite_label", "time"]].rename(columns={"time": "times"})
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=True)


def test_synapses_are_at_their_places(cell: TrialCell) -> None:
    synapses, points, sections = cell.synapses, cell.points, cell.sections
    first = points.groupby("section_id").head(1).set_index("section_id").index
    assert first.tolist() == sections.section_id.tolist()
    starts = np.cumsum([0, *sections.n_points[:-1]])
    at = points.iloc[starts[synapses.section_id] + synapses.section_pt_id]
    assert at.section_id.tolist() == synapses.section_id.tolist()
    assert np.array_equal(at[["x", "y", "z"]], synapses[["x", "y", "z"]])
    soma = [cell.model.soma.diam3d(number) for number in range(cell.model.soma.n3d())]
    assert points.diameter[: len(soma)].tolist() == pytest.approx(soma)
    assert sections.label[synapses.section_id].tolist() == synapses.dendrite_label.tolist()
    for connection, synapse in zip(cell.connections, synapses.itertuples(), strict=True):
        segment = connection.processes[0].get_segment()
        assert segment.sec == cell.model.sections[synapse.section_id]
        half = 0.5 / segment.sec.nseg
        assert abs(segment.x - min(max(synapse.position, half), 1 - half)) <= half + 1e-9
        assert list(connection.source[1]) == pytest.approx(synapse.times, abs=0)


def test_stored_voltages(lake: Any, cell: TrialCell) -> None:
    voltage = cell.voltage
    assert set(voltage) == set(lake.voltages.sites) and voltage.index.name == "time"
    for site in voltage:
        rows = lake.sql(f"select time, value from trace('{site}', [1])").df()
        assert np.array_equal(voltage[site], rows["value"]) and np.array_equal(voltage.index, rows["time"])
    frames = cell.frames()
    assert frames.shape == (len(voltage), len(cell.segments))
    assert np.array_equal(frames.index, voltage.index)
    soma = cell.segments.query("section_id == 0").index
    middle = soma[len(soma) // 2]
    assert np.array_equal(frames[middle], voltage["soma"].astype("float32"))
    with pytest.raises(nl.NotFoundError, match=r"no i_membrane of all segments.*cell\.places"):
        cell.frames("i_membrane")


def test_playing_it_is_the_trial_again(cell: TrialCell) -> None:
    voltage = cell.voltage
    again = cell.play(["soma(0.5).ina"])
    assert list(again) == [*voltage, "soma(0.5).ina"]
    shared = again.index.intersection(voltage.index)
    assert len(shared) >= len(voltage) - 1
    assert again.loc[shared, list(voltage)].equals(voltage.loc[shared])
    everywhere = cell.play(cell.places("v"), t_stop=20)
    values = everywhere[cell.places("v")].to_numpy(np.float32)
    assert np.array_equal(values, cell.frames().to_numpy()[: len(everywhere)])


def test_something_may_be_added(cell: TrialCell) -> None:
    def stimulate(model: Any) -> None:
        soma_current_injection(model, 0.5, 5.0, 30.0)

    added = cell.run(40, ["soma"], stimulate=stimulate)
    plain = cell.play(t_stop=40)
    assert added["soma"].iloc[1000] > plain["soma"].iloc[1000] + 0.1
    assert cell.play(t_stop=40).equals(plain)


def test_it_is_tables_without_neuron(lake: Any, cell: TrialCell, tmp_path: Path) -> None:
    from neurolake.query import isf

    db = isf.open(tmp_path / "lake")
    db.set("cell", cell, dumper="cell")
    back, state = db["cell"], cell.state()
    assert list(back) == list(state) and back["trial"] == cell.trial == state["trial"]
    for name in ("sections", "segments", "points", "synapses", "activations", "voltage"):
        pd.testing.assert_frame_equal(back[name], state[name], check_exact=True)
    with pytest.raises(TypeError, match="cannot be stored as it is"):
        db["cell"] = cell
    assert db.metadata["cell"]["dumper"] == "parts"


def test_it_is_told_and_closed(lake: Any, cell: TrialCell) -> None:
    assert repr(cell).endswith(f"segments, trial {TRIAL}>")
    with pytest.raises(nl.InputError, match="another cell is in this process"):
        nl.trial_cell(lake, TRIAL)
    cell.close()
    assert repr(cell) == f"<closed cell, trial {TRIAL}>"
    with nl.trial_cell(lake, 0) as other:
        assert other.trial["sim_trial_index"] == "stim_C2/seed7/000000"
        assert other.trial["trial_id"] == 0 and len(other.connections) == len(other.synapses) > 0


@pytest.mark.parametrize(
    ("trial", "error", "told"),
    [
        ("nothing", nl.NotFoundError, "no trial"),
        ("stim_C2/seed7", nl.InputError, "means 2 trials"),
    ],
)
def test_what_is_no_trial(lake: Any, trial: str, error: Any, told: str) -> None:
    with pytest.raises(error, match=told):
        nl.trial_cell(lake, trial)


def test_a_changed_trial(lake: Any) -> None:
    silence = {"silence": {"cell_types": ["VPM"]}}
    with nl.trial_cell(lake, TRIAL, modify=silence) as quiet:
        kinds = set(quiet.synapses.synapse_type.str.partition("_")[0])
        assert "VPM" not in kinds and kinds


def test_a_real_trial_of_isf(isf_data: Path, tmp_path: Path) -> None:
    """Its first milliseconds, played on the real cell, are those that ISF recorded."""
    lake = nl.create(tmp_path / "lake", durable=False)
    nl.ingest(lake, isf_data / "simrun_2026", processes=1)
    trial = lake.sql("select min(sim_trial_index) from trials").fetchall()[0][0]
    with nl.trial_cell(lake, trial, paths=[isf_data / "example_86_C2"]) as cell:
        synapses, voltage = cell.synapses, cell.voltage
        rows = lake.sql(
            "select count(*), count(*) filter (activation = 0) from synapse_activation"
            " join trials using (trial_id) where sim_trial_index = $trial",
            trial=trial,
        ).fetchall()
        assert rows == [(len(cell.activations), len(synapses))]
        # Two ways of telling where a synapse is: its point's own position, and the .syn file's, which is nearby.
        section, position = synapses.section_id.to_numpy(), synapses.position.to_numpy()
        distance = cell.model.branches.soma_distances(section, position)
        assert np.abs(distance - synapses.soma_distance).max() < 25
        again = cell.play(t_stop=10)
        shared = voltage.index.intersection(again.index)
        assert len(shared) >= 400 and set(again) == set(voltage)
        for site in again:
            np.testing.assert_allclose(again.loc[shared, site], voltage.loc[shared, site], atol=2e-3)
    delete_all_sections()
