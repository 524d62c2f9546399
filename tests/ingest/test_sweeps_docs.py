"""The examples of docs/sweeps.md run as they stand."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from nerves import delete_all_sections
from typer.testing import CliRunner

from neurolake.cli import app
from neurolake.ingest.demo import write_demo_model

TEXT = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_they_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    delete_all_sections()
    monkeypatch.chdir(tmp_path)
    write_demo_model(tmp_path / "demo" / "model")
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(compile(block, "sweeps.md", "exec"), names)
    table = names["table"]
    assert len(table) == 4 and (table.spikes > 0).tolist() == [False, False, True, True]
    for line in [line for block in blocks("sh") for line in block.splitlines()]:
        program, command, *arguments = shlex.split(line)
        # Processes take longer to start than these trials.
        here = ["--processes", "1"] if command == "sweep" else []
        done = CliRunner().invoke(app, [command, *arguments, *here])
        assert (program, done.exit_code) == ("neurolake", 0), f"{line}\n{done.output}"
        assert "seeds/" in done.output
    delete_all_sections()
