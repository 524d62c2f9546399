"""The commands and code of the README and the tour run as they are printed."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import neurolake as nl

ROOT = Path(__file__).parents[1]
README, TOUR, PERFORMANCE = (
    (ROOT / name).read_text() for name in ("README.md", "docs/tour.md", "docs/performance.md")
)


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    command = [sys.executable, "-m", "neurolake", "demo", "demo", "--trials", "2"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def test_the_demo_draws_its_figure(demo_folder: Path) -> None:
    assert (demo_folder / "demo" / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_the_commands_run(demo_folder: Path) -> None:
    lines = [line for block in blocks(TOUR, "sh") for line in block.splitlines() if line]
    assert lines
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "neurolake"
        done = subprocess.run(
            [sys.executable, "-m", program, *arguments],
            check=False,
            cwd=demo_folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"


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
