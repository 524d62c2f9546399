"""Blocks of dask's arrays and frames, of all shapes, come to stand where they belong."""

import math
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import neurolake
from neurolake import InputError
from neurolake.query.views import blocks
from neurolake.query.views.blocks import write_dask_array, write_dask_frame


@pytest.fixture(autouse=True)
def synchronous() -> Any:
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return neurolake.create(tmp_path / "lake", durable=False)


def cuts(length: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Lengths of dask's chunks along an axis, regular or not."""
    if not length:
        return st.just((0,))
    places = st.sets(st.integers(1, length - 1)) if length > 1 else st.just(set())
    return places.map(lambda ends: tuple(np.diff([0, *sorted(ends), length]).tolist()))


shapes = st.lists(st.integers(0, 12), min_size=1, max_size=3)
chunked = shapes.flatmap(lambda shape: st.tuples(st.just(shape), st.tuples(*map(cuts, shape))))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunked, st.sampled_from(["<f8", ">f4", "i2", "?", "c8", "M8[ns]"]))
def test_any_chunks(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, given: Any, kind: str
) -> None:
    shape, chunks = given
    monkeypatch.setattr(blocks, "CHUNK_BYTES", 64)
    values = np.arange(math.prod(shape)).reshape(shape).astype(kind)
    lake = neurolake.create(tmp_path_factory.mktemp("chunks") / "lake", durable=False)
    with lake.transaction("write") as tx:
        write_dask_array(tx, "a", da.from_array(values, chunks=chunks))
    assert lake["a"].shape == values.shape
    np.testing.assert_array_equal(lake["a"][...], values)
    assert lake.verify()


@pytest.mark.parametrize(
    "block", [(0,), (1,), (7919,), (8_000_009,), (2**23,), (100, 12_000), (3, 10**7), (5, 0)]
)
def test_stored_chunks_divide_the_block(block: tuple[int, ...]) -> None:
    chunk = blocks._chunk_within(block, 8)
    assert all(part >= 1 and max(length, 1) % part == 0 for part, length in zip(chunk, block, strict=True))
    size = 8 * math.prod(chunk)
    assert size >= 8 * min(math.prod(block), 2**17) / 16 and (
        size <= 2**20 or 7919 in block or 8_000_009 in block
    )


def test_frames(lake: Any) -> None:
    rows = pd.DataFrame(
        {"x": range(10), "y": list("abcdefghij")}, index=pd.Index(range(0, 20, 2), name="key")
    )
    frame = dd.from_pandas(rows, npartitions=3)
    with lake.transaction("write") as tx:
        tx.put_file("t", b"what was here before")
        write_dask_frame(tx, "t", frame, {"note": "text"})
        write_dask_frame(tx, "some", frame[frame["x"] > 7])
        write_dask_frame(tx, "none", frame[frame["x"] > 99])
        write_dask_frame(tx, "series", frame["x"].reset_index(drop=True))
    pd.testing.assert_frame_equal(lake["t"].to_pandas(), rows.reset_index(), check_dtype=False)
    assert lake["t"].sorted_by == ["key"] and len(lake["t"].files) == 3
    assert lake["some"].to_arrow()["key"].to_pylist() == [16, 18] and len(lake["some"].files) == 1
    assert lake["none"].rows == 0 and lake["none"].columns == ["key", "x", "y"]
    assert lake["series"].to_arrow().to_pydict() == {"x": list(range(10))}


def test_partitions_of_other_types_are_refused(lake: Any) -> None:
    frame = dd.from_pandas(pd.DataFrame({"x": [1, 2, 3, 4]}), npartitions=2)
    wrong = frame.map_partitions(
        lambda part: part.astype(str) + "?", meta=frame._meta, enforce_metadata=False
    )
    with pytest.raises(InputError, match="other columns than the first"), lake.transaction("write") as tx:
        write_dask_frame(tx, "t", wrong)
    assert list(lake) == []


@pytest.mark.parametrize(
    "rows", [pa.record_batch({"x": [1]}), pd.Series([1], name="x"), pd.DataFrame({"x": [1]})]
)
def test_rows_as_arrow(rows: Any) -> None:
    assert blocks.as_table(rows).to_pydict() == {"x": [1]}


def test_rows_that_are_no_table() -> None:
    mixed = pd.DataFrame({"x": [1, "a", {}]})
    for rows in (mixed, pd.DataFrame([[1, 2]], columns=["x", "x"]), pd.DataFrame({1: [2]})):
        with pytest.raises(InputError, match=r"cannot be stored as a table|need different texts"):
            blocks.as_table(rows)
    index = pd.MultiIndex.from_tuples([("a", 1)], names=["one", None])
    assert blocks.as_table(pd.Series([2.5], index)).column_names == ["one", "level_1", "value"]
