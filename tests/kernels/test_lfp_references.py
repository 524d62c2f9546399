"""Coefficients of BlueRecording (V/nA) and LFPykit (mV/nA), and exact values, reproduced."""

import csv
import math

import numpy as np
import pytest

from neurolake.kernels import lfp
from neurolake.kernels.lfp import line_source_potential, point_source_potential

MV_PER_V = 1000


@pytest.fixture(scope="session")
def lfp_data(shared_data):
    return shared_data / "lfp"


@pytest.fixture(scope="module")
def probe(lfp_data):
    return np.load(lfp_data / "br_onecell_probe.npz")


@pytest.fixture(scope="module")
def cell(lfp_data):
    """The NEURON cell of LFPykit's matrices."""
    found = dict(np.load(lfp_data / "lfpykit_cell_given.npz"))
    found["start"], found["end"] = (np.stack([found[axis][:, i] for axis in "xyz"], axis=1) for i in (0, 1))
    return found


def assert_close(found, expected, rtol=1e-9):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=0)


# BlueRecording


@pytest.mark.parametrize("name", ["br_onecell_probe", "br_onecell_close_csv", "br_circuit_cells"])
def test_bluerecording_point_and_line_sources(lfp_data, name):
    case = np.load(lfp_data / f"{name}.npz")
    given = (case["start"], case["end"], None, case["electrodes"], case["sigma"])
    points = point_source_potential(*given, minimum_distance=None)
    assert_close(points, MV_PER_V * case["PointSource"])
    lines = line_source_potential(*given, points=case["section_id"] == 0, minimum_distance=None)
    assert_close(lines, MV_PER_V * case["LineSource"])


@pytest.mark.parametrize(
    ("name", "kernel", "options"),
    [
        ("Sphere_default", lfp.objective_csd_sphere, {}),
        ("Sphere_60", lfp.objective_csd_sphere, {"radius": 60}),
        ("Disk_default", lfp.objective_csd_disk, {}),
        ("Disk_200_15", lfp.objective_csd_disk, {"radius": 200, "thickness": 15, "half_thickness": True}),
        ("Disk_200_15", lfp.objective_csd_disk, {"radius": 200, "thickness": 30}),
        ("Plane_default", lfp.objective_csd_plane, {}),
        ("Plane_30", lfp.objective_csd_plane, {"thickness": 30, "half_thickness": True}),
        ("Plane_30", lfp.objective_csd_plane, {"thickness": 60}),
    ],
)
def test_bluerecording_objective_csd(probe, name, kernel, options):
    found = kernel(probe["start"], probe["end"], probe["electrodes"], **options)
    np.testing.assert_array_equal(found, probe[f"ObjectiveCSD_{name}"])
    assert found.any()


def test_bluerecording_reciprocity(probe, lfp_data):
    h5py = pytest.importorskip("h5py")
    with h5py.File(lfp_data / "br_onecell_field_pot.h5") as file:
        axes = grid_of(file)
        fields = snapshot_of(file, "EM Potential(x,y,z,f0)")
        potential = MV_PER_V * fields["comp0"][..., 0].astype(float)
        current = file["CurrentApplied"][()]
    found = lfp.reciprocity_potential(probe["start"], probe["end"], axes, potential, applied_current=current)
    assert_close(found, MV_PER_V * probe["Reciprocity"])


def test_bluerecording_dipole_reciprocity(probe, lfp_data):
    h5py = pytest.importorskip("h5py")
    with h5py.File(lfp_data / "br_onecell_field_E.h5") as file:
        axes = grid_of(file)
        fields = snapshot_of(file, "EM E(x,y,z,f0)")
        field = [fields[f"comp{i}"][..., 0].astype(float) for i in range(3)]
    start, end = probe["start"], probe["end"]
    center = ((start + end) / 2).mean(axis=0)  # BlueRecording's: the mean of all compartments of the cell
    found = lfp.dipole_reciprocity_potential(start, end, center, axes, field)
    assert_close(found, MV_PER_V * probe["DipoleReciprocity"])
    own = np.broadcast_to(center, start.shape)
    np.testing.assert_array_equal(found, lfp.dipole_reciprocity_potential(start, end, own, axes, field))


