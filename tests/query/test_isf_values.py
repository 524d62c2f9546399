"""What is stored comes back as it was, or is refused."""

import datetime
import math
import types
from collections import OrderedDict, namedtuple
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.lake import Lake, Transaction
from neurolake.lake.errors import ConflictError, CorruptObjectError, InputError, UnstorableError
from neurolake.query.isf import database as isf
from neurolake.query.isf import json as isf_json

Point = namedtuple("Point", "x y")


class Zone(datetime.tzinfo):
    """A zone of somebody's own."""


@pytest.fixture
def db(tmp_path: Path) -> Any:
    return isf.open(Lake.create(tmp_path / "lake", durable=False))


def kind_of(db: Any, key: str = "x") -> str:
    return str(db._session.snapshot.tree[f"isf/{key}"].kind)


# Arrays


@pytest.mark.parametrize(
    "dtype",
    [
        "bool",
        "i1",
        "u2",
        "i4",
        "i8",
        "u8",
        "f2",
        "f4",
        "f8",
        "c8",
        "c16",
        ">f8",
        "U5",
        "S3",
        "M8[ms]",
        "m8[us]",
    ],
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (2, 3, 4)])
def test_arrays(db: Any, dtype: str, shape: tuple[int, ...]) -> None:
    value = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    db["x"] = value
    back = db["x"]
    assert (back.dtype, back.shape) == (value.dtype, value.shape)
    assert np.asarray(back).tobytes() == value.tobytes()
    assert isinstance(back, np.ndarray)


def test_arrays_are_arrays_of_the_lake(db: Any) -> None:
    db["x"] = np.array([[1.0, np.nan], [-0.0, np.inf]])
    assert kind_of(db) == "array"
    assert db._session.snapshot.arrays["isf/x"][0, 0] == 1.0
    record = np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")])
    db["r"] = record
    assert db["r"].dtype == record.dtype and db["r"].tolist() == record.tolist()


# JSON

