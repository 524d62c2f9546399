"""Small Parquet files stand in records, and later in packs: every reader finds them, and everything that walks objects does."""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from lake_contents import age

import neurolake as nl
from neurolake.catalog import attach
from neurolake.kernels.places import cache_folder
from neurolake.lake import Lake
from neurolake.lake.digest import canonical_json, digest_of
from neurolake.lake.errors import CorruptObjectError, FormatError, MalformedError
from neurolake.lake.history.log import FOLD_AFTER
from neurolake.lake.nodes.entries import OVERLAY_SIZE
from neurolake.lake.objects.identity import MARKER
from neurolake.lake.objects.store import FILE_INLINE_SIZE, INLINE_SIZE, Place

LARGE = pa.table({"x": np.random.default_rng(0).random(2000), "s": ["long"] * 2000})
NOW = timedelta(0)


def append(lake: Lake, rows: pa.Table, name: str = "t") -> None:
    with lake.transaction("append") as tx:
        tx.append_table(name, rows)


def row(value: float) -> pa.Table:
    return pa.table({"x": [float(value)], "s": [f"row {value}"]})


def filled(path: Path, commits: int) -> nl.Lake:
    """One large file, and then a commit for each row."""
    lake = nl.create(path, durable=False)
    append(lake, LARGE)
    for value in range(commits):
        append(lake, row(value))
    return lake


def places(lake: Lake, ref: str = "main") -> list[str]:
    found = [entry.place for entry in lake.at(ref)["t"].files]
    return ["alone" if place.alone else "pack" if place.pack else "inline" for place in found]


def old_format(lake: Lake) -> nl.Lake:
    """The same lake as one of version 1."""
    marker = Path(lake.url) / MARKER
    marker.write_bytes(marker.read_bytes().replace(b'"format":2', b'"format":1'))
    return nl.open(lake.url, durable=False)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> nl.Lake:
    """More rows than an overlay has, each of a commit. For reading only."""
    return filled(tmp_path_factory.mktemp("small") / "lake", OVERLAY_SIZE + 40)


@pytest.fixture
def few(tmp_path: Path) -> nl.Lake:
    return filled(tmp_path / "lake", 5)


class TestWriting:
    def test_a_commit_of_a_row_is_one_file(self, few: nl.Lake) -> None:
        def files() -> set[Path]:
            return {path for path in Path(few.url).rglob("*") if path.is_file()}

        before = files()
        append(few, row(7))
        (record,) = files() - before
        assert record.parent.name == "main" and record.parent.parent.name == "log"
        assert places(few) == ["alone", *["inline"] * 6]

    def test_they_move_into_a_pack_with_the_tree(self, few: nl.Lake) -> None:
        while few.head.commit.depth < FOLD_AFTER - 1:
            append(few, row(0))
        assert places(few).count("inline") == len(few["t"].files) - 1
        append(few, row(1))
        assert few.head.commit.depth == 0 and set(places(few)[1:]) == {"pack"}
        assert len({entry.place.pack for entry in few["t"].files}) == 2
        assert places(Lake.open(few.url)) == places(few)

    def test_nothing_that_is_written_again_has_them_inline(self, many: nl.Lake) -> None:
        """Stored trees and shards: a record is written once."""
        node = many.head.tree["t"]
        assert node.entries.shards
        stored = [
            entry
            for ref in node.entries.shards.values()
            for _, entry in many._history.read_shard(ref).items()
        ]
        for path in Path(many.url).rglob("*.tree"):
            tree = json.loads(path.read_bytes())
            stored += [type(stored[0]).from_json(one) for each in tree.values() for one in each["entries"]]
        assert len(stored) > OVERLAY_SIZE
        assert all(len(entry.place.inline or b"") <= INLINE_SIZE for entry in stored)

    def test_many_tables_of_one_commit_are_one_pack(self, tmp_path: Path) -> None:
        lake = Lake.create(tmp_path / "lake", durable=False)
        with lake.transaction("many") as tx:
            for number in range(80):
                tx.write_table(f"t{number}", row(number))
        assert not list(Path(lake.url).rglob("*.parquet")) and len(list(Path(lake.url).rglob("*.pack"))) == 1
        assert Lake.open(lake.url)["t79"].to_arrow() == row(79)

    def test_what_is_small(self, lake: Lake) -> None:
        for size in (FILE_INLINE_SIZE - 2000, FILE_INLINE_SIZE + 1000):
            append(lake, pa.table({"b": [np.random.default_rng(size).bytes(size)]}))
        assert places(lake) == ["inline", "alone"]

    def test_rebase(self, few: nl.Lake) -> None:
        """Two that append at once, where the tree is stored meanwhile."""
        while few.head.commit.depth < FOLD_AFTER - 2:
            append(few, row(0))
        one, other = few.transaction("one"), nl.open(few.url, durable=False).transaction("other")
        one.append_table("t", row(100))
        other.append_table("t", row(200))
        one.commit()
        other.commit()
        assert nl.open(few.url)["t"].to_arrow()["x"].to_pylist()[-2:] == [100.0, 200.0]
        assert few.verify()


