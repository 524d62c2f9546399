"""Hoc files as NEURON loads them, over a matrix of files; what would change a shape and is not understood is told."""

import numpy as np
import pytest
from hoc_files import CELL, FILES, random_hoc
from neuron_shapes import loaded

from neurolake.mechanisms.cell.hoc import parse_hoc
from neurolake.mechanisms.cell.morphology import read_morphology
from neurolake.mechanisms.cell.sections import Cell
from neurolake.mechanisms.errors import ModelError

RANDOM = {f"random_{seed}": random_hoc(seed) for seed in range(60)}


@pytest.fixture(scope="module")
def neurons(tmp_path_factory):
    """What NEURON makes of each file, in a process of its own."""
    folder = tmp_path_factory.mktemp("hoc")
    texts = FILES | RANDOM
    for name, text in texts.items():
        (folder / f"{name}.hoc").write_bytes(text.encode())
    made = loaded([folder / f"{name}.hoc" for name in texts])
    return dict(zip(texts, made, strict=True))


@pytest.mark.parametrize("name", [*FILES, *RANDOM])
def test_sections_are_those_that_neuron_loads(name, neurons):
    made, read = neurons[name], parse_hoc((FILES | RANDOM)[name])
    assert made, "NEURON refuses it"
    cell = Cell(read.shapes)
    by_name = {own["name"]: own for own in made}
    assert [shape.name for shape in read.shapes] == list(by_name)
    for at, (shape, own) in enumerate(zip(read.shapes, made, strict=True)):
        np.testing.assert_allclose(shape.points, own["points"], rtol=1e-6, atol=1e-5)
        assert cell.lengths[at] == pytest.approx(own["L"], rel=1e-6)
        assert cell.areas[at] == pytest.approx(own["area"], rel=1e-5)
        if own["parent"] is None:
            assert shape.parent == -1
            continue
        assert read.shapes[shape.parent].name == own["parent"]
        # On the soma as in ISF; on a section attached by its 1-end the position counts from there.
        x = 1 - own["parent_x"] if by_name[own["parent"]]["end"] else own["parent_x"]
        assert shape.parent_x == (0.5 if own["parent"].startswith("soma") else x)


def test_the_matrix_has_every_form():
    assert len(FILES) >= 40
    text = "".join([*FILES.values(), *RANDOM.values()])
    assert all(
        word in text for word in ("pt3dremove", "pt3dinsert", "pt3dchange", "disconnect", "(1), ", "for i")
    )


TOLD = r"""
soma { L = 100 }
soma.L = 100
soma { diam = 3 }
dend.diam(0:1) = 3:1
diam = 3
forall diam = 2
define_shape()
{define_shape()}
pt3dfoo(1)
soma pt3dsomething()
delete_section()
soma delete_section()
forall delete_section()
push_section(0)
pop_section()
access_all()
mystery()
soma mystery()
x = mystery(1)
soma.pt3dadd(1,2,3,4)
soma(0.5).diam = 3
for (i = 0; i < 3; i += 1) { soma pt3dadd(i,0,0,1) }
while (0) { }
if (1) { soma pt3dclear() }
xopen("other.hoc")
load_file("other.hoc")
execute("soma pt3dclear()")
begintemplate Cell
make() soma pt3dclear()
forsec all { pt3dclear() }
forsec "dend" pt3dadd(1,2,3,4)
all.append()
pt3dadd(1, 2, 3)
pt3dadd(1, 2, 3, 4, 5)
pt3dadd(1, 2, 3, unknown)
pt3dadd(v, v, v, v)
pt3dadd 1
pt3dchange(9, 1)
pt3dchange(0)
pt3dchange(0.5, 3)
pt3dinsert(9, 1, 1, 1, 1)
pt3dremove(-1)
pt3dremove()
pt3dclear
disconnect
connect dend(0.5), soma(1)
connect dend(0), soma(2)
connect dend, soma
connect dend(0) soma(1)
connect dend(0), soma
connect apical(0), soma(1)
connect dend(0), apical(1)
soma connect
create
create 3
create dend
create dend[2]
create a[
create axon[0]
create axon[-1]
create axon[1.5]
create axon[n]
create axon[1e9]
access
access axon
access dend[2]
soma
soma {
}
{ soma {
for i = 0 { }
for i = 3, 1 { }
for i = 0, 1e9 { }
for i = 0, 1/0 { }
x = 1/0
x = 10^1000
x = sqrt(-1)
x = 1 < 2
x =
3
"text"
soma 3
$
@
/* on and on
"on and on
proc p() { on
proc p()
strdef
insert
forall
create neurite soma connect neurite(0), 1
objref
insert 3
print ,
1 + 1
(1)
= 3
x == 3
"""


