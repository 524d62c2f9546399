"""Point and line sources: physics, the rules for close contacts, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neurolake.kernels import jit
from neurolake.kernels.lfp import line_source_potential, point_source_potential

KERNELS = [line_source_potential, point_source_potential]
COORDINATE = st.integers(-400, 400).map(lambda i: i / 4)
PLACE = st.tuples(COORDINATE, COORDINATE, COORDINATE).map(np.array)
SIGMA = 0.3

physics = settings(deadline=None, max_examples=50)  # the first example compiles


def line(start, end, contact, sigma=SIGMA, rule=None, diameter=None):
    return float(
        line_source_potential([start], [end], diameter, [contact], sigma, minimum_distance=rule)[0, 0]
    )


def point(place, contact, sigma=SIGMA, rule=None, diameter=None):
    given = ([place], [place], diameter, [contact], sigma)
    return float(point_source_potential(*given, minimum_distance=rule)[0, 0])


def distance(start, end, contact):
    """From a contact to a segment."""
    along = end - start
    t = np.clip((contact - start) @ along / max(along @ along, 1e-300), 0, 1)
    return np.linalg.norm(start + t * along - contact)


def random_case(n_segments=300, n_contacts=20, seed=3):
    rng = np.random.default_rng(seed)
    start = rng.uniform(-200, 200, (n_segments, 3))
    end = start + rng.normal(0, 8, (n_segments, 3))
    return start, end, rng.uniform(0.2, 4, n_segments), rng.uniform(-200, 200, (n_contacts, 3))


# Physics


@physics
@given(PLACE, PLACE, PLACE)
def test_a_line_is_the_mean_over_its_points(start, end, contact):
    assume(distance(start, end, contact) > 0.1 * np.linalg.norm(end - start))
    nodes, weights = np.polynomial.legendre.leggauss(60)
    t = (nodes[:, None] + 1) / 2
    places = start + t * (end - start)
    expected = point_source_potential(places, places, None, [contact], SIGMA, minimum_distance=None)[0]
    assert line(start, end, contact) == pytest.approx(expected @ weights / 2, rel=1e-8)


@physics
@given(PLACE, PLACE, PLACE)
def test_a_line_has_no_direction(start, end, contact):
    assume(distance(start, end, contact) > 0.01)
    assert line(start, end, contact) == pytest.approx(line(end, start, contact), rel=1e-12)


@physics
@given(PLACE, PLACE, PLACE, st.floats(0.05, 0.95))
def test_parts_of_a_line_add_up(start, end, contact, t):
    assume(distance(start, end, contact) > 0.01)
    middle = start + t * (end - start)
    parts = t * line(start, middle, contact) + (1 - t) * line(middle, end, contact)
    assert line(start, end, contact) == pytest.approx(parts, rel=1e-11)


@physics
@given(PLACE, PLACE)
def test_far_away_a_line_is_a_point(start, end):
    contact = np.array([3e5, -2e5, 1e5])
    middle = (start + end) / 2
    ratio = np.linalg.norm(end - start) / np.linalg.norm(contact - middle)
    assert line(start, end, contact) == pytest.approx(point(middle, contact), rel=ratio**2 / 6 + 1e-14)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("sigma", [SIGMA, [0.3, 0.2, 0.5]])
def test_scale(kernel, sigma):
    start, end, diameter, contacts = random_case()
    given = kernel(start, end, diameter, contacts, sigma)
    larger = kernel(3 * start, 3 * end, 3 * diameter, 3 * contacts, sigma)
    np.testing.assert_allclose(3 * larger, given, rtol=1e-12)
    better = kernel(start, end, diameter, contacts, 3 * np.array(sigma))
    np.testing.assert_allclose(3 * better, given, rtol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_only_relative_places_count(kernel):
    start, end, diameter, contacts = random_case()
    given = kernel(start, end, diameter, contacts, SIGMA)
    shift = np.array([512.0, -2048.0, 4096.0])
    moved = kernel(start + shift, end + shift, diameter, contacts + shift, SIGMA)
    np.testing.assert_allclose(moved, given, rtol=1e-9)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turned = kernel(start @ turn, end @ turn, diameter, contacts @ turn, SIGMA)
    np.testing.assert_allclose(turned, given, rtol=1e-10)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("sigma", [SIGMA, [0.3, 0.2, 0.5]])
def test_current_is_conserved_between_sources(kernel, sigma):
    """The divergence of sigma times the field, by differences, is nothing beside its terms."""
    step = 0.02
    contact = np.array([12.0, -7.0, 9.0])
    stencil = contact + step * np.array([[0, 0, 0], *np.eye(3), *-np.eye(3)])
    found = kernel([[-3, 1, 2]], [[5, 2, -4]], None, stencil, sigma, minimum_distance=None)[:, 0]
    curvature = np.broadcast_to(sigma, 3) * (found[1:4] + found[4:7] - 2 * found[0]) / step**2
    assert abs(curvature.sum()) < 1e-4 * np.abs(curvature).max()


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_medium_that_is_equal_along_all_axes(kernel):
    start, end, _, contacts = random_case()
    far = kernel(start, end, None, contacts, SIGMA, minimum_distance=None)
    equal = kernel(start, end, None, contacts, [SIGMA] * 3, minimum_distance=None)
    np.testing.assert_allclose(equal, far, rtol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_anisotropic_medium_is_a_stretched_one(kernel):
    start, end, _, contacts = random_case()
    sigma = np.array([0.3, 0.2, 0.5])
    stretch = np.sqrt(sigma.prod() / sigma)
    expected = kernel(start * stretch, end * stretch, None, contacts * stretch, 1, minimum_distance=None)
    found = kernel(start, end, None, contacts, sigma, minimum_distance=None)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


# Close contacts


@pytest.mark.parametrize("t", [0.5, 0.25, 0.01])
@pytest.mark.parametrize("sigma", [SIGMA, [SIGMA] * 3])
def test_all_digits_at_any_distance_from_the_axis(t, sigma):
    length, k = 8.0, 1 / (4 * math.pi * SIGMA)
    for r in 10.0 ** np.arange(-6, 6.5, 0.25):
        mean = (math.asinh((1 - t) * length / r) + math.asinh(t * length / r)) / length
        found = line([0, 0, 0], [0, 0, length], [r, 0, t * length], sigma)
        assert found == pytest.approx(k * mean, rel=4e-15)


@physics
@given(PLACE, PLACE, PLACE, st.floats(0.5, 50))
def test_the_radius_keeps_contacts_away_from_the_axis(start, end, contact, radius):
    length = np.linalg.norm(end - start)
    assume(length > 0)
    u = (end - start) / length
    h = (contact - start) @ u
    away = np.linalg.norm(contact - start - h * u)
    # The same height along the axis, at the distance that the rule allows.
    side = np.linalg.svd(u[None])[2][1]
    allowed = start + h * u + max(away, radius) * side
    found = line(start, end, contact, rule="radius", diameter=[2 * radius])
    assert found == pytest.approx(line(start, end, allowed), rel=1e-9)
    assert found == line(start, end, contact, rule=radius)


@physics
@given(PLACE, PLACE, st.floats(0.5, 50))
def test_the_radius_keeps_contacts_away_from_points(place, contact, radius):
    expected = 1 / (4 * math.pi * SIGMA * max(np.linalg.norm(place - contact), radius))
    for found in (
        point(place, contact, rule="radius", diameter=[2 * radius]),
        point(place, contact, rule=radius),
        line(place, place, contact, rule=radius),
        line(place, place, contact, sigma=[SIGMA] * 3, rule=radius),
    ):
        assert found == pytest.approx(expected, rel=1e-12)


def test_segments_named_points_are_points():
    start, end, diameter, contacts = random_case()
    lines = line_source_potential(start, end, diameter, contacts, SIGMA)
    points = point_source_potential(start, end, diameter, contacts, SIGMA)
    mask = np.arange(len(start)) % 3 == 0
    mixed = line_source_potential(start, end, diameter, contacts, SIGMA, points=mask)
    np.testing.assert_allclose(mixed, np.where(mask, points, lines), rtol=1e-12)
    by_index = line_source_potential(start, end, diameter, contacts, SIGMA, points=np.flatnonzero(mask))
    np.testing.assert_array_equal(by_index, mixed)


@pytest.mark.parametrize("sigma", [SIGMA, [0.3, 0.2, 0.5]])
def test_contacts_on_the_axis_with_a_radius_are_finite(sigma):
    start, end = np.zeros((1, 3)), np.array([[0.0, 0.0, 10.0]])
    contacts = [[0, 0, z] for z in (-5, 0, 2.5, 5, 10, 15)]
    for kernel in KERNELS:
        found = kernel(start, end, [1.0], contacts, sigma)
        assert np.isfinite(found).all()
        assert (found > 0).all()


@pytest.mark.parametrize("along", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0.6, 0.8)])
def test_an_anisotropic_contact_on_the_axis_moves_to_its_side(along):
    sigma = [0.3, 0.2, 0.5]
    end = 10 * np.array(along, float)
    side = [-along[1], along[0], 0] if along[0] else [0, along[2], -along[1]]
    found = line([0, 0, 0], end, end / 2, sigma, rule=0.5)
    assert found == pytest.approx(line([0, 0, 0], end, end / 2 + 0.5 * np.array(side), sigma), rel=1e-12)


# Shapes, dtypes, out=


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("sigma", [SIGMA, [0.3, 0.2, 0.5]])
@pytest.mark.parametrize("n_segments", [1, 7, 1024, 2500])
def test_out_is_filled_in_its_own_dtype(kernel, sigma, n_segments):
    given = (*random_case(n_segments), sigma)
    expected = kernel(*given)
    assert (expected.dtype, expected.shape) == (np.float64, (20, n_segments))
    single = np.full((20, n_segments), np.nan, np.float32)
    assert kernel(*given, out=single) is single
    np.testing.assert_allclose(single, expected, rtol=1e-7)
    wide = np.full((40, n_segments + 9), np.nan)
    part = wide[::2, 4:-5]
    assert kernel(*given, out=part) is part
    np.testing.assert_allclose(part, expected, rtol=1e-14)
    part[:] = np.nan
    assert np.isnan(wide).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_threads_share_the_segments(kernel, monkeypatch):
    given = (*random_case(3001), SIGMA)
    alone = kernel(*given)
    monkeypatch.setattr(jit, "SERIAL_SIZE", 0)
    monkeypatch.setattr(jit.numba.config, "NUMBA_NUM_THREADS", 3)
    np.testing.assert_allclose(kernel(*given), alone, rtol=1e-14)


@pytest.mark.parametrize("kernel", KERNELS)
def test_any_numbers_are_taken(kernel):
    start, end, contacts = [[0, 0, 0]], [[4, 0, 0]], [[0, 10, 0]]
    expected = kernel(np.float64(start), np.float64(end), [2.0], np.float64(contacts), 0.5)
    for dtype in (np.int64, np.float32):
        given = [np.asarray(a, dtype) for a in (start, end, [2], contacts)]
        np.testing.assert_array_equal(kernel(*given, dtype(1) / 2), expected)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("sigma", [SIGMA, [0.3, 0.2, 0.5]])
def test_nothing_in_nothing_out(kernel, sigma):
    none, some = np.empty((0, 3)), np.ones((4, 3))
    assert kernel(none, none, [], some, sigma).shape == (4, 0)
    assert kernel(some, some, np.ones(4), none, sigma).shape == (0, 4)


# Refusals


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": np.zeros((3, 2))}, r"start has shape \(3, 2\)"),
        ({"start": np.zeros((2, 3))}, r"start has shape \(2, 3\), end \(3, 3\)"),
        ({"end": [[1, 2, 3], [4, np.nan, 6], [7, 8, 9]]}, r"end\[1, 1\] is nan; expected finite numbers"),
        ({"electrodes": [[1, 2, np.inf]]}, r"electrodes\[0, 2\] is inf"),
        ({"electrodes": [1, 2, 3]}, r"electrodes has shape \(3,\)"),
        ({"diameter": None}, "diameter is None"),
        ({"diameter": [1, 2]}, r"diameter has shape \(2,\); expected \(3,\)"),
        ({"diameter": [1, -2, -3]}, r"diameter\[1\] is -2.0; expected 0 or more µm \(1 more like it\)"),
        ({"diameter": [1, 2, np.nan]}, r"diameter\[2\] is nan"),
        ({"sigma": 0}, r"sigma\[0\] is 0.0; expected a number of S/m above 0"),
        ({"sigma": [0.3, 0.3]}, r"sigma has shape \(2,\)"),
        ({"sigma": [0.3, np.nan, 0.3]}, r"sigma\[1\] is nan"),
        ({"minimum_distance": "diameter"}, "minimum_distance is 'diameter'"),
        ({"minimum_distance": -1.0}, "minimum_distance is -1.0"),
        ({"minimum_distance": np.nan}, "minimum_distance is nan"),
        ({"out": np.empty((3, 1))}, r"out has shape \(3, 1\); expected \(1, 3\)"),
        ({"out": np.empty((1, 3), np.int64)}, "out has dtype int64"),
        ({"out": np.empty((1, 6))[:, ::2]}, "contiguous rows"),
        ({"out": np.broadcast_to(0.0, (1, 3))}, "out cannot be written to"),
    ],
)
def test_refusals_name_the_value(kernel, change, message):
    given = {
        "start": np.zeros((3, 3)),
        "end": np.ones((3, 3)),
        "diameter": np.ones(3),
        "electrodes": np.full((1, 3), 9.0),
        "sigma": SIGMA,
    }
    with pytest.raises(ValueError, match=message):
        kernel(**(given | change))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([True, False], r"points has shape \(2,\)"),
        ([0, 3], r"points\[1\] is 3; expected 0 or more and less than 3"),
        ([-1], r"points\[0\] is -1"),
        ([0.5], "points has dtype float64"),
    ],
)
def test_points_are_a_mask_or_indices(points, message):
    with pytest.raises(ValueError, match=message):
        line_source_potential(np.zeros((3, 3)), np.ones((3, 3)), None, [[9, 9, 9]], SIGMA, points=points)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("sigma", [SIGMA, [0.3, 0.2, 0.5]])
def test_infinite_potentials_are_refused(kernel, sigma):
    start, end = np.zeros((3, 3)), np.array([[0.0, 5, 0], [4, 4, 4], [4, 4, 4]])
    contacts = [[9, 9, 9], [2, 2, 2]]
    with pytest.raises(ValueError, match=r"electrodes\[1\] is on segment 1, .* \(1 more like it\)"):
        kernel(start, end, None, contacts, sigma, minimum_distance=None)
    with pytest.raises(ValueError, match=r"electrodes\[1\] is on segment 1"):
        kernel(start, end, [1, 0, 1], contacts, sigma)
    assert np.isfinite(kernel(start, end, [1, 1e-3, 1], contacts, sigma)).all()
