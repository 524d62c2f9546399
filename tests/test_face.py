"""What `import neurolake` offers, and what it costs."""

import subprocess
import sys

import pytest

import neurolake as nl


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
