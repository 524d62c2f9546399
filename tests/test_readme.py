"""The README's commands and code run as they stand."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    command = [sys.executable, "-m", "neurolake", "demo", "demo", "--trials", "2"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def test_the_demo_draws_its_figure(demo_folder: Path) -> None:
    assert (demo_folder / "demo" / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_the_commands_run(demo_folder: Path) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line]
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
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert names["yesterday"]


def test_make_targets_named_there_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
