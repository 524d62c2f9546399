"""Point patterns: neighbours, K, L, g and densities are those of brute force, of closed forms, and of random places."""

from itertools import product

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from neurolake.kernels.points import (
    border_distances,
    box_window,
    density_profile,
    label_densities,
    mask_window,
    nearest_neighbours,
    pair_correlation,
    poisson_nearest,
    ripley_k,
    ripley_l,
    set_covariance,
    within,
)

BOX = box_window([-50, 0, 20], [50, 80, 90])
RADII = np.array([0.0, 3.0, 8.0, 15.0, 30.0])


def random_points(n: int, window=BOX, seed: int = 0):
    chance = np.random.default_rng(seed)
    size = window.size * window.inside.shape
    points = np.empty((0, 3))
    while len(points) < n:
        more = window.low + size * chance.random((4 * n, 3))
        points = np.concatenate([points, more[within(window, more)]])
    return points[:n]


def an_l(side: float = 10.0):
    """A window that is not convex: three of four blocks."""
    inside = np.ones((6, 6, 4))
    inside[3:, 3:] = 0
    return mask_window(inside, [5, -10, 0], [side, side, 1.5 * side])


class TestNeighbours:
    @given(
        st.integers(0, 60),
        st.integers(1, 7),
        st.sampled_from(["own", "other", "far", "flat"]),
        st.integers(0),
    )
    @settings(max_examples=60, deadline=None)
    def test_they_are_those_of_brute_force(self, n, k, how, seed):
        chance = np.random.default_rng(seed % 2**32)
        # Whole numbers: equal distances and equal places occur.
        points = chance.integers(0, 12, (n, 3)).astype(float) * [1, 1, 0 if how == "flat" else 1]
        others = {"own": None, "flat": None}.get(how, chance.random((40, 3)) * 12)
        asked = points + 100 if how == "far" else points
        found = nearest_neighbours(asked, others, k=k)
        apart = cdist(asked, asked if others is None else others)
        if others is None:
            np.fill_diagonal(apart, np.inf)
        for row, distances in enumerate(apart):
            order = [m for m in np.lexsort((np.arange(len(distances)), distances)) if distances[m] < np.inf][
                :k
            ]
            assert found.row[row].tolist() == order + [-1] * (k - len(order))
            np.testing.assert_allclose(found.distance[row, : len(order)], distances[order], rtol=1e-12)
            assert np.isinf(found.distance[row, len(order) :]).all()

    def test_of_many_they_are_those_of_a_tree(self):
        points = np.random.default_rng(3).random((20_000, 3)) * [1000, 1000, 40]
        distance, row = cKDTree(points).query(points, 5)
        found = nearest_neighbours(points, k=4)
        np.testing.assert_array_equal(found.row, row[:, 1:])
        np.testing.assert_allclose(found.distance, distance[:, 1:], rtol=1e-12)

    def test_random_places_are_as_far_apart_as_poisson_says(self):
        window = box_window([0, 0, 0], [300, 300, 300])
        points = random_points(40_000, window)
        middle = border_distances(window, points) > 25
        distance = nearest_neighbours(points).distance[middle, 0]
        mean, sd = poisson_nearest(len(points) / window.volume)
        assert abs(distance.mean() / mean - 1) < 4 * sd / mean / np.sqrt(middle.sum())
        assert abs(distance.std() / sd - 1) < 0.03

    def test_wrong_input_is_told(self):
        with pytest.raises(ValueError, match="k is 0; expected 1 or more"):
            nearest_neighbours(np.zeros((2, 3)), k=0)
        with pytest.raises(ValueError, match=r"others\[1\] is \[nan, 0.0, 0.0\]"):
            nearest_neighbours(np.zeros((2, 3)), [[0, 0, 0], [np.nan, 0, 0]])
        with pytest.raises(ValueError, match="density is 0; expected a positive number"):
            poisson_nearest(0)


