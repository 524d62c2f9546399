"""SQL on arrays: the values of the array, from the chunks that hold them and no others."""

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import neurolake
from neurolake import QueryError
from neurolake.lake.data import arrays
from neurolake.lake.errors import TooLargeError

TIMES = np.round(np.arange(3000) * 0.1, 1)
VALUES = np.random.default_rng(5).normal(-70, 5, (9, 3000)).astype("f4")
TRIALS = np.array([3, 4, 5, 0, 1, 2, 30, 40, 50])


def fill(tx: Any, name: str, values: Any, times: Any, trials: Any = None, chunks: Any = (1, 1000)) -> None:
    tx.write_array(name, values, chunks=chunks, dimension_names=["trial", "time"])
    tx.write_array(f"{name}.time", times, dimension_names=["time"])
    if trials is not None:
        tx.write_array(f"{name}.trial", trials, dimension_names=["trial"])


@pytest.fixture(scope="module")
def folder(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traces") / "lake"
    with neurolake.create(folder, durable=False).transaction("fill") as tx:
        fill(tx, "voltage/soma", VALUES, TIMES, TRIALS)
        fill(tx, "voltage/dend", VALUES[:4, :100], TIMES[:100], np.arange(4), (2, 30))
        fill(tx, "voltage/dend@0-5ms", VALUES[4:6, :50], TIMES[:50], np.array([7, 8]))
        fill(tx, "rates", np.arange(12).reshape(3, 4), np.arange(4.0))
        fill(tx, "falling", VALUES[:2, :5], TIMES[4::-1])
        tx.write_array("image", VALUES)
    return folder


@pytest.fixture
def lake(folder: Path) -> Any:
    return neurolake.open(folder)


def ask(lake: Any, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return lake.sql(query, **parameters).fetchall()


def expected(rows: Any, t0: float, t1: float) -> list[tuple[int, float, float]]:
    where = np.flatnonzero((t0 <= TIMES) & (t1 > TIMES))
    return [(int(TRIALS[row]), TIMES[at], float(VALUES[row, at])) for row in rows for at in where]


class Reads:
    """Counts what arrays read of the lake's objects."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        contents = arrays.contents

        def counted(*which: Any) -> Iterator[Any]:
            for data in contents(*which):
                self.sizes.append(len(data))
                yield data

        monkeypatch.setattr(arrays, "contents", counted)


def test_some_trials(lake: Any) -> None:
    found = ask(lake, "from trace('voltage/soma', [3, 1, 50], 245, 265)")
    assert found == expected([0, 4, 8], 245, 265)
    assert len(found) == 3 * 200


def test_bounds_are_half_open_and_may_be_left_out(lake: Any) -> None:
    assert ask(lake, "from trace('soma', [4], 99.9, 100.2)") == expected([1], 99.9, 100.2)
    assert ask(lake, "from trace('soma', [4], 7, 7)") == []
    assert ask(lake, "from trace('soma', [4], t0 := 299.5)") == expected([1], 299.5, 1e9)
    assert ask(lake, "from trace('soma', [4], t1 := 0.5)") == expected([1], 0, 0.5)
    assert ask(lake, "from trace('soma', [4], -50, 1e6)") == expected([1], 0, 300)
    assert ask(lake, "from trace('soma', [])") == []
    assert ask(lake, "from trace('soma', t0 := 100, t1 := 110)") == expected(range(9), 100, 110)


def test_a_whole_array(lake: Any) -> None:
    ((count, mean, low),) = ask(lake, "select count(*), avg(value), min(value) from trace('voltage/soma')")
    assert (count, low) == (VALUES.size, VALUES.min())
    assert mean == pytest.approx(VALUES.astype("f8").mean(), rel=1e-12)
    found = lake.sql("select time, avg(value) as v from trace('soma') group by time order by time").df()
    assert np.allclose(found["v"], VALUES.astype("f8").mean(axis=0), rtol=1e-12)


def test_trials_by_a_query_and_by_parameters(lake: Any) -> None:
    query = "from trace('soma', (select list(i) from range(3, 6) r(i)), 10, 20) order by trial_id, time"
    assert ask(lake, query) == expected([0, 1, 2], 10, 20)
    query = "from trace($site, $trials, $t0, $t1)"
    assert ask(lake, query, site="soma", trials=[0], t0=10, t1=20) == expected([3], 10, 20)


def test_a_join_with_trials(simrun_lake: Any) -> None:
    query = """select t.stimulus, count(*), avg(v.value) from trials t join trace('soma',
      (select list(trial_id) from trials where stimulus = 'C2'), 1, 3) v using (trial_id) group by all"""
    ((stimulus, count, mean),) = ask(simrun_lake, query)
    array, times = simrun_lake["voltage/soma"], simrun_lake["voltage/soma.time"][:]
    rows = np.isin(simrun_lake["voltage/soma.trial"][:], range(5))
    values = array[:][rows][:, (times >= 1) & (times < 3)]
    assert (stimulus, count) == ("C2", values.size) and mean == pytest.approx(values.mean())


def test_a_site_with_two_time_axes(lake: Any) -> None:
    found = ask(lake, "select trial_id, count(*) from trace('dend') group by 1 order by 1")
    assert found == [(0, 100), (1, 100), (2, 100), (3, 100), (7, 50), (8, 50)]
    assert ask(lake, "select value from trace('dend', [8], 1, 1.1)") == [(float(VALUES[5, 10]),)]


def test_rows_without_labels_count_from_zero(lake: Any) -> None:
    assert ask(lake, "from trace('rates', [2, 0], 1, 3)") == [(2, 1, 9), (2, 2, 10), (0, 1, 1), (0, 2, 2)]


def test_only_the_chunks_that_are_needed_are_read(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(lake, "select 1 from trace('soma', [3], 0, 1)")
    reads = Reads(monkeypatch)
    assert len(ask(lake, "from trace('soma', [3, 1], 245, 265)")) == 400
    # Chunks have 1,000 samples: [245, 265) ms lies in the third.
    assert len(reads.sizes) == 2
    reads.sizes.clear()
    assert len(ask(lake, "from trace('soma') where trial_id = 30")) == 3000
    assert len(reads.sizes) == 3


def test_statistics_answer_without_reading(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.head.tree  # noqa: B018
    reads = Reads(monkeypatch)
    query = """select min(min), max(max), sum(mean * 1000) / sum(1000) from array_chunks
      where "array" = 'voltage/soma'"""
    ((low, high, mean),) = ask(lake, query)
    assert (low, high) == (VALUES.min(), VALUES.max())
    assert mean == pytest.approx(VALUES.astype("f8").mean())
    late = (
        "select coordinates[1] from array_chunks where \"array\" = 'voltage/soma' order by max desc limit 1"
    )
    assert ask(lake, late) == [(int(VALUES.max(axis=1).argmax()),)]
    assert reads.sizes == []


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("trace('voltage/sona')", "no site or array 'voltage/sona'; did you mean 'voltage/soma'"),
        ("trace('smoa', [1])", "no site or array 'smoa'; did you mean 'soma'"),
        (
            "trace('soma', [1, 99], 1, 2)",
            "'soma' has no trial 99; it has trials 0 to 50, the nearest 30, 40, 50",
        ),
        ("trace('soma', [-1])", "'soma' has no trial -1"),
        ("trace('soma', [1], 20, 10)", "t0 = 20 ms is not before t1 = 10 ms"),
        ("trace('soma', [1], 'nan'::double, 10)", "t0 = nan ms is not before"),
        ("trace('image')", "'image' is no array of two axes whose last one has a coordinate"),
        ("trace('voltage/soma.time')", "is no array of two axes"),
        ("trace('falling')", "the coordinate falling.time does not increase"),
        ("trace(null)", "the site is null"),
        ("trace('smoa', (select list(i) from range(3) r(i)))", "no site or array 'smoa'"),
        ("trace()", "requires 1 positional argument|trace"),
    ],
)
def test_mistakes_are_told_before_the_query_runs(lake: Any, call: str, reason: str) -> None:
    for query in (f"from {call}", f"select max(value) from {call}; -- so"):
        with pytest.raises(QueryError, match=reason) as caught:
            lake.sql(query)
        assert str(caught.value).endswith(f"\n  in: {query}")
    assert ask(lake, "select count(*) from trace('soma', [1], 0, 1)") == [(10,)]


def test_mistakes_in_parameters_are_told_too(lake: Any) -> None:
    with pytest.raises(QueryError, match="did you mean 'soma'"):
        lake.sql("from trace($site)", site="smoa")


def test_trials_of_a_query_that_are_not_there(lake: Any) -> None:
    query = "from trace('soma', (select list(i) from range(98, 99) r(i)))"
    with pytest.raises(QueryError, match=r"'soma' has no trial 98(.|\n)*in: from trace"):
        ask(lake, query)


def test_a_query_outlives_its_snapshot_and_lets_go_of_it(folder: Path) -> None:
    snapshot = neurolake.open(folder).head
    relation = snapshot.sql("select count(*) from trace('soma', [3], 0, 10)")
    catalog, traces = weakref.ref(snapshot._catalog), weakref.ref(snapshot._catalog._traces)
    del snapshot
    gc.collect()
    assert catalog() is None
    assert relation.fetchall() == [(100,)] and relation.filter("true").fetchall() == [(100,)]
    del relation
    gc.collect()
    assert traces() is None


def test_rows_may_come_after_all_else_is_gone(tmp_path: Path) -> None:
    # More than DuckDB holds ready.
    with neurolake.create(tmp_path / "lake", durable=False).transaction("fill") as tx:
        fill(tx, "soma", np.zeros((1500, 3000)), TIMES, chunks=(500, 3000))
    snapshot = neurolake.open(tmp_path / "lake").head
    reader = snapshot.sql("from trace('soma')").to_arrow_reader(1000)
    del snapshot
    gc.collect()
    assert sum(batch.num_rows for batch in reader) == 1500 * 3000


def test_threads(lake: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def mean(trial: int) -> float:
        ((value,),) = ask(lake, f"select avg(value) from trace('soma', [{trial}])")
        return float(value)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(mean, TRIALS.tolist() * 3))
    assert np.allclose(found, np.tile(VALUES.astype("f8").mean(axis=1), 3))


def test_a_lake_may_have_tables_of_that_name(tmp_path: Path) -> None:
    import pyarrow as pa

    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("both") as tx:
        tx.write_table("trace", pa.table({"x": [1]}))
        fill(tx, "voltage/soma", VALUES[:2], TIMES)
    assert ask(lake, "select x, count(*) from trace, trace('soma') group by 1") == [(1, 6000)]


TRIALS_OF_ALL = 400_000


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Very many trials, of which nothing is stored."""
    folder = tmp_path_factory.mktemp("wide") / "lake"
    with neurolake.create(folder, durable=False).transaction("many") as tx:
        zarr.create_array(
            tx.store,
            name="v",
            shape=(TRIALS_OF_ALL, 1),
            chunks=(65536, 1),
            dtype="f4",
            dimension_names=("trial", "time"),
        )
        tx.write_array("v.time", np.zeros(1), dimension_names=("time",))
    return folder


def test_b9_a_plan_is_as_long_as_its_runs_of_rows(wide: Path) -> None:
    traces = neurolake.open(wide).head._catalog._traces
    plan = traces.plan("v", None, None, None)
    assert len(plan) < 100 and sum(row["last"] - row["first"] for row in plan.to_pylist()) == TRIALS_OF_ALL
    # What was asked for out of order comes in that order.
    asked = np.array([7, 8, 9, 3, 3, 2, 100])
    spans = [(row["first"], row["last"]) for row in traces.plan("v", asked, None, None).to_pylist()]
    assert spans == [(7, 10), (3, 4), (3, 4), (2, 3), (100, 101)]
    found = neurolake.open(wide).sql("from trace('v', [7, 8, 9, 3, 3, 2, 100])").fetchall()
    assert [trial for trial, _, _ in found] == asked.tolist()


def test_b9_memory_of_trace_does_not_grow_with_its_trials(wide: Path) -> None:
    """It took 173 bytes a trial beyond all limits; what is left are the trials' numbers themselves."""
    script = (
        "import resource, sys, neurolake\n"
        "lake = neurolake.open(sys.argv[1])\n"
        "for t1 in ('-1', 'null'):\n"
        "    n = lake.sql(f\"select count(*) from trace('v', null, null, {t1})\").fetchall()[0][0]\n"
        "    print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(wide)],
        env={**os.environ, "NEUROLAKE_MEMORY": "100MB"},
        capture_output=True,
        text=True,
        check=True,
    )
    (_, little), (count, all_of_them) = [map(int, line.split()) for line in done.stdout.splitlines()]
    assert count == TRIALS_OF_ALL
    assert all_of_them - little < 100 * TRIALS_OF_ALL, (
        f"{(all_of_them - little) / TRIALS_OF_ALL:.0f} bytes a trial"
    )


def test_b9_the_limit_of_memory_holds_for_arrays(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROLAKE_MEMORY", "500kB")
    array = neurolake.open(wide)["v"]
    for read in (lambda: array[:], lambda: array[::2], lambda: array.oindex[np.arange(TRIALS_OF_ALL)]):
        with pytest.raises(
            TooLargeError, match=r"0\.5 MB that there may be .*NEUROLAKE_MEMORY.*array\[:1000\]"
        ):
            read()
    assert array[:1000].shape == (1000, 1)
