"""Reports of simulation configurations of SONATA are recorded as the same records asked by hand are."""

import json

import h5py
import numpy as np
import pytest
from nerves import delete_all_sections
from sonata_files import write_edges, write_nodes

import neurolake
from neurolake.catalog.vocabulary import reports as report_kinds
from neurolake.ingest.networks.runs import run_network
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.lake.errors import InputError
from neurolake.mechanisms.network.cells import Detector, NetworkCell

END, STEP = 6.0, 0.1
# Length, diameter and segments of each section.
SHAPES = ((15, 15, 1), (120, 2, 3), (150, 1.5, 5))
# Of the Blue Brain Project's dialect, and of bmtk's, with the request by hand and the frames that are to be equal.
TYPED = {
    "type": "compartment",
    "cells": "net",
    "variable_name": "v",
    "dt": 0.2,
    "start_time": 0,
    "end_time": END,
}
ASKED = {
    "somas": ({**TYPED}, "soma:v@0.2", slice(0, 30)),
    "everything": ({**TYPED, "sections": "all", "variable_name": "i_membrane", "dt": 0.1}, "all:i_membrane", slice(0, 60)),
    "centers": ({**TYPED, "sections": "all", "compartments": "center"}, "all(0.5):v@0.2", slice(0, 30)),
    "dendrites": ({**TYPED, "sections": "dend", "start_time": 1, "end_time": 3}, "basal(all):v@0.2,start=1,stop=2.9", slice(0, 10)),
    "middles": ({**TYPED, "sections": "dend", "compartments": "center", "dt": 0.3, "cells": "first"}, "first:basal:v@0.3", slice(0, 20)),
    "own": ({**TYPED, "variable_name": "pas.i", "sections": "apic", "cells": {"node_id": [1]}}, "last:apical(all):i_pas@0.2", slice(0, 30)),
    "spots": ({"type": "compartment_set", "compartment_set": "spots", "variable_name": "v", "dt": 0.1, "start_time": 0, "end_time": 4}, "set:spots:v", slice(0, 40)),
    "synapses": ({**TYPED, "type": "synapse", "sections": "all", "variable_name": "Exp2Syn.g"}, "synapses:g@0.2,mechanisms=Exp2Syn", slice(0, 30)),
    "currents": ({**TYPED, "type": "synapse", "sections": "all", "variable_name": "Exp2Syn"}, "synapses:i@0.2", slice(0, 30)),
    "sums": ({**TYPED, "type": "summation", "variable_name": "pas, i_membrane"}, "all:i_pas+i_membrane@0.2,sum=cell,scale=area", slice(0, 30)),
    "plain": ({**TYPED, "type": "summation", "variable_name": "v, pas.i", "scaling": "none", "sections": "all"}, "all:v+i_pas@0.2", slice(0, 30)),
    "received": ({**TYPED, "type": "summation", "variable_name": "Exp2Syn.i"}, "synapses:i@0.2,mechanisms=Exp2Syn,sum=cell", slice(0, 30)),
    "membrane": ({"module": "membrane_report", "variable_name": "v", "cells": "biophysical", "sections": ["soma", "basal"]}, "soma(all)+basal(all):v", slice(None)),
    "listed": ({"module": "membrane_report", "variable_name": "v", "cells": [0], "sections": "all", "dt": 0.5, "start_time": 2.0}, "first:all:v@0.5,start=2", slice(None)),
}  # fmt: skip


def cell(node):
    """A soma, a basal and an apical dendrite; as a tree that no file describes."""
    from neuron import h

    sections = [h.Section(name=name) for name in ("soma[0]", "dend[0]", "apic[0]")]
    for section, (length, diameter, count) in zip(sections, SHAPES, strict=True):
        section.L, section.diam, section.nseg = length, diameter, count
        section.insert("pas")
        section.e_pas, section.g_pas = -65.0 - node.node_id, 3e-4
    sections[1].connect(sections[0](0))
    sections[2].connect(sections[0](1))
    return NetworkCell(node.gid, sections, Detector())


def texts(*values):
    return np.array(values, h5py.string_dtype())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("reports")
    write_nodes(
        path / "nodes.h5",
        2,
        population="net",
        model_template=texts("Fork", "Fork"),
        model_type=texts(*["biophysical"] * 2),
    )
    write_edges(
        path / "edges.h5", [0, 1, 0], [1, 0, 0], population="net_net", afferent_section_id=np.array([1, 2, 0]),
        afferent_section_pos=np.array([0.3, 0.9, 0.5]), syn_weight=np.full(3, 0.003), delay=np.full(3, 1.0),
        model_template=texts(*["exp2syn"] * 3), dynamics_params=texts("", "", ""),
    )  # fmt: skip
    with h5py.File(path / "edges.h5", "a") as file:
        for end in ("source", "target"):
            file[f"edges/net_net/{end}_node_id"].attrs["node_population"] = "net"
    (path / "sets.json").write_text(
        '{"first": {"node_id": [0]}, "last": {"population": "net", "node_id": [1]}}'
    )
    (path / "compartments.json").write_text(
        '{"spots": {"population": "net", "compartment_set": [[0, 1, 0.25], [1, 2, 0.9]]}}'
    )
    return path


