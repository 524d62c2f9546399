"""The commands and code of the README, the tour and the first chapters of others run as they are printed, after one demo."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from printed import blocks, run_commands

import neurolake as nl
from neurolake.query.derive import kernels

ROOT = Path(__file__).parents[1]
README, TOUR, PERFORMANCE = (
    (ROOT / name).read_text() for name in ("README.md", "docs/tour.md", "docs/performance.md")
)


@pytest.fixture(autouse=True)
def kernels_of_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that documents register are forgotten: other tests have some of the same names."""
    monkeypatch.setattr(kernels, "_VERSIONED", {**kernels._VERSIONED})
    monkeypatch.setattr(kernels, "_OTHERS", [*kernels._OTHERS])


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    # As `make demo` runs it; two processes take longer to start than these trials.
    command = [sys.executable, "-m", "neurolake", "demo", "demo", "--trials", "2", "--processes", "1"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def test_the_demo_draws_its_figure(demo_folder: Path) -> None:
    assert (demo_folder / "demo" / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_a_kernel_of_yours(demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(demo_folder / "demo" / "lake", tmp_path / "demo" / "lake")
    monkeypatch.chdir(tmp_path)
    (block,) = blocks((ROOT / "docs/extending.md").read_text(), "python")
    names: dict[str, object] = {"__name__": "guide"}
    exec(compile(block, "docs/extending.md", "exec"), names)
    result, again, lake = (names[name] for name in ("result", "again", "lake"))
    assert result.path == again.path  # type: ignore[attr-defined]
    voltage = lake["voltage/soma"][...]  # type: ignore[index]
    highest = voltage.max(axis=1)
    np.testing.assert_array_equal(result[...], np.where(highest >= -30, highest, np.nan))  # type: ignore[index]


def test_the_commands_run(demo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo_folder)
    run_commands(blocks(TOUR, "sh"))


def test_the_code_runs(demo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo_folder)
    names: dict[str, object] = {}
    for block in blocks(TOUR, "python"):
        exec(compile(block, "docs/tour.md", "exec"), names)
    assert names["yesterday"]


def test_the_ten_lines_of_use_run(demo_folder: Path) -> None:
    code = "\n".join(blocks(README, "python"))
    subprocess.run([sys.executable, "-c", code], cwd=demo_folder, check=True, capture_output=True)
    lake = nl.open(demo_folder / "my-lake")
    assert lake.sql("select count(*) from trials where run = 'mine'").df().iloc[0, 0] == 1
    assert len(lake.derived()) == 1


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) <= 90
    for page, folder in ((README, ROOT), (TOUR, ROOT / "docs"), (PERFORMANCE, ROOT / "docs")):
        for link in re.findall(r"\]\(([^)#:]+)\)", page):
            assert (folder / link).exists(), link


def test_make_targets_named_there_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z-]+)", README + TOUR + PERFORMANCE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_extras_named_are_those_that_there_are() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r"^\| `\[([a-z0-9]+)\]` \|", README, re.MULTILINE)
    assert sorted(named) == sorted(extras.keys() - {"all", "bench", "dev"})
    [everything] = extras["all"]
    assert everything == f"neurolake[{','.join(sorted(named))}]"
    code = "".join(
        file.read_text() for room in ("lake", "ingest", "query") for file in (ROOT / room).rglob("*.py")
    )
    assert set(re.findall(r'needed\("[^"]+", "([a-z0-9]+)"\)', code)) == set(named)
