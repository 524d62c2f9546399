"""What has a digest."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import neurolake as nl
from neurolake.lake.digest import digest_of
from neurolake.lake.errors import InputError
from neurolake.query.finding import digest_of_file, find
from neurolake.query.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = nl.create(tmp_path / "lake")
    with lake.transaction("first") as tx:
        tx.put_file("model.param", b"{'a': 1}")
        tx.write_array("v", np.arange(100.0), chunks=(10,))
    with lake.transaction("second") as tx:
        tx.delete("model.param")
        tx.write_table("files", pa.table({"path": ["run/x.csv"], "digest": [digest_of(b"text")]}))
    return lake


def test_a_commit_and_its_snapshot(lake: Lake) -> None:
    record = lake.log()[1]
    (found,) = find(lake, record.id[:16])
    assert (found.kind, found.name, found.commit) == ("commit", "first", record.id)
    assert [one.kind for one in find(lake, record.snapshot)] == ["snapshot"]


def test_a_node_and_a_chunk(lake: Lake) -> None:
    node = lake.head.tree["v"]
    assert [(one.kind, one.name) for one in find(lake, node.digest)] == [("node", "v")]
    chunk = node.entries.get(7)
    assert chunk is not None
    assert [(one.kind, one.name, one.place) for one in find(lake, chunk.digest)] == [("object", "v", "7")]


def test_a_file_and_what_history_has_of_it(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "mine.param"
    path.write_bytes(b"{'a': 1}")
    digits = digest_of_file(path)
    assert find(lake, digits) == []
    found = find(lake, digits, everywhere=True)
    assert {(one.kind, one.name, one.commit) for one in found} == {
        ("object", "model.param", lake.log()[1].id)
    }


def test_a_source(lake: Lake) -> None:
    (found,) = find(lake, digest_of(b"text")[:12].upper())
    assert (found.kind, found.name) == ("source", "run/x.csv")


@pytest.mark.parametrize("digits", ["", "abc", "not hex!", "12345%"])
def test_no_digest(lake: Lake, digits: str) -> None:
    with pytest.raises(InputError, match="first digits"):
        find(lake, digits)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.param cannot be read: No such file"):
        digest_of_file(tmp_path / "none.param")
