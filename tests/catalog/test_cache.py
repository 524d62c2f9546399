"""Catalog files: like what is made in memory, made from what is there, and of no importance when lost."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import neurolake
from neurolake.catalog import build, cache, views
from neurolake.catalog.cache import CatalogCache
from neurolake.catalog.schema import CONTENT
from neurolake.lake.nodes import entries, shards
from neurolake.lake.nodes.entries import Entries


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes have several shards."""
    for module in (entries, shards, build):
        monkeypatch.setattr(module, "SHARD_SIZE", 4)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(views, "KEPT_FROM", 0)
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("fill") as tx:
        tx.write_array("v", np.random.default_rng(0).random((30, 8)), chunks=(1, 8))
        tx.write_array("w", np.random.default_rng(1).random((4, 6, 5)), chunks=(2, 3, 5))
        tx.write_table("t", pa.table({"x": [1, 2, None], "name": ["a", "b", "c"]}))
        tx.put_file("notes", b"a note", attributes={"doc": "notes"})
    return lake


def catalogs(lake: Any) -> CatalogCache:
    return CatalogCache(lake.objects.cache)


def files(lake: Any) -> list[Path]:
    return sorted(catalogs(lake).folder.glob("*/catalog.duckdb"))


def contents(path: Path) -> dict[str, list[Any]]:
    """All rows in a catalog file."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return {name: connection.execute(f"from {name} order by all").fetchall() for name in CONTENT}


def fresh(tree: Any) -> dict[str, list[Any]]:
    """All rows of a catalog made in memory."""
    with duckdb.connect() as connection:
        connection.execute(f"attach ':memory:' as {build.SCHEMA}")
        build.fill(connection, tree, fresh=True)
        return {
            name: connection.execute(f"from {build.SCHEMA}.{name} order by all").fetchall()
            for name in CONTENT
        }


def ask(lake: Any, query: str) -> list[Any]:
    return lake.sql(query).fetchall()


def test_only_lakes_of_many_entries_have_files(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert ask(lake, "select count(*) from array_chunks") == [(34,)]
    assert files(lake) == []


def test_tables_do_without(lake: Any) -> None:
    assert ask(lake, "select count(*) from t") == [(3,)] and files(lake) == []
    assert ask(lake, "select count(*) from array_chunks") == [(34,)] and len(files(lake)) == 1


def test_what_is_in_it(lake: Any) -> None:
    ask(lake, "from nodes")
    (path,) = files(lake)
    found = contents(path)
    assert found == fresh(lake.head.tree)
    chunks = lake["w"].entries()
    rows = [row for row in found["array_chunks"] if row[0] == "w"]
    assert [row[:5] for row in rows] == [
        ("w", number, [number // 2, number % 2, 0], chunks[number].digest, chunks[number].size)
        for number in range(4)
    ]
    block = lake["w"][2:, 3:]
    assert rows[3][5:] == (block.min(), block.max(), pytest.approx(block.mean()), 0)
    assert found["parquet_columns"] == [
        ("t", 0, "name", None, None, "a", "c", 0),
        ("t", 0, "x", 1, 2, "1", "2", 1),
    ]
    assert found["files"][0][1:5] == ("notes", None, 6, lake.head.tree["notes"].entries.get(0).digest)


def reads(tree: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of nodes of *tree* whose entries are looked at from now on."""
    read: list[str] = []
    names = {id(node.entries): name for name, node in tree.items()}
    shard = Entries.shard

    def noted(self: Entries, number: int) -> Any:
        read.append(names[id(self)])
        return shard(self, number)

    monkeypatch.setattr(Entries, "shard", noted)
    return read


