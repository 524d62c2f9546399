"""Reports of type lfp: what electrodes of a file of weights record of each cell, against weights times stored currents."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from nerves import delete_all_sections
from sonata_files import write_nodes
from under_mpi import run_python

import neurolake
from neurolake.ingest.networks.runs import run_network
from neurolake.ingest.sonata.export import export_sonata
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.lake.errors import InputError
from neurolake.mechanisms.network.cells import Detector, NetworkCell
from neurolake.mechanisms.stimuli.clamps import CurrentClamp

COUNTS, ELECTRODES = (1, 3, 5), 4
SEGMENTS = sum(COUNTS)
WEIGHTS = np.random.default_rng(5).normal(0, 0.1, (2 * SEGMENTS, ELECTRODES))
REPORT = {
    "type": "lfp",
    "cells": "net",
    "dt": 0.2,
    "start_time": 1.0,
    "end_time": 5.0,
    "electrodes_file": "$HERE/probes/w.h5",
}


def cell(node):
    """A soma, a basal and an apical dendrite, passive, of which the soma has a current."""
    from neuron import h

    sections = [h.Section(name=name) for name in ("soma[0]", "dend[0]", "apic[0]")]
    for section, count in zip(sections, COUNTS, strict=True):
        section.L, section.diam, section.nseg = 30 * count, 5, count
        section.insert("pas")
        section.e_pas, section.g_pas = -65.0 - node.node_id, 3e-4
    sections[1].connect(sections[0](0))
    sections[2].connect(sections[0](1))
    return NetworkCell(node.gid, sections, Detector())


def write_weights(path, nodes, rows=SEGMENTS):
    """A file as SONATA has it: electrodes and their columns, and rows of each node."""
    with h5py.File(path, "w") as file:
        group = file.create_group("net")
        group["node_ids"] = np.asarray(nodes, "u8")
        group["offsets"] = np.arange(len(nodes) + 1, dtype="u8") * rows
        file["electrodes/net/scaling_factors"] = WEIGHTS[: len(nodes) * rows]
        for at in range(ELECTRODES):
            one = file.create_group(f"electrodes/e{at}")
            one["net"], one["position"] = at, np.array([at, 0.0, 0.0])
            one["type"] = "PointSource"


def ingested(where, reports, nodes=(0, 1), rows=SEGMENTS, **run):
    folder = where / "circuit"
    (folder / "probes").mkdir(parents=True)
    write_weights(folder / "probes" / "w.h5", nodes, rows)
    write_nodes(
        folder / "nodes.h5", 2, population="net", model_template=np.array(["Fork"] * 2, h5py.string_dtype())
    )
    told = {
        "manifest": {"$HERE": "."},
        "run": {"tstop": 6.0, "dt": 0.1, **run},
        "reports": reports,
        "networks": {"nodes": [{"nodes_file": "nodes.h5", "node_types_file": None}], "edges": []},
    }
    (folder / "simulation.json").write_text(json.dumps(told))
    lake = neurolake.create(where / "lake", durable=False)
    ingest_sonata(lake, folder / "simulation.json", name="net", on_error="skip")
    return lake


def run(lake, name="run", **options):
    drive = CurrentClamp("drive", {0: (1.5, 3.0, 0.4)}, electrode=False)
    return run_network(
        lake, "net", name=name, templates={"Fork": cell}, record=["all:i_membrane@0.1"], clamps=[drive], save_state=False, **options
    )  # fmt: skip


@pytest.fixture(autouse=True)
def no_sections():
    yield
    delete_all_sections()


def test_a_report_has_weights_times_currents_of_each_cell(tmp_path):
    lake = ingested(
        tmp_path,
        {
            "field": REPORT,
            "old": {**REPORT, "electrodes_file": "probes/w.h5", "start_time": 0.0, "end_time": 6.0},
        },
    )
    assert run(lake).notices == []
    arrays, node = lake.head.arrays, "reports/run/field/net"
    found = arrays[node][...]
    current = np.asarray(arrays["reports/run/all i_membrane/net"][...], np.float64)
    whole = np.concatenate(
        [current[:, :SEGMENTS] @ WEIGHTS[:SEGMENTS], current[:, SEGMENTS:] @ WEIGHTS[SEGMENTS:]], axis=1
    )
    # Every 0.2 ms from 1 on, and none at 5.
    assert found == pytest.approx(whole[10:50:2], abs=1e-6) and np.ptp(found[:, 0]) > 1e-3
    assert np.allclose(arrays[f"{node}.time"][...], 1.0 + 0.2 * np.arange(20))
    assert arrays["reports/run/old/net"][...] == pytest.approx(whole[0:60:2], abs=1e-6)
    elements = lake.head.tables[f"{node}.elements"].to_arrow().to_pydict()
    assert elements["node_id"] == [0] * 4 + [1] * 4 and elements["element_id"] == [0, 1, 2, 3] * 2
    told = arrays[node].attrs
    assert told["units"] == "mV" and told["report"]["type"] == "lfp" and told["weights"] == "w"
    threads = run(lake, "threads", threads=2)
    assert threads.notices == [] and np.array_equal(lake.head.arrays["reports/threads/field/net"][...], found)
    export_sonata(lake.head, tmp_path / "out", runs=["run"], dialect="libsonata")
    with h5py.File(tmp_path / "out" / "reports" / "field.h5") as file:
        assert np.array_equal(file["report/net/data"][...], found)


def test_cells_without_weights_are_left_out_and_told(tmp_path):
    lake = ingested(
        tmp_path, {"field": {**REPORT, "electrodes_file": None}}, [1], electrodes_file="probes/w.h5"
    )
    (told,) = [line for line in run(lake).notices if "reports.field" in line]
    assert "w has no weights of 1 of 2 cells of net, which are left out: 0" in told
    assert lake.head.arrays["reports/run/field/net"].shape == (20, ELECTRODES)


@pytest.mark.parametrize(
    ("change", "rows", "told"),
    [
        ({"electrodes_file": None}, SEGMENTS, "reports.field of the configuration: electrodes_file is None"),
        ({}, SEGMENTS - 1, "weights of w are not of as many segments as cells of net have: 0, 1 (2 in all)"),
    ],
)
def test_faults_name_the_report_and_the_file(tmp_path, change, rows, told):
    lake = ingested(tmp_path, {"field": {**REPORT, **change}}, rows=rows)
    with pytest.raises(InputError) as error:
        run(lake)
    assert told in str(error.value)


SCRIPT = """
import sys
import neurolake
from neurolake.ingest.networks.runs import run_network
from neurolake.mechanisms.stimuli.clamps import CurrentClamp

sys.path[:0] = sys.argv[3:]
from test_networks_lfp_reports import cell

drive = CurrentClamp("drive", {0: (1.5, 3.0, 0.4)}, electrode=False)
run_network(
    neurolake.open(sys.argv[1]), "net", name=sys.argv[2], templates={"Fork": cell}, record=["all:i_membrane@0.1"], clamps=[drive], save_state=False
)
"""


def test_ranks_change_no_bit_of_a_report(tmp_path):
    lake = ingested(tmp_path, {"field": REPORT})
    here = Path(__file__).parent
    for name, ranks in (("alone", 1), ("shared", 2)):
        run_python(["-c", SCRIPT, lake.url, name, here, here.parent / "helpers"], ranks)
    arrays = neurolake.open(lake.url).head.arrays
    alone, shared = (arrays[f"reports/{name}/field/net"][...] for name in ("alone", "shared"))
    assert np.array_equal(alone, shared) and np.ptp(alone) > 1e-3
