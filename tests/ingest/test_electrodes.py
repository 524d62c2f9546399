"""Electrodes from files of three formats, and as a table of a lake."""

import json

import numpy as np
import pytest
from lake_vocabulary import strangers

import neurolake
from neurolake.ingest.lfp.electrodes import read_electrodes, store_electrodes, write_electrodes
from neurolake.kernels.lfp.electrodes import Electrodes, laminar_probe, shank_probe

HEADER = "name,x,y,z,layer,region,type\n"


@pytest.fixture
def written(tmp_path):
    def write(text, name="probe.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_bluerecording_csv_is_read_with_its_sizes_made_whole(written):
    found = read_electrodes(
        written(
            HEADER
            + "a,1,2,3,L5,S1,ObjectiveCSD_Disk_200_15\n\nb,4,5.5,-6e1,NA,Outside,ObjectiveCSD_Sphere_60\n"
            "c,0,0,0,NA,NA,ObjectiveCSD_Plane\nd,0,0,1,NA,NA,Reciprocity\n"
        )
    )
    assert found.name == ("a", "b", "c", "d")
    np.testing.assert_array_equal(found.position[1], [4, 5.5, -60])
    assert found.layer == ("L5", "", "", "")
    assert found.region[1] == "Outside"
    assert found.type == ("ObjectiveCSD_Disk", "ObjectiveCSD_Sphere", "ObjectiveCSD_Plane", "Reciprocity")
    np.testing.assert_array_equal(found.radius, [200, 60, np.nan, np.nan])
    np.testing.assert_array_equal(found.thickness, [30, np.nan, np.nan, np.nan])


def test_columns_may_be_absent_and_the_first_is_the_name(written):
    found = read_electrodes(written(",x,y,z\n7,1,2,3\n"))
    assert (found.name, found.type, found.layer) == (("7",), ("LineSource",), ("",))


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("name,x,y,layer\n", 1, "no column 'z'"),
        ("name,x,y,z,x\n", 1, "a column twice"),
        (HEADER + "a,1,2,3\n", 2, "4 cells; expected 7"),
        (HEADER + "a,1,2,3,L1,R,LineSource\nb,1,2,three,L1,R,LineSource\n", 3, "z is 'three'"),
        (HEADER + "a,nan,2,3,L1,R,LineSource\n", 2, "x is 'nan'"),
        (HEADER + "a,1,2,3,L1,R,LineSource\na,1,2,4,L1,R,LineSource\n", 3, "is there in line 2"),
        (HEADER + ",1,2,3,L1,R,LineSource\n", 2, "has no name"),
        (HEADER + "a,1,2,3,L1,R,Magnetic\n", 2, "type 'Magnetic'"),
        (HEADER + "a,1,2,3,L1,R,LineSource_5\n", 2, "1 numbers; expected no number"),
        (HEADER + "a,1,2,3,L1,R,ObjectiveCSD_Sphere_1_2\n", 2, "2 numbers; expected radius"),
        (HEADER + "a,1,2,3,L1,R,ObjectiveCSD_Sphere_wide\n", 2, "'wide'"),
        (HEADER + "a,1,2,3,L1,R,ObjectiveCSD_Plane_-4\n", 2, "above 0"),
        (HEADER + 'a,1,2,"3,L1,R,LineSource\n', 2, "not a row of CSV"),
        (HEADER, None, "no contacts"),
        ("", 1, "no column 'x'"),
        ("channel x_pos y_pos z_pos\n0 1 2\n", 2, "3 cells; expected 4"),
    ],
)
def test_malformed_rows_are_told_with_their_line(written, text, line, reason):
    path = written(text)
    with pytest.raises(neurolake.IngestError, match=reason) as error:
        read_electrodes(path)
    assert error.value.line == line
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there_and_an_unknown_format(written, tmp_path):
    with pytest.raises(neurolake.IngestError, match="cannot be read as text"):
        read_electrodes(tmp_path / "none.csv")
    with pytest.raises(neurolake.IngestError, match="'nwb' is none of"):
        read_electrodes(written(HEADER), "nwb")


def test_bmtk_csv(written):
    found = read_electrodes(written("channel x_pos y_pos z_pos\n0  10.0 20 30\n1 11 21 31.5\n"))
    assert found.name == ("0", "1")
    np.testing.assert_array_equal(found.position, [[10, 20, 30], [11, 21, 31.5]])
    assert set(found.type) == {"LineSource"}


def probe_json(**changes):
    probe = {
        "ndim": 2,
        "si_units": "mm",
        "annotations": {"name": "silicon"},
        "contact_positions": [[0.0, 0.0], [0.016, 0.02]],
        "contact_ids": ["e1", "e2"],
    } | changes
    return {"specification": "probeinterface", "version": "0.2.26", "probes": [probe]}


