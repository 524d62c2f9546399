"""Sweeps: a run for each combination, once; what failed again; and everything that is wrong told at first."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lake_vocabulary import strangers
from nerves import delete_all_sections
from typer.testing import CliRunner

import neurolake
from neurolake import IngestError, InputError
from neurolake.cli import app
from neurolake.ingest.demo import DemoModel, write_demo_model
from neurolake.ingest.sweeps.combinations import combinations

STEP = {"soma_current_injection": {"amplitude": 0.1, "delay": 2, "duration": 15}}
RATE = "select count(s.time) from trials left join spike_times s using (trial_id) where run = $run"


@pytest.fixture(scope="module", autouse=True)
def alone() -> None:
    delete_all_sections()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DemoModel:
    return write_demo_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return neurolake.create(tmp_path / "lake", durable=False)


def stepped(lake: Any, model: DemoModel, **more: Any) -> Any:
    return partial(neurolake.run, lake, model.cell, trials=1, t_stop=20.0, functions=STEP, **more)


def test_each_combination_is_a_run_with_these_parameters(lake: Any, model: DemoModel) -> None:
    over = {
        "functions.soma_current_injection.amplitude": [0.1, 3.0],
        "neuron.Soma.properties.Ra": [100, np.float64(150)],
    }

    def peak(snapshot: Any, run: str) -> Any:
        (row,) = snapshot.sql(
            "select t.array, t.row from traces t join trials using (trial_id) where run = $run "
            "and site = 'soma'",
            run=run,
        ).fetchall()
        return {"mV": snapshot.arrays[row[0]][row[1]].max()}

    told: list[tuple[int, int]] = []
    done = neurolake.sweep(
        stepped(lake, model),
        over,
        name="steps",
        results={"spikes": RATE, "peak": peak},
        processes=1,
        progress=lambda *counts: told.append(counts),
    )
    assert (done.done, done.unchanged, done.failures, done.notices) == (4, 0, [], [])
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    frame = done.frame()
    amplitude, resistance = over
    assert frame[amplitude].tolist() == [0.1, 0.1, 3.0, 3.0]
    assert frame[resistance].tolist() == [100.0, 150.0, 100.0, 150.0]
    assert (frame.spikes[:2] == 0).all() and (frame.spikes[2:] > 0).all()
    assert (frame["peak.mV"][2:] > 0).all()
    rows = lake.sql(
        f"""select run, parameters->>'$."{amplitude}"' as amplitude, (results->>'spikes')::int as spikes
        from sweeps where sweep = 'steps' order by amplitude, spikes"""
    ).df()
    assert rows.run.is_unique and len(rows) == 4 and sorted(rows.spikes) == sorted(frame.spikes)
    # The run is the one that the same parameters give without a sweep.
    for row in frame.to_dict("records"):
        alone = neurolake.create(Path(lake.url).parent / row["run"].replace("/", "-"), durable=False)
        one = {"soma_current_injection": {**STEP["soma_current_injection"], "amplitude": row[amplitude]}}
        neurolake.run(
            alone,
            model.cell,
            trials=1,
            t_stop=20.0,
            functions=one,
            seed=0,
            processes=1,
            name="one",
            values={resistance: row[resistance]},
        )
        theirs = alone["voltage/soma"][0]
        where = lake.sql(
            "select row from traces join trials using (trial_id) where run = $r and site = 'soma'",
            r=row["run"],
        ).fetchall()[0][0]
        assert np.array_equal(lake["voltage/soma"][where], theirs)
        break
    assert list(strangers(lake)) == []


def test_what_is_done_is_skipped_and_more_is_added(lake: Any, model: DemoModel) -> None:
    run = stepped(lake, model)
    first = neurolake.sweep(run, {"seed": [1, 2]}, name="a", processes=1)
    head = lake.head.commit.id
    again = neurolake.sweep(run, {"seed": [1, 2]}, name="a", processes=1)
    assert (again.done, again.unchanged, again.commit) == (0, 2, None)
    assert lake.head.commit.id == head and again.frame().run.tolist() == first.frame().run.tolist()
    more = neurolake.sweep(run, {"seed": [2, 3]}, name="a", processes=1)
    assert (more.done, more.unchanged) == (1, 1)
    # Another sweep has the same run; further trials go on with it.
    other = neurolake.sweep(run, [{"seed": 3}], name="b", processes=1, results={"spikes": RATE})
    assert (other.done, other.unchanged) == (0, 1)
    assert other.frame().run[0] == more.frame().run[1] and other.frame().spikes[0] == 0
    longer = neurolake.sweep(run, {"trials": [2], "seed": [3]}, name="a", processes=1)
    assert longer.done == 1 and longer.frame().run[0] == more.frame().run[1]
    assert lake.sql("select count(*) from trials where run = $r", r=longer.frame().run[0]).fetchall() == [
        (2,)
    ]
    assert len(lake.head.tables["sweeps"].to_arrow()) == 4


def test_a_file_that_changes_is_another_run(lake: Any, model: DemoModel, tmp_path: Path) -> None:
    tree = json.loads(model.cell.read_text())
    tree["neuron"]["filename"] = str(model.cell.parent / tree["neuron"]["filename"])
    tree["sim"]["recordingSites"] = []
    cell = tmp_path / "cell.param"
    runs = []
    for resistance in (100.0, 120.0):
        tree["neuron"]["Soma"]["properties"]["Ra"] = resistance
        cell.write_text(json.dumps(tree))
        swept = neurolake.sweep(partial(neurolake.run, lake, cell, trials=1), {"t_stop": [5.0]}, processes=1)
        runs.append(swept.frame().run[0])
    assert len(set(runs)) == 2


def simulated(lake: Any, name: str, *, gain: float, fail: str = "") -> dict[str, float]:
    """A function of a user's."""
    if fail and Path(fail).exists():
        raise ArithmeticError("no convergence")
    return {"twice": 2 * gain}