zones = st.none() | st.sampled_from(
    [datetime.UTC, datetime.timezone(datetime.timedelta(hours=-3.5)), ZoneInfo("Europe/Berlin")]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.dates()
    | st.datetimes(timezones=zones)
    | st.times(timezones=zones)
    | st.timedeltas()
    | st.sampled_from([Path("a/b"), Path("/"), PurePosixPath("a"), PureWindowsPath("c:/x"), pd.NaT, pd.NA])
    | st.datetimes(pd.Timestamp.min + pd.Timedelta(1, "D"), pd.Timestamp.max - pd.Timedelta(1, "D")).map(
        pd.Timestamp
    )
    | st.sampled_from(
        [
            pd.Timestamp("2020-10-25 01:30:00.000000001", tz="UTC").tz_convert("Europe/Berlin"),
            pd.Timedelta(1, "ns"),
        ]
    )
    | st.sampled_from(
        [np.float32(1.5), np.int8(3), np.bool_(True), np.complex64(1j), np.datetime64("2020-01", "M")]
    )
)
hashable = st.recursive(scalars, lambda parts: st.lists(parts, max_size=3).map(tuple), max_leaves=5)
values = st.recursive(
    scalars,
    lambda parts: (
        st.lists(parts, max_size=4)
        | st.lists(parts, max_size=4).map(tuple)
        | st.sets(hashable, max_size=4)
        | st.frozensets(hashable, max_size=4)
        | st.dictionaries(hashable | st.sampled_from(["$", "is"]), parts, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_json_gives_back_what_it_was_given(value: Any) -> None:
    back = isf_json.loads(isf_json.dumps(value))
    assert repr(typed(back)) == repr(typed(value))


def typed(value: Any) -> Any:
    """*value* with the types of its parts; sets in an order."""
    if isinstance(value, dict):
        return dict, [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return type(value), sorted(repr(typed(item)) for item in value)
    return (type(value), [typed(item) for item in value]) if isinstance(value, list | tuple) else value


def test_numbers_that_json_has_not() -> None:
    value = [math.nan, math.inf, -math.inf, np.float64(1.5), np.int8(3), {"a": np.arange(3)}]
    back = isf_json.loads(isf_json.dumps(value))
    assert math.isnan(back[0]) and back[1:3] == value[1:3]
    assert [type(item) for item in back[3:5]] == [np.float64, np.int8]
    assert back[5]["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "value",
    ["text", 1, 2.5, None, True, [1, (2, "3")], {"EXC": {(1, 2): 3}}, b"bytes", {"a", "b"}, np.float32(2)],
)
def test_python_values(db: Any, value: Any) -> None:
    db["x"] = value
    assert db["x"] == value and type(db["x"]) is type(value)
    assert kind_of(db) == "file"


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Point(1, 2),
        OrderedDict(a=1),
        [{1: datetime.datetime(2020, 1, 1, tzinfo=Zone())}],
        print,
        np.array([print]),
        np.matrix([1]),
    ],
)
def test_what_would_not_come_back_is_refused(db: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="allow_pickle=True"):
        db["x"] = value
    assert "x" not in db


@pytest.mark.parametrize("text", ['{"$": "what", "is": 1}', '{"$": "os.system", "is": "ls"}'])
def test_json_of_unknown_kinds(text: str) -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        isf_json.loads(text.encode())


# Pickles


def test_pickles_only_by_choice(db: Any, tmp_path: Path) -> None:
    value = OrderedDict(a=Point(1, 2))
    trusting = isf.open(tmp_path / "lake", allow_pickle=True)
    trusting["x"] = value
    assert trusting["x"] == value and type(trusting["x"]["a"]).__name__ == "Point"
    assert trusting.metadata["x"]["dumper"] == "pickle"
    with pytest.raises(InputError, match=r"is a pickle.*allow_pickle=True"):
        db["x"]
    with pytest.raises(InputError, match="allow_pickle=True"):
        db.set("y", 1, dumper="to_cloudpickle")
    trusting.set("y", [1], dumper="to_pickle")
    assert trusting.metadata["y"]["dumper"] == "pickle" and trusting["y"] == [1]
    trusting["z"] = [1]
    assert db["z"] == [1]


# Dumpers


def test_dumpers_of_isf(db: Any) -> None:
    module = types.ModuleType("data_base.isf_data_base.IO.LoaderDumper.numpy_to_npy")
    db.set("x", np.arange(3), dumper=module)
    db.set("y", pd.DataFrame({"a": [1]}), dumper="pandas_to_parquet")
    db.set("z", {"a": 1}, dumper="to_msgpack")
    assert [db.metadata[key]["dumper"] for key in "xyz"] == ["array", "pandas", "json"]
    with pytest.raises(InputError, match=r"no dumper 'to_hdf'; there are: .*numpy_to_npy"):
        db.set("w", 1, dumper="to_hdf")
    with pytest.raises(InputError, match="a int is not stored as 'array' but as 'json'"):
        db.set("w", 1, dumper="numpy_to_npz")


# Frames

FRAMES = {
    "empty": pd.DataFrame(),
    "no columns": pd.DataFrame(index=["a", "b"]),
    "text": pd.DataFrame(
        {"a": ["x", None], "b": [1.5, np.nan]}, index=pd.Index(["p", "q"], name="sim_trial_index")
    ),
    "integer labels": pd.DataFrame([[1.0, np.nan], [2.0, 3.0]]),
    "time labels": pd.DataFrame(np.eye(3), columns=[0.0, 0.025, 0.09999999999999999]),
    "levels": pd.DataFrame(
        {"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "x"), (2, "y")], names=["i", None])
    ),
    "label levels": pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
    "types": pd.DataFrame(
        {
            "i1": np.array([1, 2], "i1"),
            "u8": np.array([1, 2**63], "u8"),
            "f4": np.array([1, np.nan], "f4"),
            "b": [True, False],
            "n": pd.array([1, None], "Int64"),
            "t": pd.to_datetime(["2020-01-01", None]),
            "z": pd.to_datetime(["2020-01-01", None], utc=True),
            "d": pd.to_timedelta([1, 2], "ms"),
        }
    ),
    "objects": pd.DataFrame(
        {"o": pd.Series(["a", None], dtype=object), "n": pd.Series([None, None], dtype=object)}
    ),
    "categories": pd.DataFrame({"c": pd.Categorical(["x", None, "y"], ["y", "x", "z"], ordered=True)}),
    "lists": pd.DataFrame({"l": pd.Series([[1.0, 2.0], [], None], dtype=object)}),
    "periods": pd.DataFrame({"p": pd.period_range("2020", periods=2, freq="M")}),
    "wide": pd.DataFrame(
        np.arange(3000.0).reshape(3, 1000), columns=np.arange(1000) * 0.025, index=["a", "b", "c"]
    ),
    "times": pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020", periods=2, name="t")),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames(db: Any, name: str) -> None:
    frame = FRAMES[name]
    db["x"] = frame
    pd.testing.assert_frame_equal(db["x"], frame, check_exact=True, check_freq=False)
    assert kind_of(db) == "table"


def test_frames_are_tables_of_the_lake(db: Any) -> None:
    db["x"] = FRAMES["text"]
    assert db._session.snapshot.tables["isf/x"].to_arrow()["a"].to_pylist() == ["x", None]
    db["y"] = FRAMES["wide"]
    assert db._session.snapshot.tables["isf/y"].columns == ["arrow_stream"]


@pytest.mark.parametrize("name", ["s", None, 3, ("a", 1)])
def test_series_and_indices(db: Any, name: Any) -> None:
    series = pd.Series([1.5, np.nan], ["p", "q"], name=name)
    db["x"], db["i"], db["r"] = series, series.index.rename("k"), pd.RangeIndex(3)
    pd.testing.assert_series_equal(db["x"], series)
    pd.testing.assert_index_equal(db["i"], series.index.rename("k"))
    assert db["r"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1, "x"]}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=["a", 1]),
        pd.DataFrame({"a": [object()]}),
        pd.DataFrame({"a": [(1, 2)]}),
        pd.DataFrame({"a": [1 + 2j]}),
    ],
    ids=["mixed", "twice", "labels", "object", "tuples", "complex"],
)
def test_frames_that_would_change_are_refused(db: Any, frame: pd.DataFrame) -> None:
    with pytest.raises(TypeError, match="cannot be stored as it is"):
        db["x"] = frame


