"""Slices, heads, dipoles and fields of solvers: their boundary conditions, and what is refused."""

import math

import numpy as np
import pytest

from neurolake.kernels import lfp
from neurolake.kernels.lfp import (
    dipole_potential,
    dipole_reciprocity_potential,
    head_potential,
    line_source_potential,
    point_source_potential,
    reciprocity_potential,
    slice_potential,
)

# Slices


def in_slice(n=40, seed=5):
    rng = np.random.default_rng(seed)
    start = rng.uniform([-200, -200, 60], [200, 200, 240], (n, 3))
    return start, start + rng.normal(0, 5, (n, 3)), rng.uniform(0.5, 3, n)


@pytest.mark.parametrize(
    ("source", "kernel"), [("line", line_source_potential), ("point", point_source_potential)]
)
def test_a_slice_in_its_like_is_no_slice(source, kernel):
    segments, contacts = in_slice(), [[3, 4, 0], [10, 20, 150]]
    options = {"sigma_tissue": 0.3, "sigma_saline": 0.3, "sigma_glass": 0.3}
    found = slice_potential(*segments, contacts, source=source, **options)
    np.testing.assert_array_equal(found, kernel(*segments, contacts, 0.3))


@pytest.mark.parametrize("source", ["line", "point"])
def test_no_current_into_glass_and_no_potential_in_metal(source):
    segments, step = in_slice(), 0.01
    options = {"sigma_glass": 0.0, "sigma_saline": 1e12, "bottom": 20.0, "thickness": 260.0, "steps": 200}
    potential = slice_potential(*segments, [[5, 6, 20 + step], [5, 6, 20]], source=source, **options)
    assert np.abs(potential[0] - potential[1]).max() < 1e-3 * step * potential.max()
    top = slice_potential(*segments, [[5, 6, 280]], source=source, **options)
    assert np.abs(top).max() < 1e-3 * potential.max()  # the image that comes next is 1e5 µm away


def test_better_conductors_around_lower_the_potential():
    segments, contacts = in_slice(), [[0, 0, 0], [30, -40, 150], [0, 0, 300]]
    saline = [slice_potential(*segments, contacts, sigma_saline=sigma) for sigma in (0.1, 0.3, 1.5, 10)]
    glass = [slice_potential(*segments, contacts, sigma_glass=sigma) for sigma in (0, 0.1, 0.3, 1)]
    for found in (saline, glass):
        assert (np.diff(found, axis=0) < 0).all()


def test_two_places_in_a_slice_may_change_roles():
    rng = np.random.default_rng(2)
    a, b = rng.uniform([-50, -50, 0], [50, 50, 300], (2, 9, 3))
    options = {"source": "point", "minimum_distance": None, "sigma_glass": 0.1, "steps": 100}
    forth = slice_potential(a, a, None, b, **options)
    back = slice_potential(b, b, None, a, **options)
    np.testing.assert_allclose(forth, back.T, rtol=1e-10)


def test_out_and_points_in_slices():
    segments, contacts = in_slice(), [[0, 0, 0], [0, 0, 150]]
    out = np.empty((2, 40), np.float32)
    found = slice_potential(*segments, contacts, points=np.ones(40, bool), out=out)
    assert found is out
    expected = slice_potential(*segments, contacts, source="point")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bottom": 100.0}, r"start\[\d+\] has z = .* expected the slice, 100.0 to 400.0 µm"),
        ({"electrodes": [[0, 0, -1]]}, r"electrodes\[0\] has z = -1.0 µm"),
        ({"thickness": 0}, "thickness is 0"),
        ({"sigma_saline": -1}, "sigma_saline is -1"),
        ({"sigma_tissue": 0}, "sigma_tissue is 0"),
        ({"sigma_glass": math.nan}, "sigma_glass is nan"),
        ({"steps": 0}, "steps is 0"),
        ({"source": "soma"}, "source is 'soma'"),
    ],
)
def test_refused_slices(change, message):
    start, end, diameter = in_slice()
    given = {"start": start, "end": end, "diameter": diameter, "electrodes": [[0, 0, 0]]}
    with pytest.raises(ValueError, match=message):
        slice_potential(**(given | change))


# Dipoles and heads


def on_sphere(radius, n=15, seed=4):
    towards = np.random.default_rng(seed).normal(size=(n, 3))
    return radius * towards / np.linalg.norm(towards, axis=1, keepdims=True)


