"""Activity: each way of firing has its distribution, and a trial is a function of its key alone."""

import csv
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
from scipy import stats

from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.input.activity import Activity
from neurolake.mechanisms.input.connectivity import Embedding
from neurolake.mechanisms.input.populations import SURE, Firing, Population, SpikeSource

SIGNIFICANT = 1e-4


def embedding(cells, synapses_per_cell=1):
    """Populations of the given numbers of cells, each cell with as many synapses."""
    names = sorted(cells)
    sizes = np.array([cells[name] * synapses_per_cell for name in names])
    synapse = np.concatenate([np.arange(size) for size in sizes])
    zeros = np.zeros(len(synapse), np.int64)
    return Embedding(
        populations=tuple(names),
        population=np.repeat(np.arange(len(names)), sizes),
        synapse_id=synapse,
        cell_id=synapse // synapses_per_cell,
        section_id=zeros,
        section_pt_id=zeros,
        x=zeros.astype(float),
        soma_distance=zeros.astype(float),
        xyz=np.zeros((len(synapse), 3)),
        pruned=zeros,
    )


def population(name, cells, *sources, release=1.0):
    return Population(name, cells, sources, release, ())


def activity(sources, cells=20_000, release=1.0, synapses_per_cell=1):
    one = population("L2_C2", cells, *sources, release=release)
    return Activity(embedding({"L2_C2": cells}, synapses_per_cell), {"L2_C2": one})


def spikes(*sources, cells=20_000, t_stop=1000.0, seed=1, trial=0):
    made = activity(sources, cells).trial(seed, trial, t_stop)
    return made.spike_cell, made.spike_time


def train(interval, noise=1.0, start=0.0, count=-1.0):
    return SpikeSource(Firing.TRAIN, "spiketrain", (interval, noise, start, count))


def psth(*bins):
    hazards = [(begin, width, SURE if p == 1 else -np.log1p(-p)) for begin, width, p in bins]
    return SpikeSource(Firing.PSTH, "pointcell", bins=tuple(hazards))


def point(firing, *numbers, bins=()):
    return SpikeSource(firing, "pointcell", numbers, bins)


def is_poisson(counts, mean):
    """Chi-squared of counts against a Poisson distribution; bins expect at least 5."""
    edges = [
        k
        for k in range(int(mean + 20))
        if min(stats.poisson.cdf(k, mean), stats.poisson.sf(k, mean)) * len(counts) > 5
    ]
    observed = np.histogram(counts, [-0.5, *(k + 0.5 for k in edges), np.inf])[0]
    expected = np.diff([0, *stats.poisson.cdf(edges, mean), 1]) * len(counts)
    return stats.chisquare(observed, expected).pvalue > SIGNIFICANT


def test_a_train_is_a_poisson_process():
    """20,000 cells of 10 spikes: a rate that is off by 2 % fails (power > 0.99)."""
    cell, time = spikes(train(100.0))
    counts = np.bincount(cell, minlength=20_000)
    assert is_poisson(counts, 10.0)
    assert not is_poisson(counts, 10.2), "the test sees two percent"
    assert stats.kstest(time, "uniform", (0, 1000)).pvalue > SIGNIFICANT
    first = time[np.unique(cell, return_index=True)[1]]
    assert stats.kstest(first, stats.truncexpon(10.0, scale=100.0).cdf).pvalue > SIGNIFICANT


def test_intervals_have_a_regular_part():
    cell, time = spikes(train(100.0, noise=0.3, start=50.0), cells=4000)
    first = np.unique(cell, return_index=True)[1]
    assert stats.kstest(time[first] - 50.0, "expon", (0, 30.0)).pvalue > SIGNIFICANT
    assert stats.kstest(time[first + 1] - time[first], "expon", (70.0, 30.0)).pvalue > SIGNIFICANT


def test_without_noise_a_train_is_regular():
    _, time = spikes(train(100.0, noise=0.0, start=5.0), cells=1)
    np.testing.assert_allclose(time, np.arange(5, 1000, 100))


def test_a_train_of_a_given_number_ends_when_it_will():
    cell, time = spikes(train(100.0, count=20.0), cells=500)
    assert (np.bincount(cell) == 20).all()
    assert time.max() > 1000
    assert stats.kstest(time.reshape(500, 20)[:, -1], stats.gamma(20, scale=100).cdf).pvalue > SIGNIFICANT


