"""Signals from coefficients and currents, and the mean over a contact's face."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.kernels.lfp import contact_average, disk_points, point_source_potential, signal

RNG = np.random.default_rng(21)
COEFFICIENTS = RNG.normal(size=(5, 40))
CURRENTS = RNG.normal(size=(30, 40))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_signal_is_a_product(dtype):
    currents = CURRENTS.astype(dtype)
    found = signal(COEFFICIENTS, currents)
    assert found.dtype == dtype
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(found, COEFFICIENTS @ currents.T.astype(float), atol=tolerance)
    wide = np.full((5, 50), np.nan, dtype)
    assert signal(COEFFICIENTS, currents, out=wide[:, 10:40]) is not None
    np.testing.assert_allclose(wide[:, 10:40], found, rtol=tolerance)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=40, max_size=40), st.booleans())
def test_groups_add_up(members, in_order):
    groups = np.sort(members) if in_order else np.array(members)
    found = signal(COEFFICIENTS, CURRENTS, groups, n_groups=5)
    np.testing.assert_allclose(found.sum(axis=0), signal(COEFFICIENTS, CURRENTS), atol=1e-12)
    for group in range(5):
        own = groups == group
        np.testing.assert_allclose(found[group], COEFFICIENTS[:, own] @ CURRENTS[:, own].T, atol=1e-12)


def test_groups_fill_out():
    groups = np.repeat([0, 1, 3], [10, 20, 10])
    out = np.empty((4, 5, 30))
    assert signal(COEFFICIENTS, CURRENTS, groups, out=out) is out
    np.testing.assert_array_equal(out, signal(COEFFICIENTS, CURRENTS, groups))
    assert not out[2].any()


def test_integers_become_float64():
    found = signal(np.eye(2, dtype=np.float32), np.array([[1, 2], [3, 4], [5, 6]]))
    assert found.dtype == np.float64
    assert found.tolist() == [[1, 3, 5], [2, 4, 6]]


def test_nothing_in_nothing_out():
    assert signal(np.empty((3, 0)), np.empty((4, 0))).tolist() == np.zeros((3, 4)).tolist()
    assert signal(np.empty((0, 4)), np.empty((2, 4))).shape == (0, 2)
    assert signal(np.empty((3, 0)), np.empty((4, 0)), np.empty(0, int)).shape == (0, 3, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"currents": CURRENTS.T}, r"coefficients has shape \(5, 40\), currents \(40, 30\)"),
        ({"out": np.empty((30, 5))}, r"out is float64\[30, 5\]; expected float64\[5, 30\]"),
        ({"out": np.empty((5, 30), np.float32)}, r"out is float32\[5, 30\]"),
        ({"groups": [0, 1]}, r"groups has shape \(2,\); expected \(40,\)"),
        ({"groups": np.zeros(40)}, "groups has dtype float64"),
        ({"groups": np.repeat([0, -1], 20)}, r"groups\[20\] is -1; expected 0 <= group < 1"),
        ({"groups": np.repeat([0, 7], 20), "n_groups": 7}, r"groups\[20\] is 7; expected 0 <= group < 7"),
    ],
)
def test_refusals_name_the_value(change, message):
    with pytest.raises(ValueError, match=message):
        signal(**({"coefficients": COEFFICIENTS, "currents": CURRENTS} | change))


# Real reports


@pytest.fixture
def h5():
    return pytest.importorskip("h5py").File


def test_a_report_and_its_electrodes_give_the_lfp(shared_data, h5):
    folder = shared_data / "lfp" / "neuron_sonata"
    with (
        h5(folder / "i_membrane.h5") as report,
        h5(folder / "electrodes_line.h5") as electrodes,
        h5(folder / "lfp_line_expected.h5") as expected,
    ):
        currents = report["report/cell/data"][:]
        factors = electrodes["electrodes/cell/scaling_factors"][:].T
        lfp = expected["report/cell/data"][:].T
    found = signal(factors, currents)
    assert found.dtype == np.float32
    scale = np.abs(factors) @ np.abs(currents.T)  # of what is added, regardless of sign
    roundings = np.sqrt(currents.shape[1])
    assert (np.abs(found - lfp) <= roundings * np.finfo(np.float32).eps * scale).all()
    exact = signal(factors, currents.astype(float))
    np.testing.assert_allclose(exact, lfp, rtol=2**-23, atol=1e-9 * np.abs(lfp).max())


def test_membrane_currents_of_a_cell_are_what_is_injected(shared_data, h5):
    """1.5 nA from 1.1 to 9 ms, less 0.02 nA from 3.1 to 7 ms: the signal of a contact with ones."""
    with h5(shared_data / "lfp" / "neuron_sonata" / "i_membrane.h5") as report:
        total = signal(np.ones((1, 989)), report["report/cell/data"][:].astype(float))[0]
    injected = np.zeros(121)
    injected[11:91] = 1.5
    injected[31:71] -= 0.02
    np.testing.assert_allclose(total, injected, atol=1e-6)


def ring(folder, h5, name, population="RingA"):
    with h5(folder / "reference" / "reports" / f"{name}.h5") as file:
        group = file[f"report/{population}"]
        return group["data"][:], np.diff(group["mapping/index_pointers"][:].astype(int))


@pytest.mark.parametrize("population", ["RingA", "RingB"])
def test_the_ring_tests_currents_add_up_by_cell(shared_data, h5, population):
    """Its summation reports, from its compartment reports and ones; 3 nA are injected."""
    folder = shared_data / "sonata" / "neurodamus_ringtest"
    currents, counts = ring(folder, h5, "compartment_i_membrane", population)
    cells = np.repeat(np.arange(len(counts)), counts)
    found = signal(np.ones((1, currents.shape[1])), currents, cells)[:, 0].T
    expected, _ = ring(folder, h5, "summation_i_membrane", population)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_the_ring_tests_lfp(shared_data, h5):
    """Its LFP reports are of another stimulus than any stored currents, but over-determine their own.

    Five electrodes at one cell of five compartments give its currents. Their sum is what was injected, and with the weights
    of the two other cells, which the network treats alike, they give these cells' reports.
    """
    folder = shared_data / "sonata" / "neurodamus_ringtest"
    with h5(folder / "lfp_3elec_ringA.h5") as three, h5(folder / "lfp_2elec_ringA_cell0.h5") as two:
        weights = three["electrodes/RingA/scaling_factors"][:]
        more = two["electrodes/RingA/scaling_factors"][:]
    reports = []
    for name in "AB":
        with h5(folder / "reference" / "lfp_reports" / f"lfp_single_{name}.h5") as file:
            reports.append(file["report/RingA/data"][:].astype(float))
    first_cell = np.concatenate([weights[:5].T, more.T])
    seen = np.concatenate([reports[0][:, :3], reports[1]], axis=1)
    currents = np.linalg.solve(first_cell, seen.T).T
    injected = np.where(np.arange(20) > 10, 10.0, 0.0)  # nA, from 1 ms on
    np.testing.assert_allclose(currents.sum(axis=1), injected, atol=1e-4)
    before = slice(1, 11)
    assert np.abs(currents[before]).min() > 0
    cells = np.repeat([0, 1, 2], 5)
    found = signal(weights.T, np.tile(currents, 3), cells)
    for cell in range(3):
        expected = reports[0][before, 3 * cell : 3 * cell + 3].T
        np.testing.assert_allclose(found[cell][:, before], expected, rtol=1e-3, atol=1e-10)


# Contacts with a face


def test_points_on_a_disk():
    normals = np.array([[0.0, 0, 2], [1, 1, 0], [-3, 2, 5]])
    centers = np.array([[1.0, 2, 3], [0, 0, 0], [9, -9, 9]])
    found = disk_points(centers, normals, 5.0, 400) - centers[:, None]
    np.testing.assert_allclose(np.einsum("mpi,mi->mp", found, normals), 0, atol=1e-12)
    distance = np.linalg.norm(found, axis=2)
    assert distance.max() < 5
    assert (distance**2).mean() == pytest.approx(25 / 2, rel=1e-3)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=0.05)


def test_the_mean_over_a_contact():
    """Opposite a point source on a disk's axis: 2 (sqrt(z² + r²) - z) / r² instead of 1/z."""
    z, r = 10.0, 15.0
    source = [[0.0, 0, 0]]
    potential = partial(point_source_potential, source, source, None, sigma=0.3, minimum_distance=None)
    points = disk_points([[0, 0, z]], [[0, 0, 1]], r, 2000)
    found = contact_average(lambda contacts: potential(electrodes=contacts), points)
    expected = 2 * (np.hypot(z, r) - z) / r**2 / (4 * np.pi * 0.3)
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normals": [[0, 0, 1], [0, 0, 0]]}, r"normals\[1\] is \[0. 0. 0.\]; expected a direction"),
        ({"normals": [[0, 0, 1]]}, r"electrodes has shape \(2, 3\), normals \(1, 3\)"),
        ({"radius": 0}, "radius is 0"),
        ({"n_points": 0}, "n_points is 0"),
    ],
)
def test_refused_disks(change, message):
    given = {"electrodes": np.zeros((2, 3)), "normals": np.ones((2, 3)), "radius": 1.0, "n_points": 5}
    with pytest.raises(ValueError, match=message):
        disk_points(**(given | change))


def test_refused_points():
    with pytest.raises(ValueError, match=r"points has shape \(2, 3\)"):
        contact_average(lambda contacts: contacts, np.zeros((2, 3)))
