"""How much is read and computed for a tree."""

from pathlib import Path

import pytest
from lake_contents import commit, rows

from neurolake.lake import Lake
from neurolake.lake.storage.local import LocalStorage


def test_others_commits_are_read_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree is made of that of the commit before, where that is known."""
    for value in range(10):
        commit(lake, lambda tx, v=value: tx.append_table("t", rows(v)))  # type: ignore[misc]
    reader = Lake.open(Path(lake.url), durable=False)
    assert len(reader["t"]) == 10
    commit(lake, lambda tx: tx.append_table("t", rows(10)))
    changed = type(reader._history)._changed
    made: list[str] = []
    monkeypatch.setattr(
        type(reader._history),
        "_changed",
        lambda self, tree, record: (made.append(record.message), changed(self, tree, record))[1],
    )
    assert len(reader["t"]) == 11 and len(made) == 1


def test_records_are_read_at_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a lake reads the records that its newest commit builds on together."""
    for value in range(10):
        commit(lake, lambda tx, v=value: tx.append_table("t", rows(v)))  # type: ignore[misc]
    asked: list[int] = []
    read_all = LocalStorage.read_all
    monkeypatch.setattr(
        LocalStorage, "read_all", lambda self, keys: (asked.append(len(keys)), read_all(self, keys))[1]
    )
    read: list[str] = []
    read_one = LocalStorage.read
    monkeypatch.setattr(
        LocalStorage, "read", lambda self, key, *part: (read.append(key), read_one(self, key, *part))[1]
    )
    assert len(Lake.open(Path(lake.url))["t"]) == 10
    assert asked == [10] and len(read) == len(set(read))
