"""What `import neurolake` offers, and what it costs."""

import importlib
import subprocess
import sys

import pytest

import neurolake as nl
from neurolake.lake.moved import MOVED


@pytest.mark.parametrize("name", nl.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(nl, name).__doc__


def test_no_other_name_is() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'sing'"):
        _ = nl.sing


def test_importing_it_brings_nothing_heavy() -> None:
    code = "import sys, neurolake; print(*sorted({'numba', 'duckdb', 'zarr', 'dask', 'neuron', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "\n"


def test_old_import_paths_warn_and_work() -> None:
    for old, new in MOVED.items():
        with pytest.warns(FutureWarning, match=f"neurolake.{old} has become neurolake.{new}"):
            module = importlib.import_module(f"neurolake.{old}")
        known = vars(importlib.import_module(f"neurolake.{new}"))
        assert {
            name
            for name, value in known.items()
            if not name.startswith("__") and getattr(module, name) is not value
        } == set()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("neurolake.ingest.sung")