# dask frames


def lazy(frame: pd.DataFrame, **options: Any) -> Any:
    return dd.from_pandas(frame, **{"npartitions": 3, "sort": False, **options})


@pytest.mark.parametrize(
    "name", sorted(FRAMES.keys() - {"empty", "levels", "label levels", "no columns", "lists"})
)
def test_dask_frames(db: Any, name: str) -> None:
    value = lazy(FRAMES[name])
    db["x"] = value
    back = db["x"]
    assert back.npartitions == value.npartitions
    # Times as divisions are not kept.
    assert back.divisions == value.divisions or (name == "times" and not back.known_divisions)
    assert (back.dtypes == value.dtypes).all() and back.index.name == value.index.name
    pd.testing.assert_frame_equal(back.compute(), value.compute(), check_exact=True, check_freq=False)


def test_dask_frames_keep_their_divisions(db: Any) -> None:
    frame = pd.DataFrame(
        {"v": np.arange(10.0)}, pd.Index([f"t{at}" for at in range(10)], name="sim_trial_index")
    )
    db["x"] = lazy(frame, sort=True)
    assert db["x"].divisions == ("t0", "t4", "t7", "t9")
    assert db["x"].loc["t5"].compute().v.tolist() == [5.0]
    db["x"] = db["x"].repartition(npartitions=1)
    assert db["x"].npartitions == 1 and db["x"].compute().equals(lazy(frame).compute())


def test_dask_frames_by_a_client(scheduler: str, db: Any) -> None:
    from distributed import Client

    frame = pd.DataFrame({"v": np.arange(10.0)}, np.arange(10))
    with Client(scheduler, set_as_default=False) as client:
        db.set("x", lazy(frame, sort=True), dumper="dask_to_parquet", client=client)
        assert db["x"].divisions == (0, 4, 7, 9)
        pd.testing.assert_frame_equal(db["x"].compute(scheduler=client), frame)


def test_dask_frames_outlive_compaction(db: Any) -> None:
    db["x"] = lazy(FRAMES["text"])
    db["w"] = lazy(FRAMES["wide"])
    before = {key: db[key].compute() for key in "xw"}
    lake = db._session.lake
    files = len(lake.head.tables["isf/w"].files)
    lake.compact()
    assert len(lake.head.tables["isf/w"].files) < files
    for key in "xw":
        pd.testing.assert_frame_equal(db[key].compute(), before[key])


def test_a_dask_frame_that_was_changed_behind_its_back(db: Any) -> None:
    import pyarrow as pa

    db["x"] = lazy(FRAMES["text"])
    with db._session.lake.transaction("append") as transaction:
        rows = transaction.table("isf/x").to_arrow()
        transaction.append_table("isf/x", pa.Table.from_pylist(rows.to_pylist(), rows.schema))
    with pytest.raises(CorruptObjectError, match="has 4 rows, of a dask frame with 2"):
        db["x"]


def test_dask_frames_whose_partitions_differ(db: Any) -> None:
    parts = dd.from_map(lambda at: pd.DataFrame({"a": [at]}), ["x", 1], meta=pd.DataFrame({"a": ["x"]}))
    with pytest.raises(TypeError):
        db["x"] = parts
    assert "x" not in db


