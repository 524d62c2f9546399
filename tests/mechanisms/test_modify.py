"""Finer labels, places on the apical dendrite, and the functions that change a cell."""

import numpy as np
import pytest

from neurolake.mechanisms.cell.compartments import apical_place
from neurolake.mechanisms.cell.create import create_cell
from neurolake.mechanisms.cell.modify import _known, cell_modifier
from neurolake.mechanisms.cell.morphology import Shape, morphology
from neurolake.mechanisms.errors import ModelError

# name, label, parent, from and to along z, diameter
PLAN = [
    ("tuft_b", "ApicalDendrite", 4, 700, 1200, 1.0),  # children may come before their parents
    ("soma", "Soma", -1, -10, 10, 20.0),
    ("trunk_1", "ApicalDendrite", 1, 10, 300, 4.0),
    ("oblique", "ApicalDendrite", 2, 300, 500, 1.0),
    ("trunk_2", "ApicalDendrite", 2, 300, 700, 3.0),
    ("tuft_a", "ApicalDendrite", 4, 700, 1100, 1.5),
    ("tuft_short", "ApicalDendrite", 5, 1100, 1150, 0.5),
    ("basal", "Dendrite", 1, -10, -100, 1.0),
]


def tall(reach=0.0):
    """A pyramidal cell whose sections go straight up or down; its tuft ends *reach* um higher."""
    shapes = []
    for name, label, parent, start, end, diameter in PLAN:
        end = end + reach if name.startswith("tuft") else end
        points = np.array(
            [[0, 0, start, diameter], [0, 0, (start + end) / 2, diameter], [0, 0, end, diameter]]
        )
        shapes.append(Shape(name, label, parent, 0.5 if parent == 1 else 1.0, points.astype(float)))
    return morphology(shapes)


def built(parameters, shape, **functions):
    parameters["neuron"]["cell_modify_functions"] = functions
    return create_cell(parameters, shape)


def scales(cell, plain):
    return (cell.areas / plain.areas).round(6).tolist()


@pytest.fixture
def model(parameters, library):
    return parameters


def test_trunk_tuft_oblique_and_basal_are_told_apart(model):
    labels = built(model, tall()).detailed_labels
    assert labels == ("tuft", "Soma", "trunk", "oblique", "trunk", "tuft", "tuft", "basal")


def test_a_small_cell_has_no_tuft(model, pyramid):
    cell = built(model, pyramid)
    with pytest.raises(ModelError, match="forks into two that lead farther than 1000 um"):
        _ = cell.detailed_labels


def test_a_real_cell_has_all_of_them(isf_data):
    from neurolake.mechanisms.cell.compartments import detailed_labels
    from neurolake.mechanisms.cell.morphology import read_morphology
    from neurolake.mechanisms.cell.sites import branches

    shapes = read_morphology(isf_data / "publication" / "morphologies" / "WR64_Cell8.hoc").shapes
    cell = branches(
        [own.points for own in shapes],
        labels=[own.label for own in shapes],
        parents=[own.parent for own in shapes],
        parent_x=[own.parent_x for own in shapes],
    )
    labels = detailed_labels(cell)
    assert set(labels) == {"Soma", "basal", "trunk", "oblique", "tuft"}
    trunk = [section for section, label in enumerate(labels) if label == "trunk"]
    assert sorted(cell.parent[trunk].tolist())[1:] == trunk[:-1], "the trunk is one path from the soma"


@pytest.mark.parametrize(
    "distance, name, x", [(15, "trunk_1", 5 / 290), (310, "trunk_2", 0.025), (800, "tuft_a", 0.25)]
)
def test_apical_places_are_on_the_way_to_the_tuft(model, distance, name, x):
    cell = built(model, tall())
    section, at = apical_place(cell.branches, distance)
    assert (cell.shapes[section].name, at) == (name, pytest.approx(x))
    end = cell.distance(section, 0) + at * cell.lengths[section]
    assert end == pytest.approx(distance)


