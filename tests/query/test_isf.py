"""The dictionary: keys, sub-databases, folders, metadata, time travel, other writers."""

import math
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from isf_tasks import assign_keys

from neurolake.lake import Lake
from neurolake.lake.errors import InputError, NotFoundError, ReadOnlyError, UnstorableError
from neurolake.query.isf import addresses
from neurolake.query.isf import database as isf


@pytest.fixture
def db(tmp_path: Path) -> Any:
    return isf.open(Lake.create(tmp_path / "lake", durable=False))


def commits(db: Any) -> int:
    return len(Lake.open(db._session.lake.url).log())


# Keys


def test_a_dictionary(db: Any) -> None:
    db["one"], db["two"] = 1, "2"
    assert (db["one"], db["two"], db.get("one"), db.get("three", 3), db.get("one", 3)) == (1, "2", 1, 3, 1)
    with pytest.raises(KeyError):
        db.get("three")
    assert db.keys() == list(db) == ["one", "two"] and len(db) == 2
    assert "one" in db and "three" not in db and "no key!" not in db
    db["one"] = [3]
    assert db["one"] == [3]
    del db["one"]
    assert db.keys() == ["two"]
    with pytest.raises(KeyError, match=r"no key 'twe'; did you mean 'two'\?"):
        db["twe"]
    with pytest.raises(NotFoundError):
        del db["one"]


@pytest.mark.parametrize(
    "key", ["", "x" * 201, "/" * 70, ("a", ""), (), None, math.nan, b"a", ["a"], "\ud800"]
)
def test_rules_of_keys(db: Any, key: Any) -> None:
    with pytest.raises(InputError, match="no key"):
        db[key] = 1
    assert db.keys() == [] and key not in db


KEYS = [
    "x" * 120,
    "sec_038_x_0.929_-30.0",
    "-",
    "_",
    "a.trial",
    "a b",
    "a/b",
    "ä",
    "..",
    ".",
    "50 %",
    "%2F",
    "a\nb",
]
KEYS += ["\\", "zarr.json", "c", "0", "%n1", "Straße", "STRASSE"]


def test_keys_may_be_any_texts_and_numbers(db: Any) -> None:
    """All that the In Silico Framework allows, or once allowed, and the names that mean something to a lake."""
    keys = [*KEYS, 1, 2.5, -3, 1e300]
    for key in keys:
        db[key] = pd.DataFrame({"key": [str(key)]})
        db["sub", key] = str(key)
    assert set(db) == {*keys, "sub"} and set(db["sub"]) == set(keys)
    for key in keys:
        assert db[key]["key"].tolist() == [str(key)] and db["sub"][key] == db["sub", key] == str(key)
    db["0"], db[np.int64(0)] = "text", "number"
    assert (db["0"], db[0], db[0.0], db[False]) == ("text", "number", "number", "number")


def test_tables_whose_keys_differ_by_case(db: Any) -> None:
    """SQL does not tell them apart, so the lake keeps but one by its plain name."""
    keys = ["ab", "Ab", "aB", "AB"]
    for key in keys:
        db[key] = pd.DataFrame({"key": [key]})
        db.set(("lazy", key), lazy(db[key]))
        db["within", key] = {"frame": db[key]}
    for key in keys:
        assert db[key]["key"].tolist() == db["lazy", key].compute()["key"].tolist() == [key]
        assert db["within", key]["frame"]["key"].tolist() == [key]
    del db["ab"]
    db.rename("Ab", "ab")
    assert db["ab"]["key"].tolist() == ["Ab"] and set(db) == {"ab", "aB", "AB", "lazy", "within"}


def lazy(frame: pd.DataFrame) -> Any:
    import dask.dataframe as dd

    return dd.from_pandas(frame, npartitions=1)


def test_each_assignment_is_one_commit(db: Any) -> None:
    before = commits(db)
    db["x"] = np.arange(3)
    db["a", "b", "c"] = 1
    assert commits(db) == before + 2
    db["x"] = np.arange(3)
    assert commits(db) == before + 2
    db["x"] = pd.DataFrame({"y": [1]})
    del db["x"]
    assert commits(db) == before + 4