class TestReading:
    def expected(self, lake: nl.Lake) -> pa.Table:
        return pa.concat_tables([LARGE, *(row(value) for value in range(len(lake["t"].files) - 1))])

    @pytest.mark.parametrize("verification", ["first", "always", "never"])
    def test_arrow(self, many: nl.Lake, verification: Any) -> None:
        table = Lake.open(many.url, verification=verification)["t"]
        assert table.to_arrow() == self.expected(many)
        assert table.to_arrow(["s"], pds.field("x") == 7.0).to_pylist() == [{"s": "row 7"}]
        assert table.rows_of(table.files[3]) == row(2)

    @pytest.mark.parametrize("verification", ["first", "always", "never"])
    def test_sql(self, many: nl.Lake, verification: Any) -> None:
        lake = nl.open(many.url, verification=verification)
        assert lake.sql("select * from t").to_arrow_table().equals(self.expected(many))
        assert lake.sql("select s from t where x = 290").fetchall() == [("row 290",)]
        assert ("t",) in lake.sql("select view_name from duckdb_views()").fetchall()

    def test_paths(self, many: nl.Lake) -> None:
        """For programs that read files in place; a copy that was damaged is made anew."""
        table = many["t"]
        paths = [Path(path) for path in table.paths()]
        assert [digest_of(path.read_bytes()) for path in paths] == [entry.digest for entry in table.files]
        paths[5].write_bytes(paths[5].read_bytes()[:-1] + b"x")
        paths[6].unlink()
        assert [Path(path) for path in nl.open(many.url)["t"].paths()] == paths
        assert digest_of(paths[5].read_bytes()) == table.files[5].digest and paths[6].is_file()

    def test_joined(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What programs read in place is a file for each block of small ones; full blocks stay as the table grows."""
        monkeypatch.setattr("neurolake.lake.data.parquet.BLOCK", 8)
        lake = filled(tmp_path / "lake", 20)
        first = lake["t"].scan_paths()
        # One alone; positions 1 to 7, 8 to 15 and 16 to 20.
        assert first[0] == lake["t"].paths()[0] and len(first) == 4
        assert lake.sql("from t").to_arrow_table().equals(self.expected(lake))
        append(lake, row(20))
        again = nl.open(lake.url)["t"].scan_paths()
        assert again[:3] == first[:3] and again[3] != first[3]
        # A few are copied, and of many in a block the block is read.
        files = lake["t"].files
        assert lake["t"].scan_paths(files[9:11]) == lake["t"].paths(files[9:11])
        assert lake["t"].scan_paths(files[9:15]) == [first[2]]
        assert lake.sql("select x from t where x between 9 and 13").fetchall() == [
            (at,) for at in range(9, 14)
        ]
        # What is not as it was made is made anew.
        data = Path(first[2]).read_bytes()
        Path(first[2]).write_bytes(b"PAR1" + data)
        assert nl.open(lake.url).sql("from t").to_arrow_table().equals(self.expected(lake))
        assert Path(first[2]).read_bytes() == data
        assert nl.open(lake.url, verification="always")["t"].scan_paths() == lake["t"].paths()

    def test_files_that_do_not_go_together(self, few: nl.Lake, tmp_path: Path) -> None:
        """A foreign writer may say that all files have the same columns where they do not; rows are read all the same."""
        other = nl.create(tmp_path / "other", durable=False)
        append(other, pa.table({"s": ["swapped"], "x": [7.0]}))
        with few.transaction("foreign") as tx:
            (entry,) = other["t"].files
            tx.drafts.append("t", [entry], tx.drafts["t"].meta)
        assert few["t"].scan_paths() == few["t"].paths()
        assert few.sql("select s from t where x = 7").fetchall() == [("swapped",)]
        assert few["t"].to_arrow(where=pds.field("x") == 7.0)["s"].to_pylist() == ["swapped"]

    def test_no_parquet(self, few: nl.Lake) -> None:
        """What has its digest and is no Parquet file is told as such."""
        with few.transaction("foreign") as tx:
            data = b"no Parquet"
            entry = replace(
                few["t"].files[-1], digest=digest_of(data), size=len(data), place=Place(inline=data)
            )
            tx.drafts.append("t", [entry], tx.drafts["t"].meta)
        with pytest.raises(MalformedError, match="table 't' cannot be read, although"):
            few["t"].to_arrow()
        with pytest.raises(nl.QueryError, match=f"{digest_of(data)}.*too small to be a Parquet file"):
            few.sql("select sum(x) from t").fetchall()

    def test_dask(self, few: nl.Lake) -> None:
        frame = few["t"].dask()
        assert frame.npartitions == 6
        assert frame[frame.x >= 1].compute(scheduler="sync")["s"].tolist() == [
            f"row {at}" for at in range(1, 5)
        ]

    def test_attached(self, many: nl.Lake, tmp_path: Path) -> None:
        """Their rows are in the file, in the order of the table."""
        attach(many.head, tmp_path / "lake.duckdb")
        with duckdb.connect(tmp_path / "lake.duckdb", read_only=True) as connection:
            assert connection.sql("from t").to_arrow_table().equals(self.expected(many))
            assert connection.sql('select count(*) from parts."t 1"').fetchall() == [(OVERLAY_SIZE + 40,)]

    def test_attached_after_columns_came(self, few: nl.Lake, tmp_path: Path) -> None:
        append(few, pa.table({"x": [1.0], "more": [3]}))
        append(few, pa.concat_tables([LARGE, LARGE]))
        append(few, row(9))
        attach(few.head, tmp_path / "lake.duckdb")
        with duckdb.connect(tmp_path / "lake.duckdb", read_only=True) as connection:
            assert connection.sql("from t").fetchall() == few.sql("from t").fetchall()

    def test_no_cache(self, few: nl.Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "file"))
        lake = nl.open(few.url)
        assert lake["t"].to_arrow().num_rows == 2005
        assert lake.sql("select count(*) from t").fetchall() == [(2005,)]


class TestWalking:
    """What goes through all objects of a lake."""

    def check(self, lake: Lake, rows: int, branch: str = "main") -> None:
        again = Lake.open(lake.url, verification="always")
        assert again.verify().damages == ()
        assert again.at(branch)["t"].to_arrow() == pa.concat_tables([LARGE, *map(row, range(rows))])

    @pytest.mark.parametrize("commits", [5, 40])
    def test_copy_push_and_pull(self, tmp_path: Path, new_lake: Callable[[str], Lake], commits: int) -> None:
        lake = filled(tmp_path / "lake", commits)
        self.check(lake.copy_to(tmp_path / "copy"), commits)
        there = new_lake("there")
        lake.push(there, to="other")
        here = new_lake("here")
        here.pull(there, "other")
        self.check(here, commits, "other")

    def test_expire_and_collect(self, tmp_path: Path) -> None:
        lake = filled(tmp_path / "lake", 40)
        packs = set(Path(lake.url).rglob("*.pack"))
        lake.compact()
        for value in range(40, 40 + FOLD_AFTER):
            append(lake, row(value))
        lake.expire(NOW)
        age(lake, timedelta(days=8))
        lake.collect_garbage()
        lake.collect_garbage(grace=NOW)
        assert packs and not packs & set(Path(lake.url).rglob("*.pack"))
        self.check(lake, 40 + FOLD_AFTER)

    def test_garbage_leaves_packs_that_are_needed(self, tmp_path: Path) -> None:
        lake = filled(tmp_path / "lake", 40)
        age(lake, timedelta(days=8))
        lake.collect_garbage()
        lake.collect_garbage(grace=NOW)
        self.check(lake, 40)

    def test_compact(self, tmp_path: Path) -> None:
        lake = filled(tmp_path / "lake", 40)
        before = lake["t"].digest
        joined = lake.compact(tables=["t"]).joined["t"]
        assert joined == (41, 2) and lake["t"].digest != before
        self.check(lake, 40)
        append(lake, row(40))
        self.check(lake, 41)

    def test_repair(self, tmp_path: Path) -> None:
        """A pack of theirs is put together of another lake's records."""
        lake = filled(tmp_path / "lake", 40)
        other = lake.copy_to(tmp_path / "other")
        damaged = max(Path(lake.url).rglob("*.pack"), key=lambda path: path.stat().st_size)
        data = bytearray(damaged.read_bytes())
        data[100] ^= 1
        damaged.write_bytes(data)
        for path in Path(other.url).rglob("*.pack"):
            path.unlink()
        (damage,) = lake.verify().damages
        assert damage.nodes == ("t",) and damage.reason == "damaged"
        with pytest.raises(CorruptObjectError, match=damage.key):
            Lake.open(lake.url)["t"].to_arrow()
        with pytest.raises(CorruptObjectError, match=damage.key):
            nl.open(lake.url).sql("select sum(x) from t")
        assert lake.verify(repair_from=other).repaired == (damage.key,)
        self.check(lake, 40)


class TestDamage:
    def test_of_a_record(self, few: nl.Lake) -> None:
        """Inline bytes are part of what the digest of the record covers."""
        path = Path(few.url) / "log/main/000000000004"
        data = path.read_bytes()
        at = data.index(b'"inline":"') + 100
        path.write_bytes(data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :])
        (damage,) = few.verify().damages
        assert (damage.key, damage.reason) == ("log/main/000000000004", "damaged")
        with pytest.raises(CorruptObjectError, match="record log/main/000000000004 is damaged"):
            nl.open(few.url)["t"]

    def test_with_a_digest_of_its_own(self, few: nl.Lake) -> None:
        """A record that is as it was written, with bytes that are not of the entry's digest."""
        path = Path(few.url) / "log/main/000000000006"
        record = json.loads(path.read_bytes().split(b"\n")[1])
        (entry,) = record["changes"]["t"]["entries"]
        data = bytearray(base64.b64decode(entry["inline"]))
        data[20] ^= 1
        entry["inline"] = base64.b64encode(data).decode()
        line = canonical_json(record)
        path.write_bytes(digest_of(line).encode() + b"\n" + line + b"\n")
        (damage,) = few.verify().damages
        assert damage.key == "log/main/000000000006" and damage.reason == "malformed"
        assert entry["digest"] in damage.detail
        lake = nl.open(few.url)
        for read in (lake["t"].to_arrow, lake["t"].paths, lambda: lake.sql("select sum(x) from t")):
            with pytest.raises(CorruptObjectError, match=entry["digest"]):
                read()

    def test_in_a_shard(self, lake: Lake) -> None:
        """Tiny chunks have always been inline there."""
        with lake.transaction("chunks") as tx:
            tx.write_array("a", np.arange(OVERLAY_SIZE + 1.0), chunks=(1,))
        assert lake.verify()
        node = lake.head.tree["a"]
        chunks = dict(node.entries.items())
        chunks[3] = replace(chunks[3], place=Place(inline=bytes(chunks[3].size)))
        with lake.transaction("tampered with") as tx:
            tx.drafts.put("b", "array", node.meta, chunks)
        (ref,) = lake.head.tree["b"].entries.shards.values()
        assert ref.digest == node.entries.shards[0].digest
        (damage,) = lake.verify().damages
        assert damage.reason == "malformed" and damage.key == f"objects/{ref.object[:2]}/{ref.object}.shard"
        assert chunks[3].digest in damage.detail


