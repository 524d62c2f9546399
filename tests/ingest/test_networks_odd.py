"""Odd and legal things in circuits and configurations of SONATA: they run, or are told with the key."""

import h5py
import numpy as np
import pytest
from nerves import delete_all_sections
from sonata_files import write_edges, write_nodes, write_spikes
from three_spheres import ALLEN, ingested, sphere

import neurolake
from neurolake.ingest.networks.runs import run_network
from neurolake.lake.errors import InputError

RAMP = {
    "module": "linear",
    "input_type": "current_clamp",
    "amp_start": 0.1,
    "delay": 1,
    "duration": 8,
    "node_set": "first",
}
REPORT = {
    "type": "compartment",
    "cells": "net",
    "variable_name": "v",
    "dt": 0.1,
    "start_time": 5.0,
    "end_time": 5.0,
}
SPIKES = {
    "input_type": "spikes",
    "module": "synapse_replay",
    "spike_file": "../spikes.h5",
    "node_set": "net",
    "delay": 0,
    "duration": 50,
}


@pytest.fixture(autouse=True)
def no_sections():
    yield
    delete_all_sections()


def run(lake, **options):
    return run_network(
        lake, "net", name="run", templates={"Sphere": sphere}, record=["soma"], save_state=False, **options
    )


def with_senders(folder, nodes, times, **attributes):
    """A lake whose circuit has two cells besides, of which only the circuit's configuration says that they are virtual."""
    write_spikes(folder / "spikes.h5", nodes, times, population="send")
    write_nodes(folder / "send.h5", 2, population="send", **attributes)
    write_edges(
        folder / "to.h5",
        [0, 1],
        [0, 2],
        population="send__net",
        **{name: values[:2] for name, values in ALLEN.items()},
    )
    with h5py.File(folder / "to.h5", "a") as file:
        for end, population in (("source", "send"), ("target", "net")):
            file[f"edges/send__net/{end}_node_id"].attrs["node_population"] = population
    networks = {
        "nodes": [
            {"nodes_file": "nodes.h5"},
            {"nodes_file": "../send.h5", "populations": {"send": {"type": "virtual"}}},
        ],
        "edges": [{"edges_file": "edges.h5"}, {"edges_file": "../to.h5"}],
    }
    return ingested(folder / "c", ALLEN, networks=networks, inputs={"in": SPIKES})


def test_cells_are_virtual_where_the_circuit_says_that_their_population_is(tmp_path):
    lake = with_senders(tmp_path, [0, 1], [2.0, 3.0])
    report = run(lake)
    assert report.cells == 5 and report.spikes == {"net": 0, "send": 2}
    found = np.asarray(lake.head.arrays["reports/run/soma v/net"][:])
    assert (np.ptp(found[:, [0, 2]], axis=0) > 0.5).all() and np.ptp(found[:, 1]) < 1e-4


def test_a_file_of_no_spikes_is_one(tmp_path):
    lake = with_senders(tmp_path, [], [], x=np.zeros(2))
    assert run(lake).spikes == {"net": 0, "send": 0}


def test_what_is_passed_over_is_told(tmp_path):
    lake = ingested(
        tmp_path / "c",
        ALLEN,
        run={"tstop": 10, "dt": 0.025, "tstart": 2},
        reports={"v": {**REPORT, "enabled": True}},
    )
    notices = run(lake).notices
    assert "run.tstart of the configuration is passed over" in notices[0]
    assert (
        "reports.v of the configuration: it ends at 5 ms, where it begins, so it records nothing"
        in notices[1]
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"run": {"tstop": 10, "dt": "0.025"}}, r"run\.dt of the configuration is '0\.025', expected a number"),
        ({"conditions": {"celsius": "34"}}, r"conditions\.celsius of the configuration is '34'"),
        ({"inputs": {"p": {"module": "poisson", "input_type": "spikes", "rate": 1}}}, "input p: the lake has no spikes of it: module 'poisson'"),
        ({"inputs": {"p": {**RAMP, "module": "pulse", "width": 1, "frequency": 0}}}, "input p: frequency is 0 Hz, expected more than 0"),
        ({"inputs": {"n": {**RAMP, "module": "sinusoidal", "frequency": 5, "dt": 0}}}, "input n: dt is 0 ms"),
        ({"connection_overrides": ["a"]}, "connection_overrides is .* expected a list of objects"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told_with_its_key(tmp_path, change, told):
    with pytest.raises(InputError, match=told):
        run(ingested(tmp_path / "c", ALLEN, **change))


def test_a_section_that_a_made_cell_has_not_is_told_with_the_edge(tmp_path):
    lake = ingested(tmp_path / "c", {**ALLEN, "afferent_section_id": np.array([0, 7, 0, 0])})
    with pytest.raises(
        InputError, match="net__net__chemical, edge 1: it ends at section 7 of cell 2, which has 1 sections"
    ):
        run(lake)


def test_node_sets_may_stand_in_the_configuration_itself(tmp_path):
    sets = {"mine": {"node_id": [1]}, "first": {"node_id": [2]}}
    told = {"node_sets": sets, "inputs": {"in": {**RAMP, "node_set": "mine"}}}
    lake = ingested(tmp_path / "c", ALLEN, **told)
    run(lake)
    found = np.asarray(lake.head.arrays["reports/run/soma v/net"][:])
    assert np.ptp(found[:, 1]) > 1 and np.ptp(found[:, [0, 2]]) < 1e-4
    # Those of the simulation take the place of equal names in files.
    assert neurolake.circuit(lake, "net").node_ids("first", "net").tolist() == [2]
    assert neurolake.circuit(lake, "net").node_ids("last", "net").tolist() == [2]