@pytest.mark.parametrize("distance", [1201.0, 5.0, -1.0])
def test_places_that_are_not_apical_are_refused(model, distance):
    with pytest.raises(ModelError, match="no apical dendrite at"):
        apical_place(built(model, tall()).branches, distance)


def test_scaling_changes_diameters_and_nothing_else(model):
    plain = built(model, tall())
    twice = built(model, tall(), scale_apical={"scale": 2.0})
    assert scales(twice, plain) == [2, 1, 2, 2, 2, 2, 2, 1]
    assert twice.n_segments.tolist() == plain.n_segments.tolist()
    assert twice.lengths.tolist() == plain.lengths.tolist()
    again = built(
        model, tall(), scale_apical={"scale": 2.0}, scale_by_detailed_compartment={"trunk": 1.5, "basal": 3}
    )
    assert scales(again, plain) == [2, 1, 3, 2, 3, 2, 2, 3]
    basal = built(model, tall(), scale_apical={"scale": 0.5, "compartment": "Dendrite"})
    assert scales(basal, plain) == [1, 1, 1, 1, 1, 1, 1, 0.5]


def test_morphology_86_is_scaled_below_a_millimetre(model):
    plain = built(model, tall())
    assert scales(built(model, tall(), scale_apical_morph_86={}), plain) == [1, 1, 2.5, 2.5, 2.5, 1, 1, 1]


def test_injections_are_where_and_when_they_were_wanted(model):
    step = {"amplitude": 0.1, "delay": 1.0, "duration": 2.0}
    epsp = {"dist": 310, "amplitude": 0.3, "delay": 4.0, "rise": 0.5, "decay": 3.0}
    cell = built(
        model,
        tall(),
        soma_current_injection=step,
        apical_current_injection={**step, "dist": 310},
        apical_epsp_injection=epsp,
        BAC_injection={"dist": 800, "delay": 50},
    )
    soma, apical, source, bac, bac_epsp = cell._kept
    for electrode, section in ((soma, "soma"), (apical, "trunk_2")):
        assert electrode.get_segment().sec.name() == section
        assert (electrode.amp, electrode.delay, electrode.dur) == (0.1, 1.0, 2.0)
    assert (source.imax, source.onset, source.tau0, source.tau1) == (0.3, 4.0, 0.5, 3.0)
    assert (bac.amp, bac.delay, bac.dur) == (1.9, 50, 5)
    assert (bac_epsp.imax, bac_epsp.onset, bac_epsp.tau0, bac_epsp.tau1) == (0.5, 55, 1.0, 5.0)
    assert bac_epsp.get_segment().sec.name() == "tuft_a"


@pytest.mark.parametrize(
    "functions, match",
    [
        (
            {"scale_everything": {}},
            r"neuron\.cell_modify_functions\.scale_everything: no such function; there are BAC",
        ),
        (
            {"scale_apical": {}},
            r"neuron\.cell_modify_functions\.scale_apical: missing a required argument: 'scale'",
        ),
        ({"scale_apical": {"scale": 2, "by": 3}}, "unexpected keyword argument 'by'"),
        (
            {"scale_apical": {"scale": 2, "compartment": "Tuft"}},
            "no section is labelled 'Tuft'; there are Apical",
        ),
        ({"scale_by_detailed_compartment": {"nowhere": 2}}, "no sections of nowhere; there are"),
        (
            {"apical_epsp_injection": {"dist": 5000, "amplitude": 1, "delay": 0}},
            "no apical dendrite at 5000 um",
        ),
    ],
)
def test_wrong_functions_are_refused(model, functions, match):
    with pytest.raises(ModelError, match=match):
        built(model, tall(), **functions)


def test_users_register_their_own(model):
    @cell_modifier
    def cool(cell, section, cm):
        cell.sections[section].cm = cm

    try:
        assert built(model, tall(), cool={"section": 2, "cm": 0.5}).sections[2].cm == 0.5
    finally:
        del _known["cool"]
