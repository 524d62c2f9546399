"""Stored trials run again: as they were to the last bit, changed as asked, or with another future."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as pds
import pytest
from nerves import delete_all_sections

import neurolake
from neurolake import IngestError, InputError, NotFoundError
from neurolake.ingest.demo import DemoModel, write_demo_model
from neurolake.ingest.runs.modify import rerun_modifier
from neurolake.ingest.runs.reruns import cross_over, rerun, run_existing_activations
from neurolake.ingest.runs.runs import run
from neurolake.ingest.simrun.export import export_simrun
from neurolake.ingest.simrun.ingest import ingest_simrun

T_STOP = 60.0
HERE = {"processes": 1}


@pytest.fixture(scope="module", autouse=True)
def alone() -> None:
    delete_all_sections()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DemoModel:
    return write_demo_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, model: DemoModel) -> Path:
    """A lake with a run of two trials, for copying."""
    lake = neurolake.create(tmp_path_factory.mktemp("stored") / "lake", durable=False)
    run(lake, model.cell, model.networks["C2"], trials=2, t_stop=T_STOP, seed=7, **HERE)
    return Path(lake.url)


@pytest.fixture
def lake(stored: Path, tmp_path: Path) -> Any:
    return neurolake.open(stored).copy_to(tmp_path / "lake")


def rows(lake: Any, table: str, index: str) -> list[dict[str, Any]]:
    (trial,) = lake.sql(f"select trial_id from trials where sim_trial_index = '{index}'").fetchall()[0]
    found = lake.head.tables[table].to_arrow(where=pds.field("trial_id") == trial)
    return found.drop_columns("trial_id").to_pylist()


def voltages(lake: Any, index: str) -> dict[str, np.ndarray]:
    places = lake.sql(
        f"select site, \"array\", row from traces join trials using (trial_id) where sim_trial_index = '{index}'"
    ).fetchall()
    return {site: lake.head.arrays[array][row] for site, array, row in places}


FIRST = "stim_C2/seed7/000000"


def test_unchanged_it_is_the_same_to_the_last_bit(lake: Any) -> None:
    (report,) = rerun(lake, name="again", **HERE)
    assert (report.run, report.trials, report.seed) == ("again/stim_C2/seed7", 2, 7)
    for number in range(2):
        old = f"stim_C2/seed7/{number:06d}"
        for table in ("synapse_activation", "cell_activation", "spike_times", "dendritic_spike_times"):
            assert rows(lake, table, f"again/{old}") == rows(lake, table, old)
        was, now = voltages(lake, old), voltages(lake, f"again/{old}")
        assert was.keys() == now.keys()
        assert all(np.array_equal(was[site], now[site]) for site in was)
    # Parameters and geometry are stored once.
    assert lake.sql("select count(distinct neuron_parameters) from trials").fetchall() == [(1,)]
    (again,) = rerun(lake, ["stim_C2/seed7"], name="again", **HERE)
    assert (again.trials, again.unchanged) == (0, 2)


def test_what_is_changed_is_stored_as_changed(lake: Any) -> None:
    changes = {
        "silence": {"cell_types": ["L5tt"], "time": [0.0, 30.0]},
        "set_cell": {"values": {"neuron.Soma.properties.Ra": 150.0}},
        "scale_weights": {"factor": 0.5, "cell_types": ["VPM"]},
    }
    (report,) = rerun(lake, [FIRST], name="less", modify=changes, record="soma", **HERE)
    assert report.failures == []
    before = rows(lake, "synapse_activation", FIRST)
    after = rows(lake, "synapse_activation", f"less/{FIRST}")
    gone = [row for row in before if row["cell_type"] == "L5tt" and row["time"] < 30.0]
    times = {"activation", "time"}
    kept = [row for row in before if row not in gone]
    assert gone and [{k: v for k, v in row.items() if k not in times} for row in after] == [
        {k: v for k, v in row.items() if k not in times} for row in kept
    ]
    assert rows(lake, "cell_activation", f"less/{FIRST}") == rows(lake, "cell_activation", FIRST)
    value = (
        "select number from trials t join parameters p on p.file = t.{}_parameters "
        f"where sim_trial_index = 'less/{FIRST}' and path = '{{}}'"
    )
    weight = "network.VPM_C2.synapses.receptors.glutamate_syn.weight"
    assert lake.sql(value.format("neuron", "neuron.Soma.properties.Ra")).fetchall() == [(150.0,)]
    texts = lake.sql(f"select distinct text from parameters where path = '{weight}' order by text").fetchall()
    assert [json.loads(text) for (text,) in texts] == [[0.625, 0.625], [1.25, 1.25]]
    assert not np.array_equal(voltages(lake, FIRST)["soma"], voltages(lake, f"less/{FIRST}")["soma"])
    settings = lake.sql("select settings from simulations where kind = 'rerun'").fetchall()[0][0]
    assert json.loads(settings)["modify"][0] == ["silence", changes["silence"]]


@pytest.mark.parametrize("name", ["less", "cross"])
def test_changed_trials_are_written_as_simrun_would(lake: Any, tmp_path: Path, name: str) -> None:
    if name == "less":
        rerun(lake, [FIRST], name=name, modify={"silence": {"time": [0.0, 20.0]}}, **HERE)
    else:
        cross_over(lake, FIRST, 30.0, trials=1, name=name, **HERE)
    export_simrun(lake.head, tmp_path / "copy")
    other = neurolake.create(tmp_path / "other", durable=False)
    ingest_simrun(other, tmp_path / "copy", processes=1)
    (index,) = [
        index for (index,) in lake.sql("select sim_trial_index from trials").fetchall() if name in index
    ]
    for table in ("synapse_activation", "cell_activation"):
        assert rows(other, table, index) == rows(lake, table, index)


def test_a_function_of_ones_own(lake: Any) -> None:
    @rerun_modifier("activations")
    def later(activations: Any, by: float) -> Any:
        return {**activations, "time": activations["time"] + by}

    rerun(lake, [0], name="late", modify=[("later", {"by": 5.0}), ("later", {"by": 1.0})], **HERE)
    before, after = (rows(lake, "synapse_activation", index) for index in (FIRST, f"late/{FIRST}"))
    assert [row["time"] for row in after] == pytest.approx([row["time"] + 6.0 for row in before])


def test_two_futures_share_their_past(lake: Any) -> None:
    report = cross_over(lake, FIRST, 30.0, trials=2, name="cross", seed=3, **HERE)
    assert (report.run, report.trials) == (f"cross/{FIRST}/seed3", 2)
    time = lake.head.arrays["voltage/soma.time"][...]
    was = voltages(lake, FIRST)["soma"]
    futures = [voltages(lake, f"{report.run}/{number:06d}")["soma"] for number in range(2)]
    for future in futures:
        assert np.array_equal(future[time <= 30.0], was[time <= 30.0])
        assert not np.array_equal(future, was)
    assert not np.array_equal(*futures)
    for table in ("synapse_activation", "cell_activation"):
        ordinal = {"activation"}
        keys = [
            [tuple(v for k, v in row.items() if k not in ordinal) for row in rows(lake, table, index)]
            for index in (FIRST, f"{report.run}/000000")
        ]
        at = -1  # the time comes last
        past = [{row for row in own if row[at] <= 30.0} for own in keys]
        assert past[0] == past[1] and past[0]
        assert {row for row in keys[1] if row[at] > 30.0} != {row for row in keys[0] if row[at] > 30.0}


def test_files_of_activations(lake: Any, model: DemoModel, tmp_path: Path) -> None:
    export_simrun(lake.head, tmp_path / "copy")
    files = sorted((tmp_path / "copy/stim_C2/seed7").glob("*_synapses.csv"))
    report = run_existing_activations(
        lake, files, model.cell, model.networks["C2"], name="files", t_stop=T_STOP, **HERE
    )
    assert (report.run, report.trials) == ("files/seed0", 2)
    for number in range(2):
        was, now = (voltages(lake, f"{name}/{number:06d}") for name in ("stim_C2/seed7", "files/seed0"))
        assert all(np.array_equal(was[site], now[site]) for site in was)


def test_ingested_trials_run_with_files_that_came_along(lake: Any, tmp_path: Path) -> None:
    export_simrun(lake.head, tmp_path / "copy")
    other = neurolake.create(tmp_path / "other", durable=False)
    ingest_simrun(other, tmp_path / "copy", processes=1)
    rerun(other, [FIRST], name="again", t_stop=T_STOP, **HERE)
    was, now = voltages(other, FIRST), voltages(other, f"again/{FIRST}")
    assert all(np.array_equal(was[site], now[site]) for site in was)


@pytest.mark.parametrize(
    ("modify", "match"),
    [
        ({"explode": {}}, "no function 'explode' is registered; there are set_cell"),
        ({"silence": {"soma": 1}}, "silence: got an unexpected keyword argument 'soma'"),
        ({"set_cell": {"values": {"neuron.None.Ra": 1}}}, "no parameter 'neuron.None.Ra'"),
        ({"set_cell": {"values": {"sim.dt": -1}}}, "dt: -1, expected a number above 0"),
    ],
)
def test_changes_that_cannot_be(lake: Any, modify: Any, match: str) -> None:
    before = lake.head.commit.id
    with pytest.raises(InputError, match=match):
        rerun(lake, name="again", modify=modify, **HERE)
    assert lake.head.commit.id == before


def test_trials_that_are_not_there(lake: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no trial"):
        rerun(lake, ["gone/000000"], name="again", **HERE)
    with pytest.raises(NotFoundError, match="holds no trials"):
        rerun(neurolake.create(tmp_path / "empty"), name="again", **HERE)


def test_activations_on_a_section_that_is_not_there(lake: Any, model: DemoModel, tmp_path: Path) -> None:
    wrong = tmp_path / "simulation_run0000_synapses.csv"
    header = "# synapse type\tsynapse ID\tsoma distance\tsection ID\tsection pt ID\tdendrite label\tactivation times"
    wrong.write_text(f"{header}\nVPM_C2\t3\t10.5\t400\t2\tDendrite\t1.5,\n")
    options = {"name": "wrong", "t_stop": T_STOP, **HERE}
    with pytest.raises(IngestError, match="synapse 3 of VPM_C2 is on section 400: the cell has 91") as raised:
        run_existing_activations(lake, [wrong], model.cell, model.networks["C2"], **options)
    assert raised.value.path == str(wrong)
    wrong.write_text(wrong.read_text().replace("VPM_C2", "VPM_Z9").replace("400", "4"))
    with pytest.raises(IngestError, match="without parameters: VPM_Z9"):
        run_existing_activations(lake, [wrong], model.cell, model.networks["C2"], **options)


LEAK = """
NEURON { SUFFIX ownleak NONSPECIFIC_CURRENT i RANGE g }
PARAMETER { g = 0.0002 (S/cm2) }
ASSIGNED { v (mV) i (mA/cm2) }
BREAKPOINT { i = g * (v + 60) }
"""


def test_mechanisms_of_ones_own_stay_with_the_run(tmp_path: Path, model: DemoModel) -> None:
    folder = tmp_path / "mod"
    folder.mkdir()
    (folder / "ownleak.mod").write_text(LEAK)
    cell = json.loads(model.cell.read_text())
    cell["neuron"]["Soma"]["mechanisms"]["range"]["ownleak"] = {"spatial": "uniform", "g": 0.002}
    lake = neurolake.create(tmp_path / "lake", durable=False)
    options = {"t_stop": 10.0, "paths": [model.cell.parent], **HERE}
    with pytest.raises(InputError, match="ownleak: no such mechanism: load the folder"):
        run(lake, cell, trials=1, seed=1, name="leaky", **options)
    run(lake, cell, trials=1, seed=1, name="leaky", mechanisms=[folder], **options)
    run(lake, model.cell, trials=1, seed=1, name="tight", **options)
    leaky, tight = (voltages(lake, f"{name}/seed1/000000")["soma"] for name in ("leaky", "tight"))
    assert leaky[-1] > tight[-1] + 0.5
    digests = lake.sql("select count(distinct mechanisms) from simulations").fetchall()
    assert digests == [(2,)]
    # Nothing but the lake is needed to run it again.
    (folder / "ownleak.mod").unlink()
    (report,) = rerun(lake, ["leaky/seed1"], name="again", **HERE)
    assert report.failures == []
    assert (voltages(lake, "again/leaky/seed1/000000")["soma"] == leaky).all()


def test_folders_of_mechanisms_are_told_by_the_names_given(tmp_path: Path, model: DemoModel) -> None:
    folder = tmp_path / "mod"
    folder.mkdir()
    lake = neurolake.create(tmp_path / "lake", durable=False)
    options = {"trials": 1, "paths": [model.cell.parent], "mechanisms": [folder], **HERE}
    with pytest.raises(IngestError, match=r"no \.mod files") as raised:
        run(lake, model.cell, **options)
    assert raised.value.path == str(folder)
    (folder / "brokenown.mod").write_text("NEURON { SUFFIX brokenown }\nBREAKPOINT { i = }\n")
    with pytest.raises(IngestError, match="do not compile") as raised:
        run(lake, model.cell, **options)
    assert (raised.value.path, raised.value.line) == (str(folder / "brokenown.mod"), 2)
    assert "mechanisms/" not in str(raised.value) and len(lake.log()) == 1
