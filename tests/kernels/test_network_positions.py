"""Volumes, surfaces and somata in them: exact numbers per layer, uniform in space, at a distance; arc distances."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from neuroh5_network import attributes
from scipy import stats
from scipy.spatial import cKDTree

from neurolake.kernels.network.junctions import JunctionRule, JunctionSites, gap_junctions
from neurolake.kernels.network.positions import soma_positions
from neurolake.kernels.network.surfaces import Surface, alpha_shape, closed_surface, convex_hull, inside
from neurolake.kernels.network.volumes import (
    Box,
    arc_distances,
    box_volume,
    rotation,
    sampled_volume,
    volume_coordinates,
    volume_points,
)

BOX = box_volume([0, 0, 0], [1000, 800, 450])
LAYERS = [Box((0, 0, 0), (1000, 800, 100)), Box((0, 0, 100), (1000, 800, 450))]


def shell(n_u: int = 60, n_v: int = 40):
    """A part of a spherical shell: u is the longitude, v the latitude, l the height over a radius of 1,000 um."""

    def function(u, v, l):
        radius = 1000 + l
        return radius * np.cos(u) * np.cos(v), radius * np.sin(u) * np.cos(v), radius * np.sin(v)

    return sampled_volume(function, np.linspace(-1, 1, n_u), np.linspace(-0.9, 0.9, n_v), [0.0, 300.0])


def octahedron(radius: float = 100.0) -> Surface:
    corners = np.concatenate([np.eye(3), -np.eye(3)]) * radius
    faces = [[a, b, c] for a in (0, 3) for b in (1, 4) for c in (2, 5)]
    return closed_surface(corners, faces)


class TestVolumes:
    def test_rotation_is_about_x_then_y_then_z(self):
        np.testing.assert_allclose(rotation([90, 0, 0]) @ [0, 1, 0], [0, 0, 1], atol=1e-15)
        np.testing.assert_allclose(rotation([0, 90, 0]) @ [0, 0, 1], [1, 0, 0], atol=1e-15)
        np.testing.assert_allclose(rotation([0, 0, 90]) @ [1, 0, 0], [0, 1, 0], atol=1e-15)
        np.testing.assert_allclose(rotation([90, 90, 90]) @ [0, 1, 0], [0, 1, 0], atol=1e-15)

    @given(arrays(float, 3, elements=st.floats(-360, 360)))
    def test_rotations_keep_lengths_and_orientation(self, degrees):
        matrix = rotation(degrees)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)

    @settings(deadline=None)
    @given(
        arrays(float, 3, elements=st.floats(-180, 180)),
        arrays(float, (5, 3), elements=st.floats(-200, 1200, width=32)),
    )
    def test_a_box_is_exact_and_reversible(self, degrees, uvl):
        volume = box_volume([0, 0, 0], [1000, 800, 450], degrees)
        xyz = volume_points(volume, uvl)
        np.testing.assert_allclose(xyz, uvl @ rotation(degrees).T, atol=1e-9)
        np.testing.assert_allclose(volume_coordinates(volume, xyz), uvl, atol=1e-7)

    def test_a_shell_is_reversible(self):
        volume, rng = shell(), np.random.default_rng(1)
        uvl = rng.uniform([-1, -0.9, 0], [1, 0.9, 300], (2000, 3))
        np.testing.assert_allclose(volume_coordinates(volume, volume_points(volume, uvl)), uvl, atol=1e-6)

    def test_a_point_out_of_reach_is_none(self):
        flat = sampled_volume(lambda u, v, l: (u, v, 0 * l), [0.0, 1.0], [0.0, 1.0], [0.0, 1.0])
        assert np.isnan(volume_coordinates(flat, [[0.5, 0.5, 1.0]])).all()

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: box_volume([0, 0, 0], [1, 0, 1]), "the second larger"),
            (lambda: rotation([1, 2]), "three finite angles"),
            (lambda: sampled_volume(lambda u, v, l: (u, v, l), [0.0], [0, 1], [0, 1]), "at least two"),
            (
                lambda: sampled_volume(lambda u, v, l: (u, v, np.log(l)), [0, 1], [0, 1], [-1, 1]),
                "not finite",
            ),
            (lambda: sampled_volume(lambda u, v, l: u, [0, 1], [0, 1], [0, 1]), "returned shape"),
            (lambda: volume_points(BOX, [[1, 2]]), "expected \\(n, 3\\)"),
        ],
    )
    def test_arguments_that_make_no_sense(self, make, message):
        with pytest.raises(ValueError, match=message), np.errstate(all="ignore"):
            make()


class TestDistances:
    @settings(deadline=None)
    @given(arrays(float, (4, 3), elements=st.floats(0, 450)), arrays(float, 3, elements=st.floats(-90, 90)))
    def test_in_a_box_they_are_differences_however_it_is_turned(self, uvl, degrees):
        volume = box_volume([0, 0, 0], [1000, 800, 450], degrees)
        found = arc_distances(uvl, volume)
        np.testing.assert_allclose(found.u, uvl[:, 0] - 500, atol=1e-9)
        np.testing.assert_allclose(found.v, uvl[:, 1] - 400, atol=1e-9)
        assert found.reference_u == pytest.approx((-500, 500))
        assert found.reference_v == pytest.approx((-400, 400))
        found = arc_distances(uvl, volume, ("min", 100.0, "max"))
        np.testing.assert_allclose(found.u, uvl[:, 0], atol=1e-9)
        np.testing.assert_allclose(found.v, uvl[:, 1] - 100, atol=1e-9)

    def test_on_a_shell_they_are_arcs_of_the_reference_layer(self):
        rng = np.random.default_rng(1)
        uvl = rng.uniform([-1, -0.9, 0], [1, 0.9, 300], (500, 3))
        found = arc_distances(uvl, shell(200, 200), (0.0, 0.0, 100.0))
        np.testing.assert_allclose(found.u, uvl[:, 0] * 1100, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(found.v, uvl[:, 1] * 1100, rtol=1e-3, atol=1e-6)
        assert found.reference_u == pytest.approx((-1100, 1100), rel=1e-4)

    def test_positions_along_uneven_lines_are_parts_of_their_length(self):
        """x = u squared: half of the line's length lies before u = sqrt(1/2)."""
        volume = sampled_volume(
            lambda u, v, l: (100 * u**2, 100 * v, 100 * l), np.linspace(0, 1, 2001), [0, 1], [0, 1]
        )
        found = arc_distances([[np.sqrt(0.5), 0.5, 0.5], [1.0, 0.5, 0.5]], volume, ("min", "min", "min"))
        assert found.u == pytest.approx([50, 100], rel=1e-5)

    @pytest.mark.parametrize("population", ["STIM", "PYR", "PVBC", "OLM"])
    def test_as_miv_simulator_measured_them(self, shared_data, population):
        file = shared_data / "neuroh5" / "cells.h5"
        place = attributes(file, population, "Coordinates")[1]
        uvl = np.stack([place[f"{axis} Coordinate"] for axis in "UVL"], 1)
        found = arc_distances(uvl, box_volume([0, 0, 0], [1000, 1000, 450]))
        real = attributes(file, population, "Arc Distances")[1]
        np.testing.assert_allclose(found.u, real["U Distance"], atol=1e-3)
        np.testing.assert_allclose(found.v, real["V Distance"], atol=1e-3)

    def test_an_origin_outside(self):
        with pytest.raises(ValueError, match="origin of v is 900"):
            arc_distances([[0, 0, 0]], BOX, ("median", 900.0, "max"))
        with pytest.raises(ValueError, match="origin of u is 'middle'"):
            arc_distances([[0, 0, 0]], BOX, ("middle", "min", "max"))