def test_bluerecording_electrodes_file(lfp_data):
    """Its pipeline from end to end: three cells, four kinds of electrodes, and a last column of ones."""
    h5py = pytest.importorskip("h5py")
    folder = lfp_data / "br_e2e"
    start, end, soma = compartments(np.load(folder / "positions.npz"))
    with (folder / "electrodes.csv").open() as file:
        contacts = list(csv.DictReader(file))
    with h5py.File(folder / "coeffs.h5") as file:
        expected = file["electrodes/S1nonbarrel_neurons/scaling_factors"][:].T
    assert (expected[-1] == 1).all()
    places = np.array([[float(row[axis]) for axis in "xyz"] for row in contacts])
    planes = np.array([row["type"].startswith("ObjectiveCSD_Plane") for row in contacts])
    for m, row in enumerate(contacts):
        kind, _, size = row["type"].rpartition("_")
        given = (start, end, None, places[m : m + 1], 0.277)
        if row["type"] == "PointSource":
            found = point_source_potential(*given, minimum_distance=None) / MV_PER_V
        elif row["type"] == "LineSource":
            found = line_source_potential(*given, points=soma, minimum_distance=None) / MV_PER_V
        elif kind == "ObjectiveCSD_Sphere":
            found = lfp.objective_csd_sphere(start, end, given[3], radius=float(size))
        else:
            found = lfp.objective_csd_plane(
                start, end, given[3], thickness=float(size), half_thickness=True, array=places[planes]
            )
        assert_close(found[0], expected[m])


def grid_of(file):
    return [1e6 * file[f"Meshes/mesh0/axis_{axis}"][:] for axis in "xyz"]  # metres


def snapshot_of(file, name):
    return file[f"FieldGroups/g0/AllFields/{name}/_Object/Snapshots/0"]


def compartments(positions):
    """Compartments from end points: one for each point of a soma, one between two points of other sections."""
    ids, sections, points = positions["id"], positions["section"], positions["xyz"].T
    soma = sections == 0
    follows = (ids[1:] == ids[:-1]) & (sections[1:] == sections[:-1]) & ~soma[1:]
    keep = soma | np.append(follows, False)
    after = np.where(soma, np.arange(len(ids)), np.arange(1, len(ids) + 1) % len(ids))
    return points[keep], points[after[keep]], soma[keep]


# LFPykit


@pytest.mark.parametrize(
    ("name", "kernel", "options"),
    [
        ("M_point", point_source_potential, {}),
        ("M_line", line_source_potential, {}),
        ("M_rec_pointsource", point_source_potential, {}),
        ("M_rec_linesource", line_source_potential, {}),
        ("M_rec_root_as_point", line_source_potential, {"points": [0]}),
        ("M_aniso_pointsource", point_source_potential, {}),
        ("M_aniso_linesource", line_source_potential, {}),
        ("M_aniso_root_as_point", line_source_potential, {"points": [0]}),
    ],
)
def test_lfpykit_point_and_line_sources(cell, name, kernel, options):
    sigma = cell["sigma_aniso" if "aniso" in name else "sigma"]
    found = kernel(cell["start"], cell["end"], cell["d"], cell["electrodes"], sigma, **options)
    assert_close(found, cell[name])


@pytest.mark.parametrize("source", ["point", "line"])
def test_lfpykit_slice(cell, source):
    tissue, saline, glass, thickness, bottom, steps = cell["moi_params"]
    x = cell["electrode_x_for_moi"]
    contacts = np.stack([x, cell["electrodes"][: len(x), 1], np.full(len(x), bottom)], axis=1)
    given = (cell["start"], cell["end"], cell["d"])
    found = lfp.slice_potential(
        *given,
        contacts,
        source=source,
        sigma_tissue=tissue,
        sigma_saline=saline,
        sigma_glass=glass,
        thickness=thickness,
        bottom=bottom,
        steps=int(steps),
    )
    if source == "line":  # LFPykit leaves the last image out, but only of lines
        shift = np.array([0, 0, 2 * steps * thickness])
        mirrored = [(p - [0, 0, bottom]) * [1, 1, -1] + [0, 0, bottom] + shift for p in given[:2]]
        weight = ((tissue - saline) / (tissue + saline)) ** steps
        found -= weight * line_source_potential(*mirrored, cell["d"], contacts, tissue)
    assert_close(found, cell[f"M_moi_{source}source"])


def test_lfpykit_dipole_moment(cell):
    assert_close(lfp.dipole_moment(cell["start"], cell["end"]), cell["M_dipole"])


