"""Trials for neo and elephant: the same numbers, and elephant's answers are the closed forms."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import quantities as pq

import neurolake as nl
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.lake.errors import InputError, NotFoundError, QueryError
from neurolake.query.lake import Snapshot
from neurolake.query.trials.interop import to_elephant, to_neo
from neurolake.query.trials.spikes import interspike_intervals

TIME = np.cumsum([5.0, *[0.025] * 99])  # with accumulated error
VOLTAGE = np.random.default_rng(0).normal(-65, 5, (3, 100))
SPIKES = {"trial_id": [4, 4, 4, 9, 9], "time": [10.0, 6.0, 90.0, 20.0, 50.0]}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    lake = nl.create(tmp_path_factory.mktemp("interop") / "lake")
    columns = {
        "trial_id": [4, 7, 9],
        "stimulus": ["C2", None, "D1"],
        "t_start": [5.0, None, 5.0],
        "t_stop": [100.0, 90.0, 80.0],
    }
    with lake.transaction("all") as tx:
        tx.write_table("trials", pa.table(columns))
        tx.write_table("spike_times", pa.table(SPIKES))
        for site, time in {"soma": TIME, "tuft": np.sqrt(TIME)}.items():
            tx.write_array(f"voltage/{site}", VOLTAGE[: len(site) - 1], dimension_names=["trial", "time"])
            tx.write_array(f"voltage/{site}.time", time, dimension_names=["time"])
            tx.write_array(f"voltage/{site}.trial", np.array([9, 4, 7]), dimension_names=["trial"])
    return lake.head


# elephant 1.2 calls quantities 0.16 so; it is theirs to mend.
theirs_to_mend = pytest.mark.filterwarnings("ignore:The 'copy' argument in Quantity is deprecated")


def ms(train: Any) -> list[float]:
    return train.rescale("ms").magnitude.tolist()


def test_spike_trains(snapshot: Snapshot) -> None:
    trains = to_elephant(snapshot)
    assert [ms(train) for train in trains] == [[6, 10, 90], [], [20, 50]]
    assert [train.annotations["trial_id"] for train in trains] == [4, 7, 9]
    assert [(float(train.t_start), float(train.t_stop)) for train in trains] == [(5, 100), (0, 90), (5, 80)]
    assert all(train.units == pq.ms for train in trains)


def test_spike_trains_in_a_window(snapshot: Snapshot) -> None:
    trains = to_elephant(snapshot, window=(10, 50), trials="trial_id <> 7")
    assert [ms(train) for train in trains] == [[10], [20]]
    assert {(float(train.t_start), float(train.t_stop)) for train in trains} == {(10, 50)}


def test_block(snapshot: Snapshot) -> None:
    block = to_neo(snapshot, sites=("soma", "tuft"))
    assert block.name == "lake" and block.annotations["commit"] == snapshot.commit.id
    assert [segment.index for segment in block.segments] == [4, 7, 9]
    first, second, third = block.segments
    assert first.annotations["stimulus"] == "C2" and "stimulus" not in second.annotations
    assert [ms(segment.spiketrains[0]) for segment in block.segments] == [[6, 10, 90], [], [20, 50]]
    for segment, row in ((first, 1), (second, 2), (third, 0)):
        signal = segment.analogsignals[0]
        np.testing.assert_array_equal(signal.magnitude[:, 0], VOLTAGE[row])
        np.testing.assert_allclose(signal.times.rescale("ms").magnitude, TIME, rtol=1e-12)
        assert signal.units == pq.mV and signal.name == "soma"
        uneven = segment.irregularlysampledsignals[0]
        np.testing.assert_array_equal(uneven.times.rescale("ms").magnitude, np.sqrt(TIME))


def test_block_in_a_window(snapshot: Snapshot) -> None:
    block = to_neo(snapshot, trials="stimulus = 'C2'", window=(5.5, 7))
    (segment,) = block.segments
    inside = (TIME >= 5.5) & (TIME < 7)
    np.testing.assert_array_equal(segment.analogsignals[0].magnitude[:, 0], VOLTAGE[1, inside])
    assert float(segment.analogsignals[0].t_start) == pytest.approx(5.5, abs=0.025)
    assert ms(segment.spiketrains[0]) == [6]
    assert not to_neo(snapshot, sites=()).segments[0].analogsignals


@theirs_to_mend
def test_intervals_by_elephant_are_ours(snapshot: Snapshot) -> None:
    from elephant.statistics import isi, mean_firing_rate

    trains = to_elephant(snapshot)
    ours = interspike_intervals(snapshot).dropna()
    theirs = np.concatenate([isi(train).magnitude for train in trains])
    np.testing.assert_allclose(theirs, ours["interval"])
    assert float(mean_firing_rate(trains[0]).rescale("Hz")) == pytest.approx(3 / 0.095)


@theirs_to_mend
def test_distances_by_elephant_are_the_closed_forms(snapshot: Snapshot) -> None:
    """Victor & Purpura: spikes are moved at a cost of q per time, or deleted and inserted at 1 each.

    van Rossum: the distance of two single spikes is sqrt(1 - exp(-|dt| / tau)) times a factor of the definition.
    """
    from elephant.spike_train_dissimilarity import van_rossum_distance, victor_purpura_distance

    trains = to_elephant(snapshot, window=(10, 30))  # spikes at 10, none, at 20
    near = victor_purpura_distance(trains, cost_factor=0.1 / pq.ms)
    np.testing.assert_allclose(near, [[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    far = victor_purpura_distance(trains, cost_factor=1.0 / pq.ms)
    assert far[0, 2] == pytest.approx(2)
    tau = 5.0
    rossum = van_rossum_distance(trains, time_constant=tau * pq.ms)
    assert rossum[0, 2] / rossum[0, 1] == pytest.approx(np.sqrt(2 * (1 - np.exp(-10 / tau))))


@theirs_to_mend
def test_correlations_by_elephant_are_numpys(snapshot: Snapshot) -> None:
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import correlation_coefficient

    trains = [train for train in to_elephant(snapshot, window=(0, 100)) if len(train)]
    found = correlation_coefficient(BinnedSpikeTrain(trains, bin_size=10 * pq.ms))
    counts = [np.histogram(ms(train), np.arange(0, 101, 10))[0] for train in trains]
    np.testing.assert_allclose(found, np.corrcoef(counts))


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda s: to_elephant(s, trials="trial_id < 0"), InputError, "no trial meets 'trial_id < 0'"),
        (lambda s: to_elephant(s, window=(5, 5)), InputError, r"window is \(5, 5\)"),
        (lambda s: to_elephant(s, table="sodium"), NotFoundError, "no table sodium"),
        (lambda s: to_neo(s, sites=("axon",)), QueryError, "no site or array 'axon'"),
    ],
)
def test_what_makes_no_sense(snapshot: Snapshot, ask: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ask(snapshot)


def test_spikes_and_ends_of_trials_must_fit(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake")
    with lake.transaction("short") as tx:
        tx.write_table("trials", pa.table({"trial_id": [0], "t_stop": [5.0]}))
        tx.write_table("spike_times", pa.table({"trial_id": [0], "time": [6.0]}))
    with pytest.raises(InputError, match="6"):
        to_elephant(lake.head)
    with lake.transaction("endless") as tx:
        tx.write_table("trials", pa.table({"trial_id": [0, 1], "t_stop": [9.0, None]}))
    with pytest.raises(InputError, match=r"trial 1 has no t_stop; give window=\(begin, end\)"):
        to_elephant(lake.head)
    with lake.transaction("unknown") as tx:
        tx.write_table("trials", pa.table({"trial_id": [0]}))
    with pytest.raises(InputError, match="no column t_stop; give window="):
        to_elephant(lake.head)
    assert ms(to_elephant(lake.head, window=(0, 9))[0]) == [6]


def test_without_neo_the_extra_is_named(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "neo", None)
    for ask in (to_neo, to_elephant):
        with pytest.raises(ImportError, match=r"pip install 'neurolake\[interop\]'"):
            ask(snapshot)


def test_real_trials(isf_data: Path, tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    ingest_simrun(lake, isf_data / "simrun_2026", processes=1)
    block = to_neo(lake.head)
    assert len(block.segments) == lake["trials"].rows
    assert sum(len(segment.spiketrains[0]) for segment in block.segments) == lake["spike_times"].rows
    for segment in block.segments:
        (signal,) = segment.analogsignals
        at = np.searchsorted(
            signal.times.rescale("ms").magnitude, np.array(ms(segment.spiketrains[0])) - 1e-9
        )
        assert (signal.magnitude[at, 0] >= 0).all()
