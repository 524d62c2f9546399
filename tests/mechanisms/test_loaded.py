"""Segments of models that NEURON holds, beside what NEURON says of them."""

import numpy as np
import pytest

from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.live.loaded import loaded_segments


@pytest.fixture
def model():
    """A soma, a bent dendrite of 30 um in three segments, an axon without 3-D points."""
    from neuron import h

    soma, dend, axon = (h.Section(name=name) for name in ("soma", "dend_1", "axon"))
    for section, points in (
        (soma, [(0, 0, 0, 10), (0, 10, 0, 10)]),
        (dend, [(0, 10, 0, 1), (0, 25, 0, 2), (15, 25, 0, 2)]),
    ):
        for point in points:
            section.pt3dadd(*point)
    dend.connect(soma(1))
    axon.connect(soma(0))
    axon.L, axon.diam = 40, 1
    dend.nseg = 3
    return soma, dend, axon


def test_segments_divide_the_line_of_points(model):
    found = loaded_segments(model[:2])
    assert found["section_id"].tolist() == [0, 1, 1, 1]
    assert found["segment_id"].tolist() == [0, 0, 1, 2]
    assert found["label"].tolist() == ["Soma", "Dendrite", "Dendrite", "Dendrite"]
    ends = [np.stack([found[f"{end}_{axis}"] for axis in "xyz"], axis=1) for end in ("start", "end")]
    np.testing.assert_allclose(ends[0], [[0, 0, 0], [0, 10, 0], [0, 20, 0], [5, 25, 0]], atol=1e-5)
    np.testing.assert_allclose(ends[1], [[0, 10, 0], [0, 20, 0], [5, 25, 0], [15, 25, 0]], atol=1e-5)
    np.testing.assert_allclose(found["length"], [10, 10, 10, 10])
    np.testing.assert_allclose(found["soma_distance"], [0, 5, 15, 25])
    np.testing.assert_allclose(
        found["area"], [segment.area() for section in model[:2] for segment in section]
    )


def test_sections_without_points_get_some(model):
    found = loaded_segments(model, labels={"soma": "Soma", "axon": "AIS"})
    assert found["label"].tolist()[-1] == "AIS"
    length = np.linalg.norm([found[f"end_{axis}"][-1] - found[f"start_{axis}"][-1] for axis in "xyz"])
    assert length == pytest.approx(40)


def test_nothing_is_loaded():
    with pytest.raises(ModelError, match="no section"):
        loaded_segments([])


def test_a_section_attached_by_its_1_end_runs_towards_its_parent():
    from neuron import h

    soma, dend = h.Section(name="soma"), h.Section(name="dend")
    soma.L = soma.diam = 30
    h.pt3dadd(0, 0, 0, 30, sec=soma)
    h.pt3dadd(30, 0, 0, 30, sec=soma)
    for x, diameter in ((30, 1), (50, 2), (70, 3), (110, 4)):
        h.pt3dadd(x, 0, 0, diameter, sec=dend)
    dend.nseg = 4
    dend.connect(soma(1), 1)
    found = loaded_segments([soma, dend])
    assert found["start_x"][1:].tolist() == [110, 90, 70, 50]
    assert found["end_x"][1:].tolist() == [90, 70, 50, 30]
    middle = (found["start_x"] + found["end_x"])[1:] / 2
    np.testing.assert_allclose(middle - 30, [h.distance(soma(1), segment) for segment in dend])
    np.testing.assert_allclose(found["diameter"][1:], [3.75, 3.25, 2.5, 1.5])
