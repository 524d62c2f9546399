"""The spatial rules, against their formulas with NEURON's own distances."""

import numpy as np
import pytest

from neurolake.mechanisms.cell.create import create_cell
from neurolake.mechanisms.cell.spatial import RULES
from neurolake.mechanisms.errors import ModelError

EXPONENTIAL = {"offset": -0.87, "linScale": 2.1, "_lambda": 0.004, "xOffset": 10.0}
P = 2e-4


def values(parameters, pyramid, rule, label="ApicalDendrite", **more):
    """Section, x from the start of the dendrites, x from the soma's 0-end, height, and gIhbar, per segment."""
    parameters["neuron"][label]["mechanisms"]["range"]["Ih"] = {"spatial": rule, "gIhbar": P, **more}
    cell = create_cell(parameters, pyramid)
    rows = []
    for section in cell.of_label(label):
        points = cell.shapes[section].points
        arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1))])
        for segment in cell.sections[section]:
            from_start = cell.distance(section, segment.x)
            z = np.interp(segment.x * arc[-1], arc, points[:, 2])
            rows.append((section, from_start - cell.soma.L / 2, from_start, z, segment.Ih.gIhbar))
    return np.array(rows).T


@pytest.fixture
def model(parameters, library):
    return parameters


def exactly(value):
    return pytest.approx(value, rel=1e-6)


def test_uniform(model, pyramid):
    *_, g = values(model, pyramid, "uniform")
    assert len(g) > 10 and set(g.tolist()) == {P}


def test_linear_is_measured_from_the_somas_start_and_has_a_floor(model, pyramid):
    _, _, x, _, g = values(model, pyramid, "linear", slope=-0.002, offset=0.2)
    assert g == exactly(np.maximum(P * (x * -0.002 + 1), P * 0.2))
    assert (g == P * 0.2).any() and (g > P * 0.2).any()


def test_linear_capped_leads_from_one_value_to_another(model, pyramid):
    rule = {"param_name": "gIhbar", "prox_value": 1e-4, "dist_value": 9e-4, "dist_value_distance": 300.0}
    model["neuron"]["ApicalDendrite"]["mechanisms"]["range"]["Ih"] = {
        "spatial": "linear_capped",
        "ehcn": -40,
        **rule,
    }
    cell = create_cell(model, pyramid)
    for section in cell.of_label("ApicalDendrite"):
        for segment in cell.sections[section]:
            share = min(cell.distance(section, segment.x) / 300.0, 1.0)
            assert segment.Ih.gIhbar == exactly(1e-4 + 8e-4 * share)
            assert segment.Ih.ehcn == -40


def test_exponential(model, pyramid):
    _, x, _, _, g = values(model, pyramid, "exponential", **EXPONENTIAL)
    assert g == exactly(P * (-0.87 + 2.1 * np.exp(0.004 * (x - 10))))


def test_relative_distances_end_at_the_farthest_tip(model, pyramid):
    numbers = {**EXPONENTIAL, "_lambda": 3.6, "xOffset": 0.0}
    _, x, _, _, g = values(model, pyramid, "exponential", distance="relative", **numbers)
    cell = create_cell(model, pyramid)
    tips = [cell.distance(section, 1.0) - cell.soma.L / 2 for section in cell.of_label("ApicalDendrite")]
    assert g == exactly(P * (-0.87 + 2.1 * np.exp(3.6 * x / max(tips))))


def test_linear_relative_divides_what_it_measures_from_the_soma_by_the_dendrites_path(model, pyramid):
    _, _, x, _, g = values(model, pyramid, "linear", slope=-0.5, offset=0.0, distance="relative")
    cell = create_cell(model, pyramid)
    tips = [cell.distance(section, 1.0) - cell.soma.L / 2 for section in cell.of_label("ApicalDendrite")]
    assert g == exactly(P * (1 - 0.5 * x / max(tips)))


def test_capped_exponential(model, pyramid):
    _, x, _, _, g = values(model, pyramid, "capped_exponential", max_g=6e-4, **EXPONENTIAL)
    assert g == exactly(np.minimum(P * (-0.87 + 2.1 * np.exp(0.004 * (x - 10))), 6e-4))
    assert (g == 6e-4).any() and (g < 6e-4).any()


def test_exponential_by_height(model, pyramid):
    *_, z, g = values(
        model, pyramid, "exponential_by_z_dist", **{**EXPONENTIAL, "_lambda": 3.0, "xOffset": 0.0}
    )
    assert g == exactly(P * (-0.87 + 2.1 * np.exp(3.0 * z / 1000)))  # the soma's middle is at z = 0


def test_sigmoid(model, pyramid):
    numbers = {"offset": 0.1, "linScale": 0.9, "xOffset": 200.0, "width": 30.0}
    _, x, _, _, g = values(model, pyramid, "sigmoid", **numbers)
    assert g == exactly(P * (0.1 + 0.9 / (1 + np.exp((x - 200) / 30))))


def test_uniform_range_includes_its_borders(model, pyramid):
    numbers = {"begin": 100.0, "end": 350.0, "outsidescale": 0.01}
    section, x, _, _, g = values(model, pyramid, "uniform_range", **numbers)
    inside = (x >= 100) & (x <= 350)
    assert inside.any() and not inside.all()
    assert g == exactly(np.where(inside, P, 0.01 * P))
    out = int(section[inside][0])
    _, _, _, _, g = values(model, pyramid, "uniform_range", outsidescale_sections=[out], **numbers)
    assert g == exactly(np.where(inside & (section != out), P, 0.01 * P))
    at = np.array([99.9, 100.0, 350.0, 350.1])
    assert RULES["uniform_range"].value(1.0, at, numbers).tolist() == [0.01, 1, 1, 0.01]


def test_on_the_soma_every_path_starts_at_its_end(model, pyramid):
    model["neuron"]["discretization"] = {"f": 100, "max_seg_length": 5}
    for rule, numbers in (
        ("linear", {"slope": 0.5, "offset": 0}),
        ("exponential", {**EXPONENTIAL, "xOffset": 0}),
    ):
        _, _, x, _, g = values(model, pyramid, rule, label="Soma", **numbers)
        assert len(g) == 4
        formula = P * (x * 0.5 + 1) if rule == "linear" else P * (-0.87 + 2.1 * np.exp(0.004 * x))
        assert g == exactly(formula)
    _, _, x, _, g = values(model, pyramid, "linear", label="Soma", slope=1, offset=0, distance="relative")
    assert g == exactly(P * (x / 20 + 1))


def test_distances_relative_to_no_tip_are_refused(model, pyramid):
    for label in ("AIS", "Myelin"):
        model["neuron"][label] = {"properties": {"Ra": 100, "cm": 1}, "mechanisms": {"range": {}}}
    with pytest.raises(ModelError, match="AIS: none of its sections ends in a tip"):
        values(model, pyramid, "linear", label="AIS", slope=1, offset=0, distance="relative")