class TestSurfaces:
    def test_inside_an_octahedron(self):
        points = np.random.default_rng(2).uniform(-110, 110, (20_000, 3))
        np.testing.assert_array_equal(inside(octahedron(), points), abs(points).sum(axis=1) < 100)

    def test_inside_a_body_that_is_not_convex(self):
        """A box with a notch: the alpha shape of points that leave it out."""
        grid = np.stack(np.meshgrid(*[np.arange(0, 61, 10.0)] * 3, indexing="ij"), -1).reshape(-1, 3)
        rng = np.random.default_rng(3)
        notch = ((grid > [25, -1, 35]) & (grid < [65, 61, 65])).all(axis=1)
        points = grid[~notch] + rng.uniform(-1e-4, 1e-4, (len(grid) - notch.sum(), 3))
        surface = alpha_shape(points, 12.0)
        asked = rng.uniform(1, 59, (5000, 3))
        # The corner of the notch is cut off: a prism between three points.
        hole = (asked[:, 0] > 21) & (asked[:, 2] > 31) & (asked[:, 0] + asked[:, 2] > 61)
        solid = (asked[:, 0] < 19) | (asked[:, 2] < 29)
        found = inside(surface, asked)
        assert not found[hole].any()
        assert found[solid].all()
        assert inside(convex_hull(points), asked)[hole].any()

    def test_rays_through_vertices_and_edges_count_once(self):
        surface = octahedron()
        exact = np.array(
            [[0, 0, 0], [0, 0, 50], [50, 0, 10], [0, 25, -5], [0, 0, 150], [0, 0, -150], [50, 0, 90]]
        )
        assert inside(surface, exact.astype(float)).tolist() == [True] * 4 + [False] * 3

    def test_the_orientation_of_triangles_does_not_matter(self):
        surface, rng = octahedron(), np.random.default_rng(4)
        turned = Surface(surface.vertices, rng.permuted(surface.triangles, axis=1))
        points = rng.uniform(-100, 100, (2000, 3))
        np.testing.assert_array_equal(inside(surface, points), inside(turned, points))

    def test_an_open_surface(self):
        surface = octahedron()
        with pytest.raises(ValueError, match=r"the edge from vertex .* belongs to 1 triangles"):
            closed_surface(surface.vertices, surface.triangles[1:])

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: closed_surface(np.eye(3), [[0, 1, 3]]), "expected vertices below 3"),
            (lambda: closed_surface(np.eye(3), [[0, 1]]), "expected integers"),
            (lambda: convex_hull(np.zeros((10, 3))), "make no volume"),
            (lambda: convex_hull(np.eye(3)), "make no volume"),
            (lambda: alpha_shape(octahedron().vertices, 1.0), "use a larger one"),
        ],
    )
    def test_arguments_that_make_no_sense(self, make, message):
        with pytest.raises(ValueError, match=message):
            make()