def test_probeinterface_json_puts_flat_probes_upright(written):
    found = read_electrodes(written(json.dumps(probe_json()), "probe.json"))
    assert (found.name, found.probe, found.type[0]) == (("e1", "e2"), ("silicon",) * 2, "PointSource")
    np.testing.assert_allclose(found.position, [[0, 0, 0], [16, 0, 20]])
    two = probe_json(ndim=3, si_units="um", contact_positions=[[1, 2, 3], [4, 5, 6]], annotations={})
    two["probes"] *= 2
    found = read_electrodes(written(json.dumps(two), "probe.json"))
    assert found.name == ("probe0-e1", "probe0-e2", "probe1-e1", "probe1-e2")
    np.testing.assert_array_equal(found.position[3], [4, 5, 6])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not JSON"),
        ("{}", "expected a specification"),
        (json.dumps(probe_json(si_units="inch")), "si_units is 'inch'"),
        (json.dumps(probe_json(contact_positions=[[1, 2, 3]])), "are not 2 numbers"),
        (json.dumps(probe_json(contact_ids=["a"])), "1 contact_ids for 2 contacts"),
        (json.dumps(probe_json(contact_ids=["a", "a"])), "'a' is there already"),
        (json.dumps(probe_json(ndim=None)), "are not None numbers"),
    ],
)
def test_bad_json_is_refused(written, content, reason):
    with pytest.raises(neurolake.IngestError, match=reason):
        read_electrodes(written(content, "probe.json"))


def test_csv_round_trip(tmp_path):
    given = Electrodes(
        ["a", "b", "c"],
        np.array([[0.1, 2, 3], [1 / 3, 5, 6], [7, 8, 9]]),
        ["ObjectiveCSD_Disk", "ObjectiveCSD_Plane", "PointSource"],
        ["L1", "", "L5"],
        probe=["p", "p", ""],
        radius=np.array([50, np.nan, np.nan]),
        thickness=np.array([40, 10, np.nan]),
    )
    write_electrodes(tmp_path / "out.csv", given)
    found = read_electrodes(tmp_path / "out.csv")
    assert {key: list(map(str, values)) for key, values in found.columns().items()} == {
        key: list(map(str, values)) for key, values in given.columns().items()
    }


BLUERECORDING_JSON = [
    {"name": "a", "x": 1, "y": 2.5, "z": -3e1},
    {"name": 7, "x": 0, "y": 0, "z": 0, "type": "PointSource", "layer": "L5", "region": "NA"},
    {"name": "d", "x": 0, "y": 1, "z": 0, "type": "ObjectiveCSD_Disk", "radius": 200, "thickness": 15},
    {"name": "s", "x": 0, "y": 2, "z": 0, "type": "ObjectiveCSD_Sphere", "radius": 60, "thickness": None},
]


def test_bluerecording_json_is_read_with_its_sizes_made_whole(written):
    found = read_electrodes(written(json.dumps(BLUERECORDING_JSON), "probe.json"))
    assert found.name == ("a", "7", "d", "s")
    assert found.type == ("LineSource", "PointSource", "ObjectiveCSD_Disk", "ObjectiveCSD_Sphere")
    np.testing.assert_array_equal(found.position[0], [1, 2.5, -30])
    assert (found.layer, found.region) == (("", "L5", "", ""), ("", "", "", ""))
    np.testing.assert_array_equal(found.radius, [np.nan, np.nan, 200, 60])
    np.testing.assert_array_equal(found.thickness, [np.nan, np.nan, 30, np.nan])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"z": None}, "entry 1: z is 'None'; expected a number of µm"),
        ({"x": True}, "entry 1: x is 'True'"),
        ({"y": float("inf")}, "entry 1: y is 'inf'"),
        ({"type": "ObjectiveCSD_Disk_5"}, "entry 1: type 'ObjectiveCSD_Disk_5'; expected one of LineSource"),
        ({"radius": 5}, "entry 1: a LineSource has no radius"),
        (
            {"type": "ObjectiveCSD_Plane", "thickness": -1},
            "thickness of entry 1 is -1; expected a number above 0",
        ),
        ({"name": "a"}, "'a' is there already"),
        ({"colour": "red"}, "entry 1 has 'colour'; expected name, x"),
    ],
)
def test_bad_entries_of_bluerecording_json_are_told(written, change, reason):
    entries = [BLUERECORDING_JSON[0], {"name": "b", "x": 1, "y": 2, "z": 3} | change]
    path = written(json.dumps(entries), "probe.json")
    with pytest.raises(neurolake.IngestError, match=reason):
        read_electrodes(path, "bluerecording")


@pytest.mark.parametrize(
    ("text", "reason"), [("[1]", "entry 0 is not an object"), ("{}", "a list"), ("[", "not JSON")]
)
def test_other_json_is_no_list_of_electrodes(written, text, reason):
    with pytest.raises(neurolake.IngestError, match=reason):
        read_electrodes(written(text, "probe.json"), "bluerecording")


