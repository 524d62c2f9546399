"""Lakes on S3 do what lakes on disks do."""

import json
import pickle
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
import zarr
from commit_race import check_race
from simrun_trees import Run, read_lake, read_tree, write_run

import neurolake
from neurolake import CorruptObjectError, NotFoundError, QueryError
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.lake.history.log import FOLD_AFTER

obstore = pytest.importorskip("obstore", reason="lakes on S3 need obstore: pip install -e '.[dev]'")
VALUES = np.random.default_rng(0).random((12, 100))
TABLE = pa.table({"trial_id": [0, 0, 1, 2], "time": [1.5, 2.5, 3.5, 4.5]})


@pytest.fixture
def lake(s3: str, own_files: None) -> Any:
    lake = neurolake.create(s3)
    with lake.transaction("all kinds") as tx:
        tx.write_array("voltage", VALUES, chunks=(4, 100))
        tx.write_table("spikes", TABLE, sorted_by=["trial_id"])
        tx.write_table("other", pa.table({"x": [1]}))
        tx.put_file("small", b"tiny")
        tx.put_file("large", bytes(9 * 2**20))
    return lake


def copies(lake: Any) -> list[Path]:
    return sorted(path for folder in lake.objects.folders for path in folder.glob("*"))


class TestRoundTrip:
    def test_url(self, lake: Any, s3: str) -> None:
        assert lake.url == s3
        again = neurolake.open(lake.url)
        assert again.id == lake.id
        assert repr(again) == f"<Lake {s3}: 5 nodes at commit {lake.head.commit.id[:8]}>"

    def test_arrays_tables_files(self, lake: Any, s3: str) -> None:
        head = neurolake.open(s3).head
        assert np.array_equal(head["voltage"][:], VALUES)
        assert np.array_equal(head["voltage"][5:7, 3], VALUES[5:7, 3])
        assert head["spikes"].to_arrow().to_pydict() == TABLE.to_pydict()
        late = head["spikes"].to_arrow(where=pds.field("trial_id") > 0)
        assert late.to_pydict() == TABLE.slice(2).to_pydict()
        assert head["small"] == b"tiny" and head["large"] == bytes(9 * 2**20)

    def test_time_travel(self, lake: Any, s3: str) -> None:
        first = lake.head.commit
        with lake.transaction("more") as tx:
            tx.append_array("voltage", VALUES)
            tx.append_table("spikes", TABLE)
            tx.delete("small")
        lake.tags.create("published", first.id)
        again = neurolake.open(s3)
        assert len(again["spikes"]) == 8 and again["voltage"].shape == (24, 100)
        for ref in ("main~1", first.id[:12], "published", first.time):
            assert len(again.at(ref)["spikes"]) == 4 and again.at(ref)["small"] == b"tiny"
        assert [record.message for record in again.log()] == ["more", "all kinds", "Create the lake"]
        assert list(again.branches) == ["main"] and list(again.tags) == ["published"]

    def test_zarr(self, lake: Any, s3: str) -> None:
        group = zarr.open_group(neurolake.open(s3).head.store, mode="r")
        assert np.array_equal(group["voltage"][2:9], VALUES[2:9])
        with lake.transaction("by zarr") as tx:
            made = zarr.create_array(tx.store, name="made", shape=(4,), dtype="i4", chunks=(2,))
            made[:] = [1, 2, 3, 4]
        assert neurolake.open(s3)["made"][:].tolist() == [1, 2, 3, 4]

    def test_pickle(self, lake: Any) -> None:
        snapshot = pickle.loads(pickle.dumps(lake.head["voltage"]))
        assert np.array_equal(snapshot[:], VALUES)

    def test_command_line(self, s3: str, capsys: pytest.CaptureFixture[str]) -> None:
        from typer.testing import CliRunner

        from neurolake.cli import app

        assert s3 in CliRunner().invoke(app, ["create", s3]).output
        assert "Create the lake" in CliRunner().invoke(app, ["log", "--lake", s3]).output


class TestQueries:
    def test_sql(self, lake: Any, s3: str) -> None:
        again = neurolake.open(s3)
        assert again.sql("select sum(time) from spikes where trial_id = 0").fetchall() == [(4.0,)]
        assert again.sql("select rows from nodes where name = 'spikes'").fetchall() == [(4,)]

    def test_only_what_a_query_names_is_copied(self, lake: Any) -> None:
        assert lake.sql("select 1").fetchall() == [(1,)]
        assert copies(lake) == []
        lake.sql("select count(*) from other").fetchall()
        assert len(copies(lake)) == 1

    def test_files_of_the_machine_stay_closed(self, lake: Any, tmp_path: Path) -> None:
        lake.sql("select * from other").fetchall()
        (tmp_path / "secret.csv").write_text("a\n1\n")
        for place in (str(tmp_path / "secret.csv"), str(lake.objects.cache / "verified")):
            with pytest.raises(QueryError, match=r"disabled|not allowed|Permission"):
                lake.sql(f"select * from read_csv('{place}')").fetchall()

    def test_a_copy_that_went_comes_again(self, lake: Any, s3: str) -> None:
        question = "select count(*) from spikes"
        lake.sql(question).fetchall()
        for path in copies(lake):
            path.unlink()
        assert neurolake.open(s3).sql(question).fetchall() == [(4,)]

    def test_dask(self, lake: Any, s3: str) -> None:
        frame = neurolake.open(s3)["spikes"].dask()
        assert frame.time.sum().compute(scheduler="synchronous") == 12.0
        array = neurolake.open(s3)["voltage"].dask()
        assert array.sum().compute(scheduler="threads") == pytest.approx(VALUES.sum())

    def test_dask_processes(self, lake: Any, s3: str) -> None:
        from distributed import Client, LocalCluster

        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            frame, array = lake["spikes"].dask(), lake["voltage"].dask()
            assert client.compute(frame.time.sum()).result() == 12.0
            assert client.compute(array.sum()).result() == pytest.approx(VALUES.sum())


