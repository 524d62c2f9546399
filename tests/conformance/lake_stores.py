"""A pytest plugin: the stores of transactions on new lakes stand in for zarr-python's own.

The suites make their stores by name (`zarr.storage.MemoryStore()`), by zarr-python's fixture (`parse_store`) or by a
path. All of these give a store of a lake here. The plugin also writes down how each test ended, for `run.py`.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pytest
import zarr.storage
from zarr.core.buffer import Buffer

from neurolake.lake import Lake, Transaction
from neurolake.lake.data.zarrstore import ZarrStore

OUTCOMES = "CONFORMANCE_OUTCOMES"

_SCRATCH = tempfile.TemporaryDirectory(prefix="neurolake-conformance-")
_TRANSACTIONS: dict[int, Transaction] = {}
_BY_PATH: dict[Path, "LakeStore"] = {}
_outcomes: dict[str, tuple[str, str]] = {}


class LakeStore(ZarrStore):
    """The store of a transaction on a lake of its own; made as a `MemoryStore` or a `LocalStore` is."""

    def __init__(
        self,
        store_dict: Any = None,
        tree: Any = None,
        writer: Any = None,
        *,
        origin: Any = None,
        read_only: bool = False,
    ) -> None:
        if tree is not None:
            super().__init__(store_dict, tree, writer, origin=origin, read_only=read_only)
            return
        folder = Path(tempfile.mkdtemp(dir=_SCRATCH.name))
        transaction = Lake.create(folder / "lake", durable=False).transaction("conformance")
        made = transaction.store
        _TRANSACTIONS[id(made.tree)] = transaction
        super().__init__(made.objects, made.tree, made.writer, read_only=read_only)
        content: Mapping[str, Buffer] = store_dict or {}
        for key, value in content.items():
            made.set_sync(key, value)

    async def set(self, key: str, value: Buffer, byte_range: None = None) -> None:
        """As of `MemoryStore`, whose `set` takes a range that it does nothing with."""
        assert byte_range is None
        await super().set(key, value)

    @classmethod
    async def open(
        cls, root: Path | None = None, *, store_dict: Any = None, read_only: bool = False, **_: Any
    ) -> Self:
        """As the two of zarr-python are opened; what was written to a path is there again."""
        if root is None:
            store = cls(store_dict, read_only=read_only)
        else:
            kept = _BY_PATH.setdefault(Path(root), cls())
            store = kept.with_read_only(read_only)
        await store._open()
        return store


def committed(store: ZarrStore) -> ZarrStore:
    """The snapshot that holds what was written into *store*."""
    transaction = _TRANSACTIONS[id(store.tree)]
    transaction.commit()
    return ZarrStore.of(transaction._history, transaction.tip)


# zarr-python itself goes on with its own: it imports them from the modules where they are defined.
zarr.storage.MemoryStore = LakeStore  # type: ignore[assignment,misc]


def pytest_plugin_registered(plugin: object) -> None:
    """Make the fixtures of zarr-python's suite stores of lakes."""
    parse_store = getattr(plugin, "parse_store", None)
    if parse_store is None:
        return

    async def of_lake(store: str, path: str) -> Any:
        return LakeStore() if store in ("memory", "local") else await parse_store(store, path)

    plugin.parse_store = of_lake  # type: ignore[attr-defined]


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark by which xarray's suite leaves out combinations of parameters."""
    config.addinivalue_line(
        "markers", "skip_if_param(reason, condition, **values): leave out these parameters"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Do what that mark says."""
    for item in items:
        given = getattr(getattr(item, "callspec", None), "params", {})
        for mark in item.iter_markers("skip_if_param"):
            wanted = {
                name: value for name, value in mark.kwargs.items() if name not in ("reason", "condition")
            }
            if mark.kwargs.get("condition", True) and all(given.get(n) == v for n, v in wanted.items()):
                item.add_marker(pytest.mark.skip(reason=mark.kwargs["reason"]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst that happened to a test: in setting up, in itself, or in clearing away."""
    if report.when == "call" or report.outcome != "passed":
        outcome = "xfailed" if hasattr(report, "wasxfail") and report.skipped else report.outcome
        lines = str(report.longrepr).strip().splitlines() if report.failed else []
        errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E ")]
        _outcomes[report.nodeid] = (outcome, (errors or lines or [""])[-1 if not errors else 0])


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot be read is a failure."""
    if report.failed:
        _outcomes[report.nodeid] = ("failed", str(report.longrepr).strip().splitlines()[-1])


def pytest_unconfigure() -> None:
    """Write down how each test ended, and remove the lakes."""
    if OUTCOMES in os.environ:
        Path(os.environ[OUTCOMES]).write_text(json.dumps(_outcomes))
    _SCRATCH.cleanup()
