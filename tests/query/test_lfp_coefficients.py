"""Coefficients from tables and over a lake, beside the kernels and beside BlueRecording from end to end."""

import numpy as np
import pyarrow as pa
import pytest

import neurolake
from neurolake.ingest.lfp.electrodes import read_electrodes, store_electrodes
from neurolake.ingest.lfp.fields import read_sim4life, store_field
from neurolake.ingest.lfp.segments import place_segments
from neurolake.kernels import lfp as kernels
from neurolake.query import lfp
from neurolake.query.lfp import forward as lfp_coefficients


def cells(count=40, seed=0, n_cells=4):
    """Segments of some cells as columns; the first of each is a soma."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(-200, 200, (count, 3))
    end = start + rng.normal(0, 10, (count, 3))
    node = np.sort(np.arange(count) % n_cells) + 10
    first = np.concatenate([[True], node[1:] != node[:-1]])
    columns = {
        "node_id": node,
        "section_id": np.where(first, 0, 1 + np.arange(count) // 3),
        "segment_id": np.arange(count) % 3,
        "label": np.where(first, "Soma", "Dendrite").astype(object),
        "diameter": rng.uniform(0.5, 4, count),
    }
    places = {"start": start, "end": end}
    return columns | {
        f"{name}_{axis}": values[:, i] for name, values in places.items() for i, axis in enumerate("xyz")
    }


def ends(columns):
    return [np.stack([columns[f"{end}_{axis}"] for axis in "xyz"], axis=1) for end in ("start", "end")]


@pytest.fixture
def lake(tmp_path):
    return neurolake.create(tmp_path / "lake", durable=False)


def store(lake, name, columns):
    with lake.transaction(f"Store {name}") as transaction:
        transaction.write_table(name, pa.table(columns))


PROBE = lfp.laminar_probe(5, 100, first=(300, 0, 200))


# Methods


def test_line_and_point_are_the_kernels():
    columns = cells()
    given = (*ends(columns), columns["diameter"], PROBE.position, 0.3)
    soma = columns["label"] == "Soma"
    expected = {
        ("line", ()): kernels.line_source_potential(*given, points=soma),
        ("line", (("soma", "line"),)): kernels.line_source_potential(*given),
        ("line", (("minimum_distance", 400.0),)): kernels.line_source_potential(
            *given, points=soma, minimum_distance=400.0
        ),
        ("point", ()): kernels.point_source_potential(*given),
        (None, ()): kernels.line_source_potential(*given, points=soma),
    }
    for (method, options), values in expected.items():
        found = lfp.coefficients(columns, PROBE, method, **dict(options))
        np.testing.assert_array_equal(found.values, values)
    assert found.attrs["units"] == "mV/nA"
    slow = lfp.coefficients(columns, PROBE, "line", [0.3, 0.3, 0.45], soma="line")
    np.testing.assert_array_equal(slow.values, kernels.line_source_potential(*given[:-1], [0.3, 0.3, 0.45]))


def test_labels_name_contacts_and_segments():
    columns = cells()
    found = lfp.coefficients(columns, PROBE)
    assert found.dims == ("electrode", "segment")
    assert found["electrode"].values.tolist() == ["0", "1", "2", "3", "4"]
    np.testing.assert_array_equal(found["z"], [200, 100, 0, -100, -200])
    for key in ("node_id", "section_id", "segment_id"):
        np.testing.assert_array_equal(found[key], columns[key])


@pytest.mark.parametrize("make", [pa.table, lambda columns: pa.table(columns).to_pandas(), dict])
def test_segments_may_be_any_table(make):
    columns = cells()
    found = lfp.coefficients(make(columns), PROBE.position)
    np.testing.assert_array_equal(found.values, lfp.coefficients(columns, PROBE).values)


def test_blocks_make_no_difference(monkeypatch):
    columns = cells(101)
    whole = lfp.coefficients(columns, PROBE)
    monkeypatch.setattr(lfp_coefficients, "BLOCK_VALUES", 100)
    np.testing.assert_array_equal(lfp.coefficients(columns, PROBE).values, whole.values)
    small = lfp.coefficients(columns, PROBE, dtype="float32")
    assert small.dtype == np.float32
    np.testing.assert_allclose(small.values, whole.values, rtol=1e-6)


def test_contacts_of_several_types_side_by_side():
    columns = cells()
    types = ["LineSource", "PointSource", "ObjectiveCSD_Sphere", "ObjectiveCSD_Plane", "ObjectiveCSD_Plane"]
    mixed = lfp.Electrodes(PROBE.name, PROBE.position, types, radius=[np.nan, np.nan, 250.0, np.nan, np.nan])
    found = lfp.coefficients(columns, mixed)
    start, end = ends(columns)
    np.testing.assert_array_equal(found[0], lfp.coefficients(columns, PROBE, "line")[0])
    np.testing.assert_array_equal(found[1], lfp.coefficients(columns, PROBE, "point")[1])
    np.testing.assert_array_equal(
        found[2], kernels.objective_csd_sphere(start, end, PROBE.position[2:3], radius=250)[0]
    )
    planes = kernels.objective_csd_plane(start, end, PROBE.position[3:])
    np.testing.assert_array_equal(found[3:], planes)
    assert found[2].values.any() and planes.any()
    assert found.attrs["units"] == "mV/nA or 1"


def test_probes_have_axes_of_their_own():
    columns = cells(400)
    start, end = ends(columns)
    upright = np.array([[0.0, 0, 0], [0, 0, 100], [0, 0, 200]])
    flat = upright[:, ::-1]
    both = lfp.Electrodes(
        list("abcdef"),
        np.concatenate([upright, flat]),
        ["ObjectiveCSD_Disk"] * 6,
        probe=["p"] * 3 + ["q"] * 3,
        thickness=np.array([60.0] * 3 + [np.nan] * 3),
    )
    found = lfp.coefficients(columns, both)
    np.testing.assert_array_equal(found[:3], kernels.objective_csd_disk(start, end, upright, thickness=60))
    np.testing.assert_array_equal(found[3:], kernels.objective_csd_disk(start, end, flat))
    assert found.attrs["units"] == "1"


def test_a_slice_and_a_wide_contact():
    columns = cells()
    start, end = ends(columns)
    options = {"bottom": -300.0, "thickness": 700.0, "steps": 3, "soma": "line"}
    found = lfp.coefficients(columns, PROBE, "slice", 0.25, **options)
    options.pop("soma")
    given = (start, end, columns["diameter"], PROBE.position)
    np.testing.assert_array_equal(found, kernels.slice_potential(*given, sigma_tissue=0.25, **options))
    wide = lfp.coefficients(
        columns, PROBE, "point", contact_radius=5.0, contact_normal=(1, 0, 0), contact_points=20
    )
    normal = lfp.coefficients(columns, PROBE, "point")
    np.testing.assert_allclose(wide, normal, rtol=0.05)
    assert (wide.values != normal.values).all()


def field(bounds=(-400.0, 400.0), *, electric=False, slope=(1.0, 2.0, 3.0)):
    """A potential that rises evenly, in mV per µm."""
    axis = np.linspace(*bounds, 5)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    parts = [-1000.0 * part * np.ones((5, 5, 5)) for part in slope] if electric else None
    potential = None if electric else slope[0] * x + slope[1] * y + slope[2] * z
    return lfp.Field([axis] * 3, potential, parts, 2.0)


def test_reciprocity_from_one_field_or_one_for_each():
    columns = cells()
    middle = sum(ends(columns)) / 2
    found = lfp.coefficients(columns, PROBE, "reciprocity", fields=field())
    np.testing.assert_allclose(found, np.broadcast_to(middle @ [1, 2, 3] / 2, found.shape))
    fields = {name: field(slope=(float(i), 0, 0)) for i, name in enumerate(PROBE.name)}
    found = lfp.coefficients(columns, PROBE, "reciprocity", fields=fields)
    np.testing.assert_allclose(found, np.arange(5)[:, None] * middle[:, 0] / 2)


@pytest.mark.parametrize("center", ["cell", "all", (1.0, 2.0, 3.0)])
def test_dipole_reciprocity_takes_the_centre_that_is_asked_for(center):
    columns = cells()
    middle = sum(ends(columns)) / 2
    own = {node: middle[columns["node_id"] == node].mean(axis=0) for node in set(columns["node_id"])}
    centers = {"cell": np.array([own[node] for node in columns["node_id"]]), "all": middle.mean(axis=0)}
    found = lfp.coefficients(columns, PROBE, "dipole_reciprocity", fields=field(electric=True), center=center)
    away = middle - (centers[center] if isinstance(center, str) else np.array(center))
    np.testing.assert_allclose(found, np.broadcast_to(away @ [1, 2, 3] / 2, found.shape))


# What is refused


def without(*names):
    return {key: values for key, values in cells().items() if key not in names}


@pytest.mark.parametrize(
    ("segments", "options", "reason"),
    [
        (without("start_y"), {}, "no column 'start_y'"),
        (without("label"), {}, "no column 'label'"),
        (without("diameter"), {}, "no column 'diameter'"),
        (cells() | {"start_x": np.array(["a"] * 40)}, {}, "segments cannot be read"),
        (cells() | {"diameter": np.ones(3)}, {}, "diameter has 3 values for 40"),
        (3, {}, "not int"),
        (cells(), {"method": "magic"}, "method is 'magic'"),
        (cells(), {"method": "csd"}, "not LineSource"),
        (cells(), {"dtype": "int8"}, "dtype is 'int8'"),
        (cells(), {"center": "all"}, "option 'center' is none of line"),
        (cells(), {"soma": "ball"}, "soma is 'ball'"),
        (cells(), {"sigma": -1.0}, "sigma"),
        (cells(), {"contact_points": 3}, "give contact_radius too"),
        (cells(), {"method": "reciprocity"}, "electrodes without a field: '0', '1'"),
        (cells(), {"method": "reciprocity", "fields": field(electric=True)}, "has not a potential: '0'"),
        (cells(), {"method": "dipole_reciprocity", "fields": field()}, "has not an electric field"),
        (cells(), {"method": "reciprocity", "fields": {"x": field()}}, "'x', which is no electrode"),
        (cells(), {"method": "reciprocity", "fields": {"0": {}}}, "a field has potential"),
        (
            cells(),
            {"method": "dipole_reciprocity", "fields": field(electric=True), "center": "top"},
            "center is 'top'",
        ),
    ],
)
def test_bad_input_is_told(segments, options, reason):
    with pytest.raises(neurolake.InputError, match=reason):
        lfp.coefficients(segments, PROBE, **options)


def test_all_electrodes_whose_field_is_too_small_are_named():
    columns = cells()
    fields = dict.fromkeys(PROBE.name, field()) | {name: field((-100.0, 100.0)) for name in ("1", "3")}
    with pytest.raises(
        neurolake.InputError, match=r"electrodes '1', '3': .* of 40, the first node 10, section 0"
    ) as error:
        lfp.coefficients(columns, PROBE, "reciprocity", fields=fields)
    assert "from [-100. -100. -100.] to [100. 100. 100.]" in str(error.value)


def test_a_contact_on_a_segment_is_told():
    columns = cells()
    on = lfp.Electrodes(["a"], (sum(ends(columns)) / 2)[7:8])
    with pytest.raises(neurolake.InputError, match=r"segments 0 to 39: electrodes\[0\] is on segment 7"):
        lfp.coefficients(columns, on, minimum_distance=None)
    assert np.isfinite(lfp.coefficients(columns, on).values).all()


@pytest.mark.parametrize("given", [np.zeros((2, 2)), {"x": [1.0]}, ["a"], object()])
def test_what_are_no_electrodes(given):
    with pytest.raises(neurolake.InputError, match="electrodes"):
        lfp.coefficients(cells(), given)


# Over a lake


def test_a_lake_keeps_coefficients_with_their_labels(lake, monkeypatch):
    monkeypatch.setattr(lfp_coefficients, "BLOCK_VALUES", 100)
    columns = cells(50)
    store(lake, "segments/cells", columns)
    store_electrodes(lake, "probe", PROBE)
    found = lake.derive(
        lfp.coefficients, segments="segments/cells", electrodes="electrodes/probe", sigma=0.25, soma="line"
    )
    expected = lfp.coefficients(columns, PROBE, sigma=0.25, soma="line")
    assert found.path.startswith("derived/lfp_coefficients/")
    labelled = found.xarray()
    np.testing.assert_array_equal(labelled.values, expected.values)
    for key in ("electrode", "x", "z", "type", "node_id", "section_id", "segment_id"):
        assert labelled[key].values.tolist() == expected[key].values.tolist()
    assert labelled.attrs["units"] == "mV/nA"
    commits = len(lake.log())
    again = lake.derive(
        lfp.coefficients, segments="segments/cells", electrodes="electrodes/probe", sigma=0.25, soma="line"
    )
    assert (again.path, len(lake.log())) == (found.path, commits)
    assert lake.derived()[0].inputs.keys() == {"segments/cells", "electrodes/probe"}


def test_fields_of_a_lake(lake):
    columns = cells()
    store(lake, "segments/cells", columns)
    store_electrodes(lake, "probe", PROBE.at(np.arange(2)))
    store_field(lake, "a", field())
    store_field(lake, "b", field(slope=(0, 0, 1.0)))
    names = ("segments/cells", "electrodes/probe", "reciprocity")
    found = lake.derive(
        lfp.coefficients,
        segments=names[0],
        electrodes=names[1],
        method=names[2],
        fields={"0": "fields/a", "1": "fields/b"},
    )
    middle = sum(ends(columns)) / 2
    np.testing.assert_allclose(found[...], np.stack([middle @ [1, 2, 3], middle[:, 2]]) / 2)
    one = lake.derive(
        lfp.coefficients, segments=names[0], electrodes=names[1], method=names[2], fields="fields/a"
    )
    np.testing.assert_allclose(one[...], np.stack([middle @ [1, 2, 3]] * 2) / 2)


def test_nothing_is_written_when_a_field_is_too_small(lake):
    store(lake, "segments/cells", cells())
    store_electrodes(lake, "probe", PROBE)
    store_field(lake, "small", field((-50.0, 50.0)))
    before = lake.head.commit.id
    with pytest.raises(neurolake.InputError, match="'0', '1', '2', '3', '4'"):
        lake.derive(
            lfp.coefficients,
            segments="segments/cells",
            electrodes="electrodes/probe",
            method="reciprocity",
            fields="fields/small",
        )
    assert lake.head.commit.id == before
    with pytest.raises(neurolake.NotFoundError):
        lake.derive(lfp.coefficients, segments="segments/none", electrodes="electrodes/probe")


# BlueRecording


def test_bluerecording_from_end_to_end(shared_data, lake):
    """From CSV, nodes, morphology and report to its coefficients, all through a lake."""
    h5py = pytest.importorskip("h5py")
    from neurolake.ingest.sonata.ingest import ingest_sonata

    folder = shared_data / "lfp" / "br_e2e"
    ingest_sonata(lake, folder / "simulation_config.json", name="e2e", on_error="skip")
    nodes, report = "nodes/e2e/S1nonbarrel_neurons", "reports/e2e/compartment/S1nonbarrel_neurons"
    shapes = folder / "morphologies" / "ascii"
    (segments,) = place_segments(lake, nodes, shapes, report=report, axon="bluerecording").nodes
    contacts = read_electrodes(folder / "electrodes.csv")
    probe = store_electrodes(lake, "e2e", contacts)
    found = lake.derive(
        lfp.coefficients, segments=segments, electrodes=probe, sigma=0.277, minimum_distance=None
    )
    with h5py.File(folder / "coeffs.h5") as file:
        expected = file["electrodes/S1nonbarrel_neurons/scaling_factors"][:].T
    # Potentials are V/nA there; ObjectiveCSD counts, and the last column is ones.
    unit = [1 if kind.startswith("ObjectiveCSD") else 1000 for kind in contacts.type]
    np.testing.assert_allclose(found[...], expected[:-1] * np.array(unit)[:, None], rtol=1e-9, atol=0)


def test_bluerecording_reciprocity_through_a_lake(shared_data, lake):
    folder = shared_data / "lfp"
    known = np.load(folder / "br_onecell_probe.npz")
    places = {"start": known["start"], "end": known["end"]}
    columns = {
        f"{end}_{axis}": values[:, i] for end, values in places.items() for i, axis in enumerate("xyz")
    }
    store(lake, "segments/cell", columns)
    types = ["Reciprocity", "DipoleReciprocity"]
    store_electrodes(lake, "two", lfp.Electrodes(["a", "b"], known["electrodes"][:2], types))
    for name in ("pot", "E"):
        store_field(lake, name, read_sim4life(folder / f"br_onecell_field_{name}.h5"))
    fields = {"a": "fields/pot", "b": "fields/E"}
    found = lake.derive(
        lfp.coefficients, segments="segments/cell", electrodes="electrodes/two", fields=fields
    )
    expected = 1000 * np.stack([known["Reciprocity"], known["DipoleReciprocity"]])
    np.testing.assert_allclose(found[...], expected, rtol=1e-9, atol=0)