def place(**more):
    return soma_positions(
        **{"layers": LAYERS, "counts": [300, 700], "volume": BOX, "seed": 1, "population": "PYR"} | more
    )


class TestPositions:
    def test_exact_numbers_in_each_layer_in_the_order_of_u(self):
        found = place()
        assert np.bincount(found.layer).tolist() == [300, 700]
        for code, layer in enumerate(LAYERS):
            rows = found.uvl[found.layer == code]
            assert (rows >= layer.low).all()
            assert (rows <= layer.high).all()
        assert (np.diff(found.uvl[:, 0]) >= 0).all()
        np.testing.assert_allclose(found.xyz, found.uvl, atol=1e-9)

    def test_uniform_along_each_axis(self):
        found = place(counts=[0, 20_000])
        for axis in range(3):
            low, high = LAYERS[1].low[axis], LAYERS[1].high[axis]
            part = (found.uvl[:, axis] - low) / (high - low)
            assert stats.kstest(part, "uniform").pvalue > 1e-3

    def test_uniform_in_space_where_the_volume_is_curved(self):
        """In a shell the latitude's sine and the cube of the radius are uniform, not the coordinates."""
        found = place(layers=[Box((-1, -0.9, 0), (1, 0.9, 300))], counts=[20_000], volume=shell(300, 300))
        radius = np.linalg.norm(found.xyz, axis=1) ** 3
        sine = np.sin(found.uvl[:, 1])
        assert stats.kstest((radius - 1e9) / (1300**3 - 1e9), "uniform").pvalue > 1e-3
        assert stats.kstest((sine / np.sin(0.9) + 1) / 2, "uniform").pvalue > 1e-3
        assert stats.kstest((found.uvl[:, 0] + 1) / 2, "uniform").pvalue > 1e-3

    def test_in_a_surface(self):
        volume = box_volume([-100] * 3, [100] * 3)
        found = place(layers=[octahedron()], counts=[8000], volume=volume)
        away = abs(found.xyz).sum(axis=1) / 100
        assert stats.kstest(away**3, "uniform").pvalue > 1e-3
        np.testing.assert_allclose(found.xyz, found.uvl, atol=1e-6)

    @pytest.mark.parametrize("distance", [1e-3, 5.0, 30.0])
    def test_a_minimum_distance(self, distance):
        others = place(population="STIM", minimum_distance=distance).xyz
        found = place(minimum_distance=distance, taken=others)
        everything = np.concatenate([others, found.xyz])
        nearest = cKDTree(everything).query(everything, 2)[0][:, 1]
        assert nearest.min() >= distance
        if distance == 30.0:
            assert cKDTree(place().xyz).query(place().xyz, 2)[0][:, 1].min() < distance

    def test_more_than_fit(self):
        with pytest.raises(ValueError, match=r"layer 0 has room for \d+ of 300 somata at a distance of 300"):
            place(minimum_distance=300.0)

    def test_a_range_of_z(self):
        found = place(z_ranges=[None, (150.0, 200.0)])
        z = found.xyz[found.layer == 1, 2]
        assert np.bincount(found.layer).tolist() == [300, 700]
        assert (z >= 150).all()
        assert (z <= 200).all()
        with pytest.raises(ValueError, match=r"layer 1 has room for 0 .* within z from 500"):
            place(z_ranges=[None, (500.0, 510.0)])

    def test_a_range_of_z_is_in_space_where_the_box_is_turned(self):
        found = place(
            volume=box_volume([0, 0, 0], [1000, 800, 450], [0, 90, 0]), z_ranges=[(-500.0, 0.0), None]
        )
        assert (found.uvl[found.layer == 0, 0] <= 500).all()

    def test_relaxation_spreads_somata_out_within_their_layers(self):
        still, moved = place(minimum_distance=3.0), place(minimum_distance=3.0, relaxation=10)
        nearest = [cKDTree(each.xyz).query(each.xyz, 2)[0][:, 1] for each in (still, moved)]
        assert nearest[1].mean() > 1.15 * nearest[0].mean()
        assert nearest[1].std() < 0.8 * nearest[0].std()
        assert nearest[1].min() >= 3
        for code, layer in enumerate(LAYERS):
            rows = moved.uvl[moved.layer == code]
            assert len(rows) == (300, 700)[code]
            assert (rows >= np.subtract(layer.low, 1e-9)).all()
            assert (rows <= np.add(layer.high, 1e-9)).all()
        assert (np.diff(moved.uvl[:, 0]) >= 0).all()

    def test_any_number_of_threads_and_any_block_gives_the_same(self, monkeypatch):
        options = {"minimum_distance": 8.0, "relaxation": 2, "counts": [900, 900]}
        found = [place(**options)]
        monkeypatch.setattr("neurolake.kernels.jit.SERIAL_SIZE", 0)
        for threads, block in ((1, 1100), (5, 1 << 20)):
            monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
            monkeypatch.setattr("neurolake.kernels.network.positions._BLOCK", block)
            found.append(place(**options))
        for other in found[1:]:
            for one, two in zip(found[0], other, strict=True):
                np.testing.assert_array_equal(one, two)

    def test_more_in_one_layer_does_not_move_those_of_another(self):
        one, other = place(), place(counts=[301, 700])
        np.testing.assert_array_equal(one.xyz[one.layer == 1], other.xyz[other.layer == 1])
        assert not np.isin(one.xyz, place(population="OLM").xyz).any()

    def test_no_cells(self):
        assert len(place(counts=[0, 0]).xyz) == 0

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"counts": [1]}, "2 layers have 1 counts"),
            ({"counts": [1, -1]}, "not negative"),
            ({"z_ranges": [None]}, "1 ranges"),
            ({"z_ranges": [None, (2.0, 1.0)]}, "range of z is"),
            ({"layers": [Box((0, 0, 0), (1, 0, 1))], "counts": [1]}, "the second larger"),
            ({"taken": [1.0, 2.0]}, "taken has shape"),
        ],
    )
    def test_arguments_that_make_no_sense(self, more, message):
        with pytest.raises(ValueError, match=message):
            place(**more)


