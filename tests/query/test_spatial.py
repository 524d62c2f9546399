"""Activations by distance and time: NumPy's histogram, in batches of any size."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import neurolake as nl
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.lake.errors import InputError, NotFoundError, QueryError
from neurolake.query.lake import Lake
from neurolake.query.trials import spatial
from neurolake.query.trials.spatial import spatiotemporal_activations

RNG = np.random.default_rng(0)
TRIAL, DISTANCE = RNG.integers(0, 4, 500), RNG.integers(0, 60, 500) * 10.0  # on edges, too
TIME = RNG.integers(0, 100, 500) / 2


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = nl.create(tmp_path_factory.mktemp("spatial") / "lake", durable=False)
    rows = {"trial_id": TRIAL, "soma_distance": DISTANCE, "time": TIME}
    with lake.transaction("tables") as tx:
        tx.write_table("trials", pa.table({"trial_id": range(4), "t_stop": np.full(4, 50.0)}))
        tx.write_table("synapse_activation", pa.table(rows))
    return lake


@pytest.mark.parametrize("rows", [1, 7, 10_000])
def test_it_is_numpys_histogram(lake: Lake, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spatial, "_ROWS", rows)
    found = spatiotemporal_activations(lake.head, trials="trial_id > 1", where="time < 40", width=2.5)
    kept = (TRIAL > 1) & (TIME < 40)
    n = int(DISTANCE[kept].max() // 50) + 1
    bins = (50.0 * np.arange(n + 1), 2.5 * np.arange(21))
    np.testing.assert_array_equal(found, np.histogram2d(DISTANCE[kept], TIME[kept], bins)[0])
    assert found.dims == ("soma_distance", "time") and found.attrs["n_trials"] == 2
    assert (
        found["soma_distance"].attrs["units"] == "um"
        and found["time"].values.tolist() == bins[1][:-1].tolist()
    )


def test_nothing_is_no_rows(lake: Lake) -> None:
    assert spatiotemporal_activations(lake.head, where="false").shape == (0, 50)


def test_it_is_kept(lake: Lake) -> None:
    kept = lake.derive(spatiotemporal_activations, ["synapse_activation", "trials"], distance_width=20.0)
    np.testing.assert_array_equal(kept[...], spatiotemporal_activations(lake.head, distance_width=20))


def test_what_makes_no_sense(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trial meets 'trial_id = 9'"):
        spatiotemporal_activations(lake.head, trials="trial_id = 9")
    with pytest.raises(InputError, match="width is -1"):
        spatiotemporal_activations(lake.head, distance_width=-1)
    with pytest.raises(InputError, match="bin_size > 0"):
        spatiotemporal_activations(lake.head, width=0)
    with pytest.raises(QueryError, match="depth"):
        spatiotemporal_activations(lake.head, where="depth > 3")
    with pytest.raises(NotFoundError, match="no table synapse_activation"):
        spatiotemporal_activations(nl.create(tmp_path / "lake").head)


def test_real_trials(isf_data: Path, tmp_path: Path) -> None:
    """As the In Silico Framework counts them, from its own files."""
    lake = nl.create(tmp_path / "lake", durable=False)
    ingest_simrun(lake, isf_data / "simrun_2026", processes=1)
    found = spatiotemporal_activations(lake.head, t_max=300)
    expected = np.zeros(found.shape, int)
    for path in (isf_data / "simrun_2026").rglob("simulation_run*_synapses.csv"):
        for line in path.read_text().splitlines()[1:]:
            fields = line.split("\t")
            times = [float(text) for text in fields[-1].split(",") if text]
            expected[int(float(fields[2]) // 50)] += np.histogram(times, np.arange(301))[0]
    np.testing.assert_array_equal(found, expected)
