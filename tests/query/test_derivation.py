"""Derived results: computed once, found by content, recorded, and nothing left of what fails."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import derivations
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr

import neurolake
from neurolake import InputError, NotFoundError
from neurolake.lake.nodes.content import content


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("ingest") as tx:
        fill(tx)
    return lake


@pytest.fixture(autouse=True)
def calls() -> Iterator[list[str]]:
    derivations.CALLS.clear()
    yield derivations.CALLS


def fill(tx: Any, offset: float = 0.0) -> None:
    tx.write_array(
        "v",
        np.arange(12.0).reshape(3, 4) + offset,
        dimension_names=["trial", "time"],
        attributes={"units": "mV"},
    )
    tx.write_array("v.time", np.arange(4.0) / 40, dimension_names=["time"], attributes={"units": "ms"})
    tx.write_array("v.trial", np.array([7, 8, 9]), dimension_names=["trial"])
    tx.write_table("trials", pa.table({"trial_id": [7, 8, 9], "stimulus": ["C2", "D1", "C2"]}))
    tx.write_table("cells", pa.table({"cell": [1]}))
    tx.put_file("notes", b"some notes")


def test_computed_once(lake: Any, calls: list[str]) -> None:
    found = lake.derive(derivations.mean_trace, "v", scale=2.0)
    np.testing.assert_array_equal(found[...], [8.0, 10.0, 12.0, 14.0])
    again = neurolake.open(lake.url).derive(derivations.mean_trace, ["v"], scale=2.0)
    np.testing.assert_array_equal(again[...], found[...])
    assert calls == ["mean_trace"] and len(lake.log()) == 3
    lake.derive(derivations.mean_trace, "v", scale=2)  # another JSON
    lake.derive(derivations.mean_trace, "v")
    assert len(calls) == 3


def test_the_record_says_how(lake: Any) -> None:
    before = lake.head
    found = lake.derive(derivations.mean_trace, {"voltage": "v"}, scale=np.float64(0.5))
    (made,) = lake.derived()
    assert found.path == made.name and made.name.startswith("derived/mean_trace/") and not made.stale
    assert made.origin.to_json() == {
        "kernel": "mean_trace",
        "version": "1",
        "function": "derivations:mean_trace",
        "whole": False,
        "arguments": {"voltage": "v"},
        "inputs": {"v": content(before.tree, "v")},
        "params": {"scale": 0.5},
        "commit": before.commit.id,
    }
    assert (made.kernel, made.version, made.params) == ("mean_trace", "1", {"scale": 0.5})
    assert dict(made.inputs) == {"v": content(before.tree, "v")}
    assert lake.head.commit.message == "Derive mean_trace from v"
    assert "code" in lake.head.commit.provenance
    rows = lake.sql("select kernel, version, inputs, params, stale from derived").fetchall()
    assert rows == [("mean_trace", "1", dict(made.inputs), '{"scale": 0.5}', False)]


def test_content_is_the_key_not_names_or_commits(lake: Any, calls: list[str]) -> None:
    lake.derive(derivations.mean_trace, "v")
    with lake.transaction("elsewhere") as tx:
        tx.write_array("other", np.zeros(2))
        tx.write_array("w", lake["v"][...], dimension_names=["trial", "time"], attributes={"units": "mV"})
        tx.write_array("w.time", lake["v.time"][...], dimension_names=["time"], attributes={"units": "ms"})
        tx.write_array("w.trial", lake["v.trial"][...], dimension_names=["trial"])
    lake.derive(derivations.mean_trace, "w")
    assert calls == ["mean_trace"]
    with lake.transaction("another axis") as tx:
        tx.write_array("w.time", lake["v.time"][...] + 1, dimension_names=["time"])
    lake.derive(derivations.mean_trace, "w")
    assert len(calls) == 2


def test_found_on_another_branch_and_in_a_pulled_lake(lake: Any, calls: list[str], tmp_path: Path) -> None:
    lake.branches.create("work")
    found = lake.derive(derivations.mean_trace, "v", branch="work")
    assert found.path not in lake
    entries = found.entries()
    here = lake.derive(derivations.mean_trace, "v")
    assert here.path in lake.head and here.entries() == entries and calls == ["mean_trace"]
    other = neurolake.create(tmp_path / "other", durable=False)
    with other.transaction("the same content by another hand") as tx:
        fill(tx)
    other.pull(lake, "work", into="theirs")
    other.derive(derivations.mean_trace, "v")
    copied = lake.copy_to(tmp_path / "copy")
    copied.derive(derivations.mean_trace, "v")
    assert calls == ["mean_trace"]


def test_results_made_on_both_sides_merge(lake: Any, calls: list[str], tmp_path: Path) -> None:
    other = lake.copy_to(tmp_path / "other")
    for one in (lake, other):
        with one.transaction("of its own") as tx:
            tx.put_file(f"of {Path(one.url).name}", b"")
        one.derive(derivations.mean_trace, "v")
        one.derive(lambda v: {"table": pa.table({"x": v[0]}), "n": 3}, "v")
    lake.pull(other, into="theirs")
    assert len(calls) == 2 and lake.branches["theirs"].id != lake.head.commit.id
    records = {made.name: made.origin.commit for made in lake.derived()}
    assert records != {made.name: made.origin.commit for made in lake.derived("theirs")}
    lake.branches.create("both")
    lake.merge("theirs", into="both")
    assert {made.name: made.origin.commit for made in lake.derived("both")} == records
    assert not any(made.stale for made in lake.derived("both"))


def test_inputs_of_a_time(lake: Any) -> None:
    first = lake.head.commit.id
    with lake.transaction("later") as tx:
        fill(tx, offset=100)
    assert lake.derive(derivations.largest, "v", at=first) == 11
    assert lake.derive(derivations.largest, "v") == 111
    assert [made.stale for made in lake.derived()].count(True) == 1


RESULTS: dict[str, Any] = {
    "array": np.arange(6).reshape(2, 3),
    "texts": np.array(["C2", "a longer text"]),
    "no axes": np.array(3.0),
    "frame": pd.DataFrame({"x": [1, 2], "y": ["a", None]}),
    "arrow": pa.table({"x": [1.5, None]}),
    "bytes": b"\x00\x01",
    "number": 2.5,
    "not a number": float("nan"),
    "nested": {"a": [1, {"b": None}], "c": "text", "d": True},
    "list": [1, 2, 3],
}


@pytest.mark.parametrize("kind", RESULTS)
def test_results_come_back_as_they_were(lake: Any, kind: str) -> None:
    expected = RESULTS[kind]

    def made(notes: bytes, kind: str) -> Any:
        assert notes == b"some notes"
        return RESULTS[kind]

    neurolake.kernel(version="1", name=f"made-{kind.replace(' ', '-')}")(made)
    for _ in range(2):
        found = lake.derive(made, "notes", kind=kind)
        if isinstance(expected, np.ndarray):
            np.testing.assert_array_equal(found[...], expected)
        elif isinstance(expected, pd.DataFrame):
            pd.testing.assert_frame_equal(found.to_pandas(), expected)
        elif isinstance(expected, pa.Table):
            assert found.to_arrow().equals(expected)
        else:
            assert repr(found) == repr(expected)
        assert len(lake.derived()) == 1


def test_an_index_of_pandas_becomes_columns(lake: Any) -> None:
    def counted(trials: Any) -> Any:
        return trials.to_pandas().groupby("stimulus").size()

    found = lake.derive(counted, "trials").to_pandas()
    assert found.to_dict("list") == {"stimulus": ["C2", "D1"], "value": [2, 1]}


def test_labels_are_kept(lake: Any) -> None:
    def centred(v: Any) -> Any:
        return v.xarray() - v.xarray().mean("time")

    def both(v: Any) -> xr.Dataset:
        labelled = v.xarray()
        return xr.Dataset(
            {"mean": labelled.mean("trial"), "first": labelled[0, :]},
            coords={"time": labelled.time},
            attrs={"cell": "86"},
        )

    found = lake.derive(centred, "v").xarray()
    values = lake["v"][...]
    np.testing.assert_array_equal(found.values, values - values.mean(axis=1, keepdims=True))
    assert found.dims == ("trial", "time") and found.time.attrs == {"units": "ms"}
    assert found.trial.values.tolist() == [7, 8, 9] and "derived" not in found.attrs
    assert found.stimulus.values.tolist() == ["C2", "D1", "C2"]
    parts = lake.derive(both, "v")
    assert set(parts) == {"mean", "first"} and parts["mean"].shape == (4,)
    dataset = lake.head.xarray(parts["mean"].path.rpartition("/")[0])
    assert dataset.attrs == {"cell": "86"} and dataset["first"].trial.item() == 7
    np.testing.assert_array_equal(dataset["mean"].values, values.mean(axis=0))


def test_a_mapping_becomes_nodes_below_one(lake: Any) -> None:
    def several(v: Any, trials: Any) -> Any:
        return {"mean": v[...].mean(), "trace": v[0], "deep": {"table": trials.to_arrow(), "n": 3}}

    for found in (lake.derive(several, ["v", "trials"]), lake.derive(several, ["v", "trials"])):
        assert set(found) == {"mean", "trace", "deep"} and found["mean"] == 5.5
        assert found["trace"][...].tolist() == [0, 1, 2, 3]
        assert set(found["deep"]) == {"table", "n"} and found["deep"]["table"].rows == found["deep"]["n"] == 3
    (made,) = lake.derived()
    assert lake.derive(lambda given: sorted(given["deep"]), made.name) == ["n", "table"]


def test_blocks(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurolake.query.views.blocks.BLOCK_BYTES", 4000)
    monkeypatch.setattr("neurolake.query.views.blocks.CHUNK_BYTES", 1000)

    def arrays(v: Any, sizes: list[int]) -> Iterator[Any]:
        for size in sizes:
            yield np.full((size, 10), size, np.float32)

    def rows(v: Any, sizes: list[int]) -> Iterator[Any]:
        for size in sizes:
            yield pa.table({"x": np.arange(size), "y": ["text"] * size})

    for sizes in ([3], [100, 1, 0, 250, 7], [0]):
        expected = np.concatenate([np.full((size, 10), size, np.float32) for size in sizes])
        found = lake.derive(arrays, "v", sizes=sizes)
        np.testing.assert_array_equal(found[...], expected)
        table = lake.derive(rows, "v", sizes=sizes)
        assert table.to_arrow()["x"].to_pylist() == [x for size in sizes for x in range(size)]
    assert lake.derive(arrays, "v", sizes=[100, 1, 0, 250, 7]).chunks[1] == 10
    with pytest.raises(InputError, match="no blocks; yield at least one"):
        lake.derive(arrays, "v", sizes=[])


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([np.zeros((1, 2)), np.zeros((1, 3))], "does not follow the first"),
        ([np.zeros(2), np.zeros(2, np.int8)], "does not follow the first"),
        ([np.zeros(2), 3], "arrays of NumPy with at least one axis"),
        ([pa.table({"x": [1]}), pa.table({"y": [1]})], "other columns than the first"),
        ([3], "blocks are NumPy arrays or tables, not int"),
    ],
)
def test_blocks_that_do_not_fit_leave_nothing(lake: Any, blocks: list[Any], message: str) -> None:
    @neurolake.kernel(version="1", name="misfit")
    def misfit(v: Any) -> Any:
        return iter(blocks)

    before = lake.head
    with pytest.raises(InputError, match=message):
        lake.derive(misfit, "v")
    assert lake.head == before


def test_a_whole_kernel_sees_what_is_declared_and_nothing_else(lake: Any) -> None:
    @neurolake.kernel(version="1", whole=True)
    def look(snapshot: Any) -> Any:
        with pytest.raises(NotFoundError):
            snapshot["notes"]
        with pytest.raises(neurolake.QueryError):
            snapshot.sql("from cells")
        assert snapshot.sql("from trials").fetchall() == []
        with pytest.raises(NotFoundError):
            snapshot.arrays["v"]
        assert set(snapshot.store.tree) == {"soma", "soma.time", "soma.trial", "t"}
        assert snapshot.xarray("soma").stimulus.values.tolist() == ["C2", "D1", "C2"]  # declared
        (mean,) = snapshot.sql("select avg(value) from trace('soma')").fetchall()[0]
        return {
            "nodes": list(snapshot),
            "listed": [row[0] for row in snapshot.sql("select name from nodes order by name").fetchall()],
            "rows": snapshot.sql("select count(*) from t where trial_id > $least", least=7).fetchall()[0][0],
            "mean": mean,
            "dask": float(snapshot["soma"].dask().max().compute()),
        }

    found = lake.derive(look, {"t": "trials", "soma": "v"})
    names = ["soma", "soma.time", "soma.trial", "t"]
    assert found == {"nodes": names, "listed": names, "rows": 2, "mean": 5.5, "dask": 11.0}
    relation = lake.derive(derivations.per_stimulus, ["trials"])
    assert relation.to_arrow().to_pylist() == [
        {"stimulus": "C2", "trials": 2},
        {"stimulus": "D1", "trials": 1},
    ]


def test_names_are_part_of_the_key_where_the_function_can_see_them(lake: Any, calls: list[str]) -> None:
    lake.derive(derivations.per_stimulus, ["trials"])
    lake.derive(derivations.per_stimulus, {"trials": "trials"})
    assert len(calls) == 1
    with pytest.raises(neurolake.QueryError):
        lake.derive(derivations.per_stimulus, {"trials": "cells"})
    lake.derive(derivations.mean_trace, ["v"])
    lake.derive(derivations.mean_trace, {"voltage": "v"})
    assert calls[1:] == ["per-stimulus", "mean_trace", "mean_trace"]


def test_a_failing_function_leaves_nothing(lake: Any) -> None:
    def fails(v: Any) -> Iterator[Any]:
        yield np.zeros((2**20, 3))
        raise ZeroDivisionError("in the middle")

    before = lake.head
    with pytest.raises(ZeroDivisionError, match="in the middle"):
        lake.derive(fails, "v")
    assert lake.head == before and lake.derived() == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "parameter 'x' must be text, a number"),
        ({1: 2}, "parameter 'x' must be text, a number"),
        (np.zeros(5000), "parameter 'x' is an array of 5000 elements of type float64; at most 4096"),
        ({"$array": 1}, "parameter 'x': the keys"),
        ("\ud800", "parameter 'x' must be JSON"),
        ([1, {2, 3}], "not set; larger things are nodes"),
    ],
)
def test_parameters_are_json(lake: Any, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lake.derive(derivations.mean_trace, "v", x=value)


def test_parameters_arrive_as_they_are_kept(lake: Any) -> None:
    def echo(v: Any, x: Any) -> list[str]:
        return [type(x).__name__, repr(x)]

    assert lake.derive(echo, "v", x=(1, np.int8(2))) == ["list", "[1, 2]"]
    assert lake.derive(echo, "v", x=np.float32(0.5)) == ["float", "0.5"]
    assert lake.derive(echo, "v", x=float("-inf")) == ["float", "-inf"]
    assert lake.derive(echo, "v", x=np.array([1, 2], np.int16)) == ["ndarray", "array([1, 2], dtype=int16)"]
    assert lake.derive(echo, "v", x=[True, None, 1, 1.0]) == ["list", "[True, None, 1, 1.0]"]


def test_what_cannot_be_derived(lake: Any) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'trials'"):
        lake.derive(derivations.mean_trace, "trails")
    for inputs in ([], {}, 3, [3], {"v": 3}):
        with pytest.raises(InputError, match="inputs are the name of a node"):
            lake.derive(derivations.mean_trace, inputs)
    with pytest.raises(InputError, match="'v' is an input and a parameter"):
        lake.derive(lambda v: v, {"v": "v"}, v=3)
    with pytest.raises(InputError, match="returned nothing"):
        lake.derive(lambda v: None, "v")
    with pytest.raises(InputError, match="a result must be text"):
        lake.derive(lambda v: object(), "v")
    with pytest.raises(InputError, match="a kernel is a function, not int"):
        lake.derive(3, "v")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="columns need different texts as names"):
        lake.derive(lambda v: pd.DataFrame({1: [2]}), "v")
    assert lake.derived() == []


def test_two_processes_at_once_make_one_result(lake: Any) -> None:
    barrier = threading.Barrier(4)

    @neurolake.kernel(version="1")
    def slow(v: Any) -> Any:
        barrier.wait()
        return {"a": v[...], "t": pa.table({"x": [1]})}

    @neurolake.kernel(version="1")
    def slow_table(v: Any) -> Any:
        barrier.wait()
        return pa.table({"x": v[0]})

    for function in (slow, slow_table):
        with ThreadPoolExecutor(4) as pool:
            lakes = [neurolake.open(lake.url, durable=False) for _ in range(4)]
            found = [pool.submit(one.derive, function, "v") for one in lakes]
            assert len([one.result() for one in found]) == 4
    assert len(lake.derived()) == 2
    assert lake.derived()[1].name in lake and lake[lake.derived()[1].name].rows == 4


def test_on_s3(s3: str) -> None:
    lake = neurolake.create(s3)
    with lake.transaction("ingest") as tx:
        fill(tx)
    doubled = lake.derive(lambda v: v.dask() * 2, "v")
    np.testing.assert_array_equal(doubled[...], 2 * lake["v"][...])
    rows = lake.derive(lambda trials: trials.dask(where=[("stimulus", "==", "C2")]), "trials")
    assert rows.to_arrow()["trial_id"].to_pylist() == [7, 9]
    assert lake.head.xarray("v").sel(trial=8).values.tolist() == [4, 5, 6, 7]


def test_a_result_of_a_result(lake: Any, calls: list[str]) -> None:
    trace = lake.derive(derivations.mean_trace, "v")
    assert lake.derive(derivations.largest, trace.path) == 7
    first, second = lake.derived()
    assert second.inputs == {first.name: content(lake.head.tree, first.name)}
    # Made of the same from another commit, the first has another record, and the same content.
    other = neurolake.create(Path(lake.url).parent / "other", durable=False)
    with other.transaction("noise") as tx:
        tx.put_file("noise", b"noise")
        fill(tx)
    again = other.derive(derivations.mean_trace, "v")
    assert other.head.tree[again.path].digest != lake.head.tree[trace.path].digest
    other.derive(derivations.largest, again.path)
    assert [made.name for made in other.derived()] == [made.name for made in lake.derived()]