def test_sub_databases(db: Any) -> None:
    db["a", "b", "c"] = 1
    assert db["a"]["b"]["c"] == db["a", "b"]["c"] == db["a"]["b", "c"] == 1
    db["a"]["d"] = 2
    assert db["a"].keys() == ["b", "d"] and ("a", "d") in db
    assert db.keys(recurse=True) == ["a", ("a", "b"), ("a", "b", "c"), ("a", "d")]
    assert all(key in db for key in db.keys(recurse=True))
    del db["a"]["d"]
    del db["a", "b", "c"]
    assert db["a", "b"].keys() == []
    del db["a"]
    assert db.keys() == [] and not list(db._session.snapshot.tree)


def test_a_sub_database_and_a_value_do_not_share_a_key(db: Any) -> None:
    db["a"] = 1
    with pytest.raises(InputError, match="'a' holds a value"):
        db["a", "b"] = 2
    db["s", "t"] = 1
    db["s"] = np.arange(3)
    assert db["s"].tolist() == [0, 1, 2] and ("s", "t") not in db


def test_create_sub_db(db: Any) -> None:
    sub = db.create_sub_db("s")
    sub["x"] = 1
    assert db["s", "x"] == 1
    with pytest.raises(InputError, match="already"):
        db.create_sub_db("s", raise_=True)
    assert db.create_sub_db("s")["x"] == 1
    db["v"] = 1
    with pytest.raises(InputError, match="already"):
        db.create_sub_db("v")


def test_ls(db: Any, capsys: pytest.CaptureFixture[str]) -> None:
    db["a", "b"], db["c"] = 1, 2
    db.ls()
    assert capsys.readouterr().out == "a\n    b\nc\n"
    db.update({("a", "x", str(number)): number for number in range(5)})
    db.update({f"k{number:02}": number for number in range(30)})
    for options, lines in (
        ({"max_depth": 1, "max_lines": 3}, ["a", "c", "k00", "... (29 more)"]),
        ({"max_lines": 4}, ["a", "    b", "    x", "c", "... (30 more)"]),
        (
            {"max_depth": 3, "max_lines": 7},
            ["a", "    b", "    x", *(f"        {n}" for n in range(3)), "        ... (2 more)"],
        ),
    ):
        db.ls(**options)
        assert capsys.readouterr().out.splitlines()[: len(lines)] == lines
    db.ls(max_depth=None, max_lines=None, max_lines_per_key=None)
    assert len(capsys.readouterr().out.splitlines()) == len(db.keys(recurse=True))


def test_maybe_calculate(db: Any) -> None:
    calls: list[int] = []

    def fun() -> int:
        calls.append(1)
        return len(calls)

    assert [db.maybe_calculate("x", fun) for _ in range(3)] == [1, 1, 1]
    assert db.maybe_calculate("x", fun, force_calculation=True) == 2
    assert db.maybe_calculate("y", lambda: np.arange(2), dumper="numpy_to_npy").tolist() == [0, 1]
    assert len(calls) == 2


def test_maybe_calculate_asks_before_it_calculates(db: Any, tmp_path: Path) -> None:
    def never() -> None:
        raise AssertionError("this took hours")

    db["x"], db["s", "t"] = 1, 2
    assert db.maybe_calculate("x", never) == 1 and db.maybe_calculate(("s", "t"), never, dumper="json") == 2
    closed, old = isf.open(tmp_path / "lake", readonly=True), isf.open(tmp_path / "lake", at="main")
    assert closed.maybe_calculate("x", never) == 1
    for asked, key, options, error in (
        (closed, "y", {}, ReadOnlyError),
        (old, "y", {}, ReadOnlyError),
        (closed, "x", {"force_calculation": True}, ReadOnlyError),
        (db, "", {}, InputError),
        (db, ("x", "below"), {}, InputError),
        (db, "y", {"dumper": "nothing"}, InputError),
        (db, "y", {"dumper": "to_cloudpickle"}, InputError),
    ):
        with pytest.raises(error):
            asked.maybe_calculate(key, never, **options)
    result = object()
    with pytest.raises(UnstorableError) as caught:
        db.maybe_calculate("y", lambda: result)
    assert caught.value.value is result and "y" not in db