def test_two_opposite_currents_are_a_dipole():
    contacts, place, half = on_sphere(2000), np.array([10.0, 20, -30]), np.array([0.02, 0.01, -0.03])
    ends = np.stack([place + half, place - half])
    plus, minus = point_source_potential(ends, ends, None, contacts, 0.3, minimum_distance=None).T
    expected = dipole_potential(contacts, place, 0.3) @ (2 * half)
    np.testing.assert_allclose(plus - minus, expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max())
    moment = lfp.dipole_moment(ends, ends) @ [1, -1]
    np.testing.assert_allclose(moment, 2 * half)


def test_a_large_sphere_is_unbounded():
    contacts = on_sphere(500)
    expected = dipole_potential(contacts, [10, 0, 100], 0.3)
    found = head_potential(contacts, [10, 0, 100], radii=[1e9], sigmas=[0.3])
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_layers_of_one_conductivity_are_one_sphere():
    contacts = np.concatenate([on_sphere(radius) for radius in (5, 60, 78, 82, 95, 100)])
    one = head_potential(contacts, [10, 20, 40], radii=[100], sigmas=[0.3])
    three = head_potential(contacts, [10, 20, 40], radii=[70, 80, 100], sigmas=[0.3] * 3)
    np.testing.assert_allclose(three, one, rtol=1e-9, atol=1e-12 * np.abs(one).max())


def test_a_dipole_at_the_centre_of_a_sphere():
    """On the surface, three times the potential without a boundary."""
    contacts = on_sphere(100)
    found = head_potential(contacts, [0, 0, 0], radii=[100], sigmas=[0.3])
    np.testing.assert_allclose(found, 3 * dipole_potential(contacts, [0, 0, 0], 0.3), rtol=1e-12)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_potential_and_current_pass_from_layer_to_layer(layer):
    radii, sigmas, dipole = lfp.HEAD_RADII, lfp.HEAD_SIGMAS, [5e3, 1e4, 6e4]
    step = 0.5
    at = [head_potential(on_sphere(radii[layer] + d), dipole) for d in (-2 * step, -step, 0, step, 2 * step)]
    size = np.abs(at[2]).max()
    below, above = (2 * at[1] - at[0], 2 * at[3] - at[4])  # extrapolated to the radius
    np.testing.assert_allclose(below, above, rtol=0, atol=1e-7 * size)
    inner, outer = (
        sigmas[layer] * (3 * at[2] - 4 * at[1] + at[0]),
        sigmas[layer + 1] * (4 * at[3] - 3 * at[2] - at[4]),
    )
    np.testing.assert_allclose(inner, outer, rtol=0, atol=1e-4 * np.abs(inner).max())


def test_no_current_leaves_the_head():
    dipole, step = [5e3, 1e4, 6e4], 1.0
    at = [head_potential(on_sphere(9e4 - d), dipole) for d in (0, step, 2 * step)]
    slope = np.abs(3 * at[0] - 4 * at[1] + at[2]).max()
    tangent = np.abs(at[0]).max() * step / 9e4
    assert slope < 1e-3 * tangent


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"electrodes": [[0, 0, 1], [0, 0, 91_000]]}, r"electrodes\[1\] is 91000.0 µm from the centre"),
        ({"electrodes": [[0, 0, 70_000]]}, r"electrodes\[0\] is at the dipole"),
        ({"dipole": [0, 0, 79_000]}, "dipole is 79000.0 µm from the centre"),
        ({"dipole": [0, 0]}, r"dipole has shape \(2,\)"),
        ({"dipole": [0, 0, 78_999.999]}, "its series has .* terms"),
        ({"radii": [1, 2]}, r"radii has shape \(2,\), sigmas \(4,\)"),
        ({"radii": [8e4, 7e4, 9e4, 9.1e4]}, r"radii\[1\] is 70000.0 after 80000.0"),
        ({"sigmas": [0.3, 0, 0.3, 0.3]}, r"sigmas\[1\] is 0"),
    ],
)
def test_refused_heads(change, message):
    given = {"electrodes": [[0, 0, 79_000.5]], "dipole": [0, 0, 70_000]}
    with pytest.raises(ValueError, match=message):
        head_potential(**(given | change))


def test_refused_dipole_potentials():
    with pytest.raises(ValueError, match=r"electrodes\[1\] is at the dipole"):
        dipole_potential([[0, 0, 1], [1, 2, 3]], [1, 2, 3], 0.3)
    with pytest.raises(ValueError, match="sigma is -1"):
        dipole_potential([[0, 0, 1]], [1, 2, 3], -1)


# Fields of solvers

AXES = (np.array([-10.0, 0, 5, 20]), np.array([-8.0, 4, 10]), np.array([0.0, 1, 7, 8, 30]))
INSIDE = np.random.default_rng(6).uniform([-10, -8, 0], [20, 10, 30], (50, 3))


