"""Surfaces of vessels are closed and of the right size; waves on them take the shortest way; endfeet keep to their areas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurolake.kernels.nearby import nearest_points, point_grid
from neurolake.kernels.vessels import surfaces
from neurolake.kernels.vessels.endfeet import endfeet_of
from neurolake.kernels.vessels.fronts import (
    marched_waves,
    start_vertices,
    triangle_areas,
    triangle_mesh,
    uneven_edges,
)
from neurolake.kernels.vessels.surfaces import vessel_surface


def sheet(rows, columns, closed=False):
    """Two triangles for each square of a grid of vertices; columns of a closed one go round."""
    at = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        at = np.concatenate([at, at[:, :1]], axis=1)
    a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]
    halves = [np.stack(each, -1).reshape(-1, 3) for each in ([a, b, c], [a, c, d])]
    return np.concatenate(halves)


def plane(n=41, seed=0, shake=0.2):
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(n, dtype=float), np.arange(n, dtype=float), indexing="ij")
    points = np.stack([x.ravel(), y.ravel()], axis=1) + random.uniform(-shake, shake, (n * n, 2))
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0][:2]
    return triangle_mesh(points @ turn, sheet(n, n)), points


def cylinder(radius=5.0, length=60, around=64):
    angle = 2 * np.pi * np.arange(around) / around
    z = np.arange(0.0, length, 0.5)
    points = np.stack(
        [
            np.tile(radius * np.cos(angle), len(z)),
            np.tile(radius * np.sin(angle), len(z)),
            np.repeat(z, around),
        ],
        1,
    )
    return triangle_mesh(points, sheet(len(z), around, closed=True)), np.tile(angle, len(z)), points[:, 2]


@pytest.mark.parametrize("seed", range(3))
def test_a_wave_on_a_plane_takes_the_straight_way(seed):
    mesh, points = plane(seed=seed)
    start = 20 * 41 + 20
    time = marched_waves(mesh, [start]).time
    exact = np.linalg.norm(points - points[start], axis=1)
    # Long ways around the corners of triangles are the only error.
    assert (time >= exact - 1e-9).all() and (time - exact).max() < 0.03 * exact.max()
    assert abs(time - exact).mean() < 1e-3 * exact.mean()


def test_a_wave_on_a_cylinder_takes_the_shortest_way_around():
    mesh, angle, z = cylinder()
    start = 60 * 64 + 7
    time = marched_waves(mesh, [start]).time
    turn = np.abs(angle - angle[start])
    exact = np.hypot(5.0 * np.minimum(turn, 2 * np.pi - turn), z - z[start])
    near = exact < 25.0
    np.testing.assert_allclose(time[near], exact[near], rtol=5e-3, atol=1e-2)


def test_waves_meet_half_way_and_stop_at_the_cutoff():
    mesh, points = plane(shake=0.0)
    starts = [20 * 41 + 5, 20 * 41 + 35, -1]
    waves = marched_waves(mesh, starts)
    nearer = np.linalg.norm(points[:, None] - points[starts[:2]], axis=2)
    clear = abs(nearer[:, 0] - nearer[:, 1]) > 1e-6
    np.testing.assert_array_equal(waves.wave[clear], nearer.argmin(axis=1)[clear])
    short = marched_waves(mesh, starts, cutoff=8.1)
    np.testing.assert_array_equal(short.wave >= 0, nearer.min(axis=1) < 8.1)
    assert np.isinf(short.time[short.wave < 0]).all()


def test_waves_that_cannot_start():
    mesh, _ = plane(n=5)
    with pytest.raises(ValueError, match="expected vertices from 0 to 24, or -1"):
        marched_waves(mesh, [25])
    with pytest.raises(ValueError, match="two waves start from one vertex"):
        marched_waves(mesh, [3, 3])
    with pytest.raises(ValueError, match=r"triangles\[0\] is \[0, 1, 9\]"):
        triangle_mesh(np.zeros((3, 3)), [[0, 1, 9]])


def test_starts_at_one_vertex_move_apart_and_the_nearest_stays():
    mesh, points = plane(shake=0.0)
    middle = mesh.points[20 * 41 + 20]
    step = mesh.points[20 * 41 + 21] - middle
    found = start_vertices(mesh, [middle + 0.2 * step, middle, middle + 0.1 * step])
    assert found[1] == 20 * 41 + 20 and (found >= 0).all()
    away = np.linalg.norm(points[found][:, None] - points[found], axis=2) + 9 * np.eye(3)
    assert away.min() >= 2.0 and away[1][[0, 2]].max() < 8.0
    tiny = triangle_mesh(np.eye(3), [[0, 1, 2]])
    assert start_vertices(tiny, [[1, 0, 0], [0.9, 0, 0], [0, 1, 0]]).tolist() == [0, -1, 1]


def test_endfeet_are_no_larger_than_what_the_distribution_has_at_their_quantile():
    mesh, _, _ = cylinder()
    random = np.random.default_rng(0)
    starts = random.choice(len(mesh.points), 12, replace=False)
    waves = marched_waves(mesh, starts)
    areas, thickness = (60.0, 10.0, 0.0, 100.0), (1.0, 0.1, 0.01, 2.0)
    found = endfeet_of(mesh, waves, 12, areas, thickness, seed=1)
    largest = triangle_areas(mesh).max()
    target = np.empty(12)
    quantile = stats.truncnorm(-6.0, 4.0, 60.0, 10.0)
    target[np.argsort(found.grown_area)] = quantile.ppf(np.arange(1, 13) / 12)
    target = np.minimum(target, found.grown_area)
    assert (found.area <= target + 1e-9).all() and (found.area > target - largest - 1e-9).all()
    assert (found.thickness >= 0.01).all() and (found.thickness <= 2.0).all()
    for i in range(12):
        points = found.points[found.point_offsets[i] : found.point_offsets[i + 1]]
        corners = found.triangles[found.triangle_offsets[i] : found.triangle_offsets[i + 1]]
        assert triangle_areas(triangle_mesh(points, corners)).sum() == pytest.approx(found.area[i])
        assert set(corners.ravel()) == set(range(len(points)))
        # What is left is what was reached first: a disc around the start.
        reach = np.linalg.norm(points - mesh.points[starts[i]], axis=1).max()
        assert reach < 3.0 * np.sqrt(found.area[i] / np.pi) + 2.0


def test_endfeet_that_did_not_grow_are_empty():
    mesh, _ = plane(n=9)
    waves = marched_waves(mesh, [40, -1])
    found = endfeet_of(mesh, waves, 2, (1e4, 1.0, 0.0, 1e5), (1.0, 0.1, 0.5, 2.0), seed=1)
    assert found.area[0] == pytest.approx(triangle_areas(mesh).sum())
    assert found.area[1] == found.thickness[1] == 0 and found.point_offsets.tolist() == [0, 81, 81]
    with pytest.raises(ValueError, match="expected mean"):
        endfeet_of(mesh, waves, 2, (1.0, 1.0, 3.0, 2.0), (1.0, 0.1, 0.5, 2.0), seed=1)


def volume(mesh):
    a, b, c = (mesh.points[mesh.triangles[:, corner]] for corner in range(3))
    return np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6


def test_the_surface_of_a_vessel_is_closed_and_of_its_size():
    mesh = vessel_surface([[0, 0, 0]], [[18, 6, 0]], [4.0], [4.0], 0.4)
    assert not len(uneven_edges(mesh))
    long = np.hypot(18, 6)
    assert volume(mesh) == pytest.approx(np.pi * 16 * long + 4 / 3 * np.pi * 64, rel=0.01)
    assert triangle_areas(mesh).sum() == pytest.approx(2 * np.pi * 4 * long + 4 * np.pi * 16, rel=0.01)
    away = np.linalg.norm(
        mesh.points - np.clip(mesh.points @ [18, 6, 0] / long**2, 0, 1)[:, None] * [18, 6, 0], axis=1
    )
    assert abs(away - 4.0).max() < 0.05


def tree(n, seed):
    random = np.random.default_rng(seed)
    points = np.cumsum(random.normal(0, 6, (n + 1, 3)), axis=0)
    radii = random.uniform(1.5, 4.0, n + 1)
    return points[:-1], points[1:], radii[:-1], radii[1:]


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 30), st.integers(0, 10**6))
def test_any_vessels_have_a_closed_surface(n, seed):
    mesh = vessel_surface(*tree(n, seed), 0.8)
    odd = uneven_edges(mesh)
    # Where two vessels almost touch, an edge may have four triangles; none has one or three.
    assert (odd[:, 2] % 2 == 0).all() and len(odd) < 0.01 * len(mesh.triangles)
    assert volume(mesh) > 0


def test_the_surface_does_not_depend_on_blocks(monkeypatch):
    whole = vessel_surface(*tree(20, 1), 0.8)
    monkeypatch.setattr(surfaces, "_BLOCK", 7)
    parts = vessel_surface(*tree(20, 1), 0.8)
    np.testing.assert_array_equal(whole.points, parts.points)
    assert {tuple(sorted(row)) for row in whole.triangles} == {tuple(sorted(row)) for row in parts.triangles}


@pytest.mark.parametrize(
    ("radius", "voxel", "message"),
    [
        (0.01, 1.0, "no vessel is thick enough"),
        (-1.0, 1.0, "more than 0 um"),
        (1.0, 0.0, "a length above 0 um"),
        (1.0, 1e-18, "too large"),
    ],
)
def test_surfaces_that_cannot_be_made(radius, voxel, message):
    with pytest.raises(ValueError, match=message):
        vessel_surface([[0.3, 0.3, 0.3]], [[9.3, 0.3, 0.3]], [radius], [radius], voxel)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(0, 10**6), st.sampled_from([(1, 1, 1), (1, 1, 0), (1, 0, 0)]))
def test_the_nearest_point_is_that_of_brute_force(n, seed, spread):
    random = np.random.default_rng(seed)
    points = random.uniform(0, 10, (n, 3)) * spread
    queries = random.uniform(-5, 15, (50, 3))
    found, distance = nearest_points(point_grid(points), queries)
    away = np.linalg.norm(queries[:, None] - points, axis=2)
    np.testing.assert_allclose(distance, away.min(axis=1))
    np.testing.assert_allclose(away[np.arange(50), found], away.min(axis=1))