def test_rename(db: Any) -> None:
    db["a", "b"] = np.arange(3)
    before = commits(db)
    db.rename("a", "z")
    db.rename(("z", "b"), ("y", "c"))
    assert commits(db) == before + 2
    assert db["y", "c"].tolist() == [0, 1, 2] and "a" not in db and db["z"].keys() == []
    with pytest.raises(InputError, match="already"):
        db.rename("y", "z")
    with pytest.raises(NotFoundError):
        db.rename("a", "b")


def test_remove(db: Any) -> None:
    db["a", "b"], db["c"] = 1, 2
    db["a"].remove()
    assert db.keys() == ["c"]
    db.clear()
    assert db.keys() == []


def test_ids(db: Any, tmp_path: Path) -> None:
    other = isf.open(tmp_path / "other")
    db["a", "b"] = 1
    ids = {db.get_id(), db["a"].get_id(), other.get_id()}
    assert len(ids) == 3 and isf.open(tmp_path / "lake").get_id() in ids


# Opening


def test_open_makes_a_lake_unless_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        isf.open(tmp_path / "lake", nocreate=True)
    isf.open(tmp_path / "lake")["x"] = 1
    assert isf.open(tmp_path / "lake", nocreate=True)["x"] == 1


def test_readonly(db: Any, tmp_path: Path) -> None:
    db["x"] = 1
    closed = isf.open(tmp_path / "lake", readonly=True)
    changes = [
        lambda: closed.set("x", 2),
        lambda: closed.create_sub_db("y"),
        lambda: closed.rename("x", "y"),
        lambda: closed.__delitem__("x"),
        lambda: closed.create_managed_folder("f"),
        closed.remove,
    ]
    for change in changes:
        with pytest.raises(ReadOnlyError):
            change()
    warned = isf.open(tmp_path / "lake", readonly="warning")
    with pytest.warns(UserWarning, match="readonly='warning'"):
        warned["x"] = 3
    assert closed["x"] == 3


def test_time_travel(db: Any, tmp_path: Path) -> None:
    for value in range(4):
        db["x"] = value
    old = isf.open(tmp_path / "lake", at="main~2")
    db["x"] = 4
    assert old["x"] == 1
    with pytest.raises(ReadOnlyError):
        old["x"] = 5


def test_branches_and_prefixes(db: Any, tmp_path: Path) -> None:
    db["x"] = 1
    db._session.lake.branches.create("try")
    tried = isf.open(tmp_path / "lake", branch="try")
    tried["x"] = 2
    other = isf.open(tmp_path / "lake", prefix="notes")
    other["x"] = 3
    assert (db["x"], tried["x"], other["x"]) == (1, 2, 3)
    assert set(db._session.snapshot.tree) == {"isf/x", "notes/x"}


def test_a_database_travels(db: Any) -> None:
    db["a", "b"] = 1
    there = pickle.loads(pickle.dumps(db["a"]))
    there["c"] = 2
    assert db["a"].keys() == ["b", "c"]


# Metadata