def test_bins_of_a_psth_are_independent_and_uniform_inside():
    """20,000 cells: a probability off by 0.01, or a correlation of 0.03, fails (power > 0.98)."""
    probabilities = np.array([0.3, 0.0, 0.05, 1.0, 0.5])
    begins = np.array([10.0, 20, 25, 30, 50])
    cell, time = spikes(psth(*((b, 4.0, p) for b, p in zip(begins, probabilities, strict=True))))
    which = np.searchsorted(begins, time, side="right") - 1
    hit = np.zeros((20_000, 5))
    np.add.at(hit, (cell, which), 1)
    assert hit.max() == 1
    assert hit[:, 1].sum() == 0 and hit[:, 3].all()
    for k in (0, 2, 4):
        assert stats.binomtest(int(hit[:, k].sum()), 20_000, probabilities[k]).pvalue > SIGNIFICANT
    correlation = np.corrcoef(hit[:, [0, 2, 4]].T)[np.triu_indices(3, 1)]
    assert (abs(correlation) < 4 / np.sqrt(20_000)).all()
    assert stats.kstest((time - begins[which]) / 4, "uniform").pvalue > SIGNIFICANT


def test_single_spikes_have_their_distributions():
    for source, distribution in (
        (point(Firing.NORMAL, 0.5, 100.0, 7.0), stats.norm(100, 7)),
        (point(Firing.UNIFORM, 0.5, 100.0, 7.0), stats.uniform(100, 7)),
        (point(Firing.LOGNORMAL, 0.5, 100.0, 1.0, 0.5), stats.lognorm(0.5, 100, np.e)),
    ):
        cell, time = spikes(source)
        assert len(np.unique(cell)) == len(cell)
        assert stats.binomtest(len(cell), 20_000, 0.5).pvalue > SIGNIFICANT
        assert stats.kstest(time, distribution.cdf).pvalue > SIGNIFICANT
        assert stats.kstest(time + 0.5, distribution.cdf).pvalue < SIGNIFICANT, "the test sees half a ms"


def test_single_spikes_before_the_trial_are_moved_into_it():
    _, time = spikes(point(Firing.NORMAL, 1.0, 0.0, 1.0), cells=100)
    assert time.min() == 0.1
    assert 30 < (time == 0.1).sum() < 75


def test_a_number_of_cells_is_drawn_without_replacement():
    source = point(Firing.ABSOLUTE, bins=((10.0, 1.0, 30.0), (20.0, 1.0, 40.0)))
    chosen = Counter()
    for trial in range(300):
        cell, time = spikes(source, cells=40, trial=trial)
        early = cell[time < 15]
        assert len(early) == len(np.unique(early)) == 30
        assert np.array_equal(cell[time > 15], np.arange(40))
        chosen.update(early.tolist())
    counts = np.array([chosen[k] for k in range(40)])
    # Drawn without replacement, the variance is that of a hypergeometric count.
    statistic = ((counts - 225) ** 2).sum() / (300 * 0.75 * 0.25) * 39 / 40
    assert SIGNIFICANT < stats.chi2.sf(statistic, 39) < 1 - SIGNIFICANT


def test_too_few_cells_fire_more_than_once():
    cell, _ = spikes(point(Firing.ABSOLUTE, bins=((0.0, 1.0, 50.0),)), cells=5)
    assert len(cell) == 50
    assert set(cell.tolist()) == set(range(5))


def test_rates_per_bin_are_poisson_and_independent():
    """20,000 cells: a rate off by 4 % in the second bin fails (power > 0.99)."""
    cell, time = spikes(
        point(Firing.RATES, bins=((0.0, 100.0, 5.0), (100.0, 50.0, 60.0), (200.0, 100.0, 0.0)))
    )
    counts = np.zeros((20_000, 2))
    np.add.at(counts, (cell, (time >= 100).astype(int)), 1)
    assert is_poisson(counts[:, 0], 0.5) and is_poisson(counts[:, 1], 3.0)
    assert not is_poisson(counts[:, 1], 3.12), "the test sees four percent"
    assert abs(np.corrcoef(counts.T)[0, 1]) < 4 / np.sqrt(20_000)
    assert time.max() <= 150
    assert stats.kstest(time[time >= 100], "uniform", (100, 50)).pvalue > SIGNIFICANT