def test_a_function_of_yours_and_what_failed_again(lake: Any, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    rows = [{"gain": 1.0}, {"gain": 2.0, "fail": str(flag)}]
    done = neurolake.sweep(partial(simulated, lake), rows, processes=1)
    assert (done.done, len(done.failures)) == (1, 1)
    assert done.failures[0].startswith(f"gain=2.0, fail={flag}: ArithmeticError: no convergence (")
    stored = lake.head.tables["sweeps"].to_arrow().to_pylist()
    assert [row["state"] for row in stored] == ["done", "failed"] and "convergence" in stored[1]["reason"]
    flag.unlink()
    again = neurolake.sweep(partial(simulated, lake), rows, processes=1)
    assert (again.done, again.unchanged, again.failures) == (1, 1, [])
    assert again.frame().twice.tolist() == [2.0, 4.0]
    assert [row["state"] for row in lake.head.tables["sweeps"].to_arrow().to_pylist()] == ["done", "done"]


def test_processes_give_the_same(lake: Any, model: DemoModel, scheduler: str, tmp_path: Path) -> None:
    alone = neurolake.create(tmp_path / "alone", durable=False)
    found = [
        neurolake.sweep(stepped(where, model), {"seed": [1, 2, 3]}, results={"n": RATE}, **how)
        for where, how in ((alone, {"processes": 1}), (lake, {"scheduler": scheduler}))
    ]
    one, other = (swept.frame().drop(columns="seconds") for swept in found)
    pd.testing.assert_frame_equal(one, other)


def test_an_interruption_keeps_what_is_finished(lake: Any) -> None:
    def stop(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    run = partial(simulated, lake)
    with pytest.raises(KeyboardInterrupt) as stopped:
        neurolake.sweep(run, {"gain": [1.0, 2.0, 3.0]}, processes=1, progress=stop)
    assert "2 finished combinations of sweep are kept" in stopped.value.__notes__[0]
    again = neurolake.sweep(run, {"gain": [1.0, 2.0, 3.0]}, processes=1)
    assert (again.done, again.unchanged) == (1, 2)


def test_everything_that_is_wrong_is_told_before_anything_is_done(lake: Any, model: DemoModel) -> None:
    head = lake.head.commit.id
    rows = [{"neuron.Soma.properties.RA": 1}, {"seeds": 2}, {"name": "x"}, {"seed": 1}]
    with pytest.raises(InputError) as error:
        neurolake.sweep(stepped(lake, model), rows)
    told = str(error.value).splitlines()
    assert len(told) == 3
    assert "did you mean 'neuron.Soma.properties.Ra'" in told[0] and told[0].startswith(
        "neuron.Soma.properties.RA=1: "
    )
    assert "no parameter 'seeds'" in told[1] and "'name' does not change" in told[2]
    wrong = {"a": "select 1", "b": "drop table trials", "c": 3, "d": "selec $run"}
    with pytest.raises(InputError) as error:
        neurolake.sweep(stepped(lake, model), {"seed": [1]}, results=wrong)  # type: ignore[arg-type]
    assert [f"result {name!r}" in str(error.value) for name in wrong] == [True] * 4
    for run in (neurolake.run, partial(neurolake.run, lakes=1), len, 5, partial(neurolake.run, trials=1)):
        with pytest.raises(InputError):
            neurolake.sweep(run, {"seed": [1]})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="run needs cell"):
        neurolake.sweep(partial(neurolake.run, lake, trials=1), {"seed": [1]})
    with pytest.raises(InputError, match=r"nowhere\.param: cannot be read"):
        neurolake.sweep(stepped(lake, model), {"cell": ["nowhere.param"]})
    assert lake.head.commit.id == head


def test_grids_and_tables(tmp_path: Path) -> None:
    grid = {"a": [1, 2], "b": ["x", [0.5]]}
    expected = [{"a": 1, "b": "x"}, {"a": 1, "b": [0.5]}, {"a": 2, "b": "x"}, {"a": 2, "b": [0.5]}]
    assert combinations(grid) == combinations(expected) == expected
    assert combinations(pd.DataFrame({"a": [1.5, np.nan], "b": ["x", "y"]})) == [
        {"a": 1.5, "b": "x"},
        {"b": "y"},
    ]
    (tmp_path / "t.csv").write_text('a,b\n1,x\n,"[0.5]"\n')
    (tmp_path / "t.yaml").write_text("a: [1, 2]\nb: [x, [0.5]]\n")
    assert combinations(tmp_path / "t.csv") == [{"a": 1, "b": "x"}, {"b": [0.5]}]
    assert combinations(str(tmp_path / "t.yaml")) == expected
    (tmp_path / "bad.csv").write_text("a,b\n1\n")
    (tmp_path / "bad.yaml").write_text("a: [1\n")
    (tmp_path / "text.yaml").write_text("a\n")
    for name, said in {
        "bad.csv": "bad.csv:2: 1 values",
        "bad.yaml": "bad.yaml:2: ",
        "text.yaml": "a grid",
        "none.csv": "No such",
        "t.txt": "one of .csv",
    }.items():
        with pytest.raises(IngestError, match=said):
            combinations(tmp_path / name)
    for bad in ({}, [], {"a": []}, {"a": "text"}, {"a": 1}, {1: [2]}, 5, [1], {"a": [{1, 2}]}):
        with pytest.raises(InputError):
            combinations(bad)


def test_the_command(model: DemoModel, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    given = [f"cell={model.cell}", "trials=1", "t_stop=5", f"functions={json.dumps(STEP)}"]
    options = [word for text in given for word in ("--with", text)]
    over = ["--over", "seed=0:2", "--over", "functions.soma_current_injection.amplitude=0.1,0.2"]
    asks = ["--result", f"spikes={RATE}"]
    command = [
        "sweep",
        "run",
        *options,
        *over,
        *asks,
        "--lake",
        str(lake),
        "--processes",
        "1",
        "--name",
        "fi",
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "Simulated 4 combinations of fi" in done.output and "amplitude" in done.output.splitlines()[0]
    again = CliRunner().invoke(app, [*command, "--json"])
    assert again.exit_code == 0 and json.loads(again.output)["unchanged"] == 4
    for wrong, said in (
        (["sweep", "walk", *over], "can be swept is run"),
        (["sweep", "run", *options], "--over"),
    ):
        bad = CliRunner().invoke(app, [*wrong, "--lake", str(lake)])
        assert isinstance(bad.exception, InputError) and said in str(bad.exception)


def test_a_run_with_other_values(lake: Any, model: DemoModel) -> None:
    done = neurolake.run(
        lake,
        model.cell,
        trials=1,
        t_stop=5.0,
        name="one",
        seed=1,
        processes=1,
        values={"neuron.Soma.properties.Ra": 77.0},
    )
    assert not done.failures
    ((value,),) = lake.sql(
        "select number from parameters where path = 'neuron.Soma.properties.Ra'"
    ).fetchall()
    assert value == 77.0
    with pytest.raises(InputError, match="did you mean"):
        neurolake.run(lake, model.cell, trials=1, values={"neuron.Soma.propertys.Ra": 77.0})
