"""Examples in docstrings hold."""

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import neurolake

ROOMS = {"lake", "kernels", "ingest", "query", "catalog", "mechanisms"}


def modules() -> list[str]:
    found = pkgutil.walk_packages(neurolake.__path__, "neurolake.")
    return sorted(info.name for info in found if info.name.split(".")[1] in ROOMS)


@pytest.mark.parametrize("name", modules())
def test_examples(name: str) -> None:
    module: ModuleType = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
