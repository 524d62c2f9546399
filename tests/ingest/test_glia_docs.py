"""docs/ngv.md: the commands and the code of its chapter on building run as they stand."""

from pathlib import Path

import pytest
from printed import blocks, run_commands

from neurolake.ingest.glia.example import write_example_ngv
from neurolake.ingest.glia.manifest import manifest_of
from neurolake.ingest.glia.stages import STAGES

GUIDE = (Path(__file__).parents[2] / "docs" / "ngv.md").read_text(encoding="utf-8")
BUILT = GUIDE.split("\n## Built\n")[1].split("\n## ")[0]


def test_commands_and_code_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (commands,), (code,) = blocks(BUILT, "console"), blocks(BUILT, "python")
    monkeypatch.chdir(tmp_path)
    # As few cells as make a circuit: the page's own take a quarter of a minute.
    run_commands([commands], lambda words: ["--astrocytes", "25"] if words[1] == "ngv-example" else [])
    names: dict[str, object] = {}
    exec(compile(code, "docs/ngv.md", "exec"), names)
    assert names["built"].commit is None  # type: ignore[attr-defined]


def test_all_keys_and_stages_are_described(tmp_path: Path) -> None:
    found = manifest_of(write_example_ngv(tmp_path / "files", 10), {}, neurons=True)
    assert not found.problems
    keys = {str(part) for place in found.configuration.places for part in place if isinstance(part, str)}
    assert {key for key in keys if key not in BUILT} == set()
    assert {stage for stage in STAGES if f"| `{stage}` |" not in BUILT} == set()
