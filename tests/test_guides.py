"""Code in the guides runs as it stands."""

import shutil
from pathlib import Path

import pytest
from printed import blocks, run_commands

ROOT = Path(__file__).parents[1]


def test_zarr_and_xarray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks((ROOT / "docs/zarr.md").read_text(), "python")
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
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, "docs/neuroh5.md", "exec"), names)
    assert contents(Path("copy/cells.h5")) == contents(files[2])
    (sql,), (shell,), lake = blocks(page, "sql"), blocks(page, "sh"), nl.open("my-lake")
    counts = [lake.sql(query).fetchall() for query in sql.split(";") if query.strip()]
    edges = read_network(files[3])["edges"]["STIM", "PYR"]
    assert counts[2] == [(sum(edge["source"] == 3 for edge in edges),)]
    assert sum(count for _, _, count in counts[0]) == 15 and sum(count for _, count in counts[3]) == 5
    for folder in ("copy", "my-lake"):
        shutil.rmtree(folder)
    for name in ("cells.h5", "connections.h5"):
        shutil.copy(f"files/{name}", name)
    run_commands([shell])
    assert {path.name for path in Path("copy").iterdir()} == {path.name for path in files}
    assert {"cells.h5", "connections.h5", "results.h5"} <= {path.name for path in Path("collapsed").iterdir()}
