"""Reading of hoc and SWC morphologies: what they mean, and what is refused with file and line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.mechanisms.cell.create import create_cell
from neurolake.mechanisms.cell.hoc import parse_hoc
from neurolake.mechanisms.cell.morphology import Shape, morphology, read_morphology
from neurolake.mechanisms.cell.swc import parse_swc
from neurolake.mechanisms.errors import ModelError

HOC = """/*---- from NeuroMap
 {create dend_in_a_comment} ----*/

{create soma}
{access soma}
{nseg = 1}
{strdef color color = "RGB(255, 0, 0)"}
{pt3dclear()}
{pt3dadd(0, 0, -5, 9.5)}
{pt3dadd(0, 0, 5, 10)} // the end

{create dend_1}
{connect dend_1(0), soma(0.187)}
{access dend_1}
{pt3dadd(0.0,5.0,0.0,1.5)}
{pt3dadd(0.0, 1.5e+1, 0.0, 1.25)}
/* {pt3dadd(9,9,9,9)} */
{pt3dadd(9, 9, 9, 1)} // Spine

{create apical_1}
{connect apical_1(0), soma(1)}
{pt3dadd(0,0,5,3)}
{pt3dadd(0,0,50,2)}

{create apical_1_0}
{connect apical_1_0(0), apical_1(0.75)}
{pt3dadd(0,0,38.75,2)}
{pt3dadd(0,0,90,1)}

{create BasalDendrite_2}
{connect BasalDendrite_2(0), soma(0.5)}
{pt3dadd(5,0,0,1)}
{pt3dadd(15,0,0,1)}

