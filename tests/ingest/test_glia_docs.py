"""docs/ngv.md: the commands and the code of its chapter on building run as they stand."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from neurolake.ingest.glia.example import write_example_ngv
from neurolake.ingest.glia.manifest import manifest_of
from neurolake.ingest.glia.stages import STAGES

GUIDE = (Path(__file__).parents[2] / "docs" / "ngv.md").read_text(encoding="utf-8")
BUILT = GUIDE.split("\n## Built\n")[1].split("\n## ")[0]


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", BUILT, re.MULTILINE | re.DOTALL)


def test_commands_and_code_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (commands,), (code,) = blocks("console"), blocks("python")
    for line in commands.splitlines():
        words = shlex.split(line)
        # As few cells as make a circuit: the page's own take a quarter of a minute.
        fewer = ["--astrocytes", "25"] if words[2] == "ngv-example" else []
        done = subprocess.run(
            [sys.executable, "-m", *words, *fewer], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "docs/ngv.md", "exec"), names)
    assert names["built"].commit is None  # type: ignore[attr-defined]


def test_all_keys_and_stages_are_described(tmp_path: Path) -> None:
    found = manifest_of(write_example_ngv(tmp_path / "files", 10), {}, neurons=True)
    assert not found.problems
    keys = {str(part) for place in found.configuration.places for part in place if isinstance(part, str)}
    assert {key for key in keys if key not in BUILT} == set()
    assert {stage for stage in STAGES if f"| `{stage}` |" not in BUILT} == set()
