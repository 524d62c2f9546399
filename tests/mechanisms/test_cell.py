"""Cells built from morphology and parameters: a real one against ISF's own answer, small ones against the rules."""

import copy
import gc
import gzip
import json

import numpy as np
import pytest

from neurolake.ingest.text.parameters import parse_parameters
from neurolake.mechanisms.cell.create import create_cell
from neurolake.mechanisms.cell.geometry import section_table, segment_table
from neurolake.mechanisms.cell.morphology import read_morphology
from neurolake.mechanisms.errors import ModelError

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


@pytest.fixture
def soma(parameters):
    """Parameters of the small cell's soma."""
    return parameters["neuron"]["Soma"]


@pytest.mark.parametrize(
    "keys, value, match",
    [
        (("neuron",), None, r"^no 'neuron'"),
        (("neuron", "Soma"), None, r"neuron: no parameters for the sections labelled 'Soma'"),
        (("neuron", "Soma"), [1], r"neuron\.Soma: expected a dictionary"),
        (
            ("neuron", "ApicalDendrit"),
            {"properties": {"Ra": 1, "cm": 1}},
            r"neuron\.ApicalDendrit: no section",
        ),
        (
            ("neuron", "AIS"),
            {"properties": {"Ra": 1, "cm": 1}},
            "no parameters for the sections labelled 'Myelin'",
        ),
        (
            ("neuron", "Soma", "properties", "Ra"),
            0,
            r"neuron\.Soma\.properties\.Ra: 0, expected a number above 0",
        ),
        (("neuron", "Soma", "properties", "cm"), "1", r"properties\.cm: '1', expected a number"),
        (
            ("neuron", "Soma", "properties", "ions"),
            {"emg": 1},
            r"properties\.ions\.emg: no reversal potential",
        ),
        (("neuron", "Soma", "properties", "spines"), {"density": 1}, r"properties\.spines: no 'area'"),
        (
            ("neuron", "Soma", "mechanisms", "global"),
            {"pas": {}},
            r"mechanisms\.global: .* belong in mech_globals",
        ),
        (("neuron", "spatialgraph_modify_functions"), {"f": {}}, "not supported; use cell_modify_functions"),
        (("neuron", "discretization"), {"f": -1}, r"discretization\.f: -1, expected a number above 0"),
        (("mech_globals",), {"Ih": {"gone": 1}}, r"mech_globals: NEURON has no global variable 'gone_Ih'"),
    ],
)
def test_wrong_models_are_refused(parameters, pyramid, library, keys, value, match):
    *parents, last = keys
    branch = parameters
    for key in parents:
        branch = branch[key]
    if value is None:
        del branch[last]
    else:
        branch[last] = value
    with pytest.raises(ModelError, match=match):
        create_cell(parameters, pyramid)


@pytest.mark.parametrize(
    "mechanism, entry, match",
    [
        (
            "Nav1_6",
            {"spatial": "uniform", "g": 1},
            r"neuron\.Soma\.mechanisms\.range\.Nav1_6: no such mechanism: load",
        ),
        ("IClamp", {"spatial": "uniform", "amp": 1}, "no such mechanism"),
        (
            "Ih",
            {"spatial": "uniform", "gIbar": 1},
            r"range\.Ih: no parameter 'gIbar' .*; it has ehcn, gIhbar",
        ),
        ("Ih", {"gIhbar": 1}, r"range\.Ih: no 'spatial'"),
        (
            "Ih",
            {"spatial": "gaussian", "gIhbar": 1},
            "no spatial rule 'gaussian'; there are uniform, linear,",
        ),
        ("Ih", {"spatial": "linear", "gIhbar": 1, "slope": 1}, r"range\.Ih: no 'offset'"),
        (
            "Ih",
            {"spatial": "linear", "gIhbar": 1, "slope": "x", "offset": 0},
            r"Ih\.slope: 'x', expected a number",
        ),
        ("Ih", {"spatial": "uniform", "gIhbar": None}, r"range\.Ih\.gIhbar: None, expected a number"),
        (
            "Ih",
            {"spatial": "uniform", "gIhbar": 1, "distance": "far"},
            r"distance: 'far', expected 'relative'",
        ),
        (
            "Ih",
            {"spatial": "uniform", "gIhbar": 1, "outsidescale_sections": [1]},
            "only the rule uniform_range",
        ),
        ("Ih", {"spatial": ["uniform"], "gIhbar": 1}, r"no spatial rule \['uniform'\]"),
    ],
)
def test_wrong_mechanisms_are_refused_before_a_section_exists(
    parameters, soma, pyramid, library, mechanism, entry, match, monkeypatch
):
    monkeypatch.setattr("neurolake.mechanisms.cell.create.Cell", pytest.fail)
    soma["mechanisms"]["range"][mechanism] = entry
    with pytest.raises(ModelError, match=match) as refused:
        create_cell(parameters, pyramid, path="cell.param")
    assert refused.value.path == "cell.param"