def test_a_modulated_rate_follows_its_sine():
    numbers = (3.0, 20.0, 0.8, 5.0, 10.0, 200.0)
    _, time = spikes(point(Firing.MODULATED, *numbers, 0.5, 0.0), t_stop=1000.0)
    counts = np.histogram(time, np.r_[0, np.arange(210, 1001, 10)])[0]
    rate = 20 * (1 + 0.8 * np.sin(np.linspace(0, 2 * np.pi * 4, 80) + 0.5))
    rate[0] = 3.0
    expected = rate * np.r_[210, np.full(79, 10)] / 1000 * 20_000
    assert stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), 80) > SIGNIFICANT


def test_phases_of_a_modulated_rate_differ_between_cells():
    numbers = (0.0, 20.0, 1.0, 5.0, 1.0, 0.0)
    cell, time = spikes(point(Firing.MODULATED, *numbers, 0.0, -1.0), cells=3000, t_stop=1000.0)
    turn = np.exp(2j * np.pi * time / 200)
    assert abs(turn.mean()) < 4 / np.sqrt(len(turn))
    direction = np.zeros(3000, complex)
    np.add.at(direction, cell, turn)
    within = np.abs(direction).sum() / len(turn)
    assert 0.45 < within < 0.6, "a cell's own spikes gather around its phase: expected 0.5 and a little"
    _, aligned = spikes(point(Firing.MODULATED, *numbers, 0.0, 0.2), cells=3000, t_stop=1000.0)
    assert abs(np.exp(2j * np.pi * aligned / 200).mean()) == pytest.approx(0.5 * np.exp(-0.02), abs=0.02)


def test_synapses_pass_spikes_on_with_their_probability_each_for_itself():
    """40,000 synapses of 20,000 cells: a probability off by 0.01 fails (power > 0.99)."""
    made = activity([train(200.0)], release=0.6, synapses_per_cell=2).trial(1, 0, 1000.0)
    spiked = np.bincount(made.spike_cell, minlength=20_000)
    passed = np.bincount(made.synapse, minlength=40_000).reshape(20_000, 2)
    assert (passed <= spiked[:, None]).all()
    assert stats.binomtest(int(passed.sum()), int(2 * spiked.sum()), 0.6).pvalue > SIGNIFICANT
    one = passed[spiked == 5]
    table = np.histogram2d(*one.T, bins=[[-0.5, 1.5, 2.5, 3.5, 5.5]] * 2)[0]
    chance = np.diff(stats.binom.cdf([-1, 1, 2, 3, 5], 5, 0.6))
    assert stats.chisquare(table.ravel(), np.outer(chance, chance).ravel() * len(one)).pvalue > SIGNIFICANT


