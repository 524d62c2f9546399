"""Binned activations: ISF's counts, whatever they are grouped by, in memory and as dask blocks."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import neurolake as nl
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.lake.errors import InputError, NotFoundError, QueryError
from neurolake.query.lake import Lake
from neurolake.query.trials import activations
from neurolake.query.trials.activations import EXCITATORY, activation_totals, bin_activations

TYPES = ["L1", "L2", "L5tt", "VPM", "SymLocal1"]


def rows(seed: int, trials: int = 12, n: int = 3000) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "trial_id": np.sort(rng.integers(0, trials, n)),
            "cell_type": rng.choice(TYPES, n),
            "column": rng.choice(["B1", "C2"], n),
            "soma_distance": rng.uniform(0, 900, n),
            "dendrite_label": rng.choice(["Soma", "ApicalDendrite"], n),
            "time": np.round(rng.uniform(-5, 60, n), 1),
        }
    )
    return frame[frame["trial_id"] != 7].reset_index(drop=True)


def lake_of(folder: Path, frame: pd.DataFrame, trials: int = 12) -> Lake:
    lake = nl.create(folder)
    with lake.transaction("rows") as tx:
        about = {
            "trial_id": range(trials),
            "t_stop": [50.0] * trials,
            "stimulus": ["C2" if k % 2 else "D1" for k in range(trials)],
        }
        tx.write_table("trials", pa.table({name: list(values) for name, values in about.items()}))
        half = len(frame) // 2
        for part in (frame[:half], frame[half:]):
            tx.append_table("synapse_activation", pa.Table.from_pandas(part, preserve_index=False))
    return lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lake_of(tmp_path_factory.mktemp("activations") / "lake", rows(0))


def reference(frame: pd.DataFrame, label: pd.Series, edges: Any, trials: int = 12) -> dict[str, np.ndarray]:
    """Counts [trial, bin] by label, with NumPy's histogram for every trial."""
    found = {}
    for name, part in frame.groupby(label):
        counts = [np.histogram(part["time"][part["trial_id"] == k], edges)[0] for k in range(trials)]
        found[str(name)] = np.array(counts)
    return found


def labels(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """ISF's, as its facts tell them."""
    lower = (frame["soma_distance"] // 50 * 50).astype(int)
    ei = frame["cell_type"].isin(EXCITATORY).map({True: "EXC", False: "INH"})
    return {
        "EI": ei,
        "celltype": frame["cell_type"],
        "proximal": (frame["soma_distance"] < 500).map({True: "prox", False: "dist"}),
        "binned_somadist": lower.astype(str) + "to" + (lower + 50).astype(str),
        "presynaptic_column": frame["column"],
    }


def check(counts: xr.DataArray, expected: dict[str, np.ndarray]) -> None:
    assert set(counts["group"].values) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(counts.sel(group=name).values, values, err_msg=name)


@pytest.mark.parametrize(
    "by",
    [
        ["EI"],
        ["celltype"],
        ["proximal"],
        ["binned_somadist"],
        ["presynaptic_column"],
        ["EI", "binned_somadist"],
        ["celltype", "presynaptic_column"],
        ["EI", "proximal", "celltype"],
    ],
    ids="-".join,
)
def test_groups_are_those_of_isf(lake: Lake, by: list[str]) -> None:
    frame = rows(0)
    known = labels(frame)
    label = known[by[0]].str.cat([known[name] for name in by[1:]], sep="__") if by[1:] else known[by[0]]
    counts = bin_activations(lake.head, by)
    assert counts.shape[1:] == (12, 50) and counts.dtype == np.uint16
    check(counts, reference(frame, label, np.arange(51)))


def test_any_column_and_any_expression(lake: Lake) -> None:
    frame = rows(0)
    edges = [0, 0.5, 7, 20]
    check(
        bin_activations(lake.head, "dendrite_label", edges=edges),
        reference(frame, frame["dendrite_label"], edges),
    )
    by = {"near": "case when soma_distance < 100 then 'near' else 'far' end", "half": "time::integer % 2"}
    counts = bin_activations(lake.head, by, edges=edges)
    near = (frame["soma_distance"] < 100).map({True: "near", False: "far"})
    # DuckDB rounds half to even when it casts, as NumPy does.
    half = np.fmod(np.rint(frame["time"]), 2).astype(int).astype(str)
    check(counts, reference(frame, near.str.cat(half, sep="__"), edges))
    assert set(counts["near"].values) == {"near", "far"} and counts["half"].dims == ("group",)


def test_layer_one_is_inhibitory_unless_asked(lake: Lake) -> None:
    frame = rows(0)
    counts = bin_activations(lake.head, "EI", l1="EXC")
    label = frame["cell_type"].isin([*EXCITATORY, "L1"]).map({True: "EXC", False: "INH"})
    check(counts, reference(frame, label, np.arange(51)))


def test_trials_and_activations_may_be_chosen(lake: Lake) -> None:
    frame = rows(0)
    counts = bin_activations(lake.head, "EI", trials="stimulus = 'C2'", where="soma_distance < 300 -- near")
    assert counts["trial"].values.tolist() == [1, 3, 5, 7, 9, 11]
    near = frame[frame["soma_distance"] < 300]
    expected = reference(near, labels(near)["EI"], np.arange(51))
    check(counts, {name: values[1::2] for name, values in expected.items()})
    assert not counts.sel(trial=7).any()


def test_where_the_key_is_null_nothing_is_counted(lake: Lake) -> None:
    counts = bin_activations(lake.head, {"k": "case when cell_type = 'L2' then 'L2' end"})
    assert counts["group"].values.tolist() == ["L2"]
    frame = rows(0)
    check(counts, reference(frame[frame["cell_type"] == "L2"], frame["cell_type"], np.arange(51)))


@pytest.mark.parametrize("rows_at_a_time", [1, 700, 10**9])
def test_in_blocks_and_lazily_it_is_the_same(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, rows_at_a_time: int
) -> None:
    whole = bin_activations(lake.head, ["EI", "column"])
    monkeypatch.setattr(activations, "_ROWS", rows_at_a_time)
    xr.testing.assert_identical(bin_activations(lake.head, ["EI", "column"]), whole)
    lazy = bin_activations(lake.head, ["EI", "column"], lazy=True)
    assert (lazy.data.numblocks[1] > 1) == (rows_at_a_time < 10**9)
    xr.testing.assert_identical(lazy.compute(), whole)
    assert lazy.data.name == bin_activations(lake.head, ["EI", "column"], lazy=True).data.name
    assert lazy.data.name != bin_activations(lake.head, "EI", lazy=True).data.name


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 400), by=st.sampled_from(["EI", "column", "proximal"]))
def test_random_tables(tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, by: str) -> None:
    frame = rows(seed, n=n)
    lake = lake_of(tmp_path_factory.mktemp("random") / "lake", frame)
    known = {**labels(frame), "column": frame["column"]}
    check(bin_activations(lake.head, by), reference(frame, known[by], np.arange(51)))


