"""Placement of somata: densities, distances and radii as asked, no overlap, and ArchNGV's statistics."""

import gzip
import io

import h5py
import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from neurolake.kernels.glia.obstacles import obstructed, segment_obstacles
from neurolake.kernels.glia.placement import Walk, placed_somata, soma_count

RADIUS = (5.6, 0.74, 0.1, 20.0)
SPRING = {"spring": (32.0, 1.0)}


def place(density=None, *, seed=0, voxel=(50.0, 50.0, 50.0), offset=(0.0, 0.0, 0.0), **more):
    grid = np.full((6, 6, 6), 16000.0) if density is None else density
    options = {"potentials": SPRING, **more}
    return placed_somata(grid, offset, voxel, RADIUS, seed=seed, population="astrocytes", **options)


def nearest(points):
    return cKDTree(points).query(points, 2)[0][:, 1]


def vessels(path):
    with h5py.File(io.BytesIO(gzip.decompress(path.read_bytes()))) as file:
        node = file["nodes/vasculature/0"]
        ends = [np.stack([node[f"{end}_{axis}"][:] for axis in "xyz"], 1) for end in ("start", "end")]
        return *ends, node["start_diameter"][:] / 2, node["end_diameter"][:] / 2


def gaps(points, radii, starts, ends, start_radii, end_radii):
    """Distance between each soma and each vessel, by brute force."""
    along = ends - starts
    at = np.einsum("psk,sk->ps", points[:, None] - starts, along) / (along**2).sum(axis=1)
    at = np.clip(at, 0, 1)
    away = np.linalg.norm(points[:, None] - starts - at[..., None] * along, axis=2)
    return away - (start_radii + at * (end_radii - start_radii)) - radii[:, None]


def test_somata_have_archngvs_distances_beside_its_vessels(shared_data):
    """Its 2,000 somata: nearest neighbours at 28.9 µm, with a standard deviation of 4.3 µm."""
    folder = shared_data / "ngv" / "L2000"
    segments = [each.astype(float) for each in vessels(folder / "vasculature_nodes.h5.gz")]
    with h5py.File(folder / "astrocytes_nodes.h5") as file:
        node = file["nodes/astrocytes/0"]
        theirs = np.stack([node[axis][:] for axis in "xyz"], axis=1)
        radii = node["radius"][:]
    found = place(np.full((10, 10, 10), 16000.0), obstacles=segment_obstacles(*segments))
    assert len(found.radii) == 2000
    assert nearest(found.points).mean() == pytest.approx(nearest(theirs).mean(), abs=0.4)
    assert nearest(found.points).std() == pytest.approx(nearest(theirs).std(), abs=0.4)
    assert found.radii.mean() == pytest.approx(radii.mean(), abs=0.06)
    assert gaps(found.points[:200], found.radii[:200], *segments).min() >= 0.0


def test_no_two_somata_overlap_and_all_lie_in_the_grid():
    found = place(np.full((3, 4, 5), 60000.0), voxel=(30.0, -20.0, 40.0), offset=(5.0, 80.0, -7.0))
    assert len(found.radii) == soma_count(np.full((3, 4, 5), 60000.0), (30, 20, 40)) == 86
    away = np.linalg.norm(found.points[:, None] - found.points, axis=2) + 1e9 * np.eye(len(found.radii))
    assert (away >= found.radii[:, None] + found.radii).all()
    assert (found.points >= [5, 0, -7]).all() and (found.points <= [95, 80, 193]).all()


