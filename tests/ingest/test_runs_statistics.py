"""New trials of the full model beside the framework's own: drawn from the same distributions, as far as eight can tell.

The framework's random numbers cannot be had again, so new trials are compared as samples. Every test has a level of
0.1 % for a family of comparisons (Bonferroni), and fixed seeds: it fails or passes for good. What it would find is
asserted with it, as the smallest difference that is found with a probability of 80 %.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from nerves import delete_all_sections

import neurolake
from neurolake.ingest.runs.model import Model, read_model
from neurolake.ingest.runs.runs import run
from neurolake.ingest.runs.worker import built
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.mechanisms.trial.simulation import Recorded

LEVEL = 0.001
POWER = 0.8
TRIALS = 32
T_STOP, STIMULUS = 300.0, 245.0
DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
TABLES = {"synapse_activation": "synapse_type", "cell_activation": "presynaptic_cell_type"}


@pytest.fixture(scope="module", autouse=True)
def alone() -> None:
    delete_all_sections()


@pytest.fixture(scope="module")
def model(isf_data: Path) -> Model:
    [results] = (isf_data / "simrun_2026" / "stim_C2" / "results").iterdir()
    files = (next(results.glob(f"*_{kind}_model.param")) for kind in ("neuron", "network"))
    return read_model(*files, paths=[isf_data / "example_86_C2"])


@pytest.fixture(scope="module")
def real(isf_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    lake = neurolake.create(tmp_path_factory.mktemp("real") / "lake", durable=False)
    ingest_simrun(lake, isf_data / "simrun_2026", processes=1)
    return lake


@pytest.fixture(scope="module")
def drawn(model: Model) -> Iterator[list[dict[str, dict[str, np.ndarray]]]]:
    """The input of 32 new trials."""
    with built(model, Recorded(sites=False)) as simulation:
        with pytest.warns(UserWarning, match="says that it belongs to"):
            simulation.check()
        tables = [simulation.drawn(2026, number, T_STOP) for number in range(TRIALS)]
    yield [dict(zip(TABLES, both, strict=True)) for both in tables]


def smallest_found(deviation: float, comparisons: int, *sizes: int) -> float:
    """The difference of means that is found with probability `POWER`, for a standard deviation within groups."""
    normal = NormalDist()
    quantiles = normal.inv_cdf(1 - LEVEL / comparisons / 2) + normal.inv_cdf(POWER)
    return float(quantiles * deviation * np.sqrt(sum(1 / size for size in sizes)))


def critical(comparisons: int) -> float:
    return NormalDist().inv_cdf(1 - LEVEL / comparisons / 2)


def by_cell_type(names: np.ndarray) -> np.ndarray:
    return np.char.partition(names.astype(str), "_")[:, 0]


@pytest.mark.parametrize("table", TABLES)
def test_cells_and_synapses_are_as_active(real: Any, drawn: Any, table: str) -> None:
    query = f"select cell_type, trial_id, count(*) from {table} group by all"
    found = real.sql(query).fetchall()
    kinds = sorted({kind for kind, _, _ in found})
    old = np.zeros((len(kinds), 8))
    for kind, trial, count in found:
        old[kinds.index(kind), trial] = count
    new = np.zeros((len(kinds), TRIALS))
    for trial, tables in enumerate(drawn):
        names, counts = np.unique(by_cell_type(tables[table][TABLES[table]]), return_counts=True)
        new[[kinds.index(name) for name in names], trial] = counts
    # Within groups the two vary alike: pooled over 40 trials, the variance is well known.
    deviation = np.sqrt((7 * old.var(1, ddof=1) + (TRIALS - 1) * new.var(1, ddof=1)) / (6 + TRIALS))
    z = (new.mean(1) - old.mean(1)) / (deviation * np.sqrt(1 / 8 + 1 / TRIALS))
    assert np.abs(z).max() < critical(len(kinds)), dict(zip(kinds, z.round(2), strict=True))
    detectable = np.array([smallest_found(own, len(kinds), 8, TRIALS) for own in deviation]) / new.mean(1)
    large = new.mean(1) > 100
    print(
        f"\n{table}: largest |z| {np.abs(z).max():.2f} of {len(kinds)} cell types; with {POWER:.0%} a difference of"
    )
    print(
        ", ".join(f"{kind} {share:.1%}" for kind, share in zip(kinds, detectable, strict=True)),
        "would be found",
    )
    assert large.sum() >= 8 and np.median(detectable[large]) < 0.15


def unlike(few: np.ndarray, many: np.ndarray, sizes: tuple[int, int]) -> float:
    """How unlike two sets of times after the stimulus are, of so many trials each: a normal deviate.

    Chi-square of both histograms in bins of 1 ms, which are joined until five spikes are expected in the smaller set.
    Many cells with few spikes each have Poisson counts. The cube root makes it normal (Wilson and Hilferty 1931).
    """
    edges = np.arange(STIMULUS, STIMULUS + 51)
    rates = [np.histogram(own, edges)[0] / size for own, size in zip((few, many), sizes, strict=True)]
    bins = np.unique(np.floor(np.cumsum(sizes[0] * rates[1]) / 5), return_inverse=True)[1]
    old, new = (np.bincount(bins, own) for own in rates)
    assert len(new) >= 10
    chi = ((old - new) ** 2 / (new / sizes[0] + new / sizes[1])).sum()
    spread = 2 / (9 * len(new))
    return float(((chi / len(new)) ** (1 / 3) - 1 + spread) / np.sqrt(spread))


def test_the_response_to_the_stimulus_has_the_same_course(real: Any, drawn: Any) -> None:
    """Spikes of presynaptic cells by cell type; the same test finds a response that comes 1 ms late."""
    rows = real.sql(f"select cell_type, time from cell_activation where time >= {STIMULUS}").df()
    kinds = [kind for kind, own in rows.groupby("cell_type") if len(own) > 400]
    new = [own["cell_activation"] for own in drawn]
    times = [
        {kind: own["time"][by_cell_type(own["presynaptic_cell_type"]) == kind] for kind in kinds}
        for own in new
    ]

    def joined(kind: str, trials: slice) -> np.ndarray:
        return np.concatenate([own[kind] for own in times[trials]])

    found = {
        kind: unlike(rows.time[rows.cell_type == kind], joined(kind, slice(None)), (8, TRIALS))
        for kind in kinds
    }
    late = {
        kind: unlike(joined(kind, slice(8)) + 1.0, joined(kind, slice(8, None)), (8, TRIALS - 8))
        for kind in kinds
    }
    limit = NormalDist().inv_cdf(1 - LEVEL / len(kinds))
    for name, values in (("real trials", found), ("1 ms late", late)):
        print(f"\n{name}:", {kind: round(value, 2) for kind, value in values.items()}, f"limit {limit:.2f}")
    assert len(kinds) >= 6 and max(found.values()) < limit
    assert sum(value > limit for value in late.values()) >= len(kinds) / 2


@pytest.mark.skipif(not DEEP, reason="HYPOTHESIS_PROFILE=deep: 32 trials of the full model take minutes")
def test_the_cell_fires_alike(real: Any, model: Model, tmp_path: Path) -> None:
    """Somatic and dendritic spikes before and after the stimulus: permutations of trials between the two groups."""
    lake = neurolake.create(tmp_path / "lake", durable=False)
    folder = model.write(tmp_path / "model")
    report = run(
        lake, model.cell, model.network, trials=TRIALS, t_stop=T_STOP, seed=2026, name="new", paths=[folder]
    )
    assert (report.trials, report.failures) == (TRIALS, [])
    print(f"\n{report.seconds / TRIALS:.2f} s a trial")
    random = np.random.default_rng(0)
    comparisons = [(table, window) for table in ("spike_times", "dendritic_spike_times") for window in (0, 1)]
    for table, window in comparisons:
        begin, end = ((0.0, STIMULUS), (STIMULUS, T_STOP))[window]
        query = (
            f"select count(s.time) from trials t left join {table} s on s.trial_id = t.trial_id "
            f"and s.time >= {begin} and s.time < {end} group by t.trial_id order by t.trial_id"
        )
        old, new = (np.array(own.sql(query).fetchall(), float)[:, 0] for own in (real, lake))
        both = np.concatenate([old, new])
        shuffled = np.array([random.permutation(both) for _ in range(20_000)])
        differences = shuffled[:, 8:].mean(1) - shuffled[:, :8].mean(1)
        p = (np.abs(differences) >= abs(new.mean() - old.mean()) - 1e-12).mean()
        found = smallest_found(both.std(ddof=1), len(comparisons), 8, TRIALS)
        print(
            f"{table} {begin:g} to {end:g} ms: {old.mean():.2f} real, {new.mean():.2f} new a trial, p = {p:.3f}; "
            f"a difference of {found:.2f} would be found with {POWER:.0%}"
        )
        assert p > LEVEL / len(comparisons)
