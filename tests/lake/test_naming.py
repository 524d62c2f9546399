"""Names that mean two things are refused at every door, and read where an older lake has them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
import zarr
from zarr.core.buffer import default_buffer_prototype

import neurolake as nl
from neurolake.lake import Lake, Transaction
from neurolake.lake.errors import NodeNameError

ROWS = pa.table({"x": [1, 2]})


def array(name: str) -> Callable[[Transaction], object]:
    return lambda tx: tx.write_array(name, np.arange(5.0))


def table(name: str) -> Callable[[Transaction], object]:
    return lambda tx: tx.write_table(name, ROWS)


def file(name: str) -> Callable[[Transaction], object]:
    return lambda tx: tx.put_file(name, b"x")


def metadata(name: str) -> Callable[[Transaction], object]:
    """A file that Zarr would take for the metadata of a group."""
    return lambda tx: tx.put_file(f"{name}zarr.json", b'{"zarr_format": 3, "node_type": "group"}')


def document(name: str) -> Callable[[Transaction], object]:
    """A group as the Zarr store takes it, without Zarr's own look at what is above."""
    data = default_buffer_prototype().buffer.from_bytes(
        b'{"zarr_format": 3, "node_type": "group", "attributes": {}}'
    )
    return lambda tx: tx.store.set_sync(f"{name}/zarr.json", data)


COLLIDING = {
    "chunk": (array("v"), array("v/c")),
    "chunk below": (array("v"), file("v/c/0")),
    "chunk with dots": (array("v"), table("v/c.0")),
    "second version": (array("deep/v"), array("deep/v/0.0")),
    "metadata": (array("v"), file("v/zarr.json/x")),
    "group": (array("v"), document("v/c")),
    "deep group": (array("v"), document("v/c/x")),
    "metadata of a folder": (array("g/x/v"), metadata("g/")),
    "metadata of the root": (array("v"), metadata("")),
    "case": (table("trials"), table("Trials")),
    "case in a folder": (table("runs/A/x"), table("runs/a/x")),
    "accents": (table("caf\u00e9"), table("CAFE\u0301")),
}
ALLOWED = (
    *(array("v"), array("v/x"), table("v/chunks"), file("c/0"), document("w/c"), array("w/c/0"), array("V")),
    *(table("trials"), array("Trials"), file("TRIALS")),
)


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return nl.create(tmp_path / "lake", durable=False)


def commit(lake: Lake, *edits: Callable[[Transaction], object], branch: str = "main") -> None:
    with lake.transaction("change", branch=branch) as tx:
        for edit in edits:
            edit(tx)


@pytest.fixture(params=COLLIDING)
def pair(
    request: pytest.FixtureRequest,
) -> tuple[Callable[[Transaction], object], Callable[[Transaction], object]]:
    return COLLIDING[request.param]


def test_what_is_allowed(lake: Any) -> None:
    commit(lake, *ALLOWED)
    assert len(lake) >= len(ALLOWED) and lake.verify().collisions == ()
    assert np.array_equal(zarr.open_array(lake.head.store, path="v", mode="r")[:], np.arange(5.0))
    assert lake.sql("select count(*) from trials").fetchall() == [(2,)]


