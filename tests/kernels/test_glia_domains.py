"""Domains: power diagrams tile their box, are who is nearest by power distance, and are those that ArchNGV makes."""

import gzip
import io

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, cKDTree

from neurolake.kernels import jit
from neurolake.kernels.glia.domains import Domains, power_domains
from neurolake.kernels.glia.regions import pieces, region_of
from neurolake.kernels.glia.shapes import (
    domain_measures,
    overlap_scale,
    polyhedron_measures,
    region_domains,
    scaled_domains,
    within_region,
)


def spheres(n, seed=0, side=100.0, spread=3.0):
    random = np.random.default_rng(seed)
    return random.uniform(0, side, (n, 3)), random.uniform(0, spread, n)


def rows(domains, i):
    points = domains.points[domains.point_offsets[i] : domains.point_offsets[i + 1]]
    return points, slice(domains.triangle_offsets[i], domains.triangle_offsets[i + 1])


def planes(domains, i):
    """Outward normal and a point of each triangle, without those of no area."""
    points, at = rows(domains, i)
    a, b, c = points[domains.triangles[at]].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    size = np.linalg.norm(normals, axis=1)
    whole = size > 1e-9
    return normals[whole] / size[whole, None], a[whole]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 10**6), st.floats(0.0, 20.0))
def test_domains_tile_the_box_and_hold_what_is_nearest_by_power_distance(n, seed, spread):
    centres, radii = spheres(n, seed, spread=spread)
    domains = power_domains(centres, radii, [0, 0, 0], [100, 100, 100])
    assert domain_measures(domains).volume.sum() == pytest.approx(1e6, rel=1e-10)
    where = np.random.default_rng(seed + 1).uniform(0, 100, (200, 3))
    power = ((where[:, None] - centres) ** 2).sum(axis=2) - radii**2
    for i in range(n):
        if domains.point_offsets[i] == domains.point_offsets[i + 1]:
            assert (power.argmin(axis=1) != i).all()
            continue
        normals, on = planes(domains, i)
        depth = (np.einsum("fk,pfk->pf", normals, where[:, None] - on)).max(axis=1)
        sure = abs(depth) > 1e-7
        np.testing.assert_array_equal((depth < 0)[sure], (power.argmin(axis=1) == i)[sure])


