"""Network parameters from templates: the barrel field's geometry, and what the In Silico Framework made of them."""

import gzip

import pytest

from neurolake.ingest.text.parameters import parse_parameters
from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.input.network_parameters import (
    EVOKED_FILES,
    evoked_network_parameters,
    ongoing_network_parameters,
    read_cell_counts,
    seen_from_c2,
)

COLUMNS = [f"{row}{arc}" for row in "ABCDE" for arc in (1, 2, 3, 4)] + ["Alpha", "Beta", "Gamma", "Delta"]
TEMPLATE = {
    "info": {"name": "template"},
    "network": {"L5tt": {"celltype": "spiketrain", "interval": 100.0, "synapses": {"releaseProb": 0.6}}},
}
FILES = {"synapse_file": "a.syn", "connection_file": "a.con"}
EVOKED = {"L5tt": {"L5tt_C2": {"distribution": "PSTH", "intervals": [[0, 1]], "probabilities": [0.5]}}}


def read(path):
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return parse_parameters(data, path)


@pytest.fixture(scope="module")
def real(isf_data):
    folder = isf_data / "example_86_C2"
    functional = folder / "functional"
    embedding = folder / "anatomical" / "example_embedding_86_C2_center"
    template = (
        functional / "ongoing_activity/ongoing_activity_celltype_template_exc_conductances_fitted.param"
    )
    evoked = {
        cell_type: read(functional / "evoked_activity" / name) for cell_type, name in EVOKED_FILES.items()
    }
    return read(template), read_cell_counts(embedding / "NumberOfConnectedCells.csv"), evoked


@pytest.mark.parametrize("whisker", ["C2", "B1"])
def test_populations_are_those_the_framework_made(isf_data, real, whisker):
    template, cells, evoked = real
    golden = read(isf_data / "golden" / f"network_{whisker}_stim.param.gz")
    files = next(iter(golden["network"].values()))["synapses"]
    made = evoked_network_parameters(
        template,
        cells,
        evoked,
        whisker=whisker,
        synapse_file=files["distributionFile"],
        connection_file=files["connectionFile"],
    )
    assert made["info"] == golden["info"]
    assert made["NMODL_mechanisms"] == golden["NMODL_mechanisms"]
    assert len(golden["network"]) == 278
    assert made["network"].keys() == golden["network"].keys()
    for name, population in golden["network"].items():
        assert made["network"][name] == population, name


def test_ongoing_parameters_hold_the_same_populations_without_evoked_spikes(real):
    template, cells, evoked = real
    ongoing = ongoing_network_parameters(template, cells, **FILES)["network"]
    driven = evoked_network_parameters(template, cells, evoked, whisker="C2", **FILES)["network"]
    assert ongoing.keys() == driven.keys()
    assert {population["celltype"] for population in ongoing.values()} == {"spiketrain"}
    assert all(population["cellNr"] == driven[name]["cellNr"] for name, population in ongoing.items())


def test_the_nine_columns_around_c2_are_mirrored_through_it():
    around = {column: seen_from_c2(column, "C2") for column in COLUMNS if seen_from_c2(column, "C2")}
    assert around == dict(
        zip(
            ["B1", "B2", "B3", "C1", "C2", "C3", "D1", "D2", "D3"],
            ["D3", "D2", "D1", "C3", "C2", "C1", "B3", "B2", "B1"],
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("whisker", "neighbours"),
    [
        ("A1", {"Alpha", "A1", "A2", "B1", "B2"}),
        ("Alpha", {"Alpha", "A1", "Beta", "B1"}),
        ("Beta", {"Alpha", "Beta", "B1", "Gamma", "C1"}),
        ("D1", {"Gamma", "C1", "C2", "Delta", "D1", "D2", "E1", "E2"}),
        ("E1", {"Delta", "D1", "D2", "E1", "E2"}),
        ("E4", {"D3", "D4", "E3", "E4"}),
    ],
)
def test_neighbours_at_the_rim(whisker, neighbours):
    assert {column for column in COLUMNS if seen_from_c2(column, whisker)} == neighbours


def test_adjacency_is_mutual():
    for column in COLUMNS:
        for whisker in COLUMNS:
            assert (seen_from_c2(column, whisker) is None) == (seen_from_c2(whisker, column) is None)


def test_evoked_spikes_come_on_top_of_ongoing_ones():
    cells = {"L5tt": {"C2": 3, "E4": 2, "A1": 0}}
    network = evoked_network_parameters(TEMPLATE, cells, EVOKED, whisker="C2", offset=7.0, **FILES)["network"]
    assert network["L5tt_C2"] == {
        "celltype": {
            "spiketrain": {"interval": 100.0},
            "pointcell": {**EVOKED["L5tt"]["L5tt_C2"], "offset": 7.0},
        },
        "cellNr": 3,
        "synapses": {"releaseProb": 0.6, "distributionFile": "a.syn", "connectionFile": "a.con"},
    }
    assert network["L5tt_E4"]["celltype"] == "spiketrain"
    assert "L5tt_A1" not in network
    assert "offset" not in EVOKED["L5tt"]["L5tt_C2"], "what was given is left alone"


def test_populations_without_cells_on_request():
    cells = {"L5tt": {"A1": 0}}
    network = ongoing_network_parameters(TEMPLATE, cells, all_populations=True, **FILES)["network"]
    assert network["L5tt_A1"]["cellNr"] == 0


def test_a_whisker_that_is_not():
    with pytest.raises(ModelError, match="'F1' is no column"):
        evoked_network_parameters(TEMPLATE, {"L5tt": {"C2": 1}}, {}, whisker="F1", **FILES)


def test_a_template_without_counts():
    with pytest.raises(ModelError, match="L5tt of the template has no counts"):
        ongoing_network_parameters(TEMPLATE, {}, **FILES)
    with pytest.raises(ModelError, match="no dictionary 'network'"):
        ongoing_network_parameters({}, {}, **FILES)
    silent = {"network": {"L5tt": {"celltype": "spiketrain"}}}
    with pytest.raises(ModelError, match="L5tt of the template has no 'interval'"):
        evoked_network_parameters(silent, {"L5tt": {"C2": 1}}, EVOKED, whisker="C2", **FILES)


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("column\n", "expected a header", 1),
        ("{head}A1\tL2\n", "expected column", 2),
        ("{head}A1\tL2\t-1\n", "expected column", 2),
        ("{head}A1\tL2\t1\nA1\tL2\t2\n", "twice", 3),
    ],
)
def test_counts_that_do_not_read(tmp_path, text, reason, line):
    file = tmp_path / "cells.csv"
    file.write_text(
        text.format(head="Presynaptic column\tPresynaptic cell type\tConnected presynaptic cells\n")
    )
    with pytest.raises(ModelError, match=reason) as caught:
        read_cell_counts(file)
    assert (caught.value.path, caught.value.line) == (str(file), line)
