"""Derived results of a lake from before the rooms had wings are found and refreshed for ever."""

import json
import pkgutil
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from make_derived_v1 import FOLDER, SPIKES, value_of

import neurolake
import neurolake.query
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


def test_a_result_is_found_under_its_key(lake: Any, known: dict[str, Any]) -> None:
    lake.branches.create("old", "fresh")
    commits = len(lake.log("old"))
    found = lake.derive(psth, SPIKES, width=1.0, branch="old")
    assert found.path == known["psth"]["name"] and len(lake.log("old")) == commits


def test_the_table_lists_every_kernel() -> None:
    for module in pkgutil.walk_packages(neurolake.query.__path__, "neurolake.query."):
        import_module(module.name)
    own = {
        key: made.function.__module__.removeprefix("neurolake.query.")
        for key, made in kernels._VERSIONED.items()
        # The example of the decorator's docstring registers its own.
        if made.function.__module__.startswith("neurolake.") and made.name != "peak"
    }
    # Kernels of older versions may stay in the table; those of today must be where it says.
    assert own.items() <= dict(builtin.BUILT_IN).items()


def test_the_old_lake_has_every_kernel_of_its_time(known: dict[str, Any]) -> None:
    assert {(kernel, said["version"]) for kernel, said in known.items()} <= builtin.BUILT_IN.keys()