def test_spines_add_membrane(parameters, pyramid, library):
    bare = create_cell(parameters, pyramid)
    parameters["neuron"]["Dendrite"]["properties"]["spines"] = {"density": 1.5, "area": 1.2}
    spiny = create_cell(parameters, pyramid)
    for section in bare.of_label("Dendrite"):
        factor = 1 + 1.5 * 1.2 * bare.lengths[section] / bare.areas[section]
        for before, after in zip(bare.sections[section], spiny.sections[section], strict=True):
            assert after.cm == pytest.approx(before.cm * factor)
            assert after.pas.g == pytest.approx(before.pas.g * factor)
            assert after.area() == before.area()
    assert spiny.soma.cm == bare.soma.cm


def test_segments_follow_the_length_constant(parameters, pyramid, library):
    parameters["neuron"]["Dendrite"]["properties"].update(Ra=250.0, cm=2.0)
    parameters["neuron"]["discretization"] = {"f": 400}
    cell = create_cell(parameters, pyramid)
    for section in cell.of_label("Dendrite"):
        points = cell.shapes[section].points
        constant = 1e5 * (points[len(points) // 2, 3] / (4 * np.pi * 400 * 250 * 2)) ** 0.5
        longest = cell.lengths[section] / cell.n_segments[section]
        assert cell.n_segments[section] % 2 == 1
        assert longest < 0.17 * constant, "about a tenth: rounded to an odd number"
    parameters["neuron"]["discretization"] = {"f": 400, "max_seg_length": 4.0}
    fine = create_cell(parameters, pyramid)
    assert (fine.lengths / fine.n_segments).max() <= 4.0
    assert (fine.n_segments >= cell.n_segments).all()


def test_globals_ions_and_fixed_values_are_set(parameters, soma, pyramid, library):
    from neuron import h

    soma["mechanisms"]["range"]["SK_E2"] = {"spatial": "uniform", "gSK_E2bar": 0.1}
    parameters["mech_globals"] = {"SK_E2": {"ztau": 2.0}}
    cell = create_cell(parameters, pyramid)
    assert h.ztau_SK_E2 == 2.0
    assert (cell.soma.ek, cell.soma.ena, cell.soma(0.5).pas.e) == (-85.0, 50.0, -90.0)
    assert cell.sections[6].ek == -85.0, "an ion may be named where no channel uses it"


def test_globals_of_one_cell_are_not_those_of_the_next(parameters, pyramid, library):
    from neuron import h

    for value in (3.0, 4.0):
        parameters["mech_globals"] = {"SK_E2": {"ztau": value}}
        create_cell(parameters, pyramid)
        assert h.ztau_SK_E2 == value
    del parameters["mech_globals"]
    create_cell(parameters, pyramid)
    assert h.ztau_SK_E2 == 1.0


def test_a_cell_says_what_it_is_and_goes_when_it_is_let_go(parameters, pyramid, library):
    from neuron import h

    gc.collect()
    before = len(list(h.allsec()))
    cell = create_cell(parameters, pyramid)
    assert repr(cell) == f"<Cell of 14 sections and {cell.n_segments.sum()} segments>"
    assert len(list(h.allsec())) == before + 14
    del cell
    gc.collect()
    assert len(list(h.allsec())) == before
