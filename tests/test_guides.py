"""Code in the guides runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def test_a_kernel_of_yours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "neurolake", "demo", "demo", "--trials", "2"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.chdir(tmp_path)
    guide = (ROOT / "docs/extending.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {"__name__": "guide"}
    exec(compile(block, "docs/extending.md", "exec"), names)
    result, again, lake = (names[name] for name in ("result", "again", "lake"))
    assert result.path == again.path  # type: ignore[attr-defined]
    voltage = lake["voltage/soma"][...]  # type: ignore[index]
    highest = voltage.max(axis=1)
    np.testing.assert_array_equal(result[...], np.where(highest >= -30, highest, np.nan))  # type: ignore[index]
