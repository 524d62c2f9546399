"""Endfeet on vessels: as ArchNGV places them, and as geometry says."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ngv_data import archngv_counts, opened, planes_of, somata_of, triples, vessels_of
from scipy.spatial import ConvexHull

from neurolake.kernels.glia.planes import DomainPlanes, domain_planes
from neurolake.kernels.glia.projection import Endfeet, endfeet
from neurolake.kernels.glia.reachout import Reached, reached_targets
from neurolake.kernels.glia.targets import (
    DomainTargets,
    VesselSegments,
    VesselTargets,
    targets_in_domains,
    vessel_targets,
)


def built(planes: DomainPlanes, vessels: VesselSegments, somata: np.ndarray, counts: np.ndarray) -> Endfeet:
    targets = vessel_targets(vessels, 0.17)
    found = reached_targets(targets, targets_in_domains(targets, planes), planes, counts)
    return endfeet(somata, targets, found, vessels, reproduce="archngv")


def test_five_astrocytes_have_archngvs_endfeet(shared_data: Path) -> None:
    folder = shared_data / "ngv" / "functional_expected"
    nodes = folder / "sonata" / "networks" / "nodes"
    found = built(
        planes_of(folder / "microdomains.h5"),
        vessels_of(nodes / "vasculature" / "nodes.h5"),
        somata_of(nodes / "astrocytes" / "nodes.h5"),
        archngv_counts(5, (2, 2, 0, 15)),
    )
    with opened(folder / "sonata.tmp" / "edges" / "gliovascular.connectivity.h5") as file:
        expected = file["edges/gliovascular"]
        np.testing.assert_array_equal(found.astrocyte, expected["target_node_id"])
        np.testing.assert_array_equal(found.segment, expected["source_node_id"])
        surface = triples(expected["0"], "endfoot_surface_{}")
    np.testing.assert_allclose(found.surface, surface, rtol=0, atol=1e-3)


def test_two_thousand_astrocytes_have_archngvs_endfeet_but_for_rounding(shared_data: Path) -> None:
    folder = shared_data / "ngv" / "L2000"
    found = built(
        planes_of(folder / "microdomains.h5.gz"),
        vessels_of(folder / "vasculature_nodes.h5.gz"),
        somata_of(folder / "astrocytes_nodes.h5"),
        archngv_counts(2000, (2, 2, 0, 15)),
    )
    with opened(folder / "gliovascular.connectivity.h5") as file:
        expected = file["edges/gliovascular"]
        theirs = set(zip(expected["target_node_id"][:], expected["source_node_id"][:], strict=True))
    ours = set(zip(found.astrocyte.tolist(), found.segment.tolist(), strict=True))
    # Where a root lies at the end of a segment, float32 decides; their sums are those of a BLAS library.
    assert len(theirs - ours) + len(ours - theirs) < 0.005 * len(theirs)


def test_targets_lie_at_equal_distances_of_the_way() -> None:
    corners = np.cumsum([[0, 0, 0], [10, 0, 0], [0, 3, 0], [0, 0, 7], [5, 0, 0]], axis=0).astype(np.float32)
    n = len(corners) - 1
    vessels = straight(corners[:-1], corners[1:], np.full(n, 2), np.full(n, 4))
    targets = vessel_targets(vessels, 0.5)
    along = np.array([0, 10, 13, 20])[targets.segment] + np.linalg.norm(
        targets.points - corners[targets.segment], axis=1
    )
    np.testing.assert_allclose(along, 2.0 * np.arange(len(along)), atol=1e-12)
    assert len(along) in (12, 13)
    np.testing.assert_array_equal(targets.radius, np.ones(len(along)))


def straight(start: np.ndarray, end: np.ndarray, thin: np.ndarray, thick: np.ndarray) -> VesselSegments:
    """Segments that follow each other, each a section of its own."""
    numbers = np.arange(len(start))
    return VesselSegments(
        np.float32(start),
        np.float32(end),
        np.float32(thin),
        np.float32(thick),
        numbers,
        numbers + 1,
        numbers,
    )


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.floats(1, 4), st.floats(1, 4))
def test_surfaces_are_at_the_vessels_radius_on_the_way_to_the_soma(
    seed: int, first: float, last: float
) -> None:
    rng = np.random.default_rng(seed)
    start, axis = rng.uniform(-50, 50, 3), rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    vessels = straight(
        [start + 10 * k * axis for k in range(3)],
        [start + 10 * (k + 1) * axis for k in range(3)],
        2 * np.interp([0, 1, 2], [0, 3], [first, last]),
        2 * np.interp([1, 2, 3], [0, 3], [first, last]),
    )
    targets = vessel_targets(vessels, 0.3)
    side = np.cross(axis, rng.normal(size=3))
    soma = start + rng.uniform(5, 25) * axis + 30 * side / np.linalg.norm(side)
    n = len(targets.points)
    found = endfeet([soma], targets, Reached(np.zeros(n, np.int64), np.arange(n)), vessels)
    assert len(found.segment) > 0
    along = (found.surface - start) @ axis
    away = np.linalg.norm(found.surface - start - along[:, None] * axis, axis=1)
    np.testing.assert_allclose(away, np.interp(along, [0, 30], [first, last]), atol=1e-3)
    np.testing.assert_array_equal(found.segment, np.floor(along / 10))
    way, whole = found.surface - targets.points[found.target], soma - targets.points[found.target]
    assert np.linalg.norm(np.cross(way, whole), axis=1).max() < 1e-2
    assert ((way * whole).sum(axis=1) > 0).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from(["maximum_reachout", "random_selection"]))
def test_reached_targets_are_candidates_and_as_many_as_wanted(seed: int, strategy: str) -> None:
    rng = np.random.default_rng(seed)
    targets, candidates, planes = scattered(rng)
    counts = rng.integers(0, 9, len(planes.low))
    found = reached_targets(targets, candidates, planes, counts, strategy, seed=seed)  # type: ignore[arg-type]
    for d, wanted in enumerate(counts):
        own = candidates.targets[candidates.offsets[d] : candidates.offsets[d + 1]]
        chosen = found.target[found.astrocyte == d]
        assert len(chosen) == len(set(chosen)) == min(wanted, len(own))
        assert set(chosen) <= set(own)
        if strategy == "maximum_reachout" and len(chosen) < len(own):
            assert chosen.tolist() == farthest(targets, own, planes.centroids[d], int(wanted))


def scattered(rng: np.random.Generator) -> tuple[VesselTargets, DomainTargets, DomainPlanes]:
    """Targets of a few sections, of which each of three domains has some."""
    n = 40
    targets = VesselTargets(
        rng.uniform(0, 30, (n, 3)), np.arange(n), np.ones(n, np.float32), rng.integers(0, 5, n)
    )
    corners = np.concatenate([rng.uniform(0, 30, (4, 3)) for _ in range(3)])
    faces = np.tile([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]], (3, 1))
    planes = domain_planes(corners, faces, [0, 4, 8, 12], [0, 4, 8, 12])
    rows = [np.sort(rng.choice(n, rng.integers(0, 20), replace=False)) for _ in range(3)]
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in rows])])
    return targets, DomainTargets(offsets, np.concatenate(rows)), planes


def farthest(targets: VesselTargets, own: np.ndarray, centre: np.ndarray, wanted: int) -> list[int]:
    """The rule of maximum_reachout in plain words."""
    away = {t: float(np.linalg.norm(targets.points[t] - centre)) for t in own.tolist()}
    sections: dict[int, list[int]] = {}
    for t in own.tolist():
        sections.setdefault(int(targets.section[t]), []).append(t)
    order = sorted(sections.values(), key=lambda rows: min(away[t] for t in rows))
    if wanted <= len(order):
        return [min(rows, key=away.__getitem__) for rows in order[:wanted]]
    share = [min(wanted // len(order), len(rows)) for rows in order]
    left = wanted - sum(share)
    for k, rows in enumerate(order):
        more = min(left, len(rows) - share[k])
        share[k], left = share[k] + more, left - more
    chosen = []
    for rows, n in zip(order, share, strict=True):
        mine = [min(rows, key=away.__getitem__)] if n else []
        while len(mine) < n:
            rest = [t for t in rows if t not in mine]
            mine.append(
                max(
                    rest,
                    key=lambda t: min(np.linalg.norm(targets.points[t] - targets.points[m]) for m in mine),
                )
            )
        chosen += mine
    return chosen


def test_random_selection_takes_each_candidate_equally_often() -> None:
    n = 4000
    targets = VesselTargets(np.zeros((6, 3)), np.arange(6), np.ones(6, np.float32), np.zeros(6, np.int64))
    candidates = DomainTargets(6 * np.arange(n + 1), np.tile(np.arange(6), n))
    corners = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    faces = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
    planes = domain_planes(
        np.tile(corners, (n, 1)), np.tile(faces, (n, 1)), 4 * np.arange(n + 1), 4 * np.arange(n + 1)
    )
    found = reached_targets(targets, candidates, planes, np.full(n, 2), "random_selection", seed=3)
    taken = np.bincount(found.target, minlength=6)
    assert abs(taken - n / 3).max() < 5 * np.sqrt(n * 2 / 9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start_diameter": np.float32([-1])}, r"start_diameter\[0\] is -1"),
        ({"end": np.array([[np.nan, 0, 0]])}, r"end\[0\]"),
        ({"section": np.array([1, 2])}, "section has 2 rows; expected 1"),
        ({"start_node": np.array([-4])}, r"start_node\[0\] is -4"),
    ],
)
def test_wrong_segments_are_named(change: dict[str, np.ndarray], message: str) -> None:
    one = straight(np.zeros((1, 3)), np.ones((1, 3)), np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match=message):
        vessel_targets(one._replace(**change), 0.17)


def hull_planes(points: np.ndarray) -> DomainPlanes:
    hull = ConvexHull(points)
    return domain_planes(points, hull.simplices, [0, len(points)], [0, len(hull.simplices)])


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6))
def test_targets_in_a_domain_are_those_whose_spheres_reach_into_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 20, (12, 3))
    planes, hull = hull_planes(points), ConvexHull(points)
    places = rng.uniform(-40, 40, (200, 3))
    radii = rng.uniform(0, 3, 200).astype(np.float32)
    targets = VesselTargets(places, np.arange(200), radii, np.zeros(200, np.int64))
    found = targets_in_domains(targets, planes)
    away = (places @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=1) - radii
    box = ((places >= points.min(axis=0)) & (places <= points.max(axis=0))).all(axis=1)
    clear = np.flatnonzero(abs(away) > 1e-4)
    expected = set(np.flatnonzero(box & (away <= 0)))
    assert set(found.targets) & set(clear) == expected & set(clear)
