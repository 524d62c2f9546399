"""Templates: models of ours on any tree, point processes, and hoc in the conventions of other simulators."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_trees import POINTS, SECTIONS, small_node, small_tree

from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.network.cells import Detector, NetworkNode, TreeShape
from neurolake.mechanisms.network.templates import CellTemplate, Search
from neurolake.mechanisms.templates.detectors import initial_segment_detector
from neurolake.mechanisms.templates.documented import DOCUMENTED
from neurolake.mechanisms.templates.finders import FINDERS, find_template
from neurolake.mechanisms.templates.hoc import HocTemplate, read_hoc_templates
from neurolake.mechanisms.templates.trees import tree_morphology

DT, WAIT = 0.025, 200.0


def inject(cell, current, *, duration=250.0, dt=DT):
    """Spike times after the current begins at `WAIT`, and time and potential of the soma."""
    from neuron import h

    h.load_file("stdrun.hoc")
    soma = cell.sections[cell.soma]
    clamp = h.IClamp(soma(0.5))
    clamp.delay, clamp.dur, clamp.amp = WAIT, duration, current
    times, v, spikes = h.Vector().record(h._ref_t), h.Vector().record(soma(0.5)._ref_v), h.Vector()
    where = cell.detector
    section = cell.sections[where.section]
    detector = h.NetCon(section(where.x)._ref_v, None, sec=section)
    detector.threshold = where.threshold
    detector.record(spikes)
    h.CVode().active(False)
    h.dt, h.steps_per_ms, h.celsius, h.secondorder = dt, 1 / dt, 35.0, 0
    h.finitialize(-70)
    h.continuerun(WAIT + duration)
    return np.array(spikes), np.array(times), np.array(v)


def rate(cell, current, *, dt=DT):
    """Spikes per second while the current flows."""
    spikes, _, _ = inject(cell, current, dt=dt)
    return float(np.sum(spikes > WAIT)) / 0.25


def width(times, v, spike):
    """How long a spike is above the middle between its peak and the trough after it, in ms."""
    near = (times > spike - 2) & (times < spike + 8)
    high, low = v[near].max(), v[near & (times > spike)].min()
    return float((v[near] > (high + low) / 2).sum() * DT)


# Trees


def test_sections_of_a_tree_keep_their_order_and_places():
    cell = tree_morphology(small_tree())
    for shape, points in zip(cell.shapes, SECTIONS, strict=True):
        assert shape.points == pytest.approx(POINTS[points][:, :4])
    assert [shape.parent for shape in cell.shapes] == [-1, 0, 0, 2, 2, 0]
    assert [shape.parent_x for shape in cell.shapes] == [0.0, 0.0, 1.0, 1.0, 1.0, 0.5]
    assert cell.labels == ("Soma", "Dendrite", "ApicalDendrite", "ApicalDendrite", "ApicalDendrite", "Axon")


def test_a_soma_of_one_point_is_as_long_as_wide():
    columns = {"x": [1.0, 30], "y": [2.0, 2], "z": [3.0, 3], "diameter": [10.0, 1], "layer": [0, 0]}
    columns |= {"type": [1, 3], "parent": [-1, 0]}
    tree = TreeShape.of(
        "ball",
        {name: np.array(values) for name, values in columns.items()},
        [np.array([0], np.int32), np.array([0, 1], np.int32)],
        (np.array([0]), np.array([1])),
    )
    shapes = tree_morphology(tree).shapes
    assert shapes[0].points.tolist() == [[-4, 2, 3, 10], [1, 2, 3, 10], [6, 2, 3, 10]]
    assert shapes[1].parent_x == 0.5


# Models of ours


@pytest.fixture
def made(library):
    """Makes a cell by a template of ours, of the small tree."""
    return lambda name: DOCUMENTED[name].build(small_node())


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_model_of_ours_keeps_the_sections_of_the_tree(made, name):
    template, cell = DOCUMENTED[name], made(name)
    assert isinstance(template, CellTemplate)
    assert template.check(small_node()) == () and cell.soma == 0
    lengths = [np.linalg.norm(np.diff(POINTS[points][:, :3], axis=0), axis=1).sum() for points in SECTIONS]
    assert [section.L for section in cell.sections] == pytest.approx(lengths, rel=1e-6)
    assert all(section.nseg % 2 == 1 for section in cell.sections)


def test_a_pyramidal_cell_rests_and_fires_regularly_above_a_threshold(made):
    cell = made("PyramidalCell")
    spikes, times, v = inject(cell, 0.0)
    assert len(spikes) == 0 and v[-1] == pytest.approx(-70, abs=1.5)
    assert np.ptp(v[times > WAIT]) < 0.2
    rates = [rate(cell, current) for current in (0.0, 0.1, 0.2, 0.4)]
    assert rates == sorted(rates) and rates[0] == 0 and 10 < rates[-1] < 120
    spikes, times, v = inject(cell, 0.2)
    intervals = np.diff(spikes)[1:]
    assert intervals.std() < 0.1 * intervals.mean()
    assert v.max() > 10 and 0.6 < width(times, v, spikes[1]) < 1.6


def test_a_pyramidal_cell_sags_where_the_h_current_is(made):
    _, times, v = inject(made("PyramidalCell"), -0.1)
    lowest, last = v[times > WAIT].min(), v[-1]
    assert -115 < lowest < -78 and last > lowest + 0.5


def test_a_basket_cell_rests_and_reaches_high_rates_with_short_spikes(made):
    cell = made("BasketCell")
    spikes, times, v = inject(cell, 0.0)
    assert len(spikes) == 0 and v[-1] == pytest.approx(-64, abs=1.0)
    rates = [rate(cell, current) for current in (0.02, 0.1, 0.3, 0.6)]
    assert rates == sorted(rates) and rates[-1] > 200
    spikes, times, v = inject(cell, 0.1)
    assert width(times, v, spikes[1]) < 0.9
    intervals = np.diff(spikes)
    assert intervals[-1] == pytest.approx(intervals[1], rel=0.03), "no adaptation"


def test_an_olm_cell_fires_by_itself_at_theta_and_sags(made):
    cell = made("OLMCell")
    spikes, _, _ = inject(cell, 0.0, duration=900.0)
    intervals = np.diff(spikes)[3:]
    assert 4 < 1000 / intervals.mean() < 14 and intervals.std() < 0.05 * intervals.mean()
    assert rate(cell, 0.6) > 2 * rate(cell, 0.0)
    _, times, v = inject(cell, -0.6)
    assert v[times > WAIT].min() < v[-1] - 4


@pytest.mark.parametrize("name, current", [("PyramidalCell", 0.2), ("BasketCell", 0.1), ("OLMCell", 0.1)])
def test_spikes_do_not_hinge_on_the_time_step(made, name, current):
    cell = made(name)
    assert rate(cell, current) == pytest.approx(rate(cell, current, dt=DT / 2), abs=5)


def test_parameters_of_a_file_make_a_template_and_come_before_ours(tmp_path, library, parameters):
    (tmp_path / "PyramidalCell.param").write_text(json.dumps(parameters))
    found = find_template("PyramidalCell", Search([tmp_path]))
    assert found.path == tmp_path / "PyramidalCell.param" and "NaTa_t" in found.mechanisms
    told = found.check(small_node())
    assert any("Axon" in line for line in told), told
    assert find_template("PyramidalCell", Search()) is DOCUMENTED["PyramidalCell"]
    parameters["mech_globals"] = {"hh": {"q10": 3}}
    (tmp_path / "Other.param").write_text(json.dumps(parameters))
    assert "mech_globals" in " ".join(find_template("Other", Search([tmp_path])).check(small_node()))
    assert "needs a tree" in found.check(NetworkNode(0, "cells", 0))[0]


def test_what_is_not_there_is_told_with_where_it_was_looked_for(tmp_path):
    with pytest.raises(ModelError) as told:
        find_template("Nothing", Search([tmp_path]))
    assert str(tmp_path) in str(told.value) and all(what in str(told.value) for what in FINDERS)


# Point processes


def test_an_integrate_and_fire_cell_has_its_parameters_in_seconds(library):
    from neuron import h

    files = {"exc.json": b'{"tau": 0.02, "refrac": 0.003, "type": "NEURON_IntFire1"}'}
    node = NetworkNode(3, "points", 3, attributes={"dynamics_params": "exc.json"})
    template = find_template("nrn:IntFire1", Search(files=files))
    assert template.artificial and template.mechanisms == () and template.check(node) == ()
    cell = template.build(node)
    assert (cell.process.tau, cell.process.refrac, cell.sections) == (20.0, 3.0, ())
    source, spikes = h.NetStim(), h.Vector()
    source.start, source.number, source.interval, source.noise = 1, 10, 4, 0
    to, out = h.NetCon(source, cell.process), h.NetCon(cell.process, None)
    to.weight[0], to.delay = 0.4, 0
    out.record(spikes)
    h.dt = DT
    h.finitialize(-65)
    h.continuerun(60)
    # m decays by exp(-4 / 20) between events of 0.4, and is set back for good while the cell is refractory.
    m, expected, free = 0.0, [], 0.0
    for event in 1 + 4 * np.arange(10):
        m = m * np.exp(-4 / 20) + 0.4 if event >= free else 0.0
        if m > 1:
            expected.append(float(event))
            m, free = 0.0, event + 3
    assert np.array(spikes) == pytest.approx(expected, abs=1e-9) and len(expected) > 1


def test_faults_of_point_processes_are_told(library):
    template = find_template("nrn:IntFire2", Search())
    node = NetworkNode(0, "points", 7, attributes={"dynamics_params": "gone.json"})
    assert "points 7" in template.check(node)[0] and "gone.json" in template.check(node)[0]
    wrong = NetworkNode(0, "points", 0, attributes={"dynamics_params": {"taum": [1, 2]}})
    assert "taum" in template.check(wrong)[0]
    strange = NetworkNode(0, "points", 0, attributes={"dynamics_params": {"no_such": 1.0}})
    with pytest.raises(ModelError, match="no_such"):
        template.build(strange)
    own = NetworkNode(
        0, "points", 0, attributes={"dynamics_params/taum": 12.0, "dynamics_params": {"taum": 5.0}}
    )
    assert template.build(own).process.taum == 12.0
    with pytest.raises(ModelError, match="NoSuchProcess"):
        find_template("nrn:NoSuchProcess", Search()).build(node)


# Hoc


def hoc(name, init, more=""):
    return f"""
