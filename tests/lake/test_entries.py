"""Differences of entries, however they are stored; and that little is looked at where little differs."""

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from lake_contents import commit, rows

from neurolake.lake import Lake
from neurolake.lake.digest import digest_of
from neurolake.lake.nodes import shards
from neurolake.lake.nodes.entries import OVERLAY_SIZE, Entries
from neurolake.lake.nodes.entry import SHARD_SIZE, Entry, ShardRef
from neurolake.lake.nodes.shards import Shard
from neurolake.lake.objects.store import ObjectWriter, Place
from neurolake.lake.storage.local import LocalStorage

POSITIONS = st.sampled_from([0, 1, 2, 3, 4, SHARD_SIZE, SHARD_SIZE + 1])
CHANGES = st.dictionaries(POSITIONS, st.none() | st.integers(0, 2), max_size=5)


def entries(changes: dict[int, int | None]) -> dict[int, Entry | None]:
    contents = {at: None if value is None else bytes([value]) for at, value in changes.items()}
    return {
        at: None if data is None else Entry(digest_of(data), len(data), Place(inline=data))
        for at, data in contents.items()
    }


@given(CHANGES, CHANGES, CHANGES, st.booleans(), st.booleans())
def test_differences(
    tmp_path_factory: pytest.TempPathFactory,
    base: dict[int, int | None],
    one: dict[int, int | None],
    other: dict[int, int | None],
    folded: bool,
    again: bool,
) -> None:
    """Of two sides that lie over the same shards, or of which one was folded."""
    read: dict[str, Shard] = {}

    def keep(ref: ShardRef, shard: Shard) -> None:
        read[ref.digest] = shard

    writer = ObjectWriter(LocalStorage(tmp_path_factory.getbasetemp(), durable=False))
    common = Entries(read_shard=lambda ref: read[ref.digest]).updated(entries(base))
    common = common.folded(writer, keep) if folded else common
    here, there = common.updated(entries(one)), common.updated(entries(other))
    here = here.folded(writer, keep) if again else here
    mine, others = dict(here.items()), dict(there.items())
    assert here.difference(there) == {
        at: mine.get(at) for at in mine.keys() | others.keys() if mine.get(at) != others.get(at)
    }
    for side, held in ((here, mine), (there, others)):
        assert len(side) == len(held)
        plain = Entries().updated(dict(held.items()))
        assert side.identity() == plain.identity()
        asked = [*held, *range(6), *held]
        located = side.located(np.array(asked, np.int64))
        assert [located.object(at) if located.somewhere(at) else None for at in range(len(asked))] == [
            entry and (entry.digest, entry.size, entry.place) for entry in map(held.get, asked)
        ]


def test_appends_look_at_no_other_files(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a table with many files, a writer that lost a race reads none that was there before."""
    with lake.transaction("many") as tx:
        for value in range(OVERLAY_SIZE + 5):
            tx.append_table("t", rows(value))
    assert lake.head.tree["t"].entries.shards
    late = Lake.open(Path(lake.url), durable=False).transaction("late")
    late.append_table("t", rows(-2))
    commit(lake, lambda tx: tx.append_table("t", rows(-1)))
    with monkeypatch.context() as patch:
        patch.setattr(shards, "_entry", lambda *cells: pytest.fail(f"looked at {cells}"))
        late.commit()
    expected = [*range(OVERLAY_SIZE + 5), -1, -2]
    assert [row["x"] for row in lake["t"].to_arrow().to_pylist()] == expected