def ingested(folder, where, reports, **more):
    """A lake with the circuit and a configuration that has some reports."""
    told = {
        "run": {"tstop": END, "dt": STEP},
        "node_sets_file": "sets.json",
        "compartment_sets_file": "compartments.json",
        "connection_overrides": [{"name": "often", "source": "net", "target": "net", "spont_minis": 900}],
        "reports": reports,
        "networks": {
            "nodes": [{"nodes_file": "nodes.h5", "node_types_file": None}],
            "edges": [{"edges_file": "edges.h5", "edge_types_file": None}],
        },
        **more,
    }
    (folder / "simulation.json").write_text(json.dumps(told))
    lake = neurolake.create(where / "lake", durable=False)
    ingest_sonata(lake, folder / "simulation.json", name="net", on_error="skip")
    return lake


def run(lake, name, **options):
    return run_network(lake, "net", name=name, templates={"Fork": cell}, save_state=False, **options)


@pytest.fixture(scope="module")
def lake(folder, tmp_path_factory):
    """A lake with the runs `told`, as the configuration says, and `asked`, by hand."""
    delete_all_sections()
    reports = {name: told for name, (told, _, _) in ASKED.items()}
    reports["off"] = {**TYPED, "enabled": False}
    made = ingested(folder, tmp_path_factory.mktemp("lake"), reports)
    assert run(made, "told", record=["soma:v@1,name=more"]).notices == []
    run(
        made,
        "asked",
        record=[
            "none",
            "all:i_pas@0.2,name=raw",
            "synapses:i@0.2,name=each",
            *(f"{asked},name={name}" for name, (_, asked, _) in ASKED.items()),
        ],
    )
    yield made
    delete_all_sections()


@pytest.mark.parametrize("name", ASKED)
def test_a_report_is_the_record_that_is_asked_by_hand(lake, name):
    frames = ASKED[name][2]
    told, asked = (
        report_kinds.REPORT.of(circuit=run, report=name, population="net") for run in ("told", "asked")
    )
    arrays = lake.head.arrays
    expected = arrays[asked][frames]
    assert np.array_equal(arrays[told][...], expected) and np.ptp(expected) > 0
    axis = report_kinds.REPORT_TIME
    assert np.array_equal(arrays[axis.beside(told)][...], arrays[axis.beside(asked)][frames])
    table = report_kinds.ELEMENTS
    assert lake.head.tables[table.beside(told)].to_arrow() == lake.head.tables[table.beside(asked)].to_arrow()


def test_records_add_to_the_reports_of_the_configuration_and_none_leaves_them_out(lake):
    names = {
        run: {node.split("/")[2] for node in lake.head.arrays if node.startswith(f"reports/{run}/")}
        for run in ("told", "asked")
    }
    assert names["told"] - names["asked"] == {"more"}
    run(lake, "without", record=["none"], t_stop=1.0)
    assert not [node for node in lake.head.arrays if node.startswith("reports/without/")]
    # All segments of a dendrite, and what SONATA calls where they are.
    elements = (
        lake.head.tables[report_kinds.ELEMENTS.beside("reports/told/dendrites/net")].to_arrow().to_pydict()
    )
    assert elements["element_id"] == [1] * 6 and elements["element_pos"] == pytest.approx(
        [1 / 6, 0.5, 5 / 6] * 2
    )
    attributes = lake.head.arrays["reports/told/dendrites/net"].attrs["report"]
    assert (attributes["sections"], attributes["compartments"]) == ("dend", "all")


