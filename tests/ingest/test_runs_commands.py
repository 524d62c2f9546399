"""The commands run and rerun, as a user meets them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from nerves import delete_all_sections
from typer.testing import CliRunner, Result

import neurolake
from neurolake.cli import app
from neurolake.ingest.demo import DemoModel, write_demo_model
from neurolake.lake.errors import InputError
from neurolake.mechanisms.trial.simulation import Simulation


@pytest.fixture(scope="module", autouse=True)
def alone() -> None:
    delete_all_sections()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DemoModel:
    return write_demo_model(tmp_path_factory.mktemp("model"))


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_arguments(model: DemoModel, lake: Path, trials: int, *more: Any) -> list[Any]:
    files = ["--cell", model.cell, "--network", model.networks["B1"]]
    return ["run", *files, "--trials", trials, "--tstop", 10, "--seed", 4, "--lake", lake, *more]


def test_run_and_rerun(model: DemoModel, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    done = invoke(
        *run_arguments(model, lake, 2, "--processes", 1, "--record", "all-segments:v", "--dt-record", 1)
    )
    assert done.exit_code == 0, done.output
    assert "Simulated 2 trials of stim_B1/seed4" in done.output
    weak = "--modify", 'scale_weights={"factor": 0.5}'
    again = invoke("rerun", "--lake", lake, "--name", "weak", *weak, "--processes", 1)
    assert again.exit_code == 0, again.output
    assert "Simulated 2 trials of weak/stim_B1/seed4" in again.output
    head = neurolake.open(lake).head
    assert head.arrays["reports/stim_B1/seed4/000001/v"].shape[0] == 11
    settings = head.tables["simulations"].to_pandas().set_index("run").settings["weak/stim_B1/seed4"]
    assert json.loads(settings)["modify"] == [["scale_weights", {"factor": 0.5}]]


def test_a_failed_trial_has_an_exit_code(
    model: DemoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Simulation, seed: int, number: int, **more: Any) -> Any:
        raise RuntimeError("no more")

    monkeypatch.setattr(Simulation, "trial", fail)
    done = invoke(*run_arguments(model, tmp_path / "lake", 1, "--processes", 1))
    assert done.exit_code == 3
    assert "trial 0 (seed 4) failed: RuntimeError: no more" in done.output


@pytest.mark.parametrize("text", ["scale_weights={", "scale_weights=[1]"])
def test_a_modification_that_is_no_json(tmp_path: Path, text: str) -> None:
    neurolake.create(tmp_path / "lake")
    done = invoke("rerun", "--lake", tmp_path / "lake", "--name", "x", "--modify", text)
    assert isinstance(done.exception, InputError) and "write FUNCTION=JSON" in str(done.exception)


def test_an_interrupt_keeps_trials_and_says_how_to_go_on(model: DemoModel, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    command = [sys.executable, "-m", "neurolake", *map(str, run_arguments(model, lake, 500))]
    # As from a terminal: the interrupt goes to the whole group of processes.
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    deadline = time.monotonic() + 120
    while not trials(lake) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    kept = trials(lake)
    assert f"{kept} finished trials of stim_B1/seed4 are kept" in told
    assert 32 <= kept < 500
    assert neurolake.open(lake).verify()


def trials(lake: Path) -> int:
    try:
        tables = neurolake.open(lake).head.tables
    except neurolake.NotFoundError:
        return 0
    return tables["trials"].rows if "trials" in tables else 0
