"""Network modify functions come from a register, with arguments checked before a run."""

from dataclasses import replace

import numpy as np
import pytest

from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.input import modifiers
from neurolake.mechanisms.input.activity import Activations
from neurolake.mechanisms.input.connectivity import Embedding
from neurolake.mechanisms.input.modifiers import modified, network_modifier, read_modifiers

ZEROS = np.zeros(4, np.int64)
EMBEDDING = Embedding(
    populations=("L2_C2", "VPM_C2"),
    population=np.array([0, 0, 1, 1]),
    synapse_id=np.array([0, 1, 0, 1]),
    cell_id=ZEROS,
    section_id=ZEROS,
    section_pt_id=ZEROS,
    x=np.zeros(4),
    soma_distance=np.array([100.0, 200.0, 100.0, 200.0]),
    xyz=np.zeros((4, 3)),
    pruned=ZEROS,
)
ACTIVATIONS = Activations(
    np.array([0]), np.array([3]), np.array([5.0]), np.array([0, 1, 1, 2, 3]), np.array([1.0, 2, 3, 4, 5])
)


def network(**functions):
    return {"network": {"network_modify_functions": functions}}


def test_synapses_are_silenced_by_soma_distance():
    ranges = {"L2_C2": [150, 250], "VPM_C2": [50, 200], "L9_C2": [0, 999]}
    chosen = read_modifiers(network(silence_synapses_by_somadist={"soma_dist_ranges": ranges}))
    kept = modified(ACTIVATIONS, EMBEDDING, chosen)
    assert kept.synapse.tolist() == [0, 3]
    assert kept.activation_time.tolist() == [1.0, 5.0]
    assert kept.spike_time.tolist() == [5.0]


def test_modifiers_of_users_apply_in_order(monkeypatch):
    monkeypatch.setattr(modifiers, "_known", {})

    @network_modifier("late")
    def late(activations, embedding, after):
        return activations.activation_time > after

    @network_modifier("first")
    def first(activations, embedding):
        return np.arange(len(activations.synapse)) == 0

    assert modified(
        ACTIVATIONS, EMBEDDING, read_modifiers(network(late={"after": 2}, first={}))
    ).synapse.tolist() == [1]
    assert (
        modified(
            ACTIVATIONS, EMBEDDING, read_modifiers(network(first={}, late={"after": 2}))
        ).synapse.tolist()
        == []
    )


def test_without_modifiers_nothing_changes():
    assert read_modifiers({"network": {}}) == ()
    assert modified(ACTIVATIONS, EMBEDDING, ()) == replace(ACTIVATIONS)


@pytest.mark.parametrize(
    ("functions", "reason"),
    [
        (
            {"__import__": {}},
            "network_modify_functions.__import__: no such function is registered; known: silence",
        ),
        ({"silence_synapses_by_somadist": {}}, "missing a required argument: 'soma_dist_ranges'"),
        ({"silence_synapses_by_somadist": {"x": 1}}, "silence_synapses_by_somadist: "),
        ({"silence_synapses_by_somadist": 3}, "expected a dictionary"),
    ],
)
def test_what_cannot_be_called_is_refused(functions, reason):
    with pytest.raises(ModelError, match=reason):
        read_modifiers(network(**functions), "n.param")