def test_json_goes_through_a_lake_and_out_again(written, tmp_path):
    lake = neurolake.create(tmp_path / "lake", durable=False)
    neurolake.ingest(lake, written(json.dumps(BLUERECORDING_JSON), "probe.json"))
    neurolake.export(lake, tmp_path / "out.json", format="electrodes", electrodes="electrodes/probe")
    defaults = {"type": "LineSource", "layer": "NA", "region": "NA"}
    assert json.loads((tmp_path / "out.json").read_text()) == [
        {key: value for key, value in (defaults | entry).items() if value is not None}
        | {"name": str(entry["name"])}
        for entry in BLUERECORDING_JSON
    ]
    neurolake.export(lake, tmp_path / "out.csv", format="electrodes", electrodes="electrodes/probe")
    assert (tmp_path / "out.csv").read_text().splitlines()[
        3
    ] == "d,0.0,1.0,0.0,NA,NA,ObjectiveCSD_Disk_200.0_15.0"
    with pytest.raises(neurolake.InputError, match="exists already"):
        neurolake.export(lake, tmp_path / "out.csv", format="electrodes", electrodes="electrodes/probe")
    with pytest.raises(neurolake.InputError, match="needs coefficients"):
        neurolake.export(lake, tmp_path / "both.csv", format="electrodes", electrodes="a", coefficients="b")


def test_electrodes_become_a_documented_table(tmp_path):
    lake = neurolake.create(tmp_path / "lake", durable=False)
    probe = laminar_probe(3, 100, name="array", type="ObjectiveCSD_Plane")
    node = store_electrodes(lake, "array", probe)
    table = lake[node]
    assert node == "electrodes/array"
    assert table.to_pandas()["z"].tolist() == [0, -100, -200]
    assert table.to_arrow()["thickness"].null_count == 3
    assert all(field["doc"]["meaning"] for field in table.fields)
    found = Electrodes.from_columns(table.to_pandas().to_dict("list"))
    np.testing.assert_array_equal(found.position, probe.position)
    assert found.type == probe.type
    assert list(strangers(lake)) == []


def test_real_files_of_bluerecording(shared_data):
    folder = shared_data / "sonata" / "bluerecording_csv"
    found = {path.stem: read_electrodes(path) for path in sorted(folder.glob("*.csv"))}
    assert {name: len(electrodes) for name, electrodes in found.items()} == {
        "close": 6,
        "distant": 6,
        "hippocampus": 11,
        "neuropixels_384": 384,
        "whisker_eeg": 1,
    }
    assert found["close"].type[:3] == ("Reciprocity", "DipoleReciprocity", "PointSource")
    assert found["hippocampus"].layer[0] == ""


# Probes


def test_neuropixels_sites_are_staggered():
    probe = shank_probe(n_contacts=6)
    np.testing.assert_allclose(probe.position[:, 0], [-8, 24, -24, 8, -8, 24])
    np.testing.assert_allclose(probe.position[:, 2], [0, 0, 20, 20, 40, 40])
    assert probe.name == ("0", "1", "2", "3", "4", "5")
    straight = shank_probe("neuropixels-2.0", 4, first_site=2, name="np", tip=(0, 0, 5))
    np.testing.assert_allclose(straight.position, [[-8, 0, 20], [24, 0, 20], [-8, 0, 35], [24, 0, 35]])
    assert straight.name[0] == "np-2"


def test_a_tilted_shank_keeps_its_distances():
    upright = shank_probe(n_contacts=40).position
    tilted = shank_probe(n_contacts=40, direction=(1, 2, -3), across=(5, 1, 1), tip=(9, 9, 9)).position
    distances = [np.linalg.norm(p[:, None] - p[None], axis=2) for p in (upright, tilted)]
    np.testing.assert_allclose(distances[0], distances[1], atol=1e-9)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: shank_probe("neuropixels-9"), "expected one of neuropixels-1.0"),
        (lambda: shank_probe(n_contacts=961), "expected 0 to 959"),
        (lambda: shank_probe(across=(0, 0, 2)), "across has no length"),
        (lambda: laminar_probe(0, 10), "n_contacts is 0"),
        (lambda: laminar_probe(3, 0), "spacing is 0"),
        (lambda: laminar_probe(3, 1, type="Ear"), "type 'Ear'"),
        (lambda: Electrodes(["a", "a"], np.zeros((2, 3))), "both named 'a'"),
        (lambda: Electrodes(["a"], np.zeros((2, 3))), "position has 2 entries"),
        (lambda: Electrodes(["a"], np.zeros((1, 3)), radius=np.array([5.0])), "does not have"),
        (lambda: Electrodes.from_columns({"x": [1], "y": [2]}), "no column 'z'"),
    ],
)
def test_probes_that_make_no_sense_are_refused(make, reason):
    with pytest.raises(ValueError, match=reason):
        make()