begintemplate {name}
public soma, dend, axon, all, told, sections, somaidx
objref all, somaidx, points
strdef told
create soma[1], dend[2], axon[1], sections[1]
proc init() {{ // called with $s9 in a comment
    {init}
}}
{more}
endtemplate {name}
"""


TREE = """
    all = new SectionList()
    connect dend[0](0), soma[0](1)
    connect dend[1](0), soma[0](1)
    connect axon[0](0), soma[0](0)
    soma[0] all.append()
    dend[0] all.append()
    dend[1] all.append()
    axon[0] all.append()
    soma[0] { L = 20 diam = 20 insert hh }
"""


_number = itertools.count()


@pytest.fixture
def template(tmp_path):
    """Writes a template of a name of its own, and finds it: NEURON keeps templates for the life of a process."""

    def write(init, more="", **search):
        name = f"WrittenCell{next(_number)}"
        (tmp_path / f"{name}.hoc").write_text(hoc(name, init, more))
        return find_template(f"hoc:{name}", Search([tmp_path], format="sonata", **search))

    return write


def test_spikes_are_seen_where_the_conditions_say(template, tmp_path):
    (tmp_path / "one.asc").write_text("")
    init = TREE + '\nsprint(told, "%d %s %s", $1, $s2, $s3)'
    node = NetworkNode(12, "cells", 2, attributes={"morphology": "one"})
    settings = {"run": {"spike_threshold": -25}, "conditions": {"spike_location": "AIS"}}
    with pytest.raises(ModelError, match=r"cell 12 has no axon\[1\]"):
        template(init, settings=settings).build(node)
    (told,) = template(init, settings={"conditions": {"spike_location": "tuft"}}).check(node)
    assert "'tuft'; there are soma and AIS" in told
    soma, first, second = "soma", "axon 0", "axon 1"
    made = SimpleNamespace(axon=[first, second])
    found = initial_segment_detector(made, [soma, first, second], Detector(0, 0.5, -25.0), node)
    assert found == Detector(2, 0.5, -25.0)


def test_neurodamus_templates_are_told_gid_folder_and_file(template, tmp_path):
    (tmp_path / "morphologies").mkdir()
    (tmp_path / "morphologies" / "one.asc").write_text("")
    found = template(TREE + '\nsprint(told, "%d %s %s", $1, $s2, $s3)')
    assert isinstance(found, HocTemplate) and found.convention.name == "neurodamus"
    node = NetworkNode(12, "cells", 2, attributes={"morphology": "one"})
    assert found.check(node) == ()
    cell = found.build(node)
    assert cell.held.told == f"12 {tmp_path / 'morphologies'} one.asc"
    names = [section.name().split(".")[-1] for section in cell.sections]
    assert names == ["soma[0]", "axon[0]", "dend[0]", "dend[1]"], "as the circuit numbers sections"
    assert cell.detector == Detector(0, 0.5, -30.0)
    gone = NetworkNode(1, "cells", 1, attributes={"morphology": "two"})
    assert "two" in found.check(gone)[0]


def test_templates_that_take_a_path_get_the_tree_of_the_lake(template):
    found = template(TREE + "\ntold = $s1", settings={"run": {"spike_threshold": -33}})
    cell = found.build(small_node(morphology="gone"))
    assert found.convention.name == "Allen Institute" and cell.detector.threshold == -33
    lines = Path(cell.held.told).read_text().splitlines()
    samples = np.array([[float(word) for word in line.split()] for line in lines])
    assert samples[:, 2:5] == pytest.approx(POINTS[:, :3]) and samples[:, 5] == pytest.approx(
        POINTS[:, 3] / 2
    )
    assert samples[:, 6].tolist() == [-1, 1, 2, 1, 4, 3, 6, 6, 2, 9]


@pytest.mark.parametrize("params, told", [(None, "none"), ([3, 4], "3 4"), (5, "5")])
def test_bmtk_templates_are_told_params(template, params, told):
    init = (
        TREE
        + """
    told = "none"
    if (numarg() == 1) sprint(told, "%d", $1)
    if (numarg() == 2) sprint(told, "%d %d", $1, $2)
    """
    )
    given = {} if params is None else {"params": params}
    found = template(init, files={"own.json": json.dumps(given).encode()})
    cell = found.build(NetworkNode(0, "cells", 0, attributes={"dynamics_params": "own.json"}))
    assert found.convention.name == "bmtk" and cell.held.told == told
    assert [section.name().split(".")[-1] for section in cell.sections] == [
        "soma[0]",
        "dend[0]",
        "dend[1]",
        "axon[0]",
    ]
    assert "gone" in found.check(NetworkNode(0, "cells", 0, attributes={"dynamics_params": "gone"}))[0]


def test_miv_templates_are_told_the_tree(template):
    init = """
    sprint(told, "%d %d %g %g", $1, $o2.__len__(), $o10._[0], $o6._[4])
    create sections[$o2.__len__()]
    somaidx = new Vector(1)
    somaidx.x[0] = $o11._[0] - 1 + $o3._[0] * 0 + $o4._[0] + $o5._[0] * 0 + $o7._[0] + $o8._[0] + $o9._[0]
    """
    found = template(init)
    assert found.convention.name == "MiV-Simulator"
    cell = found.build(small_node(7))
    assert cell.held.told == "7 6 8 1" and len(cell.sections) == 6 and cell.soma == 0
    assert "needs a tree" in found.check(NetworkNode(0, "cells", 0))[0]


def test_a_section_that_a_template_deletes_is_not_of_the_cell(template):
    init = TREE + "\nif ($1 == 0) told = $s3\ntold = $s2\naxon[0] delete_section()"
    cell = template(init).build(small_node(0, morphology="x"))
    assert [section.name().split(".")[-1] for section in cell.sections] == ["soma[0]", "dend[0]", "dend[1]"]


def test_hoc_that_fails_is_told_with_its_file(template, tmp_path):
    found = template("told = $s1\nexecerror(told, told)")
    with pytest.raises(ModelError, match="Allen Institute") as told:
        found.build(small_node())
    assert str(tmp_path) in str(told.value)


def test_what_a_template_inserts_is_read_and_not_run(tmp_path):
    path = tmp_path / "cells.hoc"
    path.write_text(
        hoc("OneOfTwo", "insert pas insert Ca_HVA // insert nothing")
        + hoc("TwoOfTwo", "insert Ih /* insert x */")
    )
    one, two = read_hoc_templates(path)
    assert (one.name, one.inserted, two.name, two.inserted) == ("OneOfTwo", ("Ca_HVA",), "TwoOfTwo", ("Ih",))
    from neuron import h

    assert not hasattr(h, "OneOfTwo")


def test_hoc_is_only_looked_for_where_the_user_said(tmp_path):
    with pytest.raises(ModelError, match="no folder was named"):
        find_template("hoc:Nowhere", Search())
    (tmp_path / "a.hoc").write_text(hoc("Twice", ""))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.hoc").write_text(hoc("Twice", "told = told"))
    with pytest.raises(ModelError, match="otherwise"):
        find_template("hoc:Twice", Search([tmp_path]))
    with pytest.raises(ModelError, match="no file defines"):
        find_template("hoc:Thrice", Search([tmp_path]))


def test_one_process_keeps_to_one_text_of_a_template(tmp_path, library):
    for number, text in enumerate(("told = $s1", "told = $s1 // changed")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "a.hoc").write_text(hoc("Changed", TREE + text))
    find_template("hoc:Changed", Search([tmp_path / "0"])).build(small_node())
    with pytest.raises(ModelError, match="another template 'Changed'"):
        find_template("hoc:Changed", Search([tmp_path / "1"])).build(small_node())
