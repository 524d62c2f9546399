"""Reduced models of the trials of a lake equal those of arrays binned by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr

import neurolake as nl
from neurolake.lake.errors import InputError
from neurolake.query.lake import Snapshot
from neurolake.query.models.cosines import Basis, fit_cosines
from neurolake.query.models.fit import cosines_of_trials, lda_of_trials
from neurolake.query.models.lda import fit_lda
from neurolake.query.models.stored import open_model, save_model

TRIALS, MS = 600, 40


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = TRIALS * 60
    return pd.DataFrame(
        {
            "trial_id": np.sort(rng.integers(0, TRIALS, n)) + 5,
            "cell_type": rng.choice(["L2", "SymLocal1"], n),
            "column": "C2",
            "soma_distance": rng.uniform(0, 200, n),
            "time": rng.uniform(0, MS, n),
        }
    )


def spikes() -> pd.DataFrame:
    """More excitation at 30 to 40 ms than others have makes a spike there; some have one before."""
    frame = rows()
    late = frame[(frame["time"] >= 30) & (frame["cell_type"] == "L2")].groupby("trial_id").size()
    fires = late[late > late.median()].index
    early = [5 + 7 * k for k in range(60)]
    found = {"trial_id": [*early, *fires], "time": [25.0] * len(early) + [35.0] * len(fires)}
    return pd.DataFrame(found).sort_values(["trial_id", "time"])


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    lake = nl.create(tmp_path_factory.mktemp("models") / "lake")
    with lake.transaction("trials") as tx:
        ids = list(range(5, TRIALS + 5))
        tx.write_table("trials", pa.table({"trial_id": ids, "t_stop": [float(MS)] * TRIALS}))
        tx.write_table("synapse_activation", pa.Table.from_pandas(rows(), preserve_index=False))
        tx.write_table("spike_times", pa.Table.from_pandas(spikes(), preserve_index=False))
    return lake.head


def counts() -> np.ndarray:
    """[group, trial, ms, bin of 50 µm], EXC first."""
    frame = rows()
    group = (frame["cell_type"] != "L2").astype(int)
    sample = np.stack([group, frame["trial_id"] - 5, frame["time"], frame["soma_distance"] // 50], axis=1)
    edges = [np.arange(3) - 0.5, np.arange(TRIALS + 1) - 0.5, np.arange(MS + 1), np.arange(5) - 0.5]
    return np.histogramdd(sample, edges)[0]


def spiked(begin: float, end: float) -> np.ndarray:
    found = spikes()
    inside = found[(found["time"] >= begin) & (found["time"] < end)]
    return np.isin(np.arange(5, TRIALS + 5), inside["trial_id"])


def test_lda(snapshot: Snapshot) -> None:
    model = lda_of_trials(snapshot, output=(30, 40), width=12, refractory=10, seed=3)
    data = counts().sum(axis=3)[::-1]  # groups in the order that binning gives: INH, EXC
    expected = fit_lda(
        data, ["INH", "EXC"], spiked(30, 40), output=(30, 40), width=12, dropped=spiked(20, 30), seed=3
    )
    assert model.groups == ("INH", "EXC") and model.scores == expected.scores
    np.testing.assert_array_equal(model.kernels, expected.kernels)
    assert model.score > 1.5


def test_cosines(snapshot: Snapshot) -> None:
    options = {"space": Basis((1.0, 3.0)), "time": Basis((2.0, 4.0)), "iterations": 60}
    model = cosines_of_trials(snapshot, output=(30, 40), width=20, since_spike=True, **options)
    last = np.where(spiked(0, 30), 5.0, np.nan)
    expected = fit_cosines(counts()[:, :, 20:40], ["EXC", "INH"], spiked(30, 40), since_spike=last, **options)
    assert model.groups == ("EXC", "INH") and model.bins == 4
    np.testing.assert_array_equal(model.splits[0].weights, expected.splits[0].weights)


def test_is_saved_and_read_back(snapshot: Snapshot, tmp_path: object) -> None:
    lake = nl.create(f"{tmp_path}/lake")
    model = lda_of_trials(snapshot, output=(30, 40), width=12)
    with lake.transaction("model") as tx:
        save_model(tx, "models/lda", model)
    again = open_model(lake.head, "models/lda")
    np.testing.assert_array_equal(again.kernels, model.kernels)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("fit_lda", {"width": 12, "by": ["EI"]}),
        ("fit_cosines", {"width": 20, "by": ["EI"], "iterations": 100}),
    ],
)
def test_a_fit_is_kept_and_knows_what_it_was_made_of(
    snapshot: Snapshot, tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    lake = nl.open(nl.open(snapshot.objects.storage.url).copy_to(tmp_path / "lake").url, durable=False)
    fit = getattr(lake.models, kind)
    made = lake.derive(fit, output=[30.0, 40.0], trials="trial_id < 200", **options)
    direct = fit(output=(30, 40), trials="trial_id < 200", **options)
    assert type(made) is type(direct) and made.to_attributes() == direct.to_attributes()
    for name, values in direct.to_arrays().items():
        np.testing.assert_array_equal(made.to_arrays()[name], values)
    commits = len(lake.log())
    lake.derive(fit, output=[30.0, 40.0], trials="trial_id < 200", **options)
    assert len(lake.log()) == commits
    (name,) = lake.models
    assert lake.models[name].to_attributes() == direct.to_attributes()
    (kept,) = lake.derived()
    assert set(kept.origin.inputs) == {"trials", "synapse_activation", "spike_times"} and not kept.stale
    with lake.transaction("spikes move") as tx:
        table = tx.table("spike_times").to_arrow()
        tx.write_table("spike_times", table.slice(0, table.num_rows - 1))
    assert lake.derived()[0].stale
    refreshed = lake.refresh()
    assert list(refreshed.done) == [name] and list(lake.models) == [refreshed.done[name]]


def test_a_result_that_calls_itself_a_model_is_none(snapshot: Snapshot, tmp_path: Path) -> None:
    lake = nl.open(nl.open(snapshot.objects.storage.url).copy_to(tmp_path / "lake").url, durable=False)

    @nl.kernel(version="1")
    def labelled(table: Any) -> Any:
        return xr.Dataset({"n": ("x", np.arange(3))}, attrs={"model": "hay2011"})

    assert list(lake.derive(labelled, "trials")) == ["n"] and list(lake.models) == []


def test_a_window_before_the_beginning(snapshot: Snapshot) -> None:
    with pytest.raises(InputError, match="80 ms before 40 ms"):
        cosines_of_trials(snapshot, output=(30, 40))
