"""Amira's lattices as text."""

import numpy as np
import pytest

from neurolake.mechanisms.anatomy.lattice import Lattice, read_lattice
from neurolake.mechanisms.errors import ModelError

HEADER = """# AmiraMesh 3D ASCII 2.0

define Lattice 2 3 4

Parameters {
    Content "2x3x4 float, uniform coordinates",
    BoundingBox 0 50 -100 0 1e1 160.0,
    CoordType "uniform"
}

Lattice { float Data } @1

# Data section follows
@1
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / "a.am").write_text(text)
        return tmp_path / "a.am"

    return write


def numbers(count=24):
    return "".join(f"{k}\n" for k in range(count))


def test_x_varies_fastest_and_the_box_is_that_of_centres(file):
    field = read_lattice(file(HEADER + numbers()))
    assert field.values.shape == (2, 3, 4)
    assert [field.values[1, 0, 0], field.values[0, 1, 0], field.values[0, 0, 1]] == [1, 2, 6]
    np.testing.assert_allclose(field.spacing, [50, 50, 50])
    np.testing.assert_allclose(field.origin, [-25, -125, -15])
    np.testing.assert_allclose(field.centres()[0], [0, -100, 10])


def test_points_have_the_value_of_their_voxel_and_none_outside(file):
    field = read_lattice(file(HEADER + numbers()))
    np.testing.assert_array_equal(field.at(field.centres()), field.values.ravel())
    np.testing.assert_array_equal(
        field.at(np.array([[-26.0, 0, 20], [0, 0, 1000], [74, -125, -15]])), [0, 0, 1]
    )


def test_a_grid_around_points_continues_the_lattice():
    field = Lattice(np.ones((2, 2, 2)), np.array([5.0, 5, 5]), np.full(3, 10.0))
    around = field.around(np.array([[-20.0, 6, 6], [14, 26, 6]]))
    np.testing.assert_allclose(around.origin, [-25, 5, 5])
    assert around.values.shape == (4, 3, 1)
    assert field.at(around.centres()).sum() == 2


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("", "no 'define Lattice' with 3 numbers", None),
        (HEADER.replace("Box", "Bax") + numbers(), "no 'BoundingBox' with 6 numbers", None),
        (HEADER.replace("1e1", "1e") + numbers(), "no 'BoundingBox' with 6 numbers", None),
        (HEADER.replace("2 3 4", "1 3 8") + numbers(), "has no voxel size", None),
        (HEADER + numbers(23), r"23 values, expected 24 for \(2, 3, 4\)", None),
        (HEADER + "1 2\n", "'1 2', expected one number", 15),
    ],
)
def test_what_does_not_read(file, text, reason, line):
    path = file(text)
    with pytest.raises(ModelError, match=reason) as caught:
        read_lattice(path)
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        read_lattice(tmp_path / "none.am")
