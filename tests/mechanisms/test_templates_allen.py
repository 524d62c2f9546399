"""Cells of the Allen Cell Types database: sections, stubs and membrane, by JSON and by NeuroML."""

import json

import numpy as np
import pytest

from neurolake.mechanisms.cell.swc import parse_swc
from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.network.cells import NetworkNode
from neurolake.mechanisms.network.templates import Search
from neurolake.mechanisms.templates.allen import cut, find_allen
from neurolake.mechanisms.templates.genome import read_genome
from neurolake.mechanisms.templates.neuroml import read_neuroml

# An apical dendrite before the axon and the basal dendrites, as files may have it.
SWC = """
1 1 1000.123456 0 0 8 -1
2 4 1000.123456 10 0 1 1
3 4 1000.123456 90 0 0.7 2
4 2 1000.123456 -10 0 0.5 1
5 2 1000.123456 -60 0 0.4 4
6 2 1040.123456 -90 0 0.3 5
7 2 960.123456 -90 0 0.3 5
8 3 1010.123456 0 0 1 1
9 3 1090.123456 0 0 0.8 8
"""
MODEL = {
    "passive": [{"ra": 138.0, "e_pas": -80.0, "cm": [{"section": part, "cm": cm} for part, cm in (("soma", 1.0), ("axon", 1.5), ("dend", 2.0), ("apic", 2.5))]}],
    "conditions": [{"celsius": 34.0, "erev": [{"section": "soma", "ena": 53.0, "ek": -107.0}]}],
    "genome": [
        {"section": "soma", "name": "gImbar_Im", "mechanism": "Im", "value": "0.002"},
        {"section": "soma", "name": "gNaTa_tbar_NaTa_t", "mechanism": "NaTa_t", "value": 0.5},
        {"section": "glob", "name": "x", "mechanism": "", "value": 0},
        {"section": "dend", "name": "g_pas", "mechanism": "", "value": 3e-5},
    ],
}  # fmt: skip
NEUROML = """<?xml version="1.0"?>
<neuroml xmlns="http://www.neuroml.org/schema/neuroml2">
  <concentrationModel id="CaDynamics_E2" type="CaDynamics_E2" segmentGroup="soma" decay="80 ms" gamma="0.01" ion="ca"/>
  <cell id="one"><biophysicalProperties id="b"><membraneProperties>
    <channelDensity id="gImbar_Im" segmentGroup="soma" ion="k" ionChannel="Im" erev="-107.0 mV" condDensity="2 mS_per_cm2"/>
    <channelDensityNernst id="gCa_HVAbar_Ca_HVA" ionChannel="Ca_HVA" condDensity="0.001 S_per_cm2" segmentGroup="somatic" ion="ca"/>
    <channelDensity id="g_pas_dend" segmentGroup="dend" ion="non_specific" ionChannel="pas" erev="-80 mV" condDensity="3e-5 S_per_cm2"/>
    <specificCapacitance segmentGroup="apical" value="2.5 uF_per_cm2"/>
  </membraneProperties><intracellularProperties>
    <resistivity segmentGroup="all" value="138 ohm_cm"/>
  </intracellularProperties></biophysicalProperties></cell>
</neuroml>
"""


@pytest.fixture
def files():
    return {"cell.swc": SWC.encode(), "fit.json": json.dumps(MODEL).encode(), "Cell.nml": NEUROML.encode()}


def node(processing="aibs_perisomatic", **changed):
    attributes = {"morphology": "cell.swc", "model_processing": processing, "dynamics_params": "fit.json"}
    return NetworkNode(0, "v1", 0, attributes={**attributes, **changed})


def test_the_axon_becomes_two_stubs_at_the_end():
    shapes = cut(parse_swc(SWC))
    assert [shape.name for shape in shapes] == ["soma_0", "dend_1", "apic_2", "axon_0", "axon_1"]
    assert [(shape.parent, shape.parent_x) for shape in shapes] == [
        (-1, 0),
        (0, 0.5),
        (0, 0.5),
        (0, 0.5),
        (3, 1),
    ]
    assert shapes[1].points[:, 0].tolist() == pytest.approx([1010.12, 1090.12], abs=1e-12), "six digits"
    for stub in shapes[3:]:
        assert np.linalg.norm(np.diff(stub.points[:, :3], axis=0)) == 30 and stub.points[:, 3].tolist() == [
            1,
            1,
        ]


def test_stubs_of_all_active_cells_are_as_wide_as_the_axon(library):
    shapes = cut(parse_swc(SWC), all_active=True)
    assert (shapes[3].parent, shapes[3].parent_x) == (0, 1.0)
    widths = [shape.points[0, 3] for shape in shapes[3:]]
    assert 0.8 < widths[0] < 1.0 and 0.6 < widths[1] < 0.8
    without = "\n".join(line for line in SWC.strip().splitlines() if line.split()[1] != "2")
    assert len(cut(parse_swc(without))) == 5
    with pytest.raises(ModelError, match="no axon"):
        cut(parse_swc(without), all_active=True)


