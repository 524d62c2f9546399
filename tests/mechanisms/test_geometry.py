"""Sections and segments as arrays."""

import numpy as np
import pytest

from neurolake.mechanisms.cell.create import create_cell
from neurolake.mechanisms.cell.geometry import section_table, segment_table


@pytest.fixture
def cell(parameters, pyramid, library):
    for label in ("AIS", "Myelin"):
        parameters["neuron"][label] = {"properties": {"Ra": 150, "cm": 0.5}}
    return create_cell(parameters, pyramid)


def test_sections_are_listed_in_their_order(cell):
    table = section_table(cell)
    assert table["section_id"].tolist() == list(range(len(cell.sections)))
    assert table["name"].tolist() == [section.name() for section in cell.sections]
    assert table["label"].tolist()[-3:] == ["AIS", "AIS", "Myelin"]
    assert table["length"][-3:] == pytest.approx([20, 30, 1000], rel=1e-6)
    assert table["n_segments"].tolist()[-3:] == [5, 7, 21]
    assert table["parent_id"].tolist()[-3:] == [0, len(cell.sections) - 3, len(cell.sections) - 2]
    roots = [section.trueparentseg() is None for section in cell.sections]
    assert (table["parent_id"] == -1).tolist() == roots
    assert table["soma_distance"][1:] == pytest.approx(
        [cell.distance(number, 0) - cell.soma.L / 2 for number in range(1, len(cell.sections))], abs=1e-9
    )


def test_segments_join_end_to_start(cell):
    table = segment_table(cell)
    start = np.column_stack([table[f"start_{axis}"] for axis in "xyz"])
    end = np.column_stack([table[f"end_{axis}"] for axis in "xyz"])
    inside = table["segment_id"][1:] > 0
    assert np.array_equal(start[1:][inside], end[:-1][inside])
    for section, shape in enumerate(cell.shapes):
        rows = table["section_id"] == section
        assert start[rows][0] == pytest.approx(shape.points[0, :3])
        assert end[rows][-1] == pytest.approx(shape.points[-1, :3])


def test_segments_are_neurons(cell):
    table = segment_table(cell)
    there = [(number, segment) for number, own in enumerate(cell.sections) for segment in own]
    assert table["section_id"].tolist() == [number for number, _ in there]
    assert table["x"] == pytest.approx([segment.x for _, segment in there], rel=1e-12)
    assert table["diameter"].tolist() == [segment.diam for _, segment in there]
    assert table["area"].tolist() == [segment.area() for _, segment in there]
    assert table["length"].sum() == pytest.approx(cell.lengths.sum())
    assert table["area"].sum() == pytest.approx(cell.areas.sum())
    expected = [0 if not n else cell.distance(n, segment.x) - cell.soma.L / 2 for n, segment in there]
    assert table["soma_distance"] == pytest.approx(expected, abs=1e-6)


def test_straight_segments_have_their_length(cell):
    table, straight = segment_table(cell), len(cell.sections) - 1  # the myelin
    rows = table["section_id"] == straight
    drop = table["start_z"][rows] - table["end_z"][rows]
    assert drop == pytest.approx(np.full(21, 1000 / 21), rel=1e-6)
    assert np.array_equal(table["start_x"][rows], table["end_x"][rows])
    assert table["area"][rows] == pytest.approx(np.full(21, np.pi * 1000 / 21), rel=1e-6)
