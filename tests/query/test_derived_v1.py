"""Derived results of a lake from before the rooms had wings are found and refreshed for ever."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from make_derived_v1 import FOLDER, SPIKES, value_of

import neurolake
from neurolake.query.derive import builtin, kernels
from neurolake.query.trials.spikes import psth


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    shutil.copytree(FOLDER / "lake", tmp_path / "lake")
    return neurolake.open(tmp_path / "lake")


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
    return found


def test_every_result_is_refreshed(lake: Any, known: dict[str, Any]) -> None:
    before = {made.kernel: made for made in lake.derived()}
    assert {kernel: made.origin.function for kernel, made in before.items()} == {
        kernel: said["function"] for kernel, said in known.items()
    }
    assert all(made.stale for made in before.values())
    refreshed = lake.refresh()
    assert refreshed.left == {}
    assert refreshed.done == {said["name"]: said["becomes"] for said in known.values()}
    assert not any(made.stale for made in lake.derived())
    assert {kernel: value_of(lake.head, said["becomes"]) for kernel, said in known.items()} == {
        kernel: said["values"] for kernel, said in known.items()
    }


def test_a_new_process_finds_every_kernel(lake: Any, known: dict[str, Any]) -> None:
    # Most kernels are imported here already; a new process needs the table for all.
    command = [sys.executable, "-m", "neurolake", "refresh", "--lake", lake.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {f"{said['name']} -> {said['becomes']}" for said in known.values()} <= set(
        done.stdout.splitlines()
    )


def test_results_are_found_under_their_keys(lake: Any, known: dict[str, Any]) -> None:
    lake.branches.create("old", "fresh")
    commits, found = len(lake.log("old")), lake.derived("old")
    assert {made.name for made in found} == {said["name"] for said in known.values()}
    for made in found:
        builtin.import_built_in(made.kernel, made.version)
        now = kernels.known_kernel(made.origin.identity)
        assert now is not None and now.home != made.origin.function
        lake.derive(now.function, made.origin.arguments, branch="old", **made.origin.params)
        assert len(lake.log("old")) == commits, f"{made.kernel} was computed again"
    assert lake.derive(psth, SPIKES, width=1.0, branch="old").path == known["psth"]["name"]


# A process of its own: here, other tests and doctests register kernels too.
REGISTERED = """
import pkgutil
from importlib import import_module
import neurolake.query
from neurolake.query.derive import kernels
for module in pkgutil.walk_packages(neurolake.query.__path__, "neurolake.query."):
    import_module(module.name)
for (name, version), made in kernels._VERSIONED.items():
    print(name, version, made.function.__module__.removeprefix("neurolake.query."))
"""


def test_the_table_lists_every_kernel_and_no_other() -> None:
    done = subprocess.run([sys.executable, "-c", REGISTERED], capture_output=True, text=True, check=True)
    registered = [line.split() for line in done.stdout.splitlines()]
    assert {(name, version): module for name, version, module in registered} == dict(builtin.BUILT_IN)


def test_the_old_lake_has_every_kernel_of_its_time(known: dict[str, Any]) -> None:
    assert {(kernel, said["version"]) for kernel, said in known.items()} <= builtin.BUILT_IN.keys()