class TestWindows:
    def test_a_box_shares_what_its_sides_share(self):
        covariance = set_covariance(BOX, 30.0)
        assert covariance.shape == (3, 3, 3) and covariance[1, 1, 1] == BOX.volume == 100 * 80 * 70
        assert covariance.sum() == BOX.volume, "moved by its own extent it shares nothing"

    def test_voxels_share_what_counting_them_says(self):
        window = an_l()
        covariance = set_covariance(window, 25.0)
        assert covariance.shape == (7, 7, 5)
        inside = window.inside
        padded = np.zeros(np.array(inside.shape) + 12, bool)
        padded[6:-6, 6:-6, 6:-6] = inside
        for i, j, k in product(range(-3, 4), range(-3, 4), range(-2, 3)):
            both = padded & np.roll(padded, (i, j, k), (0, 1, 2))
            assert covariance[i + 3, j + 3, k + 2] == both.sum() * window.size.prod()

    def test_borders_are_as_far_as_all_voxels_outside_say(self):
        window = an_l()
        points = random_points(300, window, seed=2)
        around = np.ones(np.array(window.inside.shape) + 2, bool)
        around[1:-1, 1:-1, 1:-1] = ~window.inside
        corners = (np.argwhere(around) - 1) * window.size + window.low
        gap = np.maximum(0, np.maximum(corners - points[:, None], points[:, None] - corners - window.size))
        expected = np.linalg.norm(gap, axis=2).min(axis=1)
        np.testing.assert_allclose(border_distances(window, points), expected, atol=1e-12)
        near = border_distances(window, points, 4.0)
        np.testing.assert_array_equal(near < 4, expected < 4)
        np.testing.assert_allclose(near[expected < 4], expected[expected < 4], atol=1e-12)

    def test_wrong_windows_are_told(self):
        with pytest.raises(
            ValueError, match=r"the box from \[0.0, 0.0, 0.0\] to \[1.0, 0.0, 1.0\] um has no volume"
        ):
            box_window([0, 0, 0], [1, 0, 1])
        with pytest.raises(ValueError, match=r"inside has shape \(2, 2\); expected"):
            mask_window(np.ones((2, 2)), [0, 0, 0], 1)
        with pytest.raises(ValueError, match="no voxel that is not 0"):
            mask_window(np.zeros((2, 2, 2)), [0, 0, 0], 1)
        with pytest.raises(ValueError, match=r"points\[1\] = \[0.0, 0.0, 0.0\] and 0 more are outside"):
            border_distances(BOX, [[0, 1, 21], [0, 0, 0]])


def by_hand(points, others, window, radii, correction):
    """K and the same of shells, pair by pair."""
    own = others is None
    among = points if own else others
    k, shells, asked = np.zeros(len(radii)), np.zeros(len(radii)), np.zeros(len(radii))
    near = border_distances(window, points)
    voxels = np.argwhere(window.inside) * window.size + window.low
    for i, point in enumerate(points):
        asked += near[i] >= radii
        for j, other in enumerate(among):
            if own and i == j:
                continue
            far = np.linalg.norm(other - point)
            shell = np.searchsorted(radii, far)
            if correction == "border":
                k += (far <= radii) & (near[i] >= radii)
                if shell < len(radii) and near[i] >= radii[shell]:
                    shells[shell] += 1
                continue
            weight = 1 / window.volume
            if correction == "translation":
                moved = voxels + (other - point)
                shared = np.minimum(voxels[:, None], moved) - np.maximum(voxels[:, None], moved) + window.size
                weight = 1 / np.maximum(shared, 0).prod(axis=2).sum()
            k += weight * (far <= radii)
            if shell < len(radii):
                shells[shell] += weight
    m = len(among) - own
    if correction == "border":
        with np.errstate(invalid="ignore"):
            return k * window.volume / asked / m, shells * window.volume / asked / m
    return k * window.volume**2 / len(points) / m, shells * window.volume**2 / len(points) / m