def test_an_activation_is_a_spike_of_the_synapses_cell():
    made = activity([train(100.0)], cells=50, release=0.5, synapses_per_cell=3).trial(1, 0, 500.0)
    fired = set(zip(made.spike_cell.tolist(), made.spike_time.tolist(), strict=True))
    activated = set(zip((made.synapse // 3).tolist(), made.activation_time.tolist(), strict=True))
    assert activated <= fired
    assert len(activated) > 0.8 * len(fired)


def test_rows_are_in_the_order_of_the_tables():
    both = [train(100.0), psth((100.0, 300.0, 0.5))]
    made = Activity(
        embedding({"L1_C2": 30, "L2_C2": 40}, 2),
        {name: population(name, 45, *both, release=0.5) for name in ("L2_C2", "L1_C2")},
    ).trial(1, 0, 500.0)
    order = np.lexsort((made.spike_time, made.spike_cell, made.spike_population))
    assert np.array_equal(order, np.arange(len(order)))
    assert np.array_equal(np.lexsort((made.activation_time, made.synapse)), np.arange(len(made.synapse)))
    assert set(made.spike_cell.tolist()) > {44}, "cells without a synapse fire too"


def test_silent_synapses_stay_silent():
    network = embedding({"L2_C2": 3}, 2)
    pruned = replace(network, pruned=np.array([1, 0, 0, 0, 0, 0]), cell_id=np.array([0, 0, -1, 1, 2, 2]))
    made = Activity(pruned, {"L2_C2": population("L2_C2", 3, train(5.0))}).trial(1, 0, 100.0)
    assert set(made.synapse.tolist()) == {1, 3, 4, 5}


def network_of(names, release=0.5):
    sources = [train(80.0), psth((50.0, 20.0, 0.3))]
    populations = {name: population(name, 25, *sources, release=release) for name in names}
    return Activity(embedding(dict.fromkeys(names, 25), 2), populations)


def by_name(network, made):
    """Spikes and activations of each population, as bytes."""
    spike = {
        name: made.spike_time[made.spike_population == code].tobytes()
        for code, name in enumerate(network.names)
    }
    owner = made.synapse // 50
    active = {name: made.activation_time[owner == code].tobytes() for code, name in enumerate(network.names)}
    return spike, active


def test_a_population_fires_alike_in_whatever_company():
    few, many = network_of(["L2_C2", "L5tt_C2"]), network_of(["VPM_C2", "L5tt_C2", "L1_A1", "L2_C2", "L3_B1"])
    spike, active = by_name(few, few.trial(7, 3, 300.0))
    spike_many, active_many = by_name(many, many.trial(7, 3, 300.0))
    assert all(spike[name] == spike_many[name] and active[name] == active_many[name] for name in few.names)
    assert len(set(spike_many.values())) == 5, "populations differ from each other"


def columns(made):
    return [column.tobytes() for column in vars(made).values()]


def test_a_trial_is_the_same_in_whichever_process():
    network = network_of(["L2_C2", "L5tt_C2"])
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        apart = list(pool.map(network.trial, [11] * 6, range(6), [300.0] * 6))
    here = [columns(network.trial(11, trial, 300.0)) for trial in reversed(range(6))]
    assert [columns(made) for made in apart] == here[::-1]
    assert len({tuple(trial) for trial in here}) == 6


def test_more_spikes_than_expected_are_all_there():
    network = activity([train(1.0)], cells=300)
    made = network.trial(1, 0, 100.0)
    assert len(made.spike_time) > 4096
    assert network.trial(1, 0, 100.0).spike_time.tobytes() == made.spike_time.tobytes()


def test_seeds_differ():
    network = network_of(["L2_C2"])
    assert not np.isin(network.trial(1, 2, 300.0).spike_time, network.trial(2, 1, 300.0).spike_time).any()


def test_populations_that_cannot_be():
    network = embedding({"L2_C2": 5, "L3_C2": 5})
    with pytest.raises(ModelError, match="without parameters: L3_C2"):
        Activity(network, {"L2_C2": population("L2_C2", 5)})
    with pytest.raises(ModelError, match="L2_C2: 5 cells are connected, but cellNr is 4"):
        Activity(network, {name: population(name, 4) for name in ("L2_C2", "L3_C2")})


def test_a_trial_without_an_end():
    with pytest.raises(ValueError, match="t_stop is inf"):
        network_of(["L2_C2"]).trial(1, 1, np.inf)
    with pytest.raises(ValueError, match="trial is -1"):
        network_of(["L2_C2"]).trial(1, -1, 10.0)


def test_populations_without_sources_are_silent():
    made = Activity(embedding({"L2_C2": 2}), {"L2_C2": population("L2_C2", 2)}).trial(1, 0, 10.0)
    assert len(made.spike_time) == len(made.synapse) == 0


def lines(path):
    with path.open() as file:
        rows = csv.reader(file, delimiter="\t")
        next(rows)
        return [(row[0].split("_")[0], float(time)) for row in rows for time in row[-1].split(",") if time]


@pytest.fixture(scope="module")
def real(isf_data):
    """Cell type and time of all spikes and activations of the eight real trials."""
    [run] = (isf_data / "simrun_2026" / "stim_C2" / "results").iterdir()
    files = sorted(run.glob("*_presynaptic_cells.csv")), sorted(run.glob("*_synapses.csv"))
    return [[lines(file) for file in kind] for kind in files]


@pytest.fixture(scope="module")
def drawn(isf_data):
    """The same of 60 trials drawn from the same files."""
    from neurolake.ingest.text.parameters import parse_parameters
    from neurolake.mechanisms.input.connectivity import read_connections, read_synapses
    from neurolake.mechanisms.input.populations import read_populations

    folder = isf_data / "example_86_C2"
    stem = folder / "anatomical" / "example_embedding_86_C2_center" / "example_embedding_86_C2_center"
    syn, con = read_synapses(f"{stem}.syn"), read_connections(f"{stem}.con")
    [run] = (isf_data / "simrun_2026" / "stim_C2" / "results").iterdir()
    [file] = run.glob("*_network_model.param")
    network = Activity(unplaced(syn, con), read_populations(parse_parameters(file.read_bytes(), file), file))
    kind = np.array([name.split("_")[0] for name in network.names])
    owner = np.sort(syn.type)
    trials = [network.trial(1, trial, 300.0) for trial in range(60)]
    return [
        [(kind[made.spike_population], made.spike_time) for made in trials],
        [(kind[owner[made.synapse]], made.activation_time) for made in trials],
    ]


def unplaced(syn, con):
    """Cells of synapses by their numbers, wherever they sit."""
    order = np.lexsort((syn.synapse_id, syn.type))
    assert syn.types == con.types
    cell = np.full(len(order), -1)
    cell[np.lexsort((syn.synapse_id, syn.type))] = con.cell_id[np.lexsort((con.synapse_id, con.type))]
    zeros = np.zeros(len(order), np.int64)
    return Embedding(
        populations=syn.types,
        population=syn.type[order],
        synapse_id=syn.synapse_id[order],
        cell_id=cell[order],
        section_id=zeros,
        section_pt_id=zeros,
        x=zeros.astype(float),
        soma_distance=zeros.astype(float),
        xyz=np.zeros((len(order), 3)),
        pruned=zeros,
    )


@pytest.mark.parametrize("table", [0, 1], ids=["spikes", "activations"])
def test_counts_per_cell_type_agree_with_the_real_trials(real, drawn, table):
    """Eight real trials: the total of a type that is off by 3 standard errors of its own fails the sum (power 0.9
    at a mean deviation of 5 % in the large types)."""
    kinds = sorted({kind for trial in real[table] for kind, _ in trial})
    theirs = np.array([[sum(k == kind for k, _ in trial) for kind in kinds] for trial in real[table]])
    ours = np.array([[(k == kind).sum() for kind in kinds] for k, _ in drawn[table]])
    error = np.sqrt(ours.var(axis=0, ddof=1) * (1 / len(theirs) + 1 / len(ours)))
    z = (theirs.mean(axis=0) - ours.mean(axis=0)) / np.maximum(error, 1e-9)
    common = ours.mean(axis=0) > 2
    assert common.sum() >= 20
    assert stats.chi2.sf((z[common] ** 2).sum(), common.sum()) > SIGNIFICANT
    shifted = (1.05 * theirs.mean(axis=0) - ours.mean(axis=0)) / np.maximum(error, 1e-9)
    assert stats.chi2.sf((shifted[common] ** 2).sum(), common.sum()) < SIGNIFICANT, (
        "the test sees five percent"
    )


@pytest.mark.parametrize("table", [0, 1], ids=["spikes", "activations"])
def test_the_psth_agrees_with_the_real_trials(real, drawn, table):
    """Bins of 5 ms through the trial, and what the test would see: a response of the stimulus one bin late."""
    edges = np.arange(0, 301, 5)
    theirs = np.histogram([time for trial in real[table] for _, time in trial], edges)[0]
    trials = np.array([np.histogram(time, edges)[0] for _, time in drawn[table]])
    mean, spread = trials.mean(axis=0), trials.var(axis=0, ddof=1)
    error = np.sqrt(spread * (1 / 8 + 1 / len(trials)))
    statistic = (((theirs / 8 - mean) / error) ** 2).sum()
    assert stats.chi2.sf(statistic, len(mean)) > SIGNIFICANT
    late = (((np.roll(theirs, 1) / 8 - mean) / error) ** 2).sum()
    assert stats.chi2.sf(late, len(mean)) < SIGNIFICANT, "the test sees five milliseconds"
