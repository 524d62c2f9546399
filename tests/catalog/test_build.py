"""What describes a snapshot: of small lakes and of chunks in shards, the same as manifests say, and made of nothing else."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from remote_storage import Remote

import neurolake
from neurolake import CorruptObjectError
from neurolake.catalog import attach, build
from neurolake.lake import transaction
from neurolake.lake.history.trees import History
from neurolake.lake.nodes import entries, shards


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes of three entries have shards, of four entries each."""
    for module in (entries, shards, build):
        monkeypatch.setattr(module, "SHARD_SIZE", 4)
    monkeypatch.setattr(transaction, "OVERLAY_SIZE", 2)


@pytest.fixture
def lake(tmp_path: Path, small_shards: None) -> Any:
    lake = neurolake.create(tmp_path / "it's a lake", durable=False)
    with lake.transaction("fill") as tx:
        tx.write_array("v", np.random.default_rng(0).random((30, 80)), chunks=(1, 80))
        tx.write_array("w's", np.random.default_rng(1).random((4, 6, 50)), chunks=(2, 3, 50))
        tx.write_table("t", pa.table({"x": [1, 2, None], "name": ["a", "b", "c"]}))
        tx.put_file("notes", b"a note", attributes={"doc": "notes"})
    return lake


def ask(lake: Any, query: str) -> list[Any]:
    return lake.sql(query).fetchall()


def expected_chunks(snapshot: Any) -> list[tuple[Any, ...]]:
    """The rows of ``array_chunks`` by what the store says of each array."""
    rows = []
    for name, node in snapshot.tree.items():
        if node.kind == "array":
            shape, chunks = (node.meta["shape"], node.meta["chunk_grid"]["configuration"]["chunk_shape"])
            counts = [-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True)]
            for at, entry in node.entries.items():
                stats = [entry.stats.get(key) for key in ("min", "max", "mean", "nan")]
                where = [int(part) for part in np.unravel_index(at, counts)]
                rows.append((name, at, where, entry.digest, entry.size, *stats))
    return sorted(rows, key=lambda row: row[:2])


def check(lake: Any, ref: str = "main") -> None:
    """What SQL says of a commit, a new process's lake and a file for other clients are what the store says."""
    snapshot = neurolake.open(lake.url).at(ref)
    chunks = expected_chunks(snapshot)
    assert ask(snapshot, 'from array_chunks order by "array", chunk') == chunks
    sizes = {name: [row[4] for row in chunks if row[0] == name] for name in snapshot.tree}
    for name, kind, stored, objects in ask(snapshot, "select name, kind, stored_bytes, objects from nodes"):
        held = [entry.size for _, entry in snapshot.tree[name].entries.items()]
        assert (stored, objects) == (sum(held), len(held))
        assert kind != "array" or held == sizes[name]