class TestRefused:
    def test_written_together_and_after_each_other(self, lake: Any, pair: Any) -> None:
        for edits in (pair, pair[::-1]):
            with pytest.raises(NodeNameError):
                commit(lake, *edits)
        assert len(lake) == 0
        for one, other in (pair, pair[::-1]):
            lake.branches.create("there", lake.log()[-1].id)
            commit(lake, one, branch="there")
            with pytest.raises(NodeNameError):
                commit(lake, other, branch="there")
            lake.branches.delete("there")

    def test_merged_and_picked(self, lake: Any, pair: Any) -> None:
        first, second = pair
        lake.branches.create("side")
        commit(lake, first)
        commit(lake, second, branch="side")
        with pytest.raises(NodeNameError):
            lake.merge("side")
        with pytest.raises(NodeNameError):
            lake.cherry_pick("side")
        assert len(lake.log()) == 2

    def test_reverted(self, lake: Any, pair: Any) -> None:
        first, second = pair
        commit(lake, first)
        (name,) = lake
        commit(lake, lambda tx: tx.delete(name))
        commit(lake, second)
        with pytest.raises(NodeNameError):
            lake.revert("main~1")

    def test_pushed_and_forwarded(
        self, lake: Any, pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """From a lake of before."""
        lake.copy_to(tmp_path / "other")
        lake.branches.create("side")
        with monkeypatch.context() as patch:
            for module in ("transaction", "drafts"):
                for check in ("check_names", "check_place"):
                    patch.setattr(f"neurolake.lake.{module}.{check}", lambda *_: None, raising=False)
            commit(lake, *pair, branch="side")
        with pytest.raises(NodeNameError):
            lake.merge("side")
        other = nl.open(tmp_path / "other")
        with pytest.raises(NodeNameError):
            lake.push(other, "side", to="main")
        assert len(other.log()) == 1 and len(lake.verify().collisions) == 1


@pytest.mark.parametrize("edit", [array("zarr.json"), array("zarr.json/v"), document("a/zarr.json/g")])
def test_arrays_that_zarr_would_not_list(lake: Any, edit: Any) -> None:
    with pytest.raises(NodeNameError, match="is where Zarr keeps metadata"):
        commit(lake, edit)
    commit(lake, document("g"))
    with pytest.raises(
        NodeNameError, match=r"file 'g/zarr\.json' stands where Zarr reads the metadata of the group"
    ):
        commit(lake, metadata("g/"))
    commit(lake, lambda tx: tx.delete("g"))
    commit(lake, array("zarr.json5/v"), table("zarr.json/t"), metadata("a/"))
    assert "v" in zarr.open_group(lake.head.store, path="zarr.json5", mode="r")


@pytest.mark.parametrize("content", [b"\x16\x8a", b"[1]", b'{"a": 1}', b"[" * 100_000])
def test_files_that_zarr_would_take_for_metadata(lake: Any, content: bytes) -> None:
    """One of them made every listing of the folder above fail."""
    with pytest.raises(NodeNameError, match="Zarr reads files of that name as metadata, which this is not"):
        commit(lake, array("v"), lambda tx: tx.put_file("x/zarr.json", content))
    commit(lake, array("v"), metadata("x/"))
    assert sorted(zarr.open_group(lake.head.store, mode="r")) == ["v", "x"]


def test_a_race_ends_in_a_refusal(lake: Any) -> None:
    with pytest.raises(NodeNameError, match="differ by case alone"), lake.transaction("one") as tx:
        tx.write_table("trials", ROWS)
        commit(lake, table("Trials"))
    assert list(lake) == ["Trials"]


def test_messages_name_both(lake: Any) -> None:
    commit(lake, array("a/v"), table("T"))
    with pytest.raises(
        NodeNameError, match="'a/v/c/7' is also the name that Zarr gives to a part of array 'a/v'"
    ):
        commit(lake, file("a/v/c/7"))
    with pytest.raises(
        NodeNameError, match="tables 'T' and 't' differ by case alone, which SQL cannot tell: rename"
    ):
        commit(lake, table("t"))


def test_lakes_from_before_are_read_and_told(
    lake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("neurolake.lake.transaction.check_names", lambda *_: None)
        patch.setattr("neurolake.lake.drafts.check_place", lambda *_: None)
        commit(lake, array("v"), lambda tx: tx.write_array("v/c", np.ones(2)), table("Trials"))
        commit(lake, lambda tx: tx.write_table("trials", pa.table({"y": [5]})))
    lake = nl.open(lake.url)
    assert lake["v"][:].tolist() == [0, 1, 2, 3, 4] and lake["v/c"][:].tolist() == [1, 1]
    assert lake.sql('select sum(x) from "Trials"').fetchall() == [(3,)]
    assert lake.sql("select sum(y) from trials_1").fetchall() == [(5,)]
    lake.attach(tmp_path / "file.duckdb") if hasattr(lake, "attach") else nl.catalog.attach(
        lake.head, tmp_path / "file.duckdb"
    )
    with duckdb.connect(tmp_path / "file.duckdb", read_only=True) as connection:
        assert connection.sql(
            "select (select sum(x) from trials), (select sum(y) from trials_1)"
        ).fetchall() == [(3, 5)]
    assert [told.split()[0] for told in lake.verify().collisions] == ["'v/c'", "tables"]
    # It goes on, and can be mended.
    commit(lake, file("new"))
    commit(lake, lambda tx: tx.delete("trials"), lambda tx: tx.delete("v/c"))
    assert lake.verify().collisions == ()


def test_bounds_of_a_part_are_not_those_of_a_column(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        "s": pa.array([{"x": 1, "y": {"z": 7.0}}, {"x": 2, "y": {"z": float("nan")}}]),
        "s.x": pa.array([100, 200]),
        "s.y.z": pa.array([0.5, 1.5]),
        "l": pa.array([[1, 2], [3]]),
        "l.list.element": pa.array([100, 200]),
        "m": pa.array([[("a", 1)], [("b", 2)]], pa.map_(pa.string(), pa.int64())),
        "m.key_value.value": pa.array([100, 200]),
        "after": pa.array([100, 200]),
    }

    def check(made: Any) -> None:
        for name in ("s.x", "l.list.element", "m.key_value.value", "after"):
            found = made["t"].to_arrow(where=pds.field(name) == 200)
            assert found[name].to_pylist() == [200], name
            assert made.sql(f'select count(*) from t where "{name}" = 200').fetchall() == [(1,)]
            assert len(made["t"].dask(where=pds.field(name) == 200)) == 1
        assert made.sql("select count(*) from t where s.y.z > 5").fetchall() == [
            (2,)
        ]  # DuckDB: NaN is the largest
        assert made["t"].files[0].stats["columns"]["after"] == [100, 200, 0]

    commit(lake, lambda tx: tx.write_table("t", pa.table(rows)))
    check(lake)
    # As files of before were told: bounds of parts under their path, whichever came last.
    entry = lake["t"].files[0]
    entry.stats["columns"] |= {"s.x": [1, 2, 0], "l.list.element": [1, 3, 0], "m.key_value.value": [1, 2, 0]}
    assert lake["t"].matching(pds.field("s.x") == 200) == (entry,)