SITES = JunctionSites(
    np.array([3, 5, 9], np.int32), np.array([10.0, 60.0, 200.0]), np.array([50.0, 40.0, 100.0])
)
RULE = JunctionRule(0.3, (5.0, 120.0), (-0.005, 1.0), 0.5, (-0.002, 1.0))


def join(source, target=None, rule=RULE, **more):
    return gap_junctions(source, target, SITES, SITES, rule, **{"seed": 1, "projection": "PVBC__PVBC"} | more)


class TestGapJunctions:
    somata = np.random.default_rng(7).uniform(0, 200, (150, 3))

    def pairs(self):
        away = np.linalg.norm(self.somata[:, None] - self.somata, axis=2)
        a, b = np.nonzero(np.triu(np.ones_like(away), 1) * (away >= 5) * (away <= 120))
        return a, b, away[a, b]

    def test_as_many_pairs_in_reach_as_configured_each_once(self):
        found = join(self.somata)
        a, b, _ = self.pairs()
        assert len(found.source_node_id) == round(0.3 * len(a))
        mine = set(zip(found.source_node_id.tolist(), found.target_node_id.tolist(), strict=True))
        assert len(mine) == len(found.source_node_id)
        assert mine <= set(zip(a.tolist(), b.tolist(), strict=True))
        order = np.lexsort((found.source_node_id, found.target_node_id))
        np.testing.assert_array_equal(order, np.arange(len(order)))

    def test_pairs_are_drawn_as_one_after_the_other_without_replacement(self):
        """The distances of 40 draws, against NumPy's choice with weights: a shift by 2 um would fail."""
        a, _, away = self.pairs()
        weight = np.maximum(1 - 0.005 * away, 0)
        rng, his = np.random.default_rng(3), []
        mine = []
        for seed in range(40):
            found = join(self.somata, seed=seed)
            ends = self.somata[found.source_node_id] - self.somata[found.target_node_id]
            mine.append(np.linalg.norm(ends, axis=1).mean())
            taken = rng.choice(len(a), round(0.3 * len(a)), replace=False, p=weight / weight.sum())
            his.append(away[taken].mean())
        assert abs(np.mean(mine) - np.mean(his)) < 4 * np.hypot(np.std(mine), np.std(his)) / np.sqrt(40)
        assert np.mean(mine) < away.mean() - 1

    def test_sections_places_and_couplings(self):
        found = join(self.somata)
        for section, place_, coupling in (
            (found.source_section_id, found.source_section_pos, found.source_coupling),
            (found.target_section_id, found.target_section_pos, found.target_coupling),
        ):
            assert stats.chisquare(np.bincount(section)[[3, 5, 9]]).pvalue > 1e-3
            assert stats.kstest(place_, "uniform").pvalue > 1e-3
            site = np.searchsorted(SITES.section_id, section)
            away = SITES.soma_distance[site] + place_ * SITES.length[site]
            np.testing.assert_allclose(coupling, 0.5 * (1 - 0.002 * away), rtol=1e-5)

    def test_between_two_populations(self):
        others = self.somata[:40] + 1.0
        found = join(self.somata, others, RULE._replace(probability=1.0, weight=(1.0,)))
        away = np.linalg.norm(self.somata[:, None] - others, axis=2)
        assert len(found.source_node_id) == ((away >= 5) & (away <= 120)).sum()

    def test_any_number_of_threads_gives_the_same(self, monkeypatch):
        one = join(self.somata)
        monkeypatch.setattr("neurolake.kernels.jit.SERIAL_SIZE", 0)
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 5)
        for two, other in zip(one, join(self.somata), strict=True):
            np.testing.assert_array_equal(two, other)

    def test_nobody_in_reach(self):
        assert len(join(self.somata[:1]).source_node_id) == 0
        assert len(join(np.empty((0, 3))).source_node_id) == 0

    @pytest.mark.parametrize(
        ("rule", "message"),
        [
            (RULE._replace(probability=1.5), "probability is 1.5"),
            (RULE._replace(reach=(9.0, 1.0)), "reach is"),
            (RULE._replace(weight=(-1.0,)), "0 of them have a positive weight"),
        ],
    )
    def test_rules_that_make_no_sense(self, rule, message):
        with pytest.raises(ValueError, match=message):
            join(self.somata, rule=rule)