def sampled(formula, axes=AXES):
    return formula(*np.meshgrid(*axes, indexing="ij"))


def trilinear(x, y, z):
    return 3 - x + 2 * y * z + 0.1 * x * y * z


def test_interpolation_is_trilinear():
    potential = sampled(trilinear)
    found = reciprocity_potential(INSIDE - 0.5, INSIDE + 0.5, AXES, potential, applied_current=2.0)
    np.testing.assert_allclose(found, trilinear(*INSIDE.T) / 2, rtol=1e-12)
    corners = np.array([[x, y, z] for x in AXES[0] for y in AXES[1] for z in AXES[2]])
    np.testing.assert_array_equal(reciprocity_potential(corners, corners, AXES, potential), potential.ravel())
    out = np.empty(len(INSIDE), np.float32)
    assert reciprocity_potential(INSIDE, INSIDE, AXES, potential, out=out) is out


@pytest.mark.parametrize("staggered", [False, True])
def test_a_uniform_field_is_a_potential_that_falls(staggered):
    field = np.array([2.0, -3, 0.5])  # V/m, thousandths of mV/µm
    between = [list(AXES) for _ in range(3)]
    for axis in range(3 if staggered else 0):
        between[axis][axis] = (AXES[axis][1:] + AXES[axis][:-1]) / 2
    components = [np.full([len(a) for a in between[i]], field[i]) for i in range(3)]
    centers = np.broadcast_to([1.0, 2.0, 3.0], INSIDE.shape).copy()
    found = dipole_reciprocity_potential(INSIDE, INSIDE, centers, AXES, components)
    potential = sampled(lambda x, y, z: -1e-3 * (field[0] * x + field[1] * y + field[2] * z))
    by_potential = reciprocity_potential(INSIDE, INSIDE, AXES, potential)
    reference = reciprocity_potential(centers[:1], centers[:1], AXES, potential)
    np.testing.assert_allclose(found, by_potential - reference, rtol=1e-9, atol=1e-12)


def test_reciprocity_is_symmetry():
    """The field of a current through the electrode, on a fine grid, gives the potential of sources at it."""
    contact = np.array([0.0, 0.0, 300.0])
    axes = (np.linspace(-40, 40, 41),) * 3
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    potential = point_source_potential([contact], [contact], None, nodes, 0.3, minimum_distance=None)
    places = np.random.default_rng(9).uniform(-40, 40, (30, 3))
    found = reciprocity_potential(places, places, axes, potential.reshape(41, 41, 41))
    expected = point_source_potential(places, places, None, [contact], 0.3, minimum_distance=None)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_places_outside_of_the_grid_are_named_and_counted():
    places = np.array([[0.0, 0, 1], [0, 11, 1], [0, 0, 1], [-11, 0, 1]])
    message = r"the middle of segment 1 at .* is outside of the grid, .*; 2 of 4 are"
    with pytest.raises(ValueError, match=message):
        reciprocity_potential(places, places, AXES, sampled(trilinear))
    field = [sampled(trilinear)] * 3
    with pytest.raises(ValueError, match=r"the centre of cell 1 at .*; 2 of 4 are"):
        dipole_reciprocity_potential(places, places, places, AXES, field)


@pytest.mark.parametrize(
    ("axes", "potential", "current", "message"),
    [
        (AXES[:2], sampled(trilinear), 1.0, "axes has 2 entries"),
        (([1.0], *AXES[1:]), sampled(trilinear), 1.0, r"axis x has shape \(1,\)"),
        (([-10, 0, 0, 20], *AXES[1:]), sampled(trilinear), 1.0, "axis x has 0.0 after 0.0 at 1"),
        (([-10, 0, np.nan, 20], *AXES[1:]), sampled(trilinear), 1.0, r"axis x\[2\] is nan"),
        (AXES, np.zeros((4, 3, 4)), 1.0, r"a field has shape \(4, 3, 4\); expected \(4, 3, 5\)"),
        (AXES, sampled(trilinear), 0.0, "applied_current is 0.0"),
    ],
)
def test_refused_fields(axes, potential, current, message):
    with pytest.raises(ValueError, match=message):
        reciprocity_potential(INSIDE, INSIDE, axes, potential, applied_current=current)


def test_refused_centres_and_components():
    field = [sampled(trilinear)] * 3
    with pytest.raises(ValueError, match=r"center has shape \(2, 3\); expected \(3,\) or \(50, 3\)"):
        dipole_reciprocity_potential(INSIDE, INSIDE, INSIDE[:2], AXES, field)
    with pytest.raises(ValueError, match="field has 2 components"):
        dipole_reciprocity_potential(INSIDE, INSIDE, INSIDE[0], AXES, field[:2])