def test_a_perisomatic_cell_has_what_its_json_says(files, library):
    template = find_allen("ctdb:Biophys1.hoc", Search(files=files, settings={"run": {"dL": 10.0}}))
    assert template.check(node()) == ()
    cell = template.build(node())
    soma, dend, _, axon, _ = cell.sections
    assert [section.cm for section in cell.sections] == [1.0, 2.0, 2.5, 1.5, 1.5]
    assert {section.Ra for section in cell.sections} == {138.0}
    assert all(segment.pas.e == -80 for section in cell.sections for segment in section)
    assert soma.gImbar_Im == 0.002 and soma.gNaTa_tbar_NaTa_t == 0.5 and not axon.has_membrane("Im")
    assert (soma.ena, soma.ek) == (53.0, -107.0) and dend.g_pas == 3e-5
    assert [section.nseg for section in cell.sections] == [1, 9, 9, 3, 3]
    assert cell.detector.threshold == -15.0 and cell.soma == 0


def test_an_all_active_cell_has_reversal_potentials_where_ions_are(files, library):
    changed = {
        **MODEL,
        "conditions": [{"erev": [{"section": part, "ena": 53.0, "ek": -107.0} for part in ("soma", "dend")]}],
    }
    search = Search(files={**files, "fit.json": json.dumps(changed).encode()})
    cell = find_allen("ctdb:Biophys1.hoc", search).build(node("aibs_allactive"))
    assert cell.sections[0].ek == -107 and not cell.sections[1].has_membrane("k_ion")
    with pytest.raises(ModelError, match=r"no variable .ena"):
        find_allen("ctdb:Biophys1.hoc", search).build(node("aibs_perisomatic"))


def test_neuroml_says_the_same(files, library):
    template = find_allen("nml:Cell.nml", Search(files=files))
    assert template.mechanisms == ("CaDynamics_E2", "Ca_HVA", "Im") and template.check(node()) == ()
    soma, dend, apic, *axon = template.build(node()).sections
    assert soma.gImbar_Im == 0.002 and soma.ek == -107 and soma.gCa_HVAbar_Ca_HVA == 0.001
    assert soma.gamma_CaDynamics_E2 == 0.01 and soma.decay_CaDynamics_E2 == 80
    assert dend.g_pas == 3e-5 and dend.e_pas == -80 and apic.cm == 2.5
    assert {section.Ra for section in (soma, dend, apic, *axon)} == {138.0}


@pytest.mark.parametrize(
    "changed, told",
    [
        ({"passive": []}, "passive: expected a list"),
        ({"genome": [{"section": "nose", "name": "a", "value": 1}]}, r"genome\[0\].section: 'nose'"),
        ({"genome": [{"section": "soma", "name": "a", "value": "many"}]}, "'many'"),
        ({"conditions": [{"erev": [{"section": "soma", "ena": 53.0}]}]}, r"erev\[0\]: no 'ek'"),
    ],
)
def test_faults_of_parameters_are_told_with_their_place(changed, told):
    with pytest.raises(ModelError, match=told):
        read_genome({**MODEL, **changed}, "cell v1 0")


@pytest.mark.parametrize(
    "text, told",
    [
        ("<neuroml>", "no XML"),
        ("<neuroml/>", "no biophysical properties"),
        ('<neuroml><resistivity segmentGroup="nose" value="1 ohm_cm"/></neuroml>', "segmentGroup is 'nose'"),
        ('<neuroml><resistivity segmentGroup="all" value="1 kohm_cm"/></neuroml>', "1 kohm_cm"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "entities"),
    ],
)
def test_faults_of_neuroml_are_told(text, told):
    with pytest.raises(ModelError, match=told):
        read_neuroml(text.encode(), "Cell.nml")


def test_all_that_a_cell_lacks_is_told_at_once(files):
    template = find_allen("ctdb:Biophys1", Search(files={}))
    told = " ".join(template.check(node()))
    assert "fit.json" in told and "cell.swc" in told
    assert "model_processing is 'other'" in template.check(node("other"))[0]
    assert "Gone.nml" in find_allen("nml:Gone.nml", Search()).check(node())[0]


def test_a_mechanism_that_is_not_loaded_is_named(files, library):
    changed = {
        **MODEL,
        "genome": [{"section": "soma", "name": "gbar_NoSuch", "mechanism": "NoSuch", "value": 1}],
    }
    template = find_allen("ctdb:Biophys1", Search(files={**files, "fit.json": json.dumps(changed).encode()}))
    with pytest.raises(ModelError, match=r"NoSuch.*\.mod"):
        template.build(node())