def test_lfpykit_laminar_csd(cell):
    """The same but for segments that pass a cylinder's side, or all of it: there LFPykit is not exact."""
    found = lfp.laminar_csd(cell["start"], cell["end"], cell["lam_z"], cell["lam_r"])
    expected = cell["M_laminar_csd"]
    differs = np.abs(found - expected) > 1e-9 * expected
    assert np.count_nonzero(expected[~differs]) > 1000
    assert 0 < differs.sum() < 50
    t = (np.arange(20_000) + 0.5) / 20_000
    for m, n in np.argwhere(differs):
        at = cell["start"][n] + t[:, None] * (cell["end"][n] - cell["start"][n])
        (low, high), radius = cell["lam_z"][m], cell["lam_r"][m]
        counted = (at[:, 2] >= low) & (at[:, 2] < high) & (np.hypot(at[:, 0], at[:, 1]) <= radius)
        volume = math.pi * radius**2 * (high - low)
        assert found[m, n] * volume == pytest.approx(counted.mean(), abs=1e-4)


@pytest.mark.parametrize("dipole", [[10.0, 2e3, 7e4], [-3e4, 2e4, 1e4], [0.0, 0.0, 7.8e4]])
def test_lfpykit_four_spheres(dipole):
    head = pytest.importorskip("lfpykit.eegmegcalc").FourSphereVolumeConductor
    rng = np.random.default_rng(7)
    towards = rng.normal(size=(12, 3))
    contacts = towards / np.linalg.norm(towards, axis=1, keepdims=True)
    contacts *= np.array([9e4, 8.9e4, 8.6e4, 8.2e4, 7.95e4, 7.85e4] * 2)[:, None]
    # Its default ends the series where terms are 2e-8 of their sum.
    expected = head(contacts, iter_factor=1e-16).get_transformation_matrix(np.array(dipole))
    found = lfp.head_potential(contacts, dipole)
    size = np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(found / size, expected / size, rtol=0, atol=1e-11)


def test_lfpykit_dipole_potential():
    infinite = pytest.importorskip("lfpykit.eegmegcalc").InfiniteVolumeConductor(sigma=0.3)
    contacts = np.random.default_rng(8).uniform(-1000, 1000, (9, 3))
    dipole = np.array([10.0, -20.0, 30.0])
    expected = infinite.get_transformation_matrix(contacts - dipole)
    assert_close(lfp.dipole_potential(contacts, dipole, 0.3), expected, rtol=1e-13)


# Exact values


def edge_cases(folder):
    with (folder / "edge_cases.csv").open() as file:
        return {row["label"]: row for row in csv.DictReader(file)}


def of_case(kernel, row, sigma=None, **options):
    start, end = ([[float(row[f"{axis}{i}"]) for axis in "xyz"]] for i in (0, 1))
    contact = [[float(row[f"e{axis}"]) for axis in "xyz"]]
    sigma = float(row["sigma"]) if sigma is None else sigma
    return float(kernel(start, end, [float(row["diam"])], contact, sigma, **options)[0, 0])


def test_exact_lines_without_a_limit(lfp_data):
    exact = "exact_line_no_limit_mV_per_nA"
    infinite = 0
    for label, row in edge_cases(lfp_data).items():
        if row[exact] == "+inf":
            infinite += 1
            with pytest.raises(ValueError, match=r"electrodes\[0\] is on segment 0"):
                of_case(line_source_potential, row, minimum_distance=None)
        elif row[exact]:
            found = of_case(line_source_potential, row, minimum_distance=None)
            assert found == pytest.approx(float(row[exact]), rel=1e-12, abs=0), label
    assert infinite == 4


def test_lines_by_lfpykits_rule(lfp_data):
    for label, row in edge_cases(lfp_data).items():
        found = of_case(line_source_potential, row)
        if label == "zero_length":  # not a number in LFPykit; here a point
            assert found == pytest.approx(of_case(point_source_potential, row), rel=1e-14)
        elif not label.startswith("very_short"):  # LFPykit has few digits left there
            assert found == pytest.approx(float(row["lfpykit_line"]), rel=1e-12, abs=0), label
            sigma = [float(row["sigma"])] * 3
            anisotropic = of_case(line_source_potential, row, sigma)
            assert anisotropic == pytest.approx(float(row["lfpykit_line_aniso_iso"]), rel=1e-12, abs=0), label


def test_points_by_both_rules(lfp_data):
    for label, row in edge_cases(lfp_data).items():
        limited = of_case(point_source_potential, row)
        assert limited == pytest.approx(float(row["lfpykit_point"]), rel=1e-12, abs=0), label
        if float(row["bluerecording_point_formula"]) == np.inf:
            with pytest.raises(ValueError, match=r"electrodes\[0\] is on segment 0"):
                of_case(point_source_potential, row, minimum_distance=None)
        else:
            free = of_case(point_source_potential, row, minimum_distance=None)
            assert free == pytest.approx(float(row["bluerecording_point_formula"]), rel=1e-12, abs=0), label
