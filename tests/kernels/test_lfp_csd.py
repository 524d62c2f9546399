"""Current source density: every part of a segment is somewhere, once."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.kernels.lfp import (
    laminar_csd,
    objective_csd_disk,
    objective_csd_plane,
    objective_csd_sphere,
    volumetric_csd,
)

PROBE = np.array([[0.0, 0, 20 * i] for i in range(6)])
COORDINATE = st.one_of(st.sampled_from([-20.0, -10.0, 0.0, 10.0, 20.0]), st.floats(-35, 35))
PLACE = st.tuples(COORDINATE, COORDINATE, COORDINATE)

physics = settings(deadline=None, max_examples=60)  # the first example compiles


def random_segments(n=60, seed=11):
    rng = np.random.default_rng(seed)
    start = rng.uniform(-60, 160, (n, 3))
    return start, start + rng.normal(0, 10, (n, 3))


# By middles


def test_planes_touch_and_cover_the_probe():
    start, end = random_segments(500)
    found = objective_csd_plane(start, end, PROBE)
    z = ((start + end) / 2)[:, 2]
    np.testing.assert_array_equal(found.sum(axis=0), (z >= -10) & (z <= 110))


@pytest.mark.parametrize("half", [False, True])
def test_thickness_is_that_of_the_whole(half):
    places = np.array([[0.0, 0, z] for z in (39.9, 40.1, 45, 50, 55, 59.9, 60.1)])
    contact = [[0, 0, 50]]
    found = objective_csd_plane(places, places, contact, thickness=20, half_thickness=half, array=PROBE)
    assert found[0].astype(bool).tolist() == ([True] * 7 if half else [False, *[True] * 5, False])


def test_a_disk_is_a_plane_with_a_radius():
    start, end = random_segments(500)
    planes = objective_csd_plane(start, end, PROBE, thickness=30)
    within = np.hypot(*((start + end) / 2).T[:2]) <= 50
    np.testing.assert_array_equal(
        objective_csd_disk(start, end, PROBE, radius=50, thickness=30), planes * within
    )


def test_the_probe_tells_the_axis_for_some_of_its_contacts():
    start, end = random_segments(200)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    whole = objective_csd_plane(start, end, PROBE)
    turned = objective_csd_plane(start @ turn, end @ turn, PROBE[[3, 1]] @ turn, array=PROBE @ turn)
    np.testing.assert_array_equal(turned, whole[[3, 1]])
    shuffled = objective_csd_plane(start, end, PROBE, array=PROBE[[4, 0, 2, 5, 1, 3]])
    np.testing.assert_array_equal(shuffled, whole)


def test_a_sphere_holds_what_is_near():
    start, end = random_segments(500)
    out = np.empty((6, 500), np.float32)
    assert objective_csd_sphere(start, end, PROBE, radius=40, out=out) is out
    distance = np.linalg.norm((start + end)[None] / 2 - PROBE[:, None], axis=2)
    np.testing.assert_array_equal(out, distance <= 40)


def test_no_contacts_no_planes():
    start, end = random_segments(3)
    assert objective_csd_plane(start, end, np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("kernel", "options", "message"),
    [
        (objective_csd_sphere, {"radius": 0}, "radius is 0"),
        (objective_csd_disk, {"radius": -1}, "radius is -1"),
        (objective_csd_disk, {"thickness": 0}, "thickness is 0"),
        (objective_csd_plane, {"thickness": np.nan}, "thickness is nan"),
        (objective_csd_plane, {"array": PROBE[:1]}, "the probe has 1 contacts at one depth"),
        (objective_csd_plane, {"array": PROBE[[2, 2]]}, "the probe has 2 contacts at one depth"),
    ],
)
def test_refused_shapes(kernel, options, message):
    with pytest.raises(ValueError, match=message):
        kernel(*random_segments(), PROBE, **options)


# By lengths

EDGES = np.array([-40.0, -20, -10, 0, 15, 40])
VOLUMES = np.prod(np.meshgrid(*[np.diff(EDGES)] * 3, indexing="ij"), axis=0)
LAYERS = np.stack([EDGES[:-1], EDGES[1:]], axis=1)


@physics
@given(PLACE, PLACE)
def test_boxes_hold_all_of_a_segment(start, end):
    found = volumetric_csd([start], [end], EDGES, EDGES, EDGES)[..., 0] * VOLUMES
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1, abs=1e-12)


@physics
@given(PLACE, PLACE)
def test_layers_of_boxes_are_layers(start, end):
    boxes = (volumetric_csd([start], [end], EDGES, EDGES, EDGES)[..., 0] * VOLUMES).sum(axis=(0, 1))
    layers = laminar_csd([start], [end], LAYERS, 1000)[:, 0] * math.pi * 1000**2 * np.diff(EDGES)
    np.testing.assert_allclose(layers, boxes, rtol=0, atol=1e-12)


@physics
@given(PLACE, PLACE, st.floats(1, 40))
def test_a_cylinder_counts_like_points(start, end, radius):
    t = (np.arange(4000) + 0.5) / 4000
    at = np.add(start, t[:, None] * np.subtract(end, start))
    counted = (np.hypot(at[:, 0], at[:, 1]) <= radius) & (at[:, 2] >= 0) & (at[:, 2] < 15)
    found = laminar_csd([start], [end], [[0, 15]], radius)[0, 0] * math.pi * radius**2 * 15
    assert found == pytest.approx(counted.mean(), abs=1e-3)


def test_each_layer_has_its_radius_about_the_centre():
    start, end = random_segments(200)
    radii = np.array([10.0, 20, 30, 40, 50])
    found = laminar_csd(start, end, LAYERS, radii, center=(5, -7))
    for m, radius in enumerate(radii):
        alone = laminar_csd(start - [5, -7, 0], end - [5, -7, 0], LAYERS[m : m + 1], radius)
        np.testing.assert_array_equal(found[m], alone[0])
    assert found.any()


def test_out_of_densities():
    start, end = random_segments(30)
    layers = np.empty((5, 30), np.float32)
    assert laminar_csd(start, end, LAYERS, 50, out=layers) is layers
    np.testing.assert_allclose(layers, laminar_csd(start, end, LAYERS, 50), rtol=1e-6)
    boxes = np.empty((5, 5, 5, 30), np.float32)
    assert volumetric_csd(start, end, EDGES, EDGES, EDGES, out=boxes) is boxes
    np.testing.assert_allclose(boxes, volumetric_csd(start, end, EDGES, EDGES, EDGES), rtol=1e-6)
    assert boxes.any()


@pytest.mark.parametrize(
    ("layers", "radius", "message"),
    [
        ([0, 1], 1, r"layers has shape \(2,\)"),
        ([[0, 1], [3, 2]], 1, r"layers\[1\] is \[3. 2.\]; expected a lower z"),
        ([[0, np.inf]], 1, r"layers\[0, 1\] is inf"),
        ([[0, 1]], [1, 2], r"radius has shape \(2,\)"),
        ([[0, 1], [1, 2]], [1, 0], r"radius\[1\] is 0"),
    ],
)
def test_refused_layers(layers, radius, message):
    with pytest.raises(ValueError, match=message):
        laminar_csd(*random_segments(), layers, radius)


def test_refused_edges():
    with pytest.raises(ValueError, match=r"y\[2\] is 1.0 after 1.0; expected rising edges"):
        volumetric_csd(*random_segments(), EDGES, [0, 1, 1], EDGES)
    with pytest.raises(ValueError, match=r"z has shape \(1,\)"):
        volumetric_csd(*random_segments(), EDGES, EDGES, [1])
