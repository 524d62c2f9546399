"""Convex polyhedra: parts of segments and shared volumes are those of hulls, half-spaces and cubes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError
from small_glia import SCALE, SIDE, centres, cube

from neurolake.kernels.points import polytopes, segments_inside, shared_volumes


def hulls(n: int, seed: int, apart: float = 6.0, corners: int = 14):
    """Hulls of random points: each face of a hull is a triangle."""
    chance = np.random.default_rng(seed)
    points, triangles, sizes = [], [], []
    for middle in chance.uniform(0, apart * n ** (1 / 3), (n, 3)):
        hull = ConvexHull(chance.normal(middle, 3.0, (corners, 3)))
        used, numbers = np.unique(hull.simplices, return_inverse=True)
        points.append(hull.points[used])
        triangles.append(numbers.reshape(-1, 3))
        sizes.append((len(used), len(hull.simplices)))
    offsets = np.concatenate([[[0, 0]], np.cumsum(sizes, axis=0)])
    faces = np.concatenate([np.arange(len(each)) for each in triangles])
    return polytopes(np.concatenate(points), np.concatenate(triangles), faces, *offsets.T), points


def lattice():
    corners, triangles = cube()
    middle = centres()
    points = (corners * SIDE * SCALE / 2 + middle[:, None]).reshape(-1, 3)
    every = np.tile(triangles, (len(middle), 1))
    return polytopes(points, every[:, 1:], every[:, 0], 8 * np.arange(28), 12 * np.arange(28))


def test_triangles_of_a_face_are_one_plane():
    shapes = lattice()
    assert shapes.size == 27 and (np.diff(shapes.offsets) == 6).all()
    np.testing.assert_allclose(np.abs(shapes.planes[:, :3]).max(axis=1), 1)
    np.testing.assert_allclose(shapes.low[0], 10 - 11)


def test_cubes_share_what_they_overlap():
    shapes = lattice()
    pairs = [(0, 0), (0, 1), (1, 0), (0, 4), (0, 13), (0, 2), (13, 26)]
    wide, thin = SIDE * SCALE, SIDE * (SCALE - 1)
    expected = [wide**3, wide**2 * thin, wide**2 * thin, wide * thin**2, thin**3, 0, thin**3]
    np.testing.assert_allclose(shared_volumes(shapes, pairs), expected, rtol=1e-12)


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_hulls_share_what_their_halfspaces_do(seed):
    shapes, points = hulls(4, seed, apart=2.0)
    pairs = [(i, j) for i in range(4) for j in range(i, 4)]
    found = shared_volumes(shapes, pairs)
    for (i, j), volume in zip(pairs, found, strict=True):
        if i == j:
            assert volume == pytest.approx(ConvexHull(points[i]).volume, rel=1e-9)
            continue
        planes = np.concatenate([shapes.planes[shapes.offsets[k] : shapes.offsets[k + 1]] for k in (i, j)])
        inside = np.random.default_rng(0).uniform(shapes.low[i], shapes.high[i], (4000, 3))
        inside = inside[(inside @ planes[:, :3].T < planes[:, 3] - 1e-3).all(axis=1)]
        if not len(inside):
            assert volume < 0.02 * ConvexHull(points[i]).volume
            continue
        halves = np.column_stack([planes[:, :3], -planes[:, 3]])
        try:
            expected = ConvexHull(HalfspaceIntersection(halves, inside[0]).intersections).volume
        except QhullError:
            continue
        assert volume == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_parts_of_segments_are_those_whose_points_are_inside():
    shapes, _ = hulls(30, 3)
    chance = np.random.default_rng(1)
    starts = chance.uniform(-2, 22, (400, 3))
    ends = starts + chance.normal(0, 4, (400, 3))
    found = segments_inside(shapes, starts, ends)
    order = np.lexsort((found.segment, found.polytope))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    t = (np.arange(2000) + 0.5) / 2000
    places = starts[:, None] + t[:, None] * (ends - starts)[:, None]
    shares = np.zeros((30, 400))
    shares[found.polytope, found.segment] = found.end - found.begin
    for k in range(30):
        planes = shapes.planes[shapes.offsets[k] : shapes.offsets[k + 1]]
        inside = (places @ planes[:, :3].T <= planes[:, 3]).all(axis=2)
        np.testing.assert_allclose(shares[k], inside.mean(axis=1), atol=1.1e-3)
    assert len(found.segment) > 100


def test_wrong_input_is_told():
    corners, triangles = cube()
    with pytest.raises(ValueError, match=r"triangles\[0\] is .*; its polyhedron has 2 points"):
        polytopes(corners[:2], triangles[:, 1:], triangles[:, 0], [0, 2], [0, 12])
    with pytest.raises(ValueError, match="point_offsets are of 2 polyhedra, others of 1"):
        polytopes(corners, triangles[:, 1:], triangles[:, 0], [0, 4, 8], [0, 12])
    with pytest.raises(ValueError, match=r"pairs\[1\] is \[0, 27\]; there are 27 polyhedra"):
        shared_volumes(lattice(), [[0, 1], [0, 27]])
    with pytest.raises(ValueError, match="there are 1 starts and 2 ends"):
        segments_inside(lattice(), [[0, 0, 0]], [[0, 0, 0], [1, 1, 1]])