class TestPairs:
    @pytest.mark.parametrize("correction", ["translation", "border", "none"])
    @pytest.mark.parametrize("kind", ["own", "others"])
    @pytest.mark.parametrize("shape", ["box", "mask"])
    def test_they_are_those_of_brute_force(self, shape, kind, correction):
        window = BOX if shape == "box" else an_l()
        points = random_points(40, window, seed=1)
        others = None if kind == "own" else random_points(30, window, seed=2)
        k, shells = by_hand(points, others, window, RADII, correction)
        np.testing.assert_allclose(
            ripley_k(points, RADII, window, others, correction=correction), k, rtol=1e-10
        )
        np.testing.assert_allclose(
            ripley_l(points, RADII, window, others, correction=correction),
            np.cbrt(0.75 / np.pi * k),
            rtol=1e-10,
        )
        g = pair_correlation(points, RADII, window, others, correction=correction)
        np.testing.assert_allclose(g, shells[1:] / (4 / 3 * np.pi * np.diff(RADII**3)), rtol=1e-10)

    @pytest.mark.parametrize("correction", ["translation", "border"])
    @pytest.mark.parametrize("shape", ["box", "mask"])
    def test_random_places_have_what_poisson_says(self, shape, correction):
        """Without a bias: over many patterns the mean is that of Poisson, although the window is small beside the radii."""
        window = box_window([0, 0, 0], [60, 60, 60]) if shape == "box" else an_l()
        radii = np.array([5.0, 10.0, 15.0])
        patterns = [random_points(150, window, seed) for seed in range(120)]
        k = np.array([ripley_k(each, radii, window, correction=correction) for each in patterns])
        g = np.array(
            [pair_correlation(each, [0, *radii], window, correction=correction) for each in patterns]
        )
        expected = 4 / 3 * np.pi * radii**3
        if correction == "border":
            # Far from the border there may be no point at all.
            assert (np.isfinite(k).mean(axis=0) > 0.5).all()
        for values, mean in ((k / expected, np.ones(3)), (g, np.ones(3))):
            error = np.nanstd(values, axis=0) / np.sqrt(np.isfinite(values).sum(axis=0))
            assert (np.abs(np.nanmean(values, axis=0) - mean) < 4 * error).all()
        without = np.array([ripley_k(each, radii, window, correction="none") for each in patterns])
        assert without[:, -1].mean() < 0.8 * expected[-1], "what the correction is for"

    def test_a_lattice_has_its_neighbours_at_its_distances(self):
        points = np.array(list(product(range(10), repeat=3)), float) * 10 + 5
        window = box_window([0, 0, 0], [100, 100, 100])
        k = ripley_k(points, [9.9, 10, 14, 14.2, 17.3, 17.4], window, correction="border")
        np.testing.assert_allclose(k * 999 / 1e6, [0, 6, 6, 18, 18, 26])
        g = pair_correlation(points, [0, 9.9, 10.1], window, correction="border")
        np.testing.assert_allclose(g, [0, 6 / (0.000999 * 4 / 3 * np.pi * (10.1**3 - 9.9**3))])

    @pytest.mark.parametrize("correction", ["translation", "border"])
    def test_bits_are_those_of_one_thread(self, monkeypatch, correction):
        window = an_l()
        points = random_points(20_000, window)
        radii, found = [1.0, 2.0, 3.5], []
        for threads in (1, 2, 5):
            monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
            found.append(
                (
                    ripley_k(points, radii, window, correction=correction).tobytes(),
                    pair_correlation(points, radii, window, correction=correction).tobytes(),
                    nearest_neighbours(points, k=3).row.tobytes(),
                )
            )
        assert found[0] == found[1] == found[2]

    def test_wrong_input_is_told(self):
        points = random_points(5)
        with pytest.raises(ValueError, match="correction is 'torus'; expected"):
            ripley_k(points, RADII, BOX, correction="torus")
        with pytest.raises(ValueError, match=r"edges\[1\] and edges\[2\] are both 3.0"):
            pair_correlation(points, [0, 3, 3], BOX)
        with pytest.raises(ValueError, match=r"others\[0\] = \[999.0, 0.0, 0.0\] and 0 more are outside"):
            ripley_k(points, RADII, BOX, [[999, 0, 0]])
        with pytest.raises(ValueError, match=r"radii\[0\] is -1.0"):
            ripley_k(points, [-1, 2], BOX)


class TestDensities:
    def test_a_profile_divides_by_the_volume_of_each_slab(self):
        window = an_l()
        points = random_points(500, window)
        edges = np.array([-10.0, 0, 13, 22, 60])
        found = density_profile(points, edges, window, axis=1)
        np.testing.assert_array_equal(found.points, np.histogram(points[:, 1], edges)[0])
        # Six voxels wide up to y = 20, three beyond; the last bin ends behind the window.
        np.testing.assert_allclose(
            found.volume, np.array([60 * 10, 60 * 13, 60 * 7 + 30 * 2, 30 * 28]) * 60.0
        )
        np.testing.assert_allclose(found.density, found.points / found.volume * 1e9)
        assert np.isnan(density_profile(points, [500, 600], window).density[0])

    def test_labels_share_the_points(self):
        labels = np.repeat(np.array([7, 3, 3, 0]), 2)[None, :, None] * np.ones((2, 1, 2), int)
        points = [[0.5, 0.5, 0.5], [1.9, 1.0, 1.9], [0, 7.9, 0], [0, -1, 0], [0, 3, 0]]
        found = label_densities(points, labels, [0, 0, 0], 1)
        assert found.label.tolist() == [0, 3, 7] and found.points.tolist() == [1, 1, 2]
        assert found.volume.tolist() == [8, 16, 8] and found.density[2] == 2e9 / 8

    def test_wrong_input_is_told(self):
        with pytest.raises(ValueError, match="axis is 3; expected"):
            density_profile(random_points(3), [0, 1], BOX, axis=3)
        with pytest.raises(ValueError, match=r"labels are float64\[2, 2, 2\]; expected integers"):
            label_densities([[0, 0, 0]], np.zeros((2, 2, 2)), [0, 0, 0], 1)
        with pytest.raises(ValueError, match="expected positive edges"):
            label_densities([[0, 0, 0]], np.zeros((2, 2, 2), int), [0, 0, 0], 0)