def test_the_next_process_reads_the_file(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(lake, "from nodes")
    again = neurolake.open(lake.url)
    read = reads(again.head.tree, monkeypatch)
    assert ask(again, "select count(*) from array_chunks") == [(34,)]
    assert ask(again, "select objects from nodes where name = 'v'") == [(30,)]
    assert {"v", "w", "notes"}.isdisjoint(read)


def change(lake: Any, rng: random.Random) -> None:
    """Do something to a lake."""
    with lake.transaction("change") as tx:
        match rng.randrange(7):
            case 0:
                tx.append_array("v", np.full((rng.randrange(1, 4), 8), rng.random()))
            case 1:
                tx.append_table("t", pa.table({"x": [rng.randrange(9)], "name": ["d"]}))
            case 2:
                tx.put_file(f"file{rng.randrange(3)}", rng.randbytes(rng.randrange(1, 900)))
            case 3:
                tx.write_array(
                    "w", np.random.default_rng(rng.randrange(9)).random((3, 6, 5)), chunks=(1, 6, 5)
                )
            case 4:
                tx.write_array(f"a{rng.randrange(3)}", np.arange(rng.randrange(1, 9)))
            case 5:
                name = rng.choice(["w", "a0", "file1"])
                if name in lake:
                    tx.delete(name)
            case _:
                made = {"kernel": "k", "version": 1, "inputs": {"v": "0" * 64}, "params": {"a": 1}}
                tx.write_table("derived/k/1", pa.table({"y": [1.0]}), attributes={"derived": made})


@pytest.mark.parametrize("seed", range(3))
def test_changes_give_what_making_it_anew_gives(small_shards: None, lake: Any, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(8):
        change(lake, rng)
        tree = lake.head.tree
        assert contents(catalogs(lake).build(tree)) == fresh(tree)
    old = lake.at("main~5").tree
    assert contents(catalogs(lake).build(old)) == fresh(old)


def test_only_what_changed_is_read(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(lake, "from nodes")
    with lake.transaction("one") as tx:
        tx.append_array("v", np.zeros((1, 8)))
    tree = lake.head.tree
    read = reads(tree, monkeypatch)
    catalogs(lake).build(tree)
    assert read == ["v"]


def test_an_array_of_another_grid_has_other_coordinates(lake: Any) -> None:
    values = np.arange(24.0)
    with lake.transaction("a") as tx:
        tx.write_array("g", values.reshape(4, 6), chunks=(1, 3))
    ask(lake, "from nodes")
    with lake.transaction("b") as tx:
        # The same chunks in the same order.
        tx.write_array("g", values.reshape(8, 3), chunks=(1, 3))
    found = ask(lake, "select coordinates from array_chunks where \"array\" = 'g' order by chunk")
    assert found == [([row, 0],) for row in range(8)]


@pytest.mark.parametrize("how", ["bit", "cut", "gone", "no digest", "no folder", "rubbish"])
def test_a_damaged_file_is_made_anew(lake: Any, how: str) -> None:
    expected = ask(lake, "from array_chunks order by all")
    (path,) = files(lake)
    data = path.read_bytes()
    match how:
        case "bit":
            middle = len(data) // 2
            path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        case "cut":
            path.write_bytes(data[:-4096])
        case "gone":
            path.unlink()
        case "no digest":
            (path.parent / "digest").unlink()
        case "no folder":
            shutil.rmtree(path.parent)
        case "rubbish":
            path.write_bytes(b"rubbish")
    assert ask(neurolake.open(lake.url), "from array_chunks order by all") == expected
    assert contents(path) == fresh(lake.head.tree)


def test_a_damaged_neighbour_does_no_harm(lake: Any) -> None:
    ask(lake, "from nodes")
    (path,) = files(lake)
    path.write_bytes(path.read_bytes()[:20000])
    with lake.transaction("more") as tx:
        tx.append_array("v", np.zeros((1, 8)))
    assert ask(lake, "select count(*) from array_chunks") == [(35,)]


def test_old_files_go(lake: Any) -> None:
    for number in range(cache.KEPT + 3):
        with lake.transaction("more") as tx:
            tx.append_array("v", np.full((1, 8), number))
        ask(lake, "from nodes")
        os.utime(catalogs(lake).path(lake.head.tree).parent, (number, number))
    kept = set(files(lake))
    trees = [lake.at(f"main~{back}").tree for back in range(cache.KEPT)]
    assert kept == {catalogs(lake).path(tree) for tree in trees}
    assert list(catalogs(lake).folder.glob("*.part")) == []


def test_a_cache_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "KEPT_FROM", 0)
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "cache"))
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("fill") as tx:
        tx.write_array("v", np.zeros((3, 2)), chunks=(1, 2))
    assert ask(lake, "select objects from nodes") == [(3,)]


def test_processes_make_it_at_once(lake: Any) -> None:
    program = (
        "import sys, neurolake; from neurolake.catalog import views; views.KEPT_FROM = 0; "
        "print(neurolake.open(sys.argv[1]).sql('select count(*) from array_chunks').fetchall())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, lake.url], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate()[0].strip() for process in running] == ["[(34,)]"] * 3
    (path,) = files(lake)
    assert contents(path) == fresh(lake.head.tree)


def test_an_old_file_is_read_while_it_is_pruned(lake: Any) -> None:
    ask(lake, "from nodes")
    shutil.rmtree(catalogs(lake).folder)
    assert ask(lake, "select count(*) from array_chunks where max > 0") == [(34,)]
