"""The difference of two commits, node by node."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from lake_contents import Edit, commit, rows

from neurolake.lake import Lake, Transaction
from neurolake.lake.errors import NotFoundError
from neurolake.lake.nodes.entries import OVERLAY_SIZE


def build(tx: Transaction) -> None:
    tx.write_array("a", np.arange(8), chunks=(2,), attributes={"unit": "mV", "n": 1})
    tx.write_array("large", np.arange(OVERLAY_SIZE + 1), chunks=(1,))
    tx.write_array("number", np.array(1.5))
    tx.write_table("t", rows(1, 2), attributes={"unit": "ms"})
    tx.append_table("t", rows(3))
    tx.put_file("f", b"f", attributes={"n": 1})


@pytest.fixture
def built(lake: Lake) -> Lake:
    commit(lake, build)
    return lake


def describe(tx: Transaction, **attributes: Any) -> None:
    tx.array("a").attrs.update(attributes)


EDITS: Mapping[str, tuple[Edit, list[dict[str, Any]]]] = {
    "file added": (
        lambda tx: tx.put_file("n", b""),
        [{"name": "n", "kind": "file", "change": "added"}],
    ),
    "table added": (
        lambda tx: tx.write_table("n", rows(1, 2)),
        [{"name": "n", "kind": "table", "change": "added", "rows_added": 2}],
    ),
    "array added": (
        lambda tx: tx.write_array("n", [1, 2, 3], chunks=(2,)),
        [{"name": "n", "kind": "array", "change": "added", "chunks_written": 2}],
    ),
    "removed": (
        lambda tx: (tx.delete("f"), tx.delete("t"), tx.delete("a")),
        [
            {"name": "a", "kind": "array", "change": "removed", "chunks_removed": 4},
            {"name": "f", "kind": "file", "change": "removed"},
            {"name": "t", "kind": "table", "change": "removed", "rows_removed": 3},
        ],
    ),
    "rows appended": (
        lambda tx: tx.append_table("t", rows(4, 5)),
        [{"name": "t", "kind": "table", "change": "changed", "rows_added": 2}],
    ),
    "equal rows appended": (
        lambda tx: tx.append_table("t", rows(3)),
        [{"name": "t", "kind": "table", "change": "changed", "rows_added": 1}],
    ),
    "rows replaced": (
        lambda tx: tx.replace_rows("t", rows(7, 8), pds.field("x") == 3),
        [{"name": "t", "kind": "table", "change": "changed", "rows_added": 2, "rows_removed": 1}],
    ),
    "a column more": (
        lambda tx: tx.append_table("t", pa.table({"x": [4], "y": [1]})),
        [
            {
                "name": "t",
                "kind": "table",
                "change": "changed",
                "rows_added": 1,
                "metadata": ["evolved", "fields"],
            }
        ],
    ),
    "chunks": (
        lambda tx: tx.array("a").__setitem__(slice(1, 3), 9),
        [{"name": "a", "kind": "array", "change": "changed", "chunks_written": 2}],
    ),
    "rows of an array": (
        lambda tx: tx.append_array("a", [8, 9, 10]),
        [
            {
                "name": "a",
                "kind": "array",
                "change": "changed",
                "chunks_written": 2,
                "shape": [[8], [11]],
            }
        ],
    ),
    "cut": (
        lambda tx: tx.array("a").resize(4),
        [{"name": "a", "kind": "array", "change": "changed", "chunks_removed": 2, "shape": [[8], [4]]}],
    ),
    "one chunk of many": (
        lambda tx: tx.array("large").__setitem__(5, -1),
        [{"name": "large", "kind": "array", "change": "changed", "chunks_written": 1}],
    ),
    "a number": (
        lambda tx: tx.array("number").__setitem__((), 2.5),
        [{"name": "number", "kind": "array", "change": "changed", "chunks_written": 1}],
    ),
    "attributes": (
        lambda tx: describe(tx, unit="V"),
        [{"name": "a", "kind": "array", "change": "changed", "metadata": ["attributes"]}],
    ),
    "an integer that becomes real": (
        lambda tx: describe(tx, n=1.0),
        [{"name": "a", "kind": "array", "change": "changed", "metadata": ["attributes"]}],
    ),
    "an integer that becomes true": (
        lambda tx: tx.put_file("f", b"f", attributes={"n": True}),
        [{"name": "f", "kind": "file", "change": "changed", "metadata": ["n"]}],
    ),
    "another grid": (
        lambda tx: tx.write_array("a", np.arange(8), chunks=(4,), attributes={"unit": "mV", "n": 1}),
        [
            {
                "name": "a",
                "kind": "array",
                "change": "changed",
                "chunks_written": 2,
                "chunks_removed": 4,
                "metadata": ["chunk_grid"],
            }
        ],
    ),
    "another kind": (
        lambda tx: tx.write_table("f", rows(1)),
        [{"name": "f", "kind": "table", "change": "changed", "rows_added": 1}],
    ),
    "another content": (
        lambda tx: tx.put_file("f", b"g", attributes={"n": 1}),
        [{"name": "f", "kind": "file", "change": "changed"}],
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_changes(built: Lake, edit: str) -> None:
    change, expected = EDITS[edit]
    record = commit(built, change)
    found = Lake.open(built.url).diff("main~1")
    assert json.loads(json.dumps([each.to_json() for each in found])) == expected
    assert [each.name for each in found] == list(record.changed)


@pytest.mark.parametrize("edit", EDITS)
def test_back_again(built: Lake, edit: str) -> None:
    """Backwards, what was added is removed."""
    commit(built, EDITS[edit][0])
    there, back = built.diff("main~1"), built.diff("main", "main~1")
    opposite = {"added": "removed", "removed": "added", "changed": "changed"}
    for one, other in zip(there, back, strict=True):
        assert (one.name, opposite[one.change]) == (other.name, other.change)
        assert (one.rows_added, one.rows_removed) == (other.rows_removed, other.rows_added)
        assert one.metadata == other.metadata
        assert other.shape == (None if one.shape is None else one.shape[::-1])


def test_equal_commits(built: Lake) -> None:
    commit(built, lambda tx: tx.put_file("f", b"1"))
    built.revert("main")
    assert built.diff("main~2", "main") == [] == built.diff("main", "main")


def test_of_refs(built: Lake) -> None:
    built.tags.create("v1")
    built.branches.create("side")
    commit(built, lambda tx: tx.put_file("f", b"1"), "side")
    commit(built, lambda tx: tx.put_file("g", b"1"))
    assert [(each.name, each.change) for each in built.diff("side")] == [("f", "changed"), ("g", "added")]
    assert [(each.name, each.change) for each in built.diff("v1", "side")] == [("f", "changed")]
    assert {each.change for each in built.diff("main~2", built.at("v1").commit.time)} == {"added"}
    with pytest.raises(NotFoundError):
        built.diff("nowhere")


def test_text(built: Lake) -> None:
    def edit(tx: Transaction) -> None:
        tx.replace_rows("t", rows(*range(1000)), pds.field("x") == 3)
        tx.array("a").resize(4)
        describe(tx, unit="V")
        tx.array("a")[0] = 7
        tx.put_file("n", b"")

    commit(built, edit)
    assert [str(each) for each in built.diff("main~1")] == [
        "changed  array  a  1 chunks written, 2 chunks removed, shape [8] to [4], metadata: attributes",
        "added    file   n",
        "changed  table  t  +1,000 rows, -1 rows",
    ]
