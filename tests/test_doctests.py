"""Examples in docstrings hold."""

import doctest
import importlib
import pkgutil

import neurolake

ROOMS = {"lake", "kernels", "ingest", "query", "catalog", "mechanisms"}


def test_examples() -> None:
    found = pkgutil.walk_packages(neurolake.__path__, "neurolake.")
    names = sorted(info.name for info in found if info.name.split(".")[1] in ROOMS)
    results = {name: doctest.testmod(importlib.import_module(name)) for name in names}
    assert [name for name, result in results.items() if result.failed] == []
    assert sum(result.attempted for result in results.values()) > 5
