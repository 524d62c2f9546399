"""Places on a tree by distance from the soma, against what NEURON measures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_trees import small_node, small_tree

from neurolake.mechanisms.templates.documented import DOCUMENTED
from neurolake.mechanisms.templates.reach import reach, shapes_of
from neurolake.mechanisms.templates.trees import tree_morphology

SHAPES = tree_morphology(small_tree()).shapes
ALL = {"soma", "axon", "dend", "apic"}


@given(st.integers(1, 15), st.floats(0, 250), st.floats(0, 250), st.integers(0, 2**32 - 1))
def test_places_are_on_the_parts_and_within_the_distances(chosen, low, extent, seed):
    parts = {part for bit, part in enumerate(sorted(ALL)) if chosen >> bit & 1}
    found = reach(SHAPES, parts, low, low + extent)
    if not len(found.section):
        return
    draws = 1 - np.random.default_rng(seed).random(50)
    section, x = found.place(draws)
    lengths = np.array([np.linalg.norm(np.diff(s.points[:, :3], axis=0), axis=1).sum() for s in SHAPES])
    names = {"Soma": "soma", "Axon": "axon", "Dendrite": "dend", "ApicalDendrite": "apic"}
    assert {names[SHAPES[at].label] for at in section} <= parts
    # Distances of 0-ends from the soma's middle, of the tree that `small_trees` draws.
    begin = np.array([0, 8, 8, 108, 108, 0])
    distance = np.where(section == 0, 0, begin[section] + x * lengths[section])
    assert (distance >= low - 1e-9).all() and (distance <= low + extent + 1e-9).all()
    assert ((x >= 0) & (x <= 1)).all()


def test_every_length_of_cable_is_as_likely():
    found = reach(SHAPES, {"dend", "apic"}, 0, np.inf)
    section, x = found.place((np.arange(100_000) + 0.5) / 100_000)
    for at in np.unique(section):
        own = section == at
        length = found.length[found.section == at].sum()
        assert own.mean() == pytest.approx(length / found.length.sum(), abs=1e-4)
        assert np.histogram(x[own], 4, (0, 1))[0] / own.sum() == pytest.approx([0.25] * 4, abs=0.01)


def test_distances_are_those_of_neuron(library):
    from neuron import h

    cell = DOCUMENTED["BasketCell"].build(small_node())
    for part, low, high in (("apic", 0, 60), ("apic", 100, 150), ("dend", 20, 90), ("axon", 5, 30)):
        section, x = reach(SHAPES, {part}, low, high).place(np.linspace(0.01, 1, 20))
        for at, where in zip(section.tolist(), x.tolist(), strict=True):
            place = cell.sections[at](where)
            # From the soma's middle; NEURON measures to the middle of segments.
            distance = h.distance(cell.sections[0](0.5), place)
            half = cell.sections[at].L / cell.sections[at].nseg / 2
            assert low - half - 1e-3 <= distance <= high + half + 1e-3


def test_sections_are_known_of_trees_and_not_of_hoc():
    assert shapes_of(None, small_node()) is not None
    node = small_node()
    assert len(shapes_of(DOCUMENTED["OLMCell"], node)) == 6
    object.__setattr__(node, "shape", None)
    assert shapes_of(DOCUMENTED["OLMCell"], node) is None
