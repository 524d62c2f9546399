"""A lake that is deleted and made again at the same place, within one process, is another lake."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

import neurolake
from neurolake.lake.errors import NotFoundError
from neurolake.query import isf


def samples(value: int) -> npt.NDArray[np.float64]:
    """So many that they do not stand in the record itself, in whole numbers, of which sums are exact."""
    return np.random.default_rng(value).integers(0, 2**40, (100, 30)).astype(np.float64)


def make(folder: Path, value: int) -> Any:
    """A lake whose content follows from *value*."""
    lake = neurolake.create(folder, durable=False)
    with lake.transaction("all kinds") as tx:
        tx.write_array("a", samples(value))
        tx.write_table("t", pa.table({"trial_id": [0, 1], "y": [float(value)] * 2}), sorted_by=["trial_id"])
        tx.write_table("trials", pa.table({"trial_id": [0, 1], "t_stop": [10.0, 10.0]}))
        activations = {
            "trial_id": [0] * (value + 1),
            "time": [1.0] * (value + 1),
            "cell_type": ["VPM"] * (value + 1),
            "soma_distance": [1.0] * (value + 1),
        }
        tx.write_table("synapse_activation", pa.table(activations))
    return lake


READERS: dict[str, tuple[Callable[[Any], Any], Callable[[int], Any]]] = {
    "array": (lambda lake: lake["a"][:].sum(), lambda n: samples(n).sum()),
    "array as dask": (lambda lake: lake["a"].dask().sum().compute(), lambda n: samples(n).sum()),
    "array as xarray": (lambda lake: float(lake["a"].xarray(chunks=-1).sum()), lambda n: samples(n).sum()),
    "zarr": (lambda lake: lake.head.store.value("a/zarr.json") is not None, lambda n: True),
    "table": (lambda lake: lake["t"].to_pandas()["y"].sum(), lambda n: 2.0 * n),
    "table as dask": (lambda lake: lake["t"].dask()["y"].sum().compute(), lambda n: 2.0 * n),
    "sql": (lambda lake: lake.sql("select sum(y) from t").fetchall(), lambda n: [(2.0 * n,)]),
    "lazy counts": (
        lambda lake: int(lake.head.activations.bin(lazy=True).sum()),
        lambda n: n + 1,
    ),
    "derived": (lambda lake: lake.derive(total, "t"), lambda n: 2.0 * n),
    "log": (lambda lake: lake.log()[0].message, lambda n: "Derive total from t"),
}


def total(table: Any) -> float:
    return float(table.to_pandas()["y"].sum())


def test_reads_what_is_there_now(tmp_path: Path) -> None:
    for value in range(3):
        lake = make(tmp_path / "lake", value)
        for name, (read, expected) in READERS.items():
            assert read(lake) == expected(value), name
        shutil.rmtree(tmp_path / "lake")


@pytest.mark.usefixtures("own_files")
def test_what_was_planned_before_says_so(tmp_path: Path) -> None:
    planned = make(tmp_path / "lake", 1)
    tasks = [planned["a"].dask(), planned["t"].dask()["y"], planned.head.activations.bin(lazy=True).data]
    shutil.rmtree(tmp_path / "lake")
    make(tmp_path / "lake", 2)
    for task in tasks:
        with pytest.raises(NotFoundError, match="another lake now"):
            dask.compute(task)
    with pytest.raises(NotFoundError, match="another lake now"):
        planned["a"][:]


def test_an_isf_database_knows_its_lake(tmp_path: Path) -> None:
    make(tmp_path / "lake", 1)
    database = isf.open(tmp_path / "lake")
    database["key"] = 5
    pickled = pickle.dumps(database)
    assert pickle.loads(pickled)["key"] == 5
    shutil.rmtree(tmp_path / "lake")
    make(tmp_path / "lake", 2)
    with pytest.raises(NotFoundError, match="another lake now"):
        pickle.loads(pickled)


def test_lakes_are_compared_by_place_and_identity(tmp_path: Path) -> None:
    lake = make(tmp_path / "lake", 1)
    again, alike = neurolake.open(tmp_path / "lake"), make(tmp_path / "other", 1)
    assert lake == again and hash(lake) == hash(again) and len({lake, again, alike}) == 2
    assert lake != alike and lake != dict(lake)
    copy = lake.copy_to(tmp_path / "copy")
    assert copy != lake and copy.head == lake.head
    shutil.rmtree(tmp_path / "lake")
    assert make(tmp_path / "lake", 1) != lake