def test_a_summation_is_the_sum_over_the_cell_of_densities_times_area(lake):
    def values(name):
        return np.asarray(lake.head.arrays[f"reports/asked/{name}/net"][...], float)

    areas = np.concatenate(
        [np.full(count, np.pi * diameter * length / count) for length, diameter, count in SHAPES]
    )
    # nA of mA/cm2 times um2: 1e6 nA / 1e8 um2.
    expected = (values("raw").reshape(-1, 2, 9) * areas * 1e-2).sum(axis=2) + values("everything")[
        ::2
    ].reshape(-1, 2, 9).sum(axis=2)
    assert values("sums") == pytest.approx(expected, rel=1e-4, abs=1e-6) and np.abs(expected).max() > 1e-3
    cells = (
        lake.head.tables[report_kinds.ELEMENTS.beside("reports/asked/each/net")]
        .to_arrow()["node_id"]
        .to_numpy()
    )
    received = np.stack([values("each")[:, cells == node].sum(axis=1) for node in (0, 1)], axis=1)
    assert (
        values("received") == pytest.approx(received, rel=1e-5, abs=1e-9)
        and (np.bincount(cells) == [2, 1]).all()
    )
    report = lake.head.arrays["reports/told/sums/net"].attrs
    assert report["units"] is None and lake.head.arrays["reports/told/everything/net"].attrs["units"] == "nA"
    assert report["report"] == {
        "variable_name": "i_pas, i_membrane",
        "type": "summation",
        "sections": "soma",
        "scaling": "area",
    }
    elements = lake.head.tables[report_kinds.ELEMENTS.beside("reports/told/sums/net")].to_arrow().to_pydict()
    assert (
        elements["element_id"] == [0, 0]
        and elements["element_pos"] == [None, None]
        and elements["node_id"] == [0, 1]
    )


def test_kinds_that_are_not_recorded_are_left_out_and_told(folder, tmp_path):
    reports = {
        "other": {**TYPED, "type": "strange"},
        "clamps": {**TYPED, "type": "summation", "variable_name": "i_membrane, IClamp"},
        "mixed": {**TYPED, "type": "summation", "variable_name": "i_membrane, Exp2Syn"},
        "ecp": {"module": "extracellular", "electrode_positions": "x.csv"},
        "netcons": {"module": "netcon_report", "variable_name": "g"},
        "first": {"module": "membrane_report", "variable_name": "v", "transform": "first_element"},
        "often": {**TYPED, "dt": 0.01},
        "late": {**TYPED, "start_time": 50, "end_time": 60},
    }
    lake = ingested(folder, tmp_path, reports)
    notices = run(lake, "told", t_stop=1.0).notices
    for name, said in {
        "other": "type 'strange' is not recorded",
        "clamps": "a summation of IClamp is not recorded",
        "mixed": "a summation of synapses with anything else",
        "ecp": "module extracellular is recorded by --lfp",
        "netcons": "module 'netcon_report' is not recorded",
        "first": "a transform",
        "often": "its dt of 0.01 ms is below the time step",
        "late": "it begins at 50 ms, after the end of the run",
    }.items():
        assert any(f"reports.{name} " in notice and said in notice for notice in notices), (name, notices)
    assert [node for node in lake.head.arrays if node.startswith("reports/")] == [
        "reports/told/often/net", "reports/told/often/net.time",
    ]  # fmt: skip
    assert lake.head.arrays["reports/told/often/net"].shape == (10, 2)


def test_what_would_be_wrong_is_told_at_once_before_anything_is_made(folder, tmp_path):
    wrong = {
        "unknown": ({"variable_name": "volts"}, "no mechanism has a variable 'volts'"),
        "several": ({"variable_name": "v, ina"}, "expected one variable"),
        "nobody": ({"cells": "nobody"}, "no population 'nobody'"),
        "nowhere": ({"sections": "nose"}, "sections has 'nose'"),
        "edge": ({"compartments": "edge"}, "compartments is 'edge'"),
        "uneven": ({"dt": 0.25}, "no multiple of the time step"),
        "backwards": ({"start_time": 3, "end_time": 2}, "before it starts"),
        "scales": ({"type": "summation", "scaling": "volume"}, "scaling is 'volume'"),
        "letters": ({"dt": "1"}, "dt is '1', expected a number"),
        "absent": ({"variable_name": None}, "variable_name is None"),
        "set": ({"type": "compartment_set", "compartment_set": "spots"}, "both cells and compartment_set"),
        "sets": ({"type": "compartment_set", "compartment_set": "gone", "cells": ...}, "no such compartment set"),
        "rule": ({"cells": {"node_id": [7]}}, "no cell is among"),
        "gids": ({"type": ..., "module": "membrane_report", "gids": [3]}, "gids are not supported"),
        "kind": ({"type": ...}, "neither type nor module"),
        "process": ({"type": "synapse", "sections": "all", "variable_name": "Exp2Syn.volts"}, "no variable 'volts' at these synapses"),
    }  # fmt: skip
    reports = {
        name: {key: value for key, value in {**TYPED, **change}.items() if value is not ...}
        for name, (change, _) in wrong.items()
    }
    lake = ingested(folder, tmp_path, reports)
    with pytest.raises(InputError) as told:
        run(lake, "bad")
    lines = str(told.value).splitlines()
    for name, (_, said) in wrong.items():
        assert any(f"reports.{name} " in line and said in line for line in lines), (name, lines)
    assert "spikes/bad/net" not in lake.head.tables
    assert run(lake, "good", record=["none"], t_stop=1.0).commit is not None