class TestVersions:
    def test_a_lake_of_version_1_stays_one(self, few: nl.Lake, tmp_path: Path) -> None:
        lake = Lake.create(tmp_path / "old", durable=False)
        append(lake, LARGE)
        lake = old_format(lake)
        append(lake, row(0))
        assert places(lake) == ["alone", "alone"] and lake.format == 1
        copy = lake.copy_to(tmp_path / "copy")
        assert copy.format == 1
        with pytest.raises(FormatError, match=r"old has format 1, .* format 2: neurolake upgrade --lake"):
            few.push(lake, to="theirs")
        with pytest.raises(FormatError, match="has format 1"):
            lake.pull(few, into="theirs")
        # The other way everything goes.
        lake.push(few, to="theirs")
        assert few.verify()

    def test_upgrade(self, tmp_path: Path, few: nl.Lake) -> None:
        lake = Lake.create(tmp_path / "old", durable=False)
        lake = old_format(lake)
        identity = lake.id
        append(lake, row(0))
        assert lake.upgrade() == 1 and lake.format == 2 and lake.upgrade() == 2
        append(lake, row(1))
        again = Lake.open(lake.url)
        assert places(again) == ["alone", "inline"] and (again.id, again.format) == (identity, 2)
        few.push(again, to="theirs")
        assert again.verify()

    def test_upgrade_keeps_an_odd_id(self, few: nl.Lake) -> None:
        marker = Path(few.url) / MARKER
        marker.write_bytes(b'{"format":1,"hash":"blake3-256","id":"../x"}\n')
        lake = Lake.open(few.url)
        lake.upgrade()
        assert Lake.open(few.url).id == lake.id
        assert json.loads(marker.read_bytes()) == {"format": 2, "hash": "blake3-256", "id": "../x"}

    def test_workers_of_an_upgraded_lake(self, few: nl.Lake) -> None:
        """What was begun before goes on: files of their own are as good."""
        shutil.copytree(few.url, f"{few.url}2")
        lake = old_format(nl.open(f"{few.url}2"))
        tx = lake.transaction("began before")
        lake.upgrade()
        tx.append_table("t", row(5))
        tx.commit()
        assert places(lake)[-1] == "alone" and lake["t"].rows == 2006


def test_where_the_cache_cannot_be_written_a_process_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some nodes of clusters have no home that can be written."""
    monkeypatch.delenv("NEUROLAKE_CACHE", raising=False)
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    lake = nl.create(tmp_path / "lake")
    for number in range(20):
        append(lake, row(number))
    assert lake.sql("select sum(x) from t").fetchall() == [(190,)]
    assert tmp_path not in cache_folder().parents and cache_folder() == cache_folder()