{create axon}
{connect axon(0), soma(0)}
{pt3dadd(0,0,-5,1)}
{pt3dadd(0,0,-15,1)}
"""


def test_hoc_sections_have_labels_parents_and_points():
    shapes = parse_hoc(HOC).shapes
    assert [(own.name, own.label, own.parent, own.parent_x) for own in shapes] == [
        ("soma", "Soma", -1, 0.0),
        ("dend_1", "Dendrite", 0, 0.5),
        ("apical_1", "ApicalDendrite", 0, 0.5),
        ("apical_1_0", "ApicalDendrite", 2, 0.75),
        ("BasalDendrite_2", "Dendrite", 0, 0.5),
        ("axon", "Axon", 0, 0.5),
    ]
    assert shapes[0].points.tolist() == [[0, 0, -5, 9.5], [0, 0, 5, 10]]
    assert shapes[1].points.tolist() == [[0, 5, 0, 1.5], [0, 15, 0, 1.25]]


@pytest.mark.parametrize(
    "old, new, line, match",
    [
        ("{pt3dadd(0, 0, -5, 9.5)}", "{pt3dadd(0, 0, -5)}", 9, "expected .*pt3dadd"),
        ("{pt3dadd(0, 0, -5, 9.5)}", "{pt3dadd(0, 0, nan, 9.5)}", 9, "expected .*pt3dadd"),
        ("{create soma}", "", 5, "'soma' is created nowhere above"),
        ("{create soma}", "{pt3dadd(1,1,1,1)}", 4, "before any section"),
        (
            "{create axon}\n{connect axon",
            "{create stem}\n{connect stem",
            35,
            "expected soma, dend, apical or axon",
        ),
        ("{create dend_1}", "{create dend_1[3]}", 12, r"'dend_1\[1\]' has no 3-D points"),
        ("{create dend_1}", "{create dend_1[0]}", 12, "expected .*create NAME"),
        ("{create axon}", "{create apical_1}", 35, "has been created in line 20"),
        ("soma(0.187)", "soma(1.5)", 13, "0 to 1 of its parent"),
        ("dend_1(0), soma", "dend_1(.5), soma", 13, "the 0-end"),
        ("soma(0.187)", "som(0.187)", 13, "parent 'som' is created nowhere"),
        ("soma(0.187)", "soma[0](0.187)", 13, r"parent 'soma\[0\]' is created nowhere"),
        ("soma(0.187)", "soma[0.187]", 13, "expected .*connect"),
        ("{access dend_1}", "{access dend_2}", 14, "'dend_2' is created nowhere above"),
        ("{pt3dadd(5,0,0,1)}\n{pt3dadd(15,0,0,1)}\n", "", 30, "'BasalDendrite_2' has no 3-D points"),
        ("{pt3dadd(5,0,0,1)}", "", 30, "'BasalDendrite_2': expected two 3-D points"),
        ("{pt3dadd(5,0,0,1)}", "{pt3dadd(5,0,0,0)}", 32, "a diameter not above 0"),
        ("{pt3dadd(5,0,0,1)}", "{pt3dadd(1e999,0,0,1)}", 32, "not finite"),
        ("{connect axon(0), soma(0)}", "", 35, "one soma from which all grows.*soma, axon"),
        ("apical_1(0), soma(1)", "apical_1(0), apical_1_0(1)", 20, "'apical_1' is its own ancestor"),
    ],
)
def test_bad_hoc_is_refused_with_its_line(old, new, line, match):
    assert HOC.count(old) == 1
    with pytest.raises(ModelError, match=match) as refused:
        parse_hoc(HOC.replace(old, new), "cell.hoc")
    assert (refused.value.path, refused.value.line) == ("cell.hoc", line)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_hoc_is_read_or_refused(data):
    at = data.draw(st.integers(0, len(HOC)))
    cut = data.draw(st.integers(0, 40))
    text = HOC[:at] + data.draw(st.text("{}(),.0a\n\0", max_size=6)) + HOC[at + cut :]
    try:
        shapes = parse_hoc(text, "cell.hoc").shapes
    except ModelError:
        return
    assert shapes[0].label == "Soma" and all(np.isfinite(own.points).all() for own in shapes)


SWC = """# an invented cell
1 1 0 0 0 5 -1
2 3 6 0 0 1 1   # basal
3 3 16 0 0 0.8 2
4 3 26 5 0 0.5 3
5 3 26 -5 0 0.5 3
6 4 0 0 6 2 1
7 4 0 0 50 1.5 6
8 2 0 0 -7 0.5 1
9 2 0 0 -20 0.5 8
10 3 30 -9 0 0.4 5
"""


def test_swc_is_cut_where_it_branches():
    shapes = parse_swc(SWC).shapes
    assert [(own.name, own.label, own.parent, own.parent_x, len(own.points)) for own in shapes] == [
        ("soma", "Soma", -1, 0.0, 3),
        ("dend_1", "Dendrite", 0, 0.5, 2),
        ("dend_2", "Dendrite", 1, 1.0, 2),
        ("dend_3", "Dendrite", 1, 1.0, 2),
        ("apical_4", "ApicalDendrite", 0, 0.5, 2),
        ("axon_5", "Axon", 0, 0.5, 2),
        ("dend_6", "Dendrite", 3, 1.0, 2),  # NEURON ends a section whose next sample is elsewhere
    ]
    assert shapes[0].points.tolist() == [[-5, 0, 0, 10], [0, 0, 0, 10], [5, 0, 0, 10]]
    assert shapes[2].points.tolist() == [[16, 0, 0, 1.6], [26, 5, 0, 1]]


def test_swc_somata_of_three_samples_and_of_a_chain():
    three = "1 1 0 0 0 5 -1\n2 1 0 -5 0 5 1\n3 1 0 5 0 5 1\n4 3 6 0 0 1 1\n5 3 9 0 0 1 4\n"
    assert parse_swc(three).shapes[0].points[:, 0].tolist() == [-5, 0, 5]
    chain = "1 1 0 0 0 5 -1\n2 1 0 4 0 6 1\n3 1 0 8 0 5 2\n4 3 9 4 0 1 2\n5 4 9 9 0 1 4\n"
    shapes = parse_swc(chain).shapes
    assert shapes[0].points[:, 1].tolist() == [0, 4, 8]
    stub, apical = shapes[1:]
    assert stub.points.tolist() == [[0, 4, 0, 2], [9, 4, 0, 2]], "a lone sample starts at the soma's"
    assert (apical.label, apical.parent) == ("ApicalDendrite", 1), "a change of type starts a section"


def test_swc_of_another_source_is_read(shared_data):
    shapes = read_morphology(shared_data / "neuroh5" / "synthetic0.swc").shapes
    assert [own.label for own in shapes].count("Soma") == 1 and len(shapes) == 5


@pytest.mark.parametrize(
    "old, new, line, match",
    [
        ("3 3 16 0 0 0.8 2", "3 3 16 0 0 0.8", 4, "expected ID, type"),
        ("3 3 16 0 0 0.8 2", "3 3 16 0 zero 0.8 2", 4, "expected ID, type"),
        ("3 3 16 0 0 0.8 2", "3.5 3 16 0 0 0.8 2", 4, "expected ID, type"),
        ("3 3 16 0 0 0.8 2", "3 3 1_6 0 0 0.8 2", 4, "expected ID, type"),
        ("3 3 16 0 0 0.8 2", "3 3 16 0,5 0 0.8 2", 4, "expected ID, type"),
        ("3 3 16 0 0 0.8 2", "-3 3 16 0 0 0.8 2", 4, "ID -3: expected 0 or more"),
        ("3 3 16 0 0 0.8 2", "3 3 nan 0 0 0.8 2", 4, "not finite"),
        ("3 3 16 0 0 0.8 2", "3 3 16 0 0 0 2", 4, "radius 0: expected um above 0"),
        ("3 3 16 0 0 0.8 2", "3 3 16 0 0 -1 2", 4, "radius -1: expected um above 0"),
        ("3 3 16 0 0 0.8 2", "2 3 16 0 0 0.8 2", 4, "ID 2 is also in line 3"),
        ("3 3 16 0 0 0.8 2", "3 3 16 0 0 0.8 12", 4, "parent 12 is not there"),
        ("2 3 6 0 0 1 1 ", "2 3 6 0 0 1 5 ", 3, "its own ancestor"),
        ("1 1 0 0 0 5 -1", "1 1 0 0 0 5 1", None, "no sample is without parent"),
        (
            "8 2 0 0 -7 0.5 1",
            "8 2 0 0 -7 0.5 -1",
            9,
            "a second sample without parent, besides that of line 2",
        ),
        (
            "7 4 0 0 50 1.5 6",
            "7 4 0 0 50 1.5 6\n11 4 0 0 50 1 7\n12 4 0 0 50 1 11\n13 3 0 0 50 1 12",
            9,
            "'apical_7': expected two 3-D points or more, not all in one place",
        ),
        (SWC, "# nothing\n\n", None, "no sample: expected lines of ID"),
    ],
)
def test_bad_swc_is_refused_with_its_line(old, new, line, match):
    assert SWC.count(old) == 1
    with pytest.raises(ModelError, match=match) as refused:
        parse_swc(SWC.replace(old, new), "cell.swc")
    assert (refused.value.path, refused.value.line) == ("cell.swc", line)


def test_files_are_told_by_their_names(tmp_path):
    (tmp_path / "cell.HOC").write_text(HOC)
    (tmp_path / "cell.swc").write_text(SWC)
    assert len(read_morphology(tmp_path / "cell.HOC").shapes) == 6
    assert read_morphology(tmp_path / "cell.swc").path == str(tmp_path / "cell.swc")
    with pytest.raises(ModelError, match=r"expected a morphology in a \.hoc or \.swc file"):
        read_morphology(tmp_path / "cell.asc")
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        read_morphology(tmp_path / "none.hoc")


@pytest.mark.parametrize(
    "name, sections", [("86_C2_center", 167), ("86_C2_center_scaled_diameters", 167), ("89_C2", 126)]
)
def test_real_morphologies_are_read(isf_data, name, sections):
    read = read_morphology(isf_data / "example_86_C2" / "anatomical" / f"{name}.hoc")
    assert len(read.shapes) == sections
    assert set(read.labels) == {"Soma", "Dendrite", "ApicalDendrite"}


def test_a_morphology_is_one_tree():
    line = np.array([[0.0, 0, 0, 1], [0, 0, 9, 1]])
    with pytest.raises(ModelError, match="sections without parent: a, b") as refused:
        morphology([Shape("a", "Soma", -1, 0, line), Shape("b", "Soma", -1, 1, line)], "cell.hoc", [3, 8])
    assert (refused.value.path, refused.value.line) == ("cell.hoc", 8)
    with pytest.raises(ModelError, match="sections without parent: none"):
        morphology([])
    with pytest.raises(ModelError, match="'a' is there twice"):
        morphology([Shape("a", "Soma", -1, 0, line), Shape("a", "Dendrite", 0, 0.5, line)])


def test_a_cell_needs_a_soma():
    read = parse_swc("1 3 0 0 0 5 -1\n2 3 9 0 0 1 1\n", "cell.swc")
    with pytest.raises(ModelError, match=r"^cell\.swc: no section of the soma"):
        create_cell({}, read)
