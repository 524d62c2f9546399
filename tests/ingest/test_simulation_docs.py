"""The examples of docs/simulation.md run as they stand."""

from pathlib import Path

import pytest
from nerves import delete_all_sections
from printed import blocks, run_commands

TEXT = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text()


def test_they_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    delete_all_sections()
    monkeypatch.chdir(tmp_path)
    # Processes take longer to start than these trials, which need not be long.
    more = {
        "demo": ["--processes", "1"],
        "run": ["--processes", "1", "--tstop", "60"],
        "rerun": ["--processes", "1"],
    }
    run_commands(blocks(TEXT, "sh"), lambda words: more.get(words[0], []))
    names: dict[str, object] = {}
    for block in blocks(TEXT, "python"):
        exec(compile(block, "simulation.md", "exec"), names)
    assert names["done"].trials == 1
    delete_all_sections()
