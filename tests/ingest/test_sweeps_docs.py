"""The examples of docs/sweeps.md run as they stand."""

from pathlib import Path
from typing import Any

import pytest
from nerves import delete_all_sections
from printed import blocks, run_commands

from neurolake.ingest.demo import write_demo_model

TEXT = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text()


def test_they_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    delete_all_sections()
    monkeypatch.chdir(tmp_path)
    write_demo_model(tmp_path / "demo" / "model")
    names: dict[str, Any] = {}
    for block in blocks(TEXT, "python"):
        exec(compile(block, "sweeps.md", "exec"), names)
    table = names["table"]
    assert len(table) == 4 and (table.spikes > 0).tolist() == [False, False, True, True]
    # Processes take longer to start than these trials.
    told = run_commands(blocks(TEXT, "sh"), lambda words: ["--processes", "1"] if words[0] == "sweep" else [])
    assert all("seeds/" in output for output in told)
    delete_all_sections()