def test_what_is_in_it(lake: Any) -> None:
    check(lake)
    rows = ask(lake, "from array_chunks where \"array\" = 'w''s' order by chunk")
    assert [row[1:3] for row in rows] == [(at, [at // 2, at % 2, 0]) for at in range(4)]
    block = lake["w's"][2:, 3:]
    assert rows[3][5:] == (block.min(), block.max(), pytest.approx(block.mean()), 0)
    assert ask(lake, "from parquet_columns order by all") == [
        ("t", 0, "name", None, None, "a", "c", 0),
        ("t", 0, "x", 1, 2, "1", "2", 1),
    ]
    (note,) = ask(lake, "from files")
    assert note[1:5] == ("notes", None, 6, lake.head.tree["notes"].entries.get(0).digest)


def change(lake: Any, rng: random.Random) -> None:
    """Do something to a lake."""
    numbers = np.random.default_rng(rng.randrange(10**6))
    with lake.transaction("change") as tx:
        match rng.randrange(8):
            case 0:
                tx.append_array("v", numbers.random((rng.randrange(1, 4), 80)))
            case 1:
                tx.append_table("t", pa.table({"x": [rng.randrange(9)], "name": ["d"]}))
            case 2:
                tx.put_file(f"file{rng.randrange(3)}", rng.randbytes(rng.randrange(1, 900)))
            case 3:
                tx.write_array("w's", numbers.random((3, 6, 50)), chunks=(1, 6, 50))
            case 4:
                tx.write_array(
                    f"a{rng.randrange(3)}", numbers.random((rng.randrange(1, 9), 90)), chunks=(1, 90)
                )
            case 5:
                name = rng.choice(["a0", "file1"])
                if name in lake:
                    tx.delete(name)
            case 6:
                # Over a shard: an entry is replaced, and one is gone.
                row = rng.randrange(lake["v"].shape[0] - 1)
                tx.array("v")[row] = numbers.random(80)
                tx.array("v")[row + 1] = 0.0
            case _:
                tx.array("v").resize((rng.randrange(5, 30), 80))


@pytest.mark.parametrize("seed", range(3))
def test_changes_are_described(lake: Any, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(10):
        change(lake, rng)
        check(lake)
    check(lake, "main~5")


def test_chunks_that_lie_over_shards_or_are_gone(lake: Any) -> None:
    with lake.transaction("over") as tx:
        tx.array("v")[5] = np.full(80, 7.0)
        tx.array("v").resize((29, 80))
    entries = lake.head.tree["v"].entries
    assert entries.overlay.keys() == {5, 29} and len(entries.shards) == 8
    check(lake)
    found = ask(lake, "select chunk, digest from array_chunks where \"array\" = 'v' and chunk in (5, 29)")
    assert found == [(5, entries.overlay[5].digest)]


def test_shards_are_left_to_duckdb(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    again = neurolake.open(lake.url)
    assert again.head.tree

    def refused(self: History, ref: Any) -> Any:
        raise AssertionError("a shard was decoded")

    monkeypatch.setattr(History, "read_shard", refused)
    assert ask(again, "select count(*) from array_chunks") == [(34,)]
    assert ask(again, "select objects from nodes where name = 'v'") == [(30,)]


def test_a_question_needs_the_shards_of_its_array_only(lake: Any) -> None:
    plan = lake.head._catalog.explain("select max(max) from array_chunks where \"array\" = 'w''s'")
    # Eight shards of the other array, one of this.
    assert plan.count("READ_PARQUET") == 1


def test_an_array_of_another_grid_has_other_coordinates(lake: Any) -> None:
    values = np.arange(24.0 * 80)
    for shape in ((4, 480), (8, 240)):
        # The same chunks in the same order.
        with lake.transaction("a") as tx:
            tx.write_array("g", values.reshape(shape), chunks=(1, 240))
        check(lake)


@pytest.mark.parametrize("how", ["bit", "gone"])
def test_damage_is_told_and_harms_nothing_beside_it(lake: Any, how: str) -> None:
    ref = lake.head.tree["v"].entries.shards[1]
    path = lake.objects.local_path(ref.object, ref.place)
    data = path.read_bytes()
    path.chmod(0o644)
    path.unlink() if how == "gone" else path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    again = neurolake.open(lake.url)
    assert ask(again, "select rows from parquet_files") == [(3,)]
    for query in ("select count(*) from array_chunks", "from nodes"):
        with pytest.raises(CorruptObjectError, match=ref.object):
            again.sql(query)


def test_a_file_for_other_clients_has_them(lake: Any, tmp_path: Path) -> None:
    import duckdb

    with lake.transaction("over") as tx:
        tx.array("v")[5] = np.full(80, 7.0)
    attach(lake.head, tmp_path / "lake.duckdb")
    with duckdb.connect() as connection:
        # Under a name that it was not made under.
        connection.execute(f"attach '{tmp_path}/lake.duckdb' as other (read_only)")
        found = connection.execute('from other.array_chunks order by "array", chunk').fetchall()
    assert found == expected_chunks(lake.head)


def test_shards_of_a_remote_lake_are_copied(
    lake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "cache"))
    remote = neurolake.Lake(Remote(Path(lake.url)))
    for _ in range(2):
        assert ask(remote.head, 'from array_chunks order by "array", chunk') == expected_chunks(lake.head)
    copies = [path.name for path in (tmp_path / "cache").glob("*/objects/*.shard")]
    assert len(copies) == 9


def test_a_cache_that_cannot_be_used(lake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "cache"))
    check(neurolake.open(lake.url))