@pytest.mark.parametrize("statement", [*TOLD.strip().splitlines(), "\xe9", "\x00"])
def test_what_is_not_understood_is_told_by_line(statement):
    text = CELL + statement + "\n"
    with pytest.raises(ModelError) as refused:
        parse_hoc(text, "cell.hoc")
    assert (refused.value.path, refused.value.line) == ("cell.hoc", 5), refused.value
    assert str(refused.value).startswith("cell.hoc:5: ")


def test_a_call_of_a_procedure_is_told_where_it_is_called():
    with pytest.raises(
        ModelError, match=r"^cell.hoc:7: 'shape\(\)': not understood, and may change the shape; load the file"
    ):
        parse_hoc(CELL + "proc shape() {\n soma pt3dclear() }\nshape()\n", "cell.hoc")


def test_nesting_has_an_end():
    for nested in ("{" * 50_000, "x = " + "(" * 50_000, "x = " + "-" * 50_000, "soma " * 50_000):
        with pytest.raises(ModelError, match=r"nested too deeply|does not end"):
            parse_hoc(CELL + nested + "\n", "cell.hoc")


CONTOURS = """{create soma}
{access soma}
{pt3dadd(0,0,0,20)}
{pt3dadd(0,20,0,20)}
/* Type: do_not_ignore, Info: alpha */
{create my_circle_alpha_top}
{access my_circle_alpha_top}
{nseg = 1}
{pt3dclear()}
{pt3dadd(-500,-500,850,0)}
{pt3dadd(500,-500,850,1)}
{pt3dadd(500,500,850,1)} // Spine
{create dend_1}
{connect dend_1(0), soma(1)}
{access dend_1}
{pt3dadd(0,20,0,2)}
{pt3dadd(0,120,0,2)}
{pt3dadd(0,130,0,2)} /* Spine */
"""


def test_contours_and_spines_are_passed_over_and_told_as_in_isf():
    read = parse_hoc(CONTOURS)
    assert [(shape.name, shape.label, shape.parent, shape.parent_x) for shape in read.shapes] == [
        ("soma", "Soma", -1, 0.0),
        ("dend_1", "Dendrite", 0, 0.5),
    ]
    assert read.shapes[1].points[:, 1].tolist() == [20, 120]
    spines, contour = read.notices
    assert spines == "2 points in lines that say Spine are passed over"
    assert contour.startswith("line 6: section 'my_circle_alpha_top' is passed over with its 2 points")


def test_points_after_a_create_in_braces_are_its_own_as_in_isf():
    """NEURON adds them to the section of the last access."""
    text = "{create soma}\n{access soma}\n{pt3dadd(0,0,0,9)}\n{pt3dadd(0,9,0,9)}\n{create dend}\n{connect dend(0), soma(1)}\n"
    read = parse_hoc(text + "{pt3dadd(0,9,0,1)}\n{pt3dadd(0,30,0,1)}\n")
    assert [len(shape.points) for shape in read.shapes] == [2, 2]
    (notice,) = read.notices
    assert notice == (
        "line 7: after {create dend} without access, points are those of dend; NEURON adds them to soma"
    )
    # Without braces they go where NEURON adds them.
    with pytest.raises(ModelError, match="section 'dend' has no 3-D points"):
        parse_hoc(text.replace("{create dend}", "create dend") + "pt3dadd(0,9,0,1)\n")


def test_sections_attached_by_their_1_end_are_told():
    (notice,) = parse_hoc(FILES["by_the_1_end_on_the_soma"]).notices
    assert notice.startswith("line 2: section 'dend' is attached by its 1-end")


def test_a_unlabelled_section_of_the_cell_is_told():
    text = CELL + "create neurite\nneurite { pt3dadd(0,0,0,1) pt3dadd(0,9,0,1) }\n"
    assert len(parse_hoc(text).shapes) == 2
    for connected in ("connect neurite(0), dend(1)", "connect dend(0), neurite(1)"):
        with pytest.raises(
            ModelError, match="'neurite': expected soma, dend, apical or axon in its name"
        ) as refused:
            parse_hoc(f"{text}{connected}\n", "cell.hoc")
        assert refused.value.line == 5


def test_real_morphologies_are_those_that_neuron_loads(isf_data):
    names = ["86_C2_center", "86_C2_center_scaled_diameters", "89_C2"]
    paths = [isf_data / "example_86_C2" / "anatomical" / f"{name}.hoc" for name in names]
    paths.append(isf_data / "publication" / "morphologies" / "WR64_Cell8.hoc")
    for path, made in zip(paths, loaded(paths), strict=True):
        read = read_morphology(path)
        assert made and not read.notices
        for shape, own in zip(read.shapes, made, strict=True):
            assert shape.name == own["name"]
            np.testing.assert_array_equal(shape.points.astype(np.float32), np.float32(own["points"]))
            parent = None if shape.parent < 0 else read.shapes[shape.parent].name
            assert parent == own["parent"]
            assert shape.parent_x == (0.5 if parent == "soma" else own["parent_x"])
