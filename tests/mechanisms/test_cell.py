"""Cells built from morphology and parameters: a real one against ISF's own answer, small ones against the rules."""

import copy
import gc
import gzip
import json

import pytest

from neurolake.ingest.parameters import parse_parameters
from neurolake.mechanisms.cell import create_cell
from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.geometry import section_table, segment_table
from neurolake.mechanisms.morphology import read_morphology

CONDUCTANCES = {"pas": "g"}
"""The golden file names a conductance by its mechanism alone; other channels' are called g<mechanism>bar."""


@pytest.fixture(scope="module")
def golden(isf_data):
    return json.loads(gzip.decompress((isf_data / "golden" / "cell_86_C2_center.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def parameters_86(isf_data):
    file = isf_data / "example_86_C2" / "biophysical" / "86_C2_center.param"
    return parse_parameters(file.read_bytes(), file)


@pytest.fixture(scope="module")
def morphology_86(isf_data):
    return read_morphology(isf_data / "example_86_C2" / "anatomical" / "86_C2_center.hoc")


@pytest.fixture(scope="module")
def cell_86(parameters_86, morphology_86, library):
    yield create_cell(parameters_86, morphology_86)
    gc.collect()


def exactly(values):
    return pytest.approx(values, rel=1e-9, abs=0)


def test_cell_86_has_the_golden_sections(cell_86, golden):
    table = section_table(cell_86)
    assert table["label"].tolist() == [each["label"] for each in golden]
    assert table["parent_id"].tolist() == [
        -1 if each["parent"] is None else each["parent"] for each in golden
    ]
    assert table["parent_x"][1:].tolist() == exactly([each["parentx"] for each in golden[1:]])
    assert table["n_segments"].tolist() == [each["nseg"] for each in golden]
    assert table["n_points"].tolist() == [each["npts"] for each in golden]
    assert table["length"].tolist() == exactly([each["L"] for each in golden])
    assert [own.Ra for own in cell_86.sections] == exactly([each["Ra"] for each in golden])
    assert [own.cm for own in cell_86.sections] == exactly([each["cm"] for each in golden])
    for x, name in ((0, "dist0"), (1, "dist1")):
        distances = [cell_86.distance(number, x) for number in range(len(golden))]
        assert distances == exactly([each[name] for each in golden])


def test_cell_86_has_the_golden_segments(cell_86, golden):
    table, segments = segment_table(cell_86), [each for own in golden for each in own["segs"]]
    assert table["x"].tolist() == exactly([each["x"] for each in segments])
    assert table["diameter"].tolist() == exactly([each["diam"] for each in segments])
    assert table["area"].tolist() == exactly([each["area"] for each in segments])


def test_every_conductance_of_cell_86_is_golden(cell_86, golden):
    compared = 0
    for section, own in zip(cell_86.sections, golden, strict=True):
        for segment, there in zip(section, own["segs"], strict=True):
            names = there.keys() - {"x", "diam", "area"}
            for name in names:
                found = getattr(segment, f"{CONDUCTANCES.get(name, f'g{name}bar')}_{name}")
                assert found == exactly(there[name]), (section.name(), segment.x, name)
            compared += len(names)
    assert compared == 5_440


def test_cell_86_has_the_published_size(cell_86):
    assert cell_86.lengths.sum() == pytest.approx(16_340, abs=0.5)
    assert cell_86.areas[0] == pytest.approx(916, abs=0.5)
    apical = cell_86.of_label("ApicalDendrite")
    assert cell_86.areas[apical].sum() == pytest.approx(27_212, abs=0.5)


def test_before_scaling_the_areas_are_golden_too(parameters_86, morphology_86, golden, library):
    plain = copy.deepcopy(parameters_86)
    plain["neuron"]["cell_modify_functions"] = {}
    assert create_cell(plain, morphology_86).areas.tolist() == exactly([each["area"] for each in golden])


def test_a_model_without_its_mechanisms_is_refused(parameters_86, morphology_86, library):
    wrong = copy.deepcopy(parameters_86)
    wrong["neuron"]["Soma"]["mechanisms"]["range"]["Nav1_6"] = {"spatial": "uniform", "g": 1}
    with pytest.raises(ModelError, match=r"neuron\.Soma\.mechanisms\.range\.Nav1_6: no such mechanism"):
        create_cell(wrong, morphology_86)
