"""Writes ``tests/data/format-v1``: a small lake with everything that version 1 of the format has, and what it holds.

``python tests/helpers/make_format_v1.py`` makes it anew. Once version 1 is out, it is read for ever and never
written again.
"""

import contextlib
import itertools
import json
import math
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import zarr
from lake_contents import contents

from neurolake.lake import Lake, Transaction
from neurolake.lake.digest import canonical_json, digest_of
from neurolake.lake.history.log import Commit
from neurolake.lake.storage.local import LocalStorage

FOLDER = Path(__file__).parents[1] / "data" / "format-v1"
RAW = {"name": "zstd", "configuration": {"level": 0, "checksum": True}}


@contextlib.contextmanager
def no_chance() -> Iterator[None]:
    """The same clock, ids and provenance every time, wherever this runs."""
    ticks, numbers = itertools.count(), itertools.count()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 11, 20, 12, tzinfo=UTC) + timedelta(minutes=next(ticks))

    def provenance(notes: Any) -> dict[str, Any]:
        return {
            "neurolake": "0.1.0",
            "python": "3.11",
            "host": "example",
            "code": None,
            **({"notes": dict(notes)} if notes else {}),
        }

    with contextlib.ExitStack() as stack:
        for module in ("core", "history.log", "transaction"):
            stack.enter_context(patch(f"neurolake.lake.{module}.datetime", Clock))
            stack.enter_context(patch(f"neurolake.lake.{module}.new_uuid", lambda: f"{next(numbers):032x}"))
        for module in ("core", "transaction"):
            stack.enter_context(patch(f"neurolake.lake.{module}.provenance", provenance))
        elsewhere = SimpleNamespace(uuid4=lambda: UUID(int=next(numbers)))
        stack.enter_context(patch("neurolake.lake.upkeep.transfer.uuid", elsewhere))
        stack.enter_context(patch("neurolake.lake.core.default_author", lambda: "Ada"))
        yield


def everything(tx: Transaction) -> None:
    """Nodes of each kind; objects inline, in a pack and in files of their own; shards."""
    tx.write_array(
        "run/1/voltage",
        np.linspace(-70, 30, 400, dtype="f4").reshape(40, 10),
        chunks=(16, 10),
        dimension_names=["time", "site"],
        attributes={"unit": "mV"},
    )
    tx.write_array(
        "noise", np.random.default_rng(1).integers(0, 255, 700, dtype="u1"), chunks=(700,), codec=RAW
    )
    tx.write_array("number", np.array(1.5))
    tx.write_array("partly", np.array([math.nan, 1.0, math.inf, -0.0]), chunks=(2,))
    tx.write_array("sharded", np.arange(300, dtype="u2"), chunks=(1,))
    zarr.create_group(
        tx.store, path="group", attributes={"integer": 1, "real": 1.0, "list": [True, None, "ü"]}
    )
    tx.write_table(
        "spikes",
        pa.table({"cell": [1, 1, 2], "time": [0.5, 1.5, None], "label": ["a", None, "ü"]}),
        doc="One spike",
        sorted_by=["cell"],
        attributes={"unit": "ms"},
    )
    tx.write_table("rows", pa.table({"x": pa.array([1, 2], pa.int32())}))
    tx.put_file("inline", b"hello\n", attributes={"nan": math.nan, "large": 10**30})
    tx.put_file("packed", bytes(range(256)) * 3)
    tx.put_file("ümlaut/leer", b"")


def later(tx: Transaction) -> None:
    """Overlays, removed positions, a table that grew columns."""
    tx.append_array("run/1/voltage", np.zeros((8, 10), "f4"))
    tx.array("sharded")[[3, 299]] = 1000
    tx.array("sharded").resize(290)
    tx.append_table("spikes", pa.table({"cell": [3], "time": [2.0], "label": ["b"], "more": [True]}))
    tx.delete("number")


def aside(tx: Transaction) -> None:
    """What another branch does meanwhile."""
    tx.append_table("rows", pa.table({"x": pa.array([2**40], pa.int64())}))
    tx.put_file("packed", b"side" * 200)
    tx.array("partly")[3] = 7.0


def change(lake: Lake, edit: Any, message: str, branch: str = "main") -> Commit:
    with lake.transaction(message, branch=branch, notes={"step": message}) as tx:
        edit(tx)
    assert tx.committed is not None
    return tx.committed


def make(root: Path, other: Path) -> Lake:
    """The lake, at *root*; *other* becomes a copy that goes on by itself, and is pulled from."""
    lake = Lake.create(root)
    first = change(lake, everything, "everything")
    lake.branches.create("side", first.id)
    lake.branches.create("gone")
    change(lake, aside, "aside", "side")
    change(lake, later, "later")
    lake.tags.create("v1", "main")
    lake.merge("side")
    lake.compact()
    change(lake, lambda tx: tx.delete_rows("rows", pds.field("x") == 2), "delete rows")
    picked = change(lake, lambda tx: tx.put_file("picked", b"!"), "to be picked", "side")
    lake.cherry_pick(picked.id)
    lake.revert("main~1")
    lake.branches.delete("gone")
    copy = lake.copy_to(other)
    change(copy, lambda tx: tx.put_file("pulled", b"from elsewhere"), "elsewhere")
    # Commits say where they came from.
    with patch.object(LocalStorage, "url", "file:///elsewhere"):
        lake.pull(copy)
    lake.branches.move("side", "v1", force=True)
    return lake


def plain(value: Any) -> Any:
    """*value* as JSON can say it."""
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def values(lake: Lake, ref: str) -> dict[str, Any]:
    """All that a commit holds, by name."""
    return {name: plain(value) for name, value in contents(lake.at(ref)).items()}


def expected(lake: Lake) -> dict[str, Any]:
    """What the lake holds, in JSON."""
    refs = {f"branch {name}": record for name, record in lake.branches.items()}
    refs |= {f"tag {name}": record for name, record in lake.tags.items()}
    commits = {record.id: record for tip in refs.values() for record in lake.log(tip.id)}
    return {
        "refs": {name: record.id for name, record in refs.items()},
        "logs": {name: [each.id for each in lake.log(record.id)] for name, record in refs.items()},
        "reflog of gone": [each.message for each in lake.branches.reflog("gone")],
        "commits": {
            record.id: {
                "snapshot": record.snapshot,
                "message": record.message,
                "time": record.time.isoformat(),
                "nodes": {name: node.digest for name, node in lake.at(record.id).tree.items()},
                "values": digest_of(canonical_json(values(lake, record.id))),
            }
            for record in commits.values()
        },
        "values": values(lake, "main"),
    }


def main() -> None:
    """Write the lake, and beside it what it holds."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder, no_chance():
        lake = make(FOLDER / "lake", Path(folder) / "other")
    text = json.dumps(expected(Lake.open(lake.url)), ensure_ascii=False, sort_keys=True)
    (FOLDER / "expected.json").write_text(text + "\n", encoding="utf-8")
    shutil.rmtree(FOLDER / "lake" / "tmp", ignore_errors=True)


if __name__ == "__main__":
    main()
