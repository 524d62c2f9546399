"""Code in the guides runs as it stands."""

import re
import shutil
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


def test_neuroh5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block of the guide, on a small network that is made here."""
    pytest.importorskip("h5py")
    from neuroh5_files import contents, read_network, write_network

    import neurolake as nl

    monkeypatch.chdir(tmp_path)
    Path("files").mkdir()
    files = write_network(Path("files"))
    page = (ROOT / "docs/neuroh5.md").read_text()

    def blocks(language: str) -> list[str]:
        return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)

    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "docs/neuroh5.md", "exec"), names)
    assert contents(Path("copy/cells.h5")) == contents(files[2])
    (sql,), (shell,), lake = blocks("sql"), blocks("sh"), nl.open("my-lake")
    counts = [lake.sql(query).fetchall() for query in sql.split(";") if query.strip()]
    edges = read_network(files[3])["edges"]["STIM", "PYR"]
    assert counts[2] == [(sum(edge["source"] == 3 for edge in edges),)]
    assert sum(count for _, _, count in counts[0]) == 15 and sum(count for _, count in counts[3]) == 5
    for folder in ("copy", "my-lake"):
        shutil.rmtree(folder)
    for name in ("cells.h5", "connections.h5"):
        shutil.copy(f"files/{name}", name)
    for command in shell.strip().splitlines():
        run = [sys.executable, "-m", *command.split()]
        subprocess.run(run, check=True, capture_output=True)
    assert {path.name for path in Path("copy").iterdir()} == {path.name for path in files}
    assert {"cells.h5", "connections.h5", "results.h5"} <= {path.name for path in Path("collapsed").iterdir()}
