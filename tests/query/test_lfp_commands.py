"""The command line from files of electrodes and morphologies to signals and figures."""

import re

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import neurolake
from neurolake.cli import app
from neurolake.query import lfp

SWC = "1 1 0 0 0 5 -1\n2 3 0 5 0 1 1\n3 3 0 105 0 1 2\n"
CSV = "name,x,y,z,type\na,50,0,0,LineSource\nb,50,50,0,LineSource\nc,50,100,0,LineSource\nd,50,150,0,LineSource\n"


@pytest.fixture
def folder(tmp_path):
    """A lake with two cells and a report of their currents; a morphology and a probe beside it."""
    pytest.importorskip("morphio")
    lake = neurolake.create(tmp_path / "lake", durable=False)
    values = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    with lake.transaction("Store") as transaction:
        nodes = {"node_id": [0, 1], "morphology": ["cell"] * 2, "mtype": ["PC", "BC"], "x": [0.0, 200.0]}
        transaction.write_table("nodes/run/cells", pa.table(nodes))
        report = "reports/run/i/cells"
        attributes = {"units": "nA", "population": "cells"}
        transaction.write_array(report, values, dimension_names=["time", "element"], attributes=attributes)
        transaction.write_array(f"{report}.time", np.arange(30) * 0.1, dimension_names=["time"])
        elements = {
            "node_id": np.repeat([0, 1], 4),
            "element_id": [0, 1, 1, 1] * 2,
            "segment_index": [0, 0, 1, 2] * 2,
        }
        transaction.write_table(f"{report}.elements", pa.table(elements))
    (tmp_path / "cell.swc").write_text(SWC)
    (tmp_path / "probe.csv").write_text(CSV)
    return tmp_path


def run(folder, *arguments, fails=False):
    words = [str(word) for word in arguments]
    result = CliRunner().invoke(app, [*words, "--lake", str(folder / "lake")])
    assert (result.exception is not None) == fails, result.output
    return result.exception if fails else result.output


def node_in(text):
    return re.search(r"derived/\S+", text)[0]


def test_from_files_to_a_figure(folder):
    pytest.importorskip("matplotlib")
    assert "electrodes/probe  (4 contacts)" in run(folder, "ingest", "electrodes", folder / "probe.csv")
    options = ("--report", "reports/run/i/cells", "--name", "cells")
    assert "(8 segments)" in run(folder, "ingest", "segments", "nodes/run/cells", folder, *options)
    made = run(folder, "lfp", "coefficients", "segments/cells", "electrodes/probe", "--sigma", "0.25")
    assert "4 electrode x 8 segment, mV/nA" in made
    summed = run(folder, "lfp", "signal", "reports/run/i/cells", node_in(made))
    assert "4 electrode x 30 time, mV" in summed
    grouped = run(
        folder, "lfp", "signal", "reports/run/i/cells", node_in(made), "--by", "mtype", "--t-stop", "1"
    )
    assert "2 group x 4 electrode x 10 time, mV" in grouped
    lake = neurolake.open(folder / "lake")
    assert lake[node_in(made)].xarray()["electrode"].values.tolist() == list("abcd")
    both = lake[node_in(grouped)][...].sum(axis=0)
    np.testing.assert_allclose(both, lake[node_in(summed)][:, :10], rtol=1e-4, atol=1e-7)
    page = folder / "page.png"
    draw = ("--segments", "segments/cells", "--plane", "xy", "--window", "0", "2", "-o", page)
    assert "Wrote" in run(folder, "lfp", "plot", node_in(summed), *draw)
    assert page.read_bytes()[:4] == b"\x89PNG"
    run(folder, "lfp", "plot", node_in(grouped), "--group", "PC", "-o", folder / "group.svg")
    assert (folder / "group.svg").stat().st_size > 10_000
    error = run(folder, "lfp", "plot", node_in(grouped), "-o", folder / "none.png", fails=True)
    assert "--group is one of BC, PC" in str(error)
    error = run(
        folder, "lfp", "plot", node_in(summed), "--group", "PC", "-o", folder / "none.png", fails=True
    )
    assert "no groups" in str(error)