@pytest.mark.parametrize(
    "by", ["EI", ["cell_type", "proximal"], {"near": "nullif(soma_distance < 100, false)"}]
)
@pytest.mark.parametrize("trials", ["true", "trial_id % 2 = 1", "trial_id = 1"])
def test_totals_are_sums_of_counts(lake: Lake, by: Any, trials: str) -> None:
    # Times are whole tenths, which are on edges of these bins or just beside them.
    begin, width, bins = 0.1, 0.3, 40
    counts = bin_activations(lake.head, by, edges=begin + width * np.arange(bins + 1), trials=trials)
    labels, totals = activation_totals(lake.head, by, begin=begin, width=width, bins=bins, trials=trials)
    assert labels == counts["group"].values.tolist()
    assert totals.any()
    np.testing.assert_array_equal(totals, counts.sum("trial").values)


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"by": []}, InputError, "by is empty"),
        ({"by": "no_such_column"}, QueryError, "no_such_column"),
        ({"by": "cell_type; drop table x"}, QueryError, "drop"),
        ({"edges": [0, 2, 1]}, InputError, r"edges\[2\]"),
        ({"width": 0}, InputError, "width above 0"),
        ({"t_min": 60}, InputError, "t_max > t_min"),
        ({"trials": "false"}, InputError, "no trial meets 'false'"),
        ({"by": "soma_distance", "distance_width": 0}, InputError, "above 0 µm"),
    ],
)
def test_what_makes_no_sense(
    lake: Lake, options: dict[str, Any], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        bin_activations(lake.head, **options)


def test_a_lake_without_activations(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake")
    with lake.transaction("trials") as tx:
        tx.write_table("trials", pa.table({"trial_id": [0], "t_stop": [50.0]}))
        for number in range(30):
            tx.write_table(f"edges/net/P{number}", pa.table({"x": [0]}))
    with pytest.raises(NotFoundError, match=r"there is no table synapse_activation .* and 21 more: bring"):
        bin_activations(lake.head)


def test_real_trials_as_isf_bins_them(isf_data: Path, tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake")
    ingest_simrun(lake, isf_data / "simrun_2026")
    counts = bin_activations(lake.head, ["celltype", "presynaptic_column"], t_max=300)
    expected = np.zeros_like(counts.values)
    names = list(counts["group"].values)
    for trial, path in enumerate(sorted((isf_data / "simrun_2026").rglob("simulation_run*_synapses.csv"))):
        for line in path.read_text().splitlines()[1:]:
            fields = line.split("\t")
            times = np.array([float(text) for text in fields[-1].split(",") if text])
            group = names.index(fields[0].replace("_", "__", 1))
            expected[group, trial] += np.histogram(times, np.arange(301))[0].astype(np.uint16)
    np.testing.assert_array_equal(counts.values, expected)


def test_is_derived_once_and_found_again(lake: Lake) -> None:
    first, again = (
        lake.derive(bin_activations, ["synapse_activation", "trials"], by=["EI"], lazy=True) for _ in range(2)
    )
    assert first.path == again.path and len(lake.derived()) == 1
    kept = lake.head.xarray(first.path).compute().drop_vars(["stimulus", "t_stop", "trial_id"])
    xr.testing.assert_equal(kept, lake.head.activations.bin(["EI"]))
