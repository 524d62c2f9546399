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


def test_zarr_and_xarray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs/zarr.md").read_text(), re.MULTILINE | re.DOTALL
    )
    names: dict[str, object] = {}
    exec(compile(block, "docs/zarr.md", "exec"), names)
    now, before, array = (names[name] for name in ("now", "before", "array"))
    assert now.trial.values.tolist() == [0, 1, 2, 3, 4, 5]  # type: ignore[attr-defined]
    assert now.voltage.sum("time").values.tolist() == [0, 0, 0, 0, 0, 100]  # type: ignore[attr-defined]
    assert before.sizes["trial"] == 4 and array.shape == (6, 100)  # type: ignore[attr-defined]