def test_weights_go_out_and_come_back(folder):
    pytest.importorskip("h5py")
    run(folder, "ingest", "electrodes", folder / "probe.csv")
    run(folder, "ingest", "segments", "nodes/run/cells", folder, "--report", "reports/run/i/cells")
    made = node_in(run(folder, "lfp", "coefficients", "segments/cells", "electrodes/probe"))
    file = folder / "weights.h5"
    assert "Wrote" in run(folder, "export", "electrodes", made, file, "--population", "cells", "--ones")
    run(folder, "ingest", "sonata", file, "--name", "back")
    signal = run(folder, "lfp", "signal", "reports/run/i/cells", "electrodes/back/weights/cells", "--weights")
    ours = run(folder, "lfp", "signal", "reports/run/i/cells", made)
    lake = neurolake.open(folder / "lake")
    theirs = lake[node_in(signal)][...]
    np.testing.assert_array_equal(theirs[:4], lake[node_in(ours)][...])
    np.testing.assert_allclose(theirs[4], lake["reports/run/i/cells"][...].sum(axis=1), atol=1e-5)
    error = run(
        folder,
        "export",
        "electrodes",
        "reports/run/i/cells",
        folder / "no.h5",
        "--population",
        "p",
        fails=True,
    )
    assert "coefficients have electrode and segment" in str(error)


def test_probes_without_a_file_are_listed(folder):
    place = ("--place", "0", "0", "-100")
    run(folder, "ingest", "electrodes", "--probe", "neuropixels-1.0", "--contacts", "4", *place)
    run(folder, "ingest", "electrodes", "--probe", "laminar", "--contacts", "3", "--name", "array")
    table = run(folder, "lfp", "electrodes")
    assert re.search(r"electrodes/array +3 *\n", table)
    assert re.search(r"electrodes/neuropixels-1.0 +4 *\n", table)
    assert re.search(
        r"2 +-24 +0 +-80 +LineSource", run(folder, "lfp", "electrodes", "electrodes/neuropixels-1.0")
    )


def test_options_of_methods(folder):
    run(folder, "ingest", "electrodes", folder / "probe.csv")
    run(folder, "ingest", "segments", "nodes/run/cells", folder, "--segment-length", "50")
    lake = neurolake.open(folder / "lake")
    segments, contacts = (lake[name] for name in ("segments/cells", "electrodes/probe"))
    names = ("lfp", "coefficients", "segments/cells", "electrodes/probe")
    for words, options in (
        (("--method", "point", "--minimum-distance", "none"), {"method": "point", "minimum_distance": None}),
        (("--soma", "line", "--minimum-distance", "7.5"), {"soma": "line", "minimum_distance": 7.5}),
        (("--sigma", "0.3,0.3,0.4", "--method", "line"), {"sigma": [0.3, 0.3, 0.4], "method": "line"}),
        (
            ("--method", "slice", "--option", "bottom=-50", "--option", "thickness=400"),
            {"method": "slice", "bottom": -50, "thickness": 400},
        ),
        (("--dtype", "float32"), {"dtype": "float32"}),
    ):
        found = neurolake.open(folder / "lake")[node_in(run(folder, *names, *words))]
        np.testing.assert_array_equal(found[...], lfp.coefficients(segments, contacts, **options))


def test_a_field_for_reciprocity(folder):
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "eeg.h5", "w") as file:
        file["CurrentApplied"] = 1.0
        for axis in "xyz":
            file[f"Meshes/m/axis_{axis}"] = np.array([-1e-3, 1e-3])
        values = np.zeros((2, 2, 2, 2))
        values[1] = 2.0
        file["FieldGroups/g/AllFields/EM Potential(x,y,z,f0)/_Object/Snapshots/0/comp0"] = values
    run(folder, "ingest", "electrodes", folder / "probe.csv")
    run(folder, "ingest", "segments", "nodes/run/cells", folder, "--segment-length", "500")
    assert "fields/eeg  (2 x 2 x 2)" in run(folder, "ingest", "field", folder / "eeg.h5")
    names = ("lfp", "coefficients", "segments/cells", "electrodes/probe", "--method", "reciprocity")
    one = node_in(run(folder, *names, "--field", "fields/eeg"))
    each = node_in(
        run(folder, *names, *(word for name in "abcd" for word in ("--field", f"{name}=fields/eeg")))
    )
    lake = neurolake.open(folder / "lake")
    np.testing.assert_allclose(lake[one][0], [1000, 1000, 1200, 1200])
    np.testing.assert_array_equal(lake[each][...], lake[one][...])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("ingest", "electrodes"), "give a FILE or --probe"),
        (("ingest", "electrodes", "--probe", "tetrode"), "layout is 'tetrode'"),
        (("ingest", "segments", "nodes/run/cells", ".", "--axon", "cut"), "axon is one of keep"),
        (("lfp", "coefficients", "nodes/run/cells", "nodes/run/cells"), "segments have no column"),
        (("lfp", "coefficients", "a", "b", "--option", "steps"), "write NAME=VALUE"),
        (("lfp", "electrodes", "electrodes/none"), "electrodes/none"),
        (("lfp", "signal", "reports/run/i/cells", "reports/run/i/cells"), "coefficients are"),
    ],
)
def test_mistakes_are_told(folder, arguments, reason):
    assert reason in str(run(folder, *arguments, fails=True))
