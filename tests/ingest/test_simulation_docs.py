"""The examples of docs/simulation.md run as they stand."""

import re
import shlex
from pathlib import Path

import pytest
from nerves import delete_all_sections
from typer.testing import CliRunner

from neurolake.cli import app

TEXT = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_they_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    delete_all_sections()
    monkeypatch.chdir(tmp_path)
    for line in [line for block in blocks("sh") for line in block.splitlines()]:
        program, command, *arguments = shlex.split(line)
        # Processes take longer to start than these trials.
        here = ["--processes", "1"] if command in ("demo", "run", "rerun") else []
        done = CliRunner().invoke(app, [command, *arguments, *here])
        assert (program, done.exit_code) == ("neurolake", 0), f"{line}\n{done.output}"
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "simulation.md", "exec"), names)
    assert names["done"].trials == 1
    delete_all_sections()
