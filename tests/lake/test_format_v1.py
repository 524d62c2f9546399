"""A lake that the first release of version 1 of the format wrote is read for ever.

`make_format_v1` wrote it, and what it holds. As long as version 1 has not been released, it may be made anew.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lake_contents import commit, contents
from make_format_v1 import FOLDER, expected, make, no_chance, values

from neurolake.lake import Lake
from neurolake.lake.nodes.node import tree_digest


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
    return found


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_read(known: dict[str, Any]) -> None:
    before = files(FOLDER)
    lake = Lake.open(FOLDER / "lake", verification="always")
    # By their JSON: NaN is not equal to itself.
    assert json.dumps(expected(lake), sort_keys=True) == json.dumps(known, sort_keys=True)
    assert files(FOLDER) == before


def test_values(known: dict[str, Any]) -> None:
    """Some of what it holds, spelled out."""
    lake = Lake.open(FOLDER / "lake")
    assert lake["inline"] == b"hello\n" and lake["ümlaut/leer"] == b"" and lake["pulled"] == b"from elsewhere"
    assert lake["packed"] == b"side" * 200 and lake.at("v1")["packed"] == bytes(range(256)) * 3
    assert lake["sharded"][[0, 3, 289]].tolist() == [0, 1000, 289] and lake["sharded"].shape == (290,)
    assert lake["run/1/voltage"].shape == (48, 10) and lake["run/1/voltage"][0, 0] == -70
    assert lake["partly"][1:].tolist() == [1.0, float("inf"), 7.0]
    assert lake["spikes"].to_arrow()["more"].to_pylist() == [None, None, None, True]
    assert lake["rows"].to_arrow()["x"].to_pylist() == [1, 2, 2**40]
    assert type(lake.head.tree["group"].meta["attributes"]["real"]) is float
    assert [record.message for record in lake.log()][-1] == "Create the lake"
    assert known["values"]["inline"] == {"hex": b"hello\n".hex()}


def test_what_it_shows() -> None:
    """Everything that the format has, but what needs megabytes or time."""
    lake = Lake.open(FOLDER / "lake")
    nodes = [node for record in lake.log() for node in lake.at(record.id).tree.values()]
    entries = [entry for node in nodes for _, entry in node.entries.items()]
    assert {node.kind for node in nodes} == {"array", "group", "table", "file"}
    assert {
        "inline" if e.place.inline is not None else "pack" if e.place.pack else "alone" for e in entries
    } == {
        "inline",
        "pack",
        "alone",
    }
    overlays = [node.entries for node in nodes if node.entries.shards]
    assert any(None in each.overlay.values() for each in overlays) and any(not e.overlay for e in overlays)
    depths = {record.depth for record in lake.log()}
    assert 0 in depths and max(depths) > 2 and any(len(record.parents) == 2 for record in lake.log())
    assert sum(record.depth == 0 for record in lake.log()) > 1
    assert {"evolved"} <= {key for node in nodes if node.kind == "table" for key in node.meta}
    assert sorted(lake.branches) == ["main", "side"] and list(lake.tags) == ["v1"]


def test_verify_and_go_on(tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "lake", tmp_path / "lake")
    lake = Lake.open(tmp_path / "lake")
    assert not lake.verify().damages
    before = contents(lake.head)
    record = commit(
        lake, lambda tx: (tx.put_file("new", b"new"), tx.append_array("noise", np.array([1, 2], "u1")))
    )
    after = contents(Lake.open(tmp_path / "lake").head)
    assert after["new"] == b"new" and after["noise"] == [*before["noise"], 1, 2]
    assert tree_digest(lake.head.tree) == record.snapshot
    assert len(lake.log()) == len(Lake.open(FOLDER / "lake").log()) + 1


def test_written_again(tmp_path: Path) -> None:
    """Today's writer makes the same content of the same steps; Parquet files may be other bytes."""
    with no_chance():
        lake = make(tmp_path / "lake", tmp_path / "other")
    made, kept = values(lake, "main"), values(Lake.open(FOLDER / "lake"), "main")
    assert json.dumps(made, sort_keys=True) == json.dumps(kept, sort_keys=True)