def test_dask_series(db: Any) -> None:
    series = pd.Series(np.arange(5.0), name=("rate", 1))
    db["x"] = dd.from_pandas(series, npartitions=2)
    assert db["x"].npartitions == 2 and db["x"].divisions == (0, 3, 4)
    pd.testing.assert_series_equal(db["x"].compute(), series)


# dask arrays, labelled arrays, values within values


@pytest.mark.parametrize("dtype", ["f8", "i2", "c16", "M8[ms]", "?"])
def test_dask_arrays(db: Any, dtype: str) -> None:
    value = da.from_array(np.arange(24).reshape(6, 4).astype(dtype), chunks=(2, 4))
    db["x"] = value
    assert kind_of(db) == "array" and isinstance(db["x"], da.Array)
    assert (db["x"].dtype, db["x"].chunks) == (value.dtype, value.chunks)
    assert db["x"].compute().tobytes() == value.compute().tobytes()
    before = len(db._session.lake.log())
    db["x"] = value
    assert len(db._session.lake.log()) == before


def test_a_dask_array_is_computed_once_however_often_the_commit_is_tried(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    value = da.from_array(np.arange(4.0), chunks=4).map_blocks(
        lambda part: calls.append(1) or part, dtype="f8", meta=np.empty(0)
    )
    commit, failures = Transaction.commit, [ConflictError("another came first")]

    def failing(transaction: Transaction) -> Any:
        if failures:
            raise failures.pop()
        return commit(transaction)

    monkeypatch.setattr(Transaction, "commit", failing)
    db["x"] = value
    assert len(calls) == 1 and db["x"].compute().tolist() == [0, 1, 2, 3]


LABELLED = {
    "array": xr.DataArray(
        np.eye(2),
        {"trial": ["a", "b"], "time": ("t", [0.0, 0.025], {"units": "ms"}), "site": "soma"},
        ("trial", "t"),
        "v",
        {"units": "mV", "window": (0, 5), "made": datetime.date(2020, 1, 1)},
    ),
    "without labels": xr.DataArray(np.arange(3)),
    "text of pandas": xr.DataArray([1], {"x": pd.Index(["a"])}, ["x"]),
    "times": xr.DataArray([1, 2], {"x": pd.date_range("2020", periods=2, freq="D")}, ["x"]),
    "objects": xr.DataArray(np.array([1, "a", None], object), dims="x"),
    "dataset": xr.Dataset(
        {"v": (("x", "y"), np.ones((2, 3)), {"units": "mV"}), 7: ("x", ["p", "q"])},
        {"x": [1, 2], "lone": ("z", [3])},
        {"source": {"commit": None}},
    ),
    "nothing": xr.Dataset(),
}


@pytest.mark.parametrize("name", LABELLED)
def test_labelled_arrays(db: Any, name: str) -> None:
    value = LABELLED[name]
    db["x"] = value
    assert type(db["x"]) is type(value) and db["x"].identical(value)
    for label, index in value.indexes.items():
        assert db["x"].indexes[label].equals(index) and db["x"].indexes[label].dtype == index.dtype
    assert db["x"].coords.dtypes == value.coords.dtypes


def test_labelled_arrays_of_dask_stay_lazy(db: Any) -> None:
    value = xr.DataArray(np.arange(6.0).reshape(3, 2), {"x": ["a", "b", "c"]}, ["x", "y"]).chunk({"x": 2})
    db["x"], db["set"] = value, xr.Dataset({"v": value})
    assert db["x"].chunks == db["set"]["v"].chunks == value.chunks
    assert db["x"].identical(value) and db["set"]["v"].identical(value.rename("v"))


def test_answers_of_a_lake_can_be_kept(simrun_lake: Any, db: Any) -> None:
    head = simrun_lake.head
    answers = {
        "psth": head.spikes.psth(by="stimulus"),
        "rates": head.spikes.rates(ongoing=(0, 2), evoked=(2, 4)),
        "mean": head.voltages.statistics("soma"),
        "binned": head.activations.bin(["EI", "binned_somadist"]),
        "by distance": head.activations.spatiotemporal(),
        "stored": head.xarray("voltage/soma"),
    }
    db["answers"] = answers
    for name, answer in answers.items():
        db[name] = answer
        assert db[name].identical(answer) and db["answers"][name].identical(answer)
    features, lazy_rows = head.spikes.features(), head["spike_times"].dask()
    db["features"], db["rows"], db["voltage"] = features, lazy_rows, head["voltage/soma"].dask()
    pd.testing.assert_frame_equal(db["features"], features)
    pd.testing.assert_frame_equal(db["rows"].compute(), lazy_rows.compute())
    assert np.array_equal(db["voltage"].compute(), head["voltage/soma"][...])


def test_levels_of_labels_are_refused(db: Any) -> None:
    levels = xr.DataArray(np.eye(2), dims=("x", "y")).stack(z=("x", "y"))
    with pytest.raises(UnstorableError, match="several levels"):
        db["x"] = levels


def test_values_within_values(db: Any) -> None:
    large, frame = np.arange(20_000), FRAMES["text"]
    value = {
        "small": np.arange(3),
        ("L5tt", "C2"): [large, (frame, frame["a"], frame.index)],
        "lazy": {"frame": lazy(frame), "array": da.from_array(large, chunks=10_000)},
        "labels": LABELLED["array"],
        "bytes": bytes(100_000),
        "when": datetime.datetime(2020, 1, 1),
    }
    db["x"] = value
    back = db["x"]
    assert list(back) == list(value) and back["when"] == value["when"] and back["bytes"] == value["bytes"]
    found, (table, column, index) = back["L5tt", "C2"]
    assert np.array_equal(found, large) and table.equals(frame) and column.equals(frame["a"])
    assert index.equals(frame.index) and back["labels"].identical(value["labels"])
    assert back["lazy"]["frame"].npartitions == 2 and back["lazy"]["frame"].compute().equals(
        lazy(frame).compute()
    )
    assert np.array_equal(back["lazy"]["array"].compute(), large)
    # Large parts are nodes of the lake, and no keys of the dictionary.
    tree = db._session.snapshot.tree
    assert sorted(node.kind for name, node in tree.items() if name.startswith("isf/x/")) == sorted(
        ["array", "array", "file", "file", "table", "table", "table", "table"]
    )
    assert db.keys(recurse=True) == ["x"] and db.metadata["x"]["dumper"] == "parts"
    with pytest.raises(InputError, match="holds a value"):
        db["x", "small"] = 1
    before = len(db._session.lake.log())
    db["x"] = value
    assert len(db._session.lake.log()) == before
    changed = {**value, "bytes": bytes(99_999)}
    db["x"] = changed
    assert db.metadata["x"]["commit"] == db._session.snapshot.commit.id
    del db["x"]
    assert not [name for name in db._session.snapshot.tree if name.startswith("isf/x")]


def test_reduced_models(db: Any) -> None:
    from neurolake.kernels.activity.reduced import Lookup
    from neurolake.query.lake import Lake as AskedLake
    from neurolake.query.models.lda import LdaModel, Scores

    model = LdaModel(
        ("EXC", "INH"),
        (175, 255),
        (255, 265),
        np.ones((1, 2, 80)),
        (Lookup(0, np.array([0.0, 0.5])),),
        (Scores(0.5, 0.5, 0.5, 0.5, 0.5),),
    )
    db.set("model", model, dumper="reduced_lda_model")
    db["several"] = [model, {"again": model}]
    for back in (db["model"], db["several"][0], db["several"][1]["again"]):
        assert back.to_attributes() == model.to_attributes()
        assert np.array_equal(back.kernels, model.kernels)
    asked = AskedLake.open(db._session.lake.url)
    assert np.array_equal(asked.models["isf/model"].kernels, model.kernels)
    assert db.keys(recurse=True) == ["model", "several"] and db.metadata["model"]["dumper"] == "model"


def test_folders_and_databases_by_their_dumpers(db: Any) -> None:
    db.set("folder", None, dumper="just_create_folder")
    db.set("db", None, dumper="just_create_isf_db")
    assert db["folder"].listdir() == [] and db["db"].keys() == []
    db["db", "x"] = 1
    with pytest.raises(InputError, match="a int is not stored as 'folder' but as 'json'"):
        db.set("folder", 1, dumper="just_create_folder")
    with pytest.raises(InputError, match="there is a key 'db' already"):
        db.set("db", 1, overwrite=False)


# What others wrote


def test_nodes_of_others_are_read_plainly(db: Any) -> None:
    with db._session.lake.transaction("by hand") as transaction:
        transaction.write_array("isf/a", np.arange(3))
        transaction.write_table("isf/t", pd.DataFrame({"v": [1, 2]}))
        transaction.put_file("isf/f", b"content")
        transaction.put_file("isf/%nan", b"odd")
        transaction.put_file("isf/%n½", b"odd")
    assert db["a"].tolist() == [0, 1, 2] and db["f"] == b"content"
    assert db["t"]["v"].tolist() == [1, 2]
    assert [db.metadata[key]["dumper"] for key in "atf"] == ["array", "table", "file"]
    assert set(db.keys()) == {"%nan", "%n½", "a", "f", "t"}
