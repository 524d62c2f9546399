"""The demo's input: reproducible, and distributed as its parameters say."""

import numpy as np
import pytest

from neurolake.mechanisms.demo_input import (
    POPULATIONS,
    STIMULUS_MS,
    demo_embedding,
    demo_input,
    network_parameters,
)

T_STOP = 200.0


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))


@pytest.fixture(scope="module")
def many():
    return {
        whisker: [demo_input(whisker, 3, trial, T_STOP) for trial in range(200)] for whisker in ("C2", "B1")
    }


def test_a_key_names_one_input():
    assert same(demo_input("C2", 3, 5, T_STOP), demo_input("C2", 3, 5, T_STOP))
    assert not same(demo_input("C2", 3, 5, T_STOP), demo_input("C2", 3, 6, T_STOP))
    assert not same(demo_input("C2", 3, 5, T_STOP), demo_input("C2", 5, 3, T_STOP))


def test_background_has_the_interval_of_its_population(many):
    for number, population in enumerate(POPULATIONS):
        before = [np.sum((t.spike_population == number) & (t.spike_time < STIMULUS_MS)) for t in many["C2"]]
        expected = population.cells * STIMULUS_MS / population.interval * len(before)
        assert abs(sum(before) - expected) < 5 * np.sqrt(expected)


def test_the_volley_has_the_probabilities_of_its_stimulus(many):
    for whisker, trials in many.items():
        for number, population in enumerate(POPULATIONS):
            first, last = population.evoked[0][0], population.evoked[-1][1]
            background = population.cells * (last - first) / population.interval
            evoked = population.cells * sum(p for _, _, p in population.evoked_by(whisker))
            expected = (background + evoked) * len(trials)
            window = (STIMULUS_MS + first, STIMULUS_MS + last)
            found = sum(
                np.sum(
                    (t.spike_population == number) & (t.spike_time >= window[0]) & (t.spike_time < window[1])
                )
                for t in trials
            )
            assert abs(found - expected) < 5 * np.sqrt(expected)


def test_each_activation_is_a_spike_of_the_synapses_cell(many):
    embedding, drawn = demo_embedding(), many["C2"][0]
    population, cell = embedding.population[drawn.synapse], embedding.cell_id[drawn.synapse]
    spikes = set(
        zip(
            drawn.spike_population.tolist(), drawn.spike_cell.tolist(), drawn.spike_time.tolist(), strict=True
        )
    )
    activations = zip(population.tolist(), cell.tolist(), drawn.activation_time.tolist(), strict=True)
    assert set(activations) <= spikes


def test_synapses_release_with_their_probability(many):
    embedding = demo_embedding()
    for number, population in enumerate(POPULATIONS):
        chances = sum(np.sum(t.spike_population == number) for t in many["C2"]) * population.synapses_per_cell
        released = sum(np.sum(embedding.population[t.synapse] == number) for t in many["C2"])
        p = population.release_probability
        assert abs(released - chances * p) < 5 * np.sqrt(chances * p * (1 - p))


def test_rows_are_ordered_and_inside_the_trial(many):
    drawn = many["B1"][0]
    spikes = np.lexsort((drawn.spike_time, drawn.spike_cell, drawn.spike_population))
    assert np.array_equal(spikes, np.arange(len(spikes)))
    assert np.array_equal(np.lexsort((drawn.activation_time, drawn.synapse)), np.arange(len(drawn.synapse)))
    short = demo_input("B1", 3, 0, 110.0)
    assert short.spike_time.max() < 110.0
    assert short.activation_time.max() < 110.0


def test_synapses_sit_on_the_branches_of_their_population():
    embedding = demo_embedding()
    for number, population in enumerate(POPULATIONS):
        rows = embedding.population == number
        assert rows.sum() == population.cells * population.synapses_per_cell
        assert set(embedding.section_id[rows].tolist()) <= set(population.branches)
        assert np.array_equal(embedding.synapse_id[rows], np.arange(rows.sum()))
        assert np.array_equal(np.unique(embedding.cell_id[rows]), np.arange(population.cells))


def test_every_branch_has_synapses():
    assert np.bincount(demo_embedding().section_id).min() > 0


def test_network_parameters_name_every_population():
    network = network_parameters("B1", synapse_file="a.syn", connection_file="a.con")["network"]
    assert list(network) == sorted(population.name for population in POPULATIONS)
    principal, surround = network["VPM_B1"], network["VPM_C2"]
    assert principal["celltype"]["pointcell"]["probabilities"] == [0.08, 0.14, 0.05]
    assert surround["celltype"]["pointcell"]["probabilities"] == pytest.approx([0.036, 0.05, 0.02])