def test_neighbours_share_a_face_of_one_area_and_walls_are_named():
    domains = power_domains(*spheres(300), [0, 0, 0], [100, 100, 100])
    measures = domain_measures(domains)
    owner = np.repeat(np.arange(300), np.diff(domains.triangle_offsets))
    shared: dict[tuple[int, int], float] = {}
    for one, other, area in zip(owner, domains.neighbors, measures.triangle_area, strict=True):
        shared[one, other] = shared.get((one, other), 0.0) + area
    for (one, other), area in shared.items():
        if other >= 0:
            assert shared[other, one] == pytest.approx(area, abs=1e-6)
    for wall in range(6):
        beyond = domains.neighbors == -1 - wall
        assert measures.triangle_area[beyond].sum() == pytest.approx(1e4)
        assert not np.diff(domains.faces[beyond & (owner == 0)]).any()
        for i in np.unique(owner[beyond])[:5]:
            points, at = rows(domains, i)
            touching = domains.triangles[at][domains.neighbors[at] == -1 - wall]
            assert np.allclose(points[touching][..., wall // 2], 100.0 * (wall % 2))


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_bits_come_out_with_any_number_of_threads(monkeypatch, threads):
    given_spheres = spheres(500)
    whole = power_domains(*given_spheres, [0, 0, 0], [100, 100, 100])
    monkeypatch.setattr(jit.numba.config, "NUMBA_NUM_THREADS", threads)
    again = power_domains(*given_spheres, [0, 0, 0], [100, 100, 100])
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shift", [0.0, 1e-13, 1e-9])
def test_a_lattice_has_cubes_for_domains(shift):
    """Up to 8 planes meet in each vertex."""
    lattice = np.stack(np.meshgrid(*[np.arange(6) * 10.0 + 5.0] * 3), -1).reshape(-1, 3)
    lattice = lattice + shift * np.random.default_rng(0).normal(size=lattice.shape)
    domains = power_domains(lattice, np.full(216, 2.0), [0, 0, 0], [60, 60, 60])
    np.testing.assert_allclose(domain_measures(domains).volume, 1000.0, rtol=1e-6)


def test_somata_beyond_the_box_and_none_at_all():
    domains = power_domains([[-5.0, 5, 5], [5, 5, 5]], [1.0, 1.0], [0, 0, 0], [10, 10, 10])
    np.testing.assert_allclose(domain_measures(domains).volume, [0.0, 1000.0])
    assert power_domains(np.zeros((0, 3)), [], [0, 0, 0], [1, 1, 1]).size == 0
    with pytest.raises(ValueError, match=r"centres\[0\] and centres\[1\] are both"):
        power_domains([[5.0, 5, 5], [5, 5, 5]], [1.0, 1.0], [0, 0, 0], [10, 10, 10])
    with pytest.raises(ValueError, match="expected to rise"):
        power_domains([[5.0, 5, 5]], [1.0], [0, 0, 0], [10, 0, 10])


def test_overlap_is_what_the_scale_was_made_for():
    overlap = np.linspace(0.0, 1.9, 39)
    scale = overlap_scale(overlap)
    np.testing.assert_allclose((scale**3 - (2 - scale) ** 3) / scale**3, overlap, atol=1e-12)
    with pytest.raises(ValueError, match=r"overlap\[1\] is 2.0"):
        overlap_scale([0.1, 2.0])


def test_scaled_domains_grow_about_their_mean_and_stop_at_the_box():
    domains = power_domains(*spheres(60), [0, 0, 0], [100, 100, 100])
    grown = scaled_domains(domains, np.full(60, 1.1), [-1e3] * 3, [1e3] * 3)
    np.testing.assert_allclose(domain_measures(grown).volume, domain_measures(domains).volume * 1.1**3)
    np.testing.assert_allclose(domain_measures(grown).mean, domain_measures(domains).mean)
    within = scaled_domains(domains, np.full(60, 1.1), [0] * 3, [100] * 3)
    assert within.points.min() == 0.0 and within.points.max() == 100.0


def test_domains_of_two_pieces_have_neighbours_of_their_own_piece_by_their_number_among_all():
    mask = np.zeros((9, 4, 4))
    mask[:4], mask[5:] = 1, 2
    region = region_of(mask, [0, 0, 0], [10, 10, 10])
    found, labels = pieces(region)
    assert [part.size for part in found] == [64, 64] and labels[4].max() == -1
    np.testing.assert_array_equal(found[1].low, [50, 0, 0])
    centres, radii = spheres(80, side=40.0)
    centres[::3, 0] += 50.0
    domains, box = region_domains(centres, radii, region)
    assert domain_measures(domains).volume.sum() == pytest.approx(128e3)
    np.testing.assert_array_equal(box[0][:, 0], np.where(np.arange(80) % 3, 0.0, 50.0))
    owner = np.repeat(np.arange(80), np.diff(domains.triangle_offsets))
    inner = domains.neighbors >= 0
    assert ((owner[inner] % 3 == 0) == (domains.neighbors[inner] % 3 == 0)).all()
    single = power_domains(centres[::3], radii[::3], [50, 0, 0], [90, 40, 40])
    np.testing.assert_allclose(
        domain_measures(single).volume, domain_measures(domains).volume[::3], rtol=1e-9
    )


def test_vertices_outside_of_the_region_come_in_to_the_nearest_ones_distance():
    mask = np.ones((10, 10, 10))
    mask[5:, 5:] = 0
    region = region_of(mask, [0, 0, 0], [10, 10, 10])
    centres, radii = spheres(40)
    held = region.holds(centres)
    centres, radii = centres[held], radii[held]
    domains, _ = region_domains(centres, radii, region)
    kept = within_region(domains, centres, region)
    assert region.holds(np.minimum(kept.points, 100 - 1e-6)).mean() > region.holds(domains.points).mean()
    for i in range(len(centres)):
        before, after = rows(domains, i)[0], rows(kept, i)[0]
        moved = ~region.holds(np.minimum(before, 100 - 1e-5))
        nearest = np.linalg.norm(before - centres[i], axis=1).min()
        np.testing.assert_allclose(np.linalg.norm(after - centres[i], axis=1)[moved], nearest, rtol=1e-6)
        np.testing.assert_allclose(after[~moved], before[~moved], atol=2e-5)


def test_measures_of_a_box_turned_any_way():
    corners = np.stack(np.meshgrid([0.0, 2], [0.0, 3], [0.0, 4], indexing="ij"), -1).reshape(-1, 3)
    hull = ConvexHull(corners)
    found = polyhedron_measures(corners, hull.simplices, [0, 8, 8], [0, 12, 12])
    np.testing.assert_allclose(found.volume, [24.0, 0.0])
    np.testing.assert_allclose(found.area, [52.0, 0.0])
    np.testing.assert_allclose(found.centroid[0], [1, 1.5, 2])
    assert np.isnan(found.low[1]).all() and found.high[0].tolist() == [2, 3, 4]
    with pytest.raises(ValueError, match=r"triangles\[0\] is \[0, 1, 8\]"):
        polyhedron_measures(corners, [[0, 1, 8]], [0, 8], [0, 1])


def grouped(file):
    data, offsets = file["data"], file["offsets"]
    triangles = data["triangle_data"][:]
    return (
        Domains(
            data["points"][:].astype(float),
            triangles[:, 1:],
            triangles[:, 0],
            data["neighbors"][:],
            offsets["points"][:],
            offsets["triangle_data"][:],
        ),
        data["scaling_factors"][:],
    )


def astrocytes(path):
    with h5py.File(path) as file:
        node = file["nodes/astrocytes/0"]
        return np.stack([node[axis][:] for axis in "xyz"], axis=1), node["radius"][:]


def hulls(domains, chosen):
    return np.array([ConvexHull(rows(domains, i)[0]).volume for i in chosen])


def test_domains_are_those_of_archngvs_functional_test(shared_data):
    folder = shared_data / "ngv" / "functional_expected"
    with h5py.File(folder / "microdomains.h5") as file:
        expected, scale = grouped(file)
    centres, radii = astrocytes(folder / "sonata/networks/nodes/astrocytes/nodes.h5")
    region = region_of(np.ones((10, 10, 10)), [0, 0, 0], [7, 7, 7])
    domains, box = region_domains(centres, radii, region)
    assert domain_measures(domains).volume.sum() == pytest.approx(70.0**3)
    found = within_region(scaled_domains(domains, scale, *box), centres, region)
    # Faces at the walls are not plane after clipping, so triangulations differ; vertices do not.
    np.testing.assert_allclose(hulls(found, range(5)), hulls(expected, range(5)), rtol=1e-6)
    for i in range(5):
        one, other = rows(found, i)[0], rows(expected, i)[0]
        assert len(one) == len(other) and cKDTree(one).query(other)[0].max() < 1e-5
        assert set(found.neighbors[rows(found, i)[1]]) == set(expected.neighbors[rows(expected, i)[1]])


def test_domains_are_those_of_archngvs_2000_astrocytes(shared_data):
    folder = shared_data / "ngv" / "L2000"
    with h5py.File(io.BytesIO(gzip.decompress((folder / "microdomains.h5.gz").read_bytes()))) as file:
        expected, scale = grouped(file)
    centres, radii = astrocytes(folder / "astrocytes_nodes.h5")
    domains = power_domains(centres, radii, [0] * 3, [500] * 3)
    found = scaled_domains(domains, scale, [0] * 3, [500] * 3)
    # ArchNGV takes vertices on the far walls, 500 µm away in float32, for outside of the region.
    high = domain_measures(found).high
    inner = (high < 500).all(axis=1)
    assert inner.sum() > 1500
    volumes = [domain_measures(each).volume for each in (found, expected)]
    whole = inner & (domain_measures(found).low > 0).all(axis=1)
    np.testing.assert_allclose(volumes[0][whole], volumes[1][whole], rtol=1e-4)
    chosen = np.flatnonzero(inner & ~whole)[:100]
    np.testing.assert_allclose(hulls(found, chosen), hulls(expected, chosen), rtol=1e-4)
    for i in range(2000):
        assert set(found.neighbors[rows(found, i)[1]]) == set(expected.neighbors[rows(expected, i)[1]])
