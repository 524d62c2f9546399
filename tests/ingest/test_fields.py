"""Fields of electrodes: read from Sim4Life's export, kept as arrays of a lake."""

import numpy as np
import pytest
from lake_vocabulary import strangers

import neurolake
from neurolake.ingest.lfp.fields import read_sim4life, store_field
from neurolake.kernels.lfp.field import Field
from neurolake.query.lfp.inputs import field_of

h5py = pytest.importorskip("h5py")

AXES = [np.array([0.0, 1, 3]), np.array([0.0, 2]), np.array([-1.0, 0, 1, 5])]


def write_sim4life(path, *, potential=True, electric=False, axes=AXES, current=1.0):
    rng = np.random.default_rng(0)
    shape = tuple(map(len, axes))
    with h5py.File(path, "w") as file:
        file["CurrentApplied"] = current
        for axis, values in zip("xyz", axes, strict=True):
            file[f"Meshes/mesh/axis_{axis}"] = values * 1e-6
        fields = "FieldGroups/{}/AllFields/EM {}(x,y,z,f0)/_Object/Snapshots/0/comp{}"
        file[fields.format("a", "Potential", 0)] = np.full((*shape, 2), 99.0)
        if potential:
            file[fields.format("b", "Potential", 0)] = rng.normal(size=(*shape, 2))
        for i in range(3 if electric else 0):
            between = tuple(n - (i == axis) for axis, n in enumerate(shape))
            file[fields.format("b", "E", i)] = rng.normal(size=(*between, 2))
    return path


def test_the_last_group_is_read_in_our_units(tmp_path):
    path = write_sim4life(tmp_path / "field.h5", electric=True, current=2.0)
    field = read_sim4life(path)
    with h5py.File(path) as file:
        real = file["FieldGroups/b/AllFields/EM Potential(x,y,z,f0)/_Object/Snapshots/0/comp0"][..., 0]
    np.testing.assert_allclose(field.potential, 1000 * real)
    np.testing.assert_allclose(field.axes[2], AXES[2])
    assert [part.shape for part in field.electric] == [(2, 2, 4), (3, 1, 4), (3, 2, 3)]
    assert field.applied_current == 2.0
    assert read_sim4life(path, current_unit="A").applied_current == 2e9


@pytest.mark.parametrize("kinds", [{"electric": True}, {"potential": False, "electric": True}, {}])
def test_a_field_in_a_lake_is_the_field(tmp_path, kinds):
    field = read_sim4life(write_sim4life(tmp_path / "field.h5", current=3.0, **kinds))
    lake = neurolake.create(tmp_path / "lake", durable=False)
    node = store_field(lake, "e0", field)
    parts = {
        name.rsplit("/", 1)[1]: array for name, array in lake.head.arrays.items() if name.count(".") == 0
    }
    found = field_of(parts)
    assert found.applied_current == 3.0
    for ours, given in zip(found.axes, field.axes, strict=True):
        np.testing.assert_array_equal(ours, given)
    assert (found.potential is None) == (field.potential is None)
    if field.potential is not None:
        np.testing.assert_array_equal(found.potential, field.potential)
    for ours, given in zip(found.electric or (), field.electric or (), strict=True):
        np.testing.assert_array_equal(ours, given)
    assert lake.head.xarray(node).sizes["y"] == 2
    assert list(strangers(lake)) == []


def test_files_that_are_none_or_cut_short(tmp_path):
    whole = write_sim4life(tmp_path / "field.h5")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(whole.read_bytes()[:-3000])
    empty = write_sim4life(tmp_path / "empty.h5", axes=[np.array([1.0, 0.0]), *AXES[1:]])
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["CurrentApplied"] = 1.0
    for path, reason in (
        (cut, "not a field"),
        (empty, "axis x does not rise"),
        (tmp_path / "other.h5", "Meshes"),
    ):
        with pytest.raises(neurolake.IngestError, match=reason) as error:
            read_sim4life(path)
        assert str(path) in str(error.value)
    with pytest.raises(neurolake.IngestError, match="current_unit is 'kA'"):
        read_sim4life(whole, current_unit="kA")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"potential": np.zeros((3, 2, 3))}, "potential has shape"),
        ({"potential": np.full((3, 2, 4), np.nan)}, "finite"),
        ({"potential": None}, "neither a potential"),
        ({"applied_current": 0.0}, "applied_current is 0"),
        ({"axes": AXES[:2]}, "axes has 2 entries"),
        ({"electric": [np.zeros((3, 2, 4)), np.zeros((2, 2, 4)), np.zeros((3, 2, 4))]}, "ey has shape"),
    ],
)
def test_fields_that_make_no_sense_are_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        Field(**({"axes": AXES, "potential": np.zeros((3, 2, 4))} | changes))


def test_real_exports(shared_data):
    for name, shapes in (("pot", None), ("E", [(39, 37, 31), (40, 36, 31), (40, 37, 30)])):
        field = read_sim4life(shared_data / "lfp" / f"br_onecell_field_{name}.h5")
        assert field.shape == (40, 37, 31)
        assert (None if field.electric is None else [part.shape for part in field.electric]) == shapes
