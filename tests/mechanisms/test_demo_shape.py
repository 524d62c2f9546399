"""The demo cell's geometry."""

import numpy as np
import pytest

from neurolake.mechanisms.demo_shape import Branch, demo_branches, soma_distance


def straight(name, label, parent, length):
    z = np.linspace(0.0, length, 5)
    return Branch(name, label, parent, np.column_stack([0 * z, 0 * z, z, 0 * z + 1]))


CHAIN = (
    straight("soma", "Soma", -1, 20.0),
    straight("dend_0", "Dendrite", 0, 100.0),
    straight("dend_1", "Dendrite", 1, 40.0),
)


def test_soma_distance_adds_ancestors_but_not_the_soma():
    assert soma_distance(CHAIN, 0, 0.9) == 0.0
    assert soma_distance(CHAIN, 1, 0.25) == 25.0
    assert soma_distance(CHAIN, 2, 0.5) == 120.0


@pytest.mark.parametrize(("x", "point"), [(0.0, 0), (0.1, 0), (0.125, 0), (0.13, 1), (0.5, 2), (1.0, 4)])
def test_nearest_point_is_the_first_of_equals(x, point):
    assert CHAIN[1].nearest_point(x) == point


def test_compartments_are_odd_and_short():
    for branch in demo_branches():
        assert branch.segments % 2 == 1
        assert branch.length / branch.segments <= 52


def test_area_is_that_of_a_tube():
    assert CHAIN[1].area == pytest.approx(np.pi * 100.0)


def test_branches_start_where_their_parents_end():
    branches = demo_branches()
    for branch in branches[1:]:
        parent = branches[branch.parent]
        if parent.label != "Soma":
            assert np.allclose(branch.points[0, :3], parent.points[-1, :3])


def test_sections_are_named_by_what_they_are():
    prefix = {"Soma": "soma", "Dendrite": "dend", "ApicalDendrite": "apical"}
    branches = demo_branches()
    assert all(branch.name.startswith(prefix[branch.label]) for branch in branches)
    assert len({branch.name for branch in branches}) == len(branches)
    assert all(-1 <= branch.parent < number for number, branch in enumerate(branches))