class TestSmallFiles:
    def test_in_records_and_packs(self, s3: str) -> None:
        """A commit of a row puts one object; whatever reads them finds them."""
        lake = neurolake.create(s3)
        for number in range(FOLD_AFTER + 3):
            before = {stored.key for stored in lake.storage.list("")}
            with lake.transaction("a row") as tx:
                tx.append_table("rows", pa.table({"x": [number]}))
            if lake.head.commit.depth:
                (key,) = {stored.key for stored in lake.storage.list("")} - before
                assert key.startswith("log/main/")
        assert not [stored.key for stored in lake.storage.list("") if stored.key.endswith(".parquet")]
        again = neurolake.open(s3)
        expected = list(range(FOLD_AFTER + 3))
        assert again["rows"].to_arrow()["x"].to_pylist() == expected
        assert again.sql("select x from rows").fetchall() == [(number,) for number in expected]
        assert again["rows"].dask().x.sum().compute(scheduler="synchronous") == sum(expected)
        assert not again.verify().damages


class TestIngest:
    def test_tree(self, s3: str, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        for seed in range(4):
            write_run(tree / "results", Run(seed=seed))
        lake = neurolake.create(s3)
        report = ingest_simrun(lake, tree, processes=2)
        assert report.trials == 8
        assert read_lake(neurolake.open(s3).head) == read_tree(tree)
        assert len(ingest_simrun(neurolake.open(s3), tree, processes=2).unchanged) == 4


class TestDamage:
    def damage(self, lake: Any, ending: str) -> str:
        """Flip a bit of the one object with that ending, behind the lake's back."""
        (stored,) = [stored for stored in lake.storage.list("") if stored.key.endswith(ending)]
        data = bytearray(lake.storage.read(stored.key))
        data[len(data) // 2] ^= 1
        obstore.put(lake.storage._store, stored.key, bytes(data))
        return stored.key

    def test_pack(self, lake: Any, s3: str) -> None:
        key = self.damage(lake, ".pack")
        with pytest.raises(CorruptObjectError, match=key):
            neurolake.open(s3)["voltage"][:]

    def test_record(self, lake: Any, s3: str) -> None:
        key = self.damage(lake, "log/main/000000000001")
        with pytest.raises(CorruptObjectError, match=key):
            neurolake.open(s3).head  # noqa: B018

    def test_table(self, lake: Any, s3: str) -> None:
        with lake.transaction("one table") as tx:
            tx.delete("other")
        (entry,) = lake["spikes"].files
        self.damage(lake, f"{entry.digest}.parquet")
        again = neurolake.open(s3)
        for read in (
            lambda: again.sql("select * from spikes"),
            lambda: again["spikes"].to_arrow(),
            lambda: again["spikes"].dask().compute(scheduler="synchronous"),
        ):
            with pytest.raises(CorruptObjectError, match=entry.digest):
                read()
        assert again.sql("select 1").fetchall() == [(1,)] and again["small"] == b"tiny"

    def test_missing(self, lake: Any, s3: str) -> None:
        (entry,) = lake["spikes"].files
        lake.storage.delete(f"objects/{entry.digest[:2]}/{entry.digest}.parquet")
        with pytest.raises(CorruptObjectError, match=f"{entry.digest}.* is missing"):
            neurolake.open(s3)["spikes"].to_arrow()


class TestWriters:
    def test_none_is_lost(self, s3: str) -> None:
        check_race(s3, writers=3, commits=6)

    def test_none_is_lost_to_garbage_collection(self, s3: str) -> None:
        check_race(s3, writers=3, commits=4, grace=timedelta(0))


def test_no_key_is_stored(lake: Any) -> None:
    """Neither in the lake, nor in the cache."""
    from s3_places import KEY, SECRET

    stored = b"".join(lake.storage.read(found.key) for found in lake.storage.list(""))
    lake.sql("select * from spikes").fetchall()
    kept = b"".join(path.read_bytes() for path in lake.objects.cache.rglob("*") if path.is_file())
    assert kept
    assert all(secret.encode() not in stored + kept for secret in (KEY, SECRET))


def test_half_a_lake_is_none(s3: str) -> None:
    """Whoever is stopped before the marker leaves nothing that could be opened."""
    from neurolake.lake.storage.locations import storage_at

    lake = neurolake.create(s3)
    marker = json.loads(lake.storage.read("neurolake.json"))
    assert marker["id"] == lake.id
    storage_at(s3).delete("neurolake.json")
    with pytest.raises(NotFoundError, match="is not a lake"):
        neurolake.open(s3)
