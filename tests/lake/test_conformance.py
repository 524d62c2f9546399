"""A part of xarray's own tests, run on lakes as `make conformance` runs them all, and the runner that judges them."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "conformance"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(FOLDER / "run.py"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_what_xarray_writes_is_read_from_a_commit() -> None:
    done = run("xarray", "-k", "TestCommit and 3 and not mask_and_scale")
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {
        word: int(count)
        for count, word in (part.split() for part in done.stdout.rpartition(": ")[2].split(","))
    }
    assert counts["pass"] > 100 and counts.keys() <= {"pass", "skip", "xfail"}


def test_what_fails_without_an_explanation_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    import run as runner

    told: list[Any] = tomllib.loads((FOLDER / "explained.toml").read_text())["xarray"]["explained"]
    explained = [runner.Explanation(tuple(one["tests"]), one["reason"]) for one in told]
    pickling, files = (one.tests[0].replace("*", "3") for one in explained)
    ended = {pickling: ("failed", "TypeError"), files: ("passed", ""), "other": ("failed", "ValueError: 7")}
    options = {"each": False, "whole": True}
    assert runner.judged("xarray", ended, explained, **options) == [
        *("xarray: other: ValueError: 7", f"xarray: {files} passes: explain it no more"),
        f"xarray: no test fails as explained: {explained[1].tests[0]}",
    ]
    random = [runner.Explanation(("prop::*",), "why", "half")]
    assert (
        runner.judged(
            "xarray", {"prop::a": ("failed", "half a"), "prop::b": ("passed", "")}, random, **options
        )
        == []
    )
    assert len(runner.judged("xarray", {"prop::a": ("failed", "whole")}, random, **options)) == 1