def test_somata_are_where_the_density_is():
    """Counts of voxels differ from Poisson ones by no more than chance; those of density 0 and NaN are empty."""
    density = np.random.default_rng(1).uniform(0, 3000, (5, 5, 5))
    density[0], density[1, 1] = 0.0, np.nan
    found = place(density, voxel=(100.0,) * 3, potentials={}, seed=3)
    counts = np.histogramdd(found.points, [np.arange(6) * 100.0] * 3)[0]
    expected = np.nan_to_num(density) * 1e-3
    assert not counts[expected == 0].any() and counts.sum() == len(found.radii)
    good = expected > 0
    score = ((counts - expected)[good] ** 2 / expected[good]).sum()
    assert stats.chi2.sf(score, good.sum()) > 1e-3
    thick = np.repeat([500.0, 4000.0], 3)[:, None, None] * np.ones((6, 6, 6))
    spaced = place(thick, voxel=(100.0,) * 3)
    share = (spaced.points[:, 0] > 300).mean()
    assert share == pytest.approx(8 / 9, abs=4 * np.sqrt(8 / 81 / len(spaced.radii)))


def test_radii_are_truncated_normal():
    found = placed_somata(
        np.full((6, 6, 6), 8000.0), [0] * 3, [50.0] * 3, (5.0, 2.0, 4.0, 6.0), seed=1, population="glia"
    )
    expected = stats.truncnorm(-0.5, 0.5, 5.0, 2.0)
    # Large ones find less room, so their number falls short by a little.
    assert stats.kstest(found.radii, expected.cdf).statistic < 0.15
    assert found.radii.min() >= 4.0 and found.radii.max() <= 6.0


def test_a_seed_and_a_population_decide_all():
    one, again, other = place(seed=1), place(seed=1), place(seed=2)
    np.testing.assert_array_equal(one.points, again.points)
    assert not np.isin(one.points, other.points).any()


@pytest.mark.parametrize(
    ("potentials", "farther"),
    [
        ({"coulomb": (1e5,)}, True),
        ({"inverse_distance": (1e4,)}, True),
        ({"lenard_jones": (12.0, 1e4)}, False),
    ],
)
def test_potentials_move_somata_apart_or_together(potentials, farther):
    plain = nearest(place(potentials={}).points).mean()
    moved = nearest(place(potentials=potentials, walk=Walk(trials=5)).points).mean()
    assert (moved > plain + 1.0) if farther else (moved < plain - 1.0)


def test_potentials_add_up():
    """Two springs are one of the sum of their constants, but for a constant energy."""
    two = place(potentials={"spring": (30.0, 1.0), "coulomb": (0.0,)})
    np.testing.assert_array_equal(two.points, place(potentials={"spring": (30.0, 1.0)}).points)
    assert not np.isin(two.points, place(potentials={"spring": (30.0, 1.0), "coulomb": (1e6,)}).points).all()


def test_obstacles_are_cones_and_spheres():
    obstacles = segment_obstacles([[0, 0, 0], [50, 0, 0]], [[20, 0, 0], [50, 0, 0]], [1.0, 4.0], [3.0, 4.0])
    for place_, radius, hit in [
        ((10.0, 4.1, 0.0), 2.0, False),
        ((10.0, 3.9, 0.0), 2.0, True),
        ((23.5, 0.0, 0.0), 0.6, True),
        ((23.5, 0.0, 0.0), 0.4, False),
        ((50.0, 0.0, 4.5), 0.6, True),
        ((50.0, 0.0, 4.5), 0.4, False),
        ((-90.0, 0.0, 0.0), 5.0, False),
    ]:
        assert obstructed(obstacles, *place_, radius) == hit
    with pytest.raises(ValueError, match="radii of segment 1"):
        segment_obstacles([[0, 0, 0]] * 2, [[1, 0, 0]] * 2, [1.0, 1.0], [1.0, -1.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"density": np.full((3, 3, 3), 3e6)}, "of 10125 somata found room"),
        ({"density": np.zeros((3, 3, 3)), "count": 5}, "no voxel has a density above 0"),
        ({"density": np.full((3, 3, 3), -1.0)}, "0 or more"),
        ({"potentials": {"gravity": (1.0,)}}, "no potential 'gravity'"),
        ({"potentials": {"spring": (1.0,)}}, "expected 2 numbers"),
        ({"walk": Walk(cutoff=0.0)}, "a cutoff above 0"),
    ],
)
def test_what_cannot_be_done_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        place(**change)
