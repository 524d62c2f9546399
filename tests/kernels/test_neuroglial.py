"""Synapses in domains: as ArchNGV finds them, to the last one on a boundary."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ngv_data import opened, planes_of, triples
from scipy.spatial import ConvexHull

from neurolake.kernels.glia.planes import DomainPlanes, domain_planes
from neurolake.kernels.glia.synapses import wrapped_synapses


def test_five_astrocytes_wrap_archngvs_synapses(shared_data: Path) -> None:
    folder = shared_data / "ngv"
    with opened(folder / "functional_inputs" / "circuit" / "edges.h5") as file:
        synapses = file["edges/All"]
        points = triples(synapses["0"], "efferent_center_{}")
        neurons = synapses["target_node_id"][:].astype(np.int64)
    found = wrapped_synapses(planes_of(folder / "functional_expected" / "microdomains.h5"), points, neurons)
    with opened(
        folder / "functional_expected" / "sonata.tmp" / "edges" / "neuroglial.connectivity.h5"
    ) as file:
        expected = file["edges/neuroglial"]
        np.testing.assert_array_equal(found.synapse, expected["0/synapse_id"])
        np.testing.assert_array_equal(found.astrocyte, expected["source_node_id"])
        np.testing.assert_array_equal(found.neuron, expected["target_node_id"])


def in_domain(planes: DomainPlanes, d: int, points: np.ndarray) -> np.ndarray:
    """The rule as it is said: float32 throughout, sums from x to z, and what NumPy says is close to zero is zero."""
    own = slice(planes.offsets[d], planes.offsets[d + 1])
    x, y, z = (
        (points[:, k] - planes.points[own, k][:, None]) * planes.normals[own, k][:, None] for k in range(3)
    )
    away = x + y + z
    away[np.isclose(away, 0.0)] = 0.0
    box = (points >= planes.low[d]) & (points <= planes.high[d])
    return box.all(axis=1) & ~(away > 0.0).any(axis=0)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_two_thousand_domains_have_the_synapses_of_the_rule(
    shared_data: Path, kind: type[np.floating]
) -> None:
    planes = planes_of(shared_data / "ngv" / "L2000" / "microdomains.h5.gz")
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 500, (200_000, 3)).astype(kind)
    # Some of them on the corners, edges and faces, where rounding decides.
    corners = planes.points.repeat(3, axis=0)[: 3 * 6000].reshape(-1, 3, 3)
    points[:6000] = planes.points[:6000]
    points[6000:12000] = (planes.points[:6000].astype(kind) + planes.points[1:6001]) / 2
    points[12000:18000] = corners.mean(axis=1)
    neurons = rng.integers(0, 100, len(points))
    found = wrapped_synapses(planes, points, neurons)
    expected = []
    for d in range(len(planes.low)):
        near = np.flatnonzero(((points >= planes.low[d]) & (points <= planes.high[d])).all(axis=1))
        inside = near[in_domain(planes, d, points[near])]
        expected.append(np.stack([np.full(len(inside), d), neurons[inside], inside], axis=1))
    table = np.concatenate(expected)
    table = table[np.lexsort((table[:, 2], table[:, 0], table[:, 1]))]
    assert len(table) > 150_000
    np.testing.assert_array_equal(np.stack(found, axis=1), table)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_a_synapse_is_in_each_hull_that_holds_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hulls = [ConvexHull(rng.normal(rng.uniform(-20, 20, 3), 15, (10, 3))) for _ in range(4)]
    planes = domain_planes(
        np.concatenate([hull.points for hull in hulls]),
        np.concatenate([hull.simplices for hull in hulls]),
        10 * np.arange(5),
        np.concatenate([[0], np.cumsum([len(hull.simplices) for hull in hulls])]),
    )
    points = rng.uniform(-50, 50, (2000, 3))
    neurons = rng.integers(0, 7, 2000)
    found = wrapped_synapses(planes, points, neurons)
    pairs = set(zip(found.astrocyte.tolist(), found.synapse.tolist(), strict=True))
    for d, hull in enumerate(hulls):
        away = (points @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=1)
        for s in np.flatnonzero(abs(away) > 1e-4).tolist():
            assert ((d, s) in pairs) == (away[s] < 0)
    np.testing.assert_array_equal(found.neuron, neurons[found.synapse])


def test_triangles_turned_round_bound_the_same_domain() -> None:
    corners = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10.0]])
    faces = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
    points = np.random.default_rng(1).uniform(0, 10, (500, 3))
    one, other = (
        wrapped_synapses(domain_planes(corners, turned, [0, 4], [0, 4]), points, np.zeros(500, np.int64))
        for turned in (faces, faces[:, ::-1])
    )
    np.testing.assert_array_equal(one.synapse, other.synapse)
    np.testing.assert_array_equal(one.synapse, np.flatnonzero(points.sum(axis=1) <= 10))


@pytest.mark.parametrize(
    ("points", "neurons", "message"),
    [
        ([[0, 0, np.inf]], [0], r"points\[0\]"),
        ([[0, 0, 0.0]], [0, 1], "neurons have shape"),
        ([[0, 0, 0.0]], [-1], "expected 0 to"),
        ([0.0, 1.0], [0], "expected \\(n, 3\\)"),
    ],
)
def test_wrong_synapses_are_named(points: list[object], neurons: list[int], message: str) -> None:
    corners = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    planes = domain_planes(corners, [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]], [0, 4], [0, 4])
    with pytest.raises(ValueError, match=message):
        wrapped_synapses(planes, points, neurons)


def test_a_triangle_without_its_corner_is_named() -> None:
    with pytest.raises(ValueError, match=r"triangles\[1\] is \[0, 1, 4\]; expected vertices below 4"):
        domain_planes(np.eye(4)[:, :3], [[0, 1, 2], [0, 1, 4]], [0, 4], [0, 2])