def test_metadata(db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkout(tmp_path / "code")
    monkeypatch.chdir(folder)
    db["x"] = np.arange(3)
    (folder / "a.py").write_text("changed")
    db["y", "z"] = {"k": 1}
    told = db.metadata["x"]
    record = db._session.lake.at("main~1").commit
    assert told["dumper"] == "array" and told["commit"] == record.id
    assert told["time"] == tuple(record.time.utctimetuple()) and len(told["time"]) == 9
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert told["full-revisionid"] == head.stdout.strip() and told["dirty"] in (True, False)
    assert db["y"].metadata["z"]["commit"] == db._session.snapshot.commit.id
    assert list(db.metadata) == ["x", "y"] and len(db.metadata) == 2
    with pytest.raises(NotFoundError):
        db.metadata["w"]


def checkout(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.py").write_text("")
    who = ["-c", "user.name=n", "-c", "user.email=e@x"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "m"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_metadata_are_of_the_commit_that_wrote_the_key(db: Any) -> None:
    db["x"] = 1
    written = db._session.snapshot.commit.id
    for value in range(40):
        db["y"] = value
    db._session.lake.compact()
    assert db.metadata["x"]["commit"] == written


# Results and what is stored


def test_stored_keys_hide_results_until_deleted(simrun_folder: Path, tmp_path: Path) -> None:
    lake = Lake.open(simrun_folder).copy_to(tmp_path / "lake")
    db = isf.open(lake)
    spikes = db["spike_times"]
    with pytest.raises(InputError, match="nothing stored"):
        del db["spike_times"]
    with pytest.raises(InputError, match="holds a value"):
        db["spike_times", "x"] = 1
    db["spike_times"] = spikes.iloc[:1]
    assert len(db["spike_times"]) == 1
    assert db.metadata["spike_times"]["dumper"] == "pandas"
    del db["spike_times"]
    assert db["spike_times"].equals(spikes)
    assert db.metadata["spike_times"]["dumper"] == "simulation results"
    (site,) = db["dendritic_recordings"].keys()
    db["dendritic_recordings", "mine"] = 1
    assert db["dendritic_recordings"].keys() == sorted([site, "mine"])
    assert db["dendritic_recordings"][site].npartitions == 3


# Managed folders


def test_managed_folders(db: Any, tmp_path: Path) -> None:
    folder = db.create_managed_folder("plots")
    assert isinstance(folder, str) and Path(folder).is_dir()
    Path(folder.join("a.png")).write_bytes(b"a")
    Path(folder + "/sub").mkdir()
    Path(folder.join("sub", "b.txt")).write_text("b")
    assert db["plots"] == folder and db["plots"].listdir() == ["a.png", "sub"]
    assert folder.exists() and folder.join("a.png").exists() and not folder.join("b.png").exists()
    assert db.get_managed_folder("plots").listdir() == []
    folder = db["plots"]
    Path(folder.join("a.png")).write_bytes(b"a")
    Path(folder.join("sub")).mkdir()
    Path(folder.join("sub", "b.txt")).write_text("b")
    other = isf.open(tmp_path / "lake")
    assert other["plots"].listdir() == []
    assert folder.commit() is not None and folder.commit() is None
    assert Path(other["plots"].get_file(".png")).read_bytes() == b"a"
    assert Path(other["plots"].join("sub").join("b.txt")).read_text() == "b"
    Path(folder.join("a.png")).unlink()
    folder.commit()
    assert other["plots"].listdir() == ["sub"]
    with pytest.raises(ValueError, match="expected one file that ends with 'png', found none"):
        other["plots"].get_file("png")
    with pytest.raises(InputError, match="create_managed_folder"):
        other["plots"].commit()


def test_managed_folders_in_with_statements(db: Any, tmp_path: Path) -> None:
    with db.create_managed_folder(("a", "f")) as folder:
        Path(folder.join("x")).write_text("1")
    with pytest.raises(RuntimeError), db.create_managed_folder(("a", "f"), raise_=False) as folder:
        Path(folder.join("x")).write_text("2")
        raise RuntimeError
    other = isf.open(tmp_path / "lake")
    assert Path(other["a", "f"].join("x")).read_text() == "1"
    with pytest.raises(InputError, match="already"):
        db.create_managed_folder(("a", "f"))
    assert pickle.loads(pickle.dumps(folder)) == folder
    del db["a", "f"]
    assert ("a", "f") not in db


def test_a_checkout_is_not_to_be_written(db: Any, tmp_path: Path) -> None:
    with db.create_managed_folder("f") as folder:
        Path(folder.join("x")).write_text("1")
    path = Path(isf.open(tmp_path / "lake")["f"].join("x"))
    assert not path.stat().st_mode & 0o222


# Addresses


def test_addresses_of_files(db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "cache"))
    for key in ("anatomy", ("cells", "86 C2")):
        with isf.open(tmp_path / "lake").create_managed_folder(key) as folder:
            Path(folder.join("cell.hoc")).write_text("{create soma}")
    address = db.address("anatomy", "cell.hoc")
    assert address == f"mdb://{db.get_id()}/anatomy/cell.hoc"
    for asked in (
        address,
        db.address(("cells", "86 C2"), "cell.hoc"),
        db["cells"].address("86 C2", "cell.hoc"),
    ):
        assert Path(addresses.resolve_db_path(asked)).read_text() == "{create soma}"
    assert Path(addresses.resolve_db_path("reldb://anatomy/cell.hoc", db)).read_text() == "{create soma}"
    assert addresses.resolve_db_path("/a/plain/path") == "/a/plain/path"
    assert addresses.get_db_by_unique_id(db.get_id()).keys() == ["anatomy", "cells"]


def test_the_register_follows_lakes_and_knows_other_names(
    db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "cache"))
    unique_id = db.get_id()
    isf.open(tmp_path / "lake")["x"] = 1
    (tmp_path / "lake").rename(tmp_path / "moved")
    with pytest.raises(NotFoundError):
        addresses.get_db_by_unique_id(unique_id)
    isf.open(tmp_path / "moved")
    assert addresses.get_db_by_unique_id(unique_id)["x"] == 1
    addresses.register(tmp_path / "moved", "2019-02-15_1137_VHVcuAZ")
    assert addresses.get_db_by_unique_id("2019-02-15_1137_VHVcuAZ")["x"] == 1
    assert addresses.registered() == dict.fromkeys(
        [unique_id, "2019-02-15_1137_VHVcuAZ"], str(tmp_path / "moved")
    )
    with pytest.raises(ReadOnlyError):
        addresses.get_db_by_unique_id(unique_id, readonly=True)["x"] = 2


@pytest.mark.parametrize(
    ("address", "error", "told"),
    [
        (
            "mdb://nobody/anatomy/x",
            NotFoundError,
            r"no lake 'nobody' is registered.*register\(PATH, 'nobody'\)",
        ),
        ("mdb://known/nothing/x", NotFoundError, "there is no key 'nothing'"),
        ("mdb://known/number/x", InputError, "does not lead to a managed folder"),
        ("mdb://known/folder/../x", InputError, "does not lead to a managed folder"),
        ("mdb://known", InputError, "does not lead to a managed folder"),
        ("mdb://../known/x", NotFoundError, "no lake '..'"),
        ("reldb://anatomy/x", InputError, "which database"),
    ],
)
def test_addresses_that_lead_nowhere(db: Any, tmp_path: Path, address: str, error: Any, told: str) -> None:
    db["number"] = 1
    db.create_managed_folder("folder")
    addresses.register(tmp_path / "lake", "known")
    with pytest.raises(error, match=told):
        addresses.resolve_db_path(address)


def test_names_in_the_register_are_plain(db: Any, tmp_path: Path) -> None:
    for name in ("", "a/b", "../x", ".hidden"):
        with pytest.raises(InputError, match="no name of a database"):
            addresses.register(tmp_path / "lake", name)


# Other writers


def test_two_processes_assign_at_once(db: Any, tmp_path: Path) -> None:
    url, count = str(tmp_path / "lake"), 12
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(assign_keys, [url, url], ["p", "q"], [count, count]))
    expected = {f"{name}{number}": number for name in "pq" for number in range(count)}
    assert {key: db["mine", key] for key in db["mine"]} == expected
    # Both wrote the same key all the time, and the last one won.
    assert db["shared"] in {("p", count - 1), ("q", count - 1)}


def test_importing_takes_no_dask(tmp_path: Path) -> None:
    code = "import sys, neurolake.query.isf.database; sys.exit('dask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
