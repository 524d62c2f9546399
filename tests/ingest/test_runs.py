"""Runs: trials that land in a lake as ingested ones do, the same whatever interrupts or shares the work."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as pds
import pytest
from lake_vocabulary import strangers
from nerves import delete_all_sections

import neurolake
from neurolake import IngestError, InputError
from neurolake.ingest.demo import DemoModel, write_demo_model
from neurolake.ingest.runs.runs import RunReport, read_recorded, run
from neurolake.ingest.simrun.export import export_simrun
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.lake.provenance import code_version
from neurolake.mechanisms.trial.simulation import Recorded, Simulation
from neurolake.query.circuits.reports import report
from neurolake.query.isf import database as isf

T_STOP = 20.0
TABLES = (
    "trials",
    "synapse_activation",
    "cell_activation",
    "spike_times",
    "dendritic_spike_times",
    "recording_sites",
    "traces",
    "parameters",
)


@pytest.fixture(scope="module", autouse=True)
def alone() -> None:
    delete_all_sections()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DemoModel:
    return write_demo_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return neurolake.create(tmp_path / "lake", durable=False)


def simulate(lake: Any, model: DemoModel, trials: int = 2, **more: Any) -> RunReport:
    options: dict[str, Any] = {"trials": trials, "t_stop": T_STOP, "seed": 7, "processes": 1, **more}
    return run(lake, model.cell, model.networks["C2"], **options)


def contents(lake: Any, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """Everything that a lake holds, tables as rows and arrays as bytes, but not how it lies in files."""
    head = lake.head
    tables = {name: head.tables[name].to_arrow().to_pylist() for name in head.tables}
    for row in tables["simulations"]:
        # The working folder may change while tests run.
        row["code_dirty"] = None
    arrays = {name: head.arrays[name][...].tobytes() for name in head.arrays}
    files = {name: head.files[name] for name in head.files}
    return {k: v for k, v in {**tables, **arrays, **files}.items() if k not in leave_out}


def test_trials_are_what_the_simulation_gives(lake: Any, model: DemoModel) -> None:
    found = simulate(lake, model, t_stop=150.0)
    assert (found.run, found.seed, found.trials, found.failures) == ("stim_C2/seed7", 7, 2, [])
    cell, network = (json.loads(path.read_text()) for path in (model.cell, model.networks["C2"]))
    trial = Simulation(cell, network, model.cell.parent).trial(7, 1, t_stop=150.0)
    head = lake.head
    for site, voltage in trial.voltage.items():
        assert np.array_equal(head.arrays[f"voltage/{site}"][1], voltage)
        assert np.array_equal(head.arrays[f"voltage/{site}.time"][...], trial.time)
    for table, expected in (("synapse_activation", trial.synapses), ("cell_activation", trial.cells)):
        rows = head.tables[table].to_arrow(where=pds.field("trial_id") == 1)
        for name, values in expected.items():
            assert rows[name].to_pylist() == values.tolist()
    spikes = head.tables["spike_times"].to_arrow().to_pylist()
    soma = trial.voltage["soma"]
    crossings = trial.time[1:][(soma[:-1] < 0) & (soma[1:] >= 0)]
    assert len(crossings) and [row["time"] for row in spikes if row["trial_id"] == 1] == crossings.tolist()


def test_rows_tell_where_they_come_from(lake: Any, model: DemoModel) -> None:
    done = simulate(lake, model)
    rows = lake.sql("select * from trials order by trial_id").df()
    assert rows.sim_trial_index.tolist() == ["stim_C2/seed7/000000", "stim_C2/seed7/000001"]
    assert rows.stimulus.tolist() == ["C2", "C2"] and rows.seed.tolist() == [7, 7]
    assert rows.t_stop.tolist() == pytest.approx([T_STOP, T_STOP], abs=0.026)
    (intervals,) = lake.sql(
        "select number from parameters p join trials t on p.file = t.network_parameters "
        "where trial_id = 0 and path = 'network.VPM_C2.celltype.spiketrain.interval'"
    ).fetchall()[0]
    network = json.loads(model.networks["C2"].read_text())["network"]
    assert intervals == network["VPM_C2"]["celltype"]["spiketrain"]["interval"]
    (row,) = lake.head.tables["simulations"].to_arrow().to_pylist()
    commit = lake.at(done.commit).commit
    assert row["kind"] == "run" and len(row["mechanisms"]) == 64
    assert commit.provenance["notes"]["run"]["mechanisms"] == row["mechanisms"]
    code = code_version(Path.cwd())
    assert row["code_commit"] == (code and code["commit"])
    assert list(strangers(lake)) == []


def test_one_and_two_processes_and_a_scheduler_give_the_same_bits(
    tmp_path: Path, model: DemoModel, scheduler: str
) -> None:
    found = []
    for number, where in enumerate(({"processes": 1}, {"processes": 2}, {"scheduler": scheduler})):
        lake = neurolake.create(tmp_path / str(number), durable=False)
        simulate(lake, model, 4, record="soma,site,all-segments:v", dt_record=0.5, **where)
        found.append(contents(lake))
    assert found[0] == found[1] == found[2]


def test_a_run_goes_on_where_it_was(tmp_path: Path, model: DemoModel) -> None:
    parts = neurolake.create(tmp_path / "parts", durable=False)
    simulate(parts, model, 1)
    # Neither the seed nor a name need be said again.
    later = simulate(parts, model, 3, seed=None)
    assert (later.run, later.trials, later.unchanged) == ("stim_C2/seed7", 2, 1)
    nothing = simulate(parts, model, 3)
    assert (nothing.commit, nothing.trials, nothing.unchanged) == (None, 0, 3)
    assert "3 trials of stim_C2/seed7 were there already" in nothing.summary("here")
    whole = neurolake.create(tmp_path / "whole", durable=False)
    simulate(whole, model, 3)
    assert contents(parts) == contents(whole)


def test_batches_are_commits(lake: Any, model: DemoModel) -> None:
    told = []
    simulate(lake, model, 5, batch=2, progress=lambda done, total: told.append((done, total)))
    messages = [record.message for record in reversed(lake.log())][1:]
    run = "of run stim_C2/seed7"
    assert messages == [
        "Begin run stim_C2/seed7",
        f"Add 2 trials {run}",
        f"Add 2 trials {run}",
        f"Add trial 4 {run}",
    ]
    assert told == [(done, 5) for done in range(1, 6)]


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> dict[int, BaseException]:
    """What trials raise, by their number."""
    raised: dict[int, BaseException] = {}
    sound = Simulation.trial

    def trial(self: Simulation, seed: int, number: int, **more: Any) -> Any:
        if number in raised:
            raise raised[number]
        return sound(self, seed, number, **more)

    monkeypatch.setattr(Simulation, "trial", trial)
    return raised


def test_a_failed_trial_is_told_and_stops_no_other(
    lake: Any, model: DemoModel, fragile: dict[int, BaseException], tmp_path: Path
) -> None:
    fragile[1] = RuntimeError("hoc_execerror")
    found = simulate(lake, model, 3)
    assert found.trials == 2
    (failure,) = found.failures
    assert (failure.number, failure.seed) == (1, 7)
    assert str(failure).startswith("trial 1 (seed 7) failed: RuntimeError: hoc_execerror")
    fragile.clear()
    again = simulate(lake, model, 3)
    assert (again.trials, again.unchanged, again.failures) == (1, 2, [])
    numbers = lake.sql("select trial_number from trials order by trial_id").fetchall()
    assert numbers == [(0,), (2,), (1,)]
    # In files, trials stand in the order of their numbers.
    export_simrun(lake.head, tmp_path / "copy")
    other = neurolake.create(tmp_path / "other", durable=False)
    ingest_simrun(other, tmp_path / "copy", processes=1)
    assert soma_by_number(other) == soma_by_number(lake)


def soma_by_number(lake: Any) -> dict[int, bytes]:
    rows = lake.sql("select trial_number, row from traces join trials using (trial_id) where site = 'soma'")
    return {number: lake.head.arrays["voltage/soma"][row].tobytes() for number, row in rows.fetchall()}


def test_an_interruption_keeps_what_is_finished(
    lake: Any, model: DemoModel, fragile: dict[int, BaseException]
) -> None:
    fragile[2] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt) as raised:
        simulate(lake, model, 4)
    assert "2 finished trials of stim_C2/seed7 are kept" in raised.value.__notes__[0]
    assert lake.sql("select count(*) from trials").fetchall()[0] == (2,)
    fragile.clear()
    assert simulate(lake, model, 4).trials == 2


def test_a_potential_that_is_not_finite_is_a_failure(lake: Any, model: DemoModel) -> None:
    cell = json.loads(model.cell.read_text())
    cell["neuron"]["Soma"]["mechanisms"]["range"]["pas"].update(g=1e10, e=1e308)
    found = run(lake, cell, trials=1, paths=[model.cell.parent], seed=1, t_stop=100.0, record="soma")
    assert "the potential at soma is not finite from" in str(found.failures[0])
    assert "trials" not in lake.head.tables


def test_another_run_of_the_name_is_refused(lake: Any, model: DemoModel) -> None:
    simulate(lake, model)
    with pytest.raises(InputError, match=r"run 'stim_C2/seed7' that differs.*t_stop: 20.0 there, 30.0 now"):
        simulate(lake, model, t_stop=30.0)
    with pytest.raises(InputError, match="settings"):
        simulate(lake, model, record="soma")
    assert simulate(lake, model, seed=8).run == "stim_C2/seed8"
    with pytest.raises(InputError, match=r"with the seeds 7, 8: say which"):
        simulate(lake, model, seed=None)


def test_all_segments_are_recorded(lake: Any, model: DemoModel) -> None:
    simulate(lake, model, 1, record="soma,all-segments:v,i_membrane,gIhbar_Ih", dt_record=0.1)
    head = lake.head
    node = "reports/stim_C2/seed7/000000"
    voltage, current = (head.arrays[f"{node}/{name}"] for name in ("v", "i_membrane"))
    segments = head.tables["segments/stim_C2/seed7"].to_pandas()
    assert voltage.dtype == np.float32 and voltage.metadata.dimension_names == ("time", "element")
    assert voltage.shape == current.shape == (201, len(segments))
    times = head.arrays[f"{node}/v.time"][...]
    assert np.allclose(times, np.arange(201) * 0.1)
    soma = segments.index[segments.label == "Soma"][len(segments[segments.label == "Soma"]) // 2]
    assert np.array_equal(voltage[:, soma], head.arrays["voltage/soma"][0][: 201 * 4 : 4].astype(np.float32))
    # No electrode: what enters the cell somewhere leaves it elsewhere.
    flow = current[...].astype(float)
    assert np.abs(flow.sum(axis=1)).max() < 1e-6 * np.abs(flow).sum(axis=1).max()
    # A variable that some segments do not have.
    conductance = head.arrays[f"{node}/gIhbar_Ih"][5]
    assert np.array_equal(np.isnan(conductance), (segments.label == "Myelin").to_numpy())
    asked = report(head, f"{node}/v").get(t_start=1.0, t_stop=1.5)
    assert asked.data.shape == (6, len(segments))
    assert asked.ids[:, 1].tolist() == segments.section_id.tolist()
    sections = head.tables["sections/stim_C2/seed7"].to_pandas()
    assert segments.groupby("section_id").length.sum().to_numpy() == pytest.approx(sections.length.to_numpy())
    assert list(strangers(lake)) == []


@pytest.mark.parametrize(
    ("text", "dt", "expected"),
    [
        ("soma", None, Recorded(sites=False)),
        ("soma, site", None, Recorded()),
        ("all-segments:v,i_membrane", 0.1, Recorded(False, ("v", "i_membrane"), 0.1)),
        ("site,all-segments:v,v", None, Recorded(True, ("v",))),
    ],
)
def test_what_to_record(text: str, dt: float | None, expected: Recorded) -> None:
    assert read_recorded(text, dt) == expected


@pytest.mark.parametrize(
    ("text", "dt", "match"),
    [
        ("soma,dendrite", None, "'dendrite'; write soma, site"),
        ("all-segments:", None, "say which variables"),
        ("soma", 0.1, "for all segments"),
    ],
)
def test_what_cannot_be_recorded(text: str, dt: float | None, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_recorded(text, dt)


def test_functions_of_the_cell_drive_it(lake: Any, model: DemoModel) -> None:
    step = {"soma_current_injection": {"amplitude": 1.5, "delay": 5.0, "duration": 60.0}}
    found = run(lake, model.cell, trials=1, t_stop=70.0, seed=1, functions=step, name="step")
    assert found.failures == []
    (times,) = lake.sql("select list(time order by time) from spike_times").fetchall()[0]
    assert len(times) >= 2 and times[0] > 5.0
    asked = "select number from parameters where path like '%soma_current_injection.amplitude'"
    assert lake.sql(asked).fetchall() == [(1.5,)]
    assert lake.sql("select count(*) from synapse_activation").fetchall()[0] == (0,)


def test_an_export_is_read_back_as_it_was(lake: Any, model: DemoModel, tmp_path: Path) -> None:
    simulate(lake, model, 3, t_stop=150.0)
    export_simrun(lake.head, tmp_path / "copy")
    other = neurolake.create(tmp_path / "other", durable=False)
    ingest_simrun(other, tmp_path / "copy", processes=1)
    for name in TABLES:
        ours = lake.head.tables[name].to_arrow()
        assert ours.num_rows and other.head.tables[name].to_arrow().equals(ours), name
    for name in lake.head.arrays:
        assert np.array_equal(other.head.arrays[name][...], lake.head.arrays[name][...])
    databases = [isf.open(own) for own in (lake, other)]
    for key in ("voltage_traces", "synapse_activation", "cell_activation"):
        ours, theirs = (database[key].compute() for database in databases)
        assert len(ours) and theirs.equals(ours), key
    assert databases[0]["spike_times"].equals(databases[1]["spike_times"])
    # What comes from a lake is known there.
    again = ingest_simrun(lake, tmp_path / "copy", processes=1)
    assert (again.unchanged, again.added, again.changed) == (["stim_C2/seed7"], [], [])


def test_the_exported_parameters_run_again(lake: Any, model: DemoModel, tmp_path: Path) -> None:
    simulate(lake, model, 1)
    export_simrun(lake.head, tmp_path / "copy")
    cell, network = (
        tmp_path / f"copy/stim_C2/seed7/seed7_{kind}_model.param" for kind in ("neuron", "network")
    )
    again = run(lake, cell, network, trials=1, t_stop=T_STOP, seed=7, name="again", paths=[tmp_path / "copy"])
    assert again.failures == []
    voltage = lake.head.arrays["voltage/soma"]
    assert np.array_equal(voltage[0], voltage[1])


# Bad input is told before anything is simulated


def changed(path: Path, *keys: str, value: Any) -> Any:
    tree = json.loads(path.read_text())
    at = tree
    for key in keys[:-1]:
        at = at[key]
    if value is None:
        del at[keys[-1]]
    else:
        at[keys[-1]] = value
    return tree


SYNAPSES = ("network", "VPM_C2", "synapses")
NETWORK_MISTAKES = [
    (
        (*SYNAPSES, "distributionFile"),
        "/gone/x.syn",
        r"VPM_C2.*no file '/gone/x.syn'.*--map OLD=NEW.*--synapses",
    ),
    ((*SYNAPSES, "receptors", "no_syn"), {"weight": 1.0}, "receptor 'no_syn' is not known to NEURON"),
    ((*SYNAPSES, "releaseProb"), 1.5, "1.5, expected a number from 0 to 1"),
    (("network", "VPM_C2", "cellNr"), 3, "VPM_C2: 30 cells are connected, but cellNr is 3"),
    (("network", "VPM_C2"), None, "populations with synapses but without parameters: VPM_C2"),
    (("network", "network_modify_functions"), {"none": {}}, "no such function is registered"),
]
CELL_MISTAKES = [
    (("neuron", "filename"), "/gone/cell.hoc", r"neuron.filename: there is no file '/gone/cell.hoc'.*--morphology"),
    (("neuron", "Soma", "mechanisms", "range", "None_t"), {"spatial": "uniform"}, "None_t: no such mechanism"),
    (("neuron", "cell_modify_functions"), {"explode": {}}, "no such function; there are"),
    (("sim", "recordingSites"), ["gone.landmarkAscii"], "there is no file 'gone.landmarkAscii'"),
    (("sim", "dt"), -1.0, "dt: -1, expected a number above 0"),
    (("sim",), None, "no dictionary 'sim'"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "value", "match"), NETWORK_MISTAKES)
def test_a_network_that_cannot_be(lake: Any, model: DemoModel, keys: Any, value: Any, match: str) -> None:
    network = changed(model.networks["C2"], *keys, value=value)
    with pytest.raises(InputError, match=match):
        run(lake, model.cell, network, trials=1, paths=[model.cell.parent])
    assert len(lake.log()) == 1


@pytest.mark.parametrize(("keys", "value", "match"), CELL_MISTAKES)
def test_a_cell_that_cannot_be(lake: Any, model: DemoModel, keys: Any, value: Any, match: str) -> None:
    cell = changed(model.cell, *keys, value=value)
    with pytest.raises(InputError, match=match):
        run(lake, cell, trials=1, paths=[model.cell.parent])
    assert len(lake.log()) == 1


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ("VPM_C2\t4000\t0.5\n", r"4000: the cell has 91 sections"),
        ("VPM_C2\t3\t1.5\n", r"x is 1.5, expected 0 to 1"),
        ("VPM_C2\t3\n", r"2 tab-separated columns, expected type, section, x"),
    ],
)
def test_a_synapse_that_cannot_be_is_named_with_its_line(
    lake: Any, model: DemoModel, tmp_path: Path, row: str, match: str
) -> None:
    text = (model.cell.parent / "anatomy" / "demo_cell.syn").read_text()
    wrong = tmp_path / "wrong.syn"
    wrong.write_text(text + row)
    with pytest.raises(IngestError, match=match) as raised:
        simulate(lake, model, synapses=wrong)
    assert (raised.value.path, raised.value.line) == (str(wrong), len(text.splitlines()) + 1)
    assert len(lake.log()) == 1


def test_connections_of_another_synapse_file_are_noticed(lake: Any, model: DemoModel, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed.syn"
    renamed.write_bytes((model.cell.parent / "anatomy" / "demo_cell.syn").read_bytes())
    (notice,) = simulate(lake, model, 1, synapses=renamed).notices
    assert notice.startswith(str(model.cell.parent / "anatomy" / "demo_cell.con"))
    assert notice.endswith("says that it belongs to demo_cell.syn, and is used with renamed.syn")


def test_recording_sites_may_be_one_file(lake: Any, model: DemoModel) -> None:
    cell = changed(model.cell, "sim", "recordingSites", value="anatomy/demo_sites.landmarkAscii")
    options: dict[str, Any] = {"trials": 1, "t_stop": 1.0, "seed": 7, "processes": 1}
    run(lake, cell, name="one", paths=[model.cell.parent], **options)
    run(lake, model.cell, name="list", **options)
    sites = lake.head.tables["recording_sites"].to_pandas()["site"]
    assert len(sites) > 1 and sites.is_unique


def test_contours_in_the_morphology_are_noticed(lake: Any, model: DemoModel, tmp_path: Path) -> None:
    text = (model.cell.parent / "anatomy" / "demo_cell.hoc").read_text()
    contoured = tmp_path / "contoured.hoc"
    contoured.write_text(text + "{create pia}\n{access pia}\n{pt3dadd(0, 0, 900, 1)}\n")
    (notice,) = simulate(lake, model, 1, morphology=contoured).notices
    line = len(text.splitlines()) + 1
    assert notice.startswith(f"{contoured}: line {line}: section 'pia' is passed over with its 1 points")


def test_a_name_that_an_export_could_not_have(lake: Any, model: DemoModel) -> None:
    with pytest.raises(InputError, match="may not be called 'a_running/seed7'"):
        simulate(lake, model, name="a_running")
    with pytest.raises(InputError, match="seed -1"):
        simulate(lake, model, seed=-1)
    with pytest.raises(InputError, match="t_stop 0"):
        simulate(lake, model, t_stop=0.0)


def test_another_model_in_this_process_is_not_simulated_along(lake: Any, model: DemoModel) -> None:
    from neuron import h

    mine = h.Section(name="mine")
    with pytest.raises(InputError, match=rf"holds 1 sections, such as {mine.name()}.*\(processes=2\)"):
        simulate(lake, model)
    assert [section.name() for section in h.allsec()] == ["mine"]
    assert "trials" not in lake.head.tables
