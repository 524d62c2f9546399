"""Reachability: every key that a commit stands on is found, cheaply, and who stands on it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.lake import Lake
from neurolake.lake.history.log import FOLD_AFTER, Log
from neurolake.lake.history.trees import History
from neurolake.lake.nodes.entries import OVERLAY_SIZE
from neurolake.lake.objects.store import ObjectStore, place_key
from neurolake.lake.upkeep.reachable import Reachable
from neurolake.lake.upkeep.usage import Referrers

RNG = np.random.default_rng(5)


def fresh(lake: Lake) -> History:
    return History(ObjectStore(lake.storage), Log(lake.storage))


def reachable(lake: Lake) -> Reachable:
    found = Reachable(fresh(lake))
    found.update()
    return found


def expected(lake: Lake) -> dict[str, set[tuple[str, str]]]:
    """By key, names of nodes and ids of commits, by reading every commit's tree."""
    users: dict[str, set[tuple[str, str]]] = {}
    history = fresh(lake)
    for record in history.commits():
        for name, node in history.tree(record).items():
            for entry in dict(node.entries.items()).values():
                key = place_key(entry.digest, entry.place)
                if key is not None:
                    users.setdefault(key, set()).add((name, record.id))
    return users


def stored(lake: Lake) -> set[str]:
    root = Path(lake.url)
    files = (path for folder in ("packs", "objects") for path in (root / folder).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix() for path in files}


def files_of(lake: Lake, name: str, count: int, branch: str = "main") -> None:
    with lake.transaction(name, branch=branch) as tx:
        for number in range(count):
            tx.put_file(f"{name}/{number}", RNG.bytes(600))


def kinds(lake: Lake) -> None:
    """All kinds of objects and places, branches, a deletion, folds."""
    files_of(lake, "packed", 3)
    with lake.transaction("large") as tx:
        tx.put_file("alone", RNG.bytes(8 * 2**20))
        tx.put_file("inline", b"x")
        tx.write_array("sharded", RNG.random((OVERLAY_SIZE + 1, 100)), chunks=(1, 100))
        tx.write_table("table", pa.table({"x": [1]}))
    lake.branches.create("side")
    files_of(lake, "aside", 2, "side")
    lake.branches.create("gone")
    files_of(lake, "gone", 2, "gone")
    lake.branches.delete("gone")
    with lake.transaction("delete") as tx:
        tx.delete("packed/1")
        tx.delete("alone")
    for number in range(FOLD_AFTER + 2):
        with lake.transaction(f"{number}") as tx:
            tx.array("sharded")[number % 3] = number
            tx.append_table("table", pa.table({"x": [number]}))


def test_all_that_is_stored(lake: Lake) -> None:
    """Nothing here is garbage, and nothing is forgotten."""
    kinds(lake)
    found = reachable(lake)
    assert found.keys.keys() == stored(lake) and found.broken == {}
    records = {path.relative_to(lake.url).as_posix() for path in Path(lake.url).glob("log/*/*")}
    assert found.records == records
    for key, digest in found.keys.items():
        assert key.split("/")[2].split(".")[0] == digest


def test_garbage_is_not(lake: Lake) -> None:
    kinds(lake)
    kept = stored(lake)
    tx = lake.transaction("never")
    tx.put_file("f", RNG.bytes(1000))
    tx.writer.flush()
    assert reachable(lake).keys.keys() == kept < stored(lake)


def test_update_reads_only_what_is_new(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds(lake)
    history = fresh(lake)
    found = Reachable(history)
    found.update()
    files_of(lake, "more", 1)
    read: list[str] = []
    original = type(lake.storage).read

    def counted(self: object, key: str, *args: int) -> bytes:
        read.append(key)
        return original(self, key, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(type(lake.storage), "read", counted)
    found.update()
    assert len(read) == 1 and found.keys.keys() == stored(lake)


def test_one_commit(lake: Lake) -> None:
    kinds(lake)
    found = Reachable(history := fresh(lake))
    found.add(history.resolve("main~36"))
    assert found.keys.keys() < stored(lake)
    commit = history.resolve("main~36").id
    needed = {key for key, users in expected(lake).items() if commit in {at for _, at in users}}
    assert needed and needed <= found.keys.keys()


def test_shards_are_read_once(lake: Lake) -> None:
    kinds(lake)
    seen: list[int] = []
    found = Reachable(fresh(lake), shard=lambda shard: seen.append(len(shard)))
    found.update()
    assert seen == [OVERLAY_SIZE + 1]


def test_users(lake: Lake) -> None:
    kinds(lake)
    users = expected(lake)
    history = fresh(lake)
    records = [
        record for branch in history.log.all_names() for record in reversed(list(history.log.reflog(branch)))
    ]
    commits = [record for record in records if hasattr(record, "parents")]
    found = Referrers(history, [(key, "") for key in users]).of(commits)
    for (key, _), (names, ids) in found.items():
        assert names == {name for name, _ in users[key]}
        assert sorted(ids) == sorted({commit for _, commit in users[key]})


@settings(max_examples=25)
@given(data=st.data())
def test_users_of_single_objects(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Against reading all trees: chunks that are written, overwritten, removed and brought back."""
    lake = Lake.create(tmp_path_factory.mktemp("lake"), durable=False)
    with lake.transaction("begin") as tx:
        tx.write_array("a", RNG.random((6, 100)), chunks=(1, 100))
        tx.write_array("large", RNG.random((OVERLAY_SIZE + 1, 100)), chunks=(1, 100))
    rows = st.lists(
        st.tuples(st.sampled_from(["a", "large"]), st.integers(0, 5), st.integers(0, 3)), max_size=4
    )
    for changes in data.draw(st.lists(rows, min_size=1, max_size=5)):
        with lake.transaction("change") as tx:
            for name, row, seed in changes:
                value = np.random.default_rng(seed).random(100) if seed else np.full(100, np.nan)
                tx.array(name)[row] = value
    history = fresh(lake)
    wanted: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for record in history.commits():
        for name, node in history.tree(record).items():
            for entry in dict(node.entries.items()).values():
                one = (place_key(entry.digest, entry.place) or "", entry.digest)
                wanted.setdefault(one, set()).add((name, record.id))
    wanted.pop(("", ""), None)
    objects = {one: users for one, users in wanted.items() if one[0]}
    found = Referrers(history, list(objects)).of(reversed(list(history.commits())))
    for one, (names, ids) in found.items():
        assert sorted(ids) == sorted({commit for _, commit in objects[one]})
        assert names == {name for name, _ in objects[one]}


def test_many_commits_of_a_large_array(lake: Lake, new_lake: Callable[[str], Lake]) -> None:
    """What is read grows with what changed, not with commits times chunks."""
    with lake.transaction("large") as tx:
        tx.write_array("a", np.arange(20_000, dtype=float), chunks=(1,))
    for row in range(100):
        with lake.transaction("one") as tx:
            tx.array("a")[row] = -1.0
    entries: list[int] = []
    found = Reachable(
        fresh(lake), shard=lambda shard: entries.append(len(shard)), entry=lambda row: entries.append(1)
    )
    found.update()
    assert sum(entries) < 20_000 + 100 * 10 and found.keys.keys() == stored(lake)
