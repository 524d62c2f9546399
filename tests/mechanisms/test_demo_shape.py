"""The demo cell's geometry: grown anew, it is the same cell, and one of layer 5."""

import numpy as np
import pytest

from neurolake.mechanisms.cell.compartments import detailed_labels
from neurolake.mechanisms.cell.sites import Branches, branches
from neurolake.mechanisms.demo.cell import RECORDED, recording_landmark
from neurolake.mechanisms.demo.shape import demo_morphology


@pytest.fixture(scope="module")
def cell() -> Branches:
    shapes = demo_morphology().shapes
    return branches(
        [shape.points for shape in shapes],
        labels=[shape.label for shape in shapes],
        parents=[shape.parent for shape in shapes],
        parent_x=[shape.parent_x for shape in shapes],
    )


def test_it_is_the_same_cell_each_time():
    again = demo_morphology.__wrapped__()
    for old, new in zip(demo_morphology().shapes, again.shapes, strict=True):
        assert (old.name, old.label, old.parent, old.parent_x) == (
            new.name,
            new.label,
            new.parent,
            new.parent_x,
        )
        assert np.array_equal(old.points, new.points)


def test_it_has_the_proportions_of_a_thick_tufted_cell(cell):
    end = cell.start + cell.length
    label = np.array(cell.labels)
    assert 8000 < cell.length.sum() < 12000
    assert 1050 < end[label == "ApicalDendrite"].max() < 1300
    assert 200 < end[label == "Dendrite"].max() < 350
    assert (label == "Soma").sum() == 1


def test_trunk_obliques_tuft_and_basal_dendrites_are_told_apart(cell):
    names = [shape.name for shape in demo_morphology().shapes]
    kinds = {"soma": "Soma", "dend": "basal", "trunk": "trunk", "oblique": "oblique", "tuft": "tuft"}
    for name, found in zip(names, detailed_labels(cell), strict=True):
        assert kinds[name.removeprefix("apical_").split("_")[0]] == found


def test_branches_start_where_their_parents_end():
    shapes = demo_morphology().shapes
    for shape in shapes[1:]:
        parent = shapes[shape.parent]
        begin = np.zeros(3) if parent.label == "Soma" else parent.points[-1, :3]
        reach = 9.0 if parent.label == "Soma" else 0.0
        assert np.linalg.norm(shape.points[0, :3] - begin) == pytest.approx(reach, abs=1e-5)


def test_the_recording_site_is_where_the_tuft_begins():
    tufts = [shape for shape in demo_morphology().shapes if shape.name.startswith("apical_tuft")]
    first = demo_morphology().shapes[tufts[0].parent]
    assert first.name == RECORDED
    assert np.linalg.norm(first.points[-1, :3] - recording_landmark()) < 20
