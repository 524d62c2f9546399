"""Synapses in NEURON: where they sit, when they act, and what is refused before anything is simulated."""

import numba
import numpy as np
import pytest
from neuron import h

from neurolake.kernels.draws import normal, stream, uniforms
from neurolake.mechanisms import library
from neurolake.mechanisms.cell.sites import branches
from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.input.network import Network, StoredSynapses, lognormal_weight, stored_synapses
from neurolake.mechanisms.input.populations import Population, Receptor

ALPHA = Receptor("Exp2Syn", (0.002,), delay=0.0, parameters={"tau1": 0.5, "tau2": 3.0, "e": 0.0})
GLUTAMATE = Receptor("glutamate_syn", (1.5, 2.5), delay=1.0, threshold=0.5, parameters={"tau1": 26.0})


@pytest.fixture(scope="module", autouse=True)
def mechanisms():
    library.load()
    h.load_file("stdrun.hoc")


@pytest.fixture(scope="module")
def cell():
    """A soma and a dendrite of five segments, as geometry and as sections."""
    lines = [[(0, 0, 0), (0, 0, 20)], [(0, 0, 20), (0, 0, 40), (0, 0, 70), (0, 0, 120)]]
    sections = [h.Section(name=name) for name in ("soma", "dend")]
    for section, line in zip(sections, lines, strict=True):
        section.pt3dclear()
        for point in line:
            section.pt3dadd(*point, 2.0)
        section.insert("pas")
    sections[1].connect(sections[0](1))
    sections[1].nseg = 5
    geometry = branches(
        [np.array(line, float) for line in lines],
        labels=["Soma", "Dendrite"],
        parents=[-1, 0],
        parent_x=[0, 1],
    )
    return sections, geometry


def at(*places):
    """One population with synapses at (section, point)."""
    section, point = np.array(places).T
    zeros = np.zeros(len(places), np.int64)
    return StoredSynapses(("L2_C2",), zeros, np.arange(len(places)), section, point)


def populations(*receptors):
    return {"L2_C2": Population("L2_C2", 9, (), 1.0, receptors)}


def run(t_stop=30.0):
    h.finitialize(-70)
    h.continuerun(t_stop)


def test_a_synapse_sits_at_its_point_inside_the_section(cell):
    network = Network(*cell, at((0, 0), (1, 0), (1, 1), (1, 3)), populations(ALPHA))
    made = network.connect(np.arange(4), np.full(4, 1.0))
    places = [connection.processes[0].get_segment() for connection in made]
    assert [place.sec.name() for place in places] == ["soma", "dend", "dend", "dend"]
    np.testing.assert_allclose([place.x for place in places], [0.5, 0.1, 0.3, 0.9])


def test_only_activated_synapses_exist(cell):
    network = Network(*cell, at((0, 0), (1, 0), (1, 1)), populations(ALPHA))
    made = network.connect(np.array([2, 0, 2]), np.array([9.0, 1.0, 3.0]))
    assert [connection.synapse for connection in made] == [0, 2]
    assert list(made[1].source[1]) == [3.0, 9.0]
    assert len(h.List("Exp2Syn")) == 2
    del made
    assert len(h.List("Exp2Syn")) == 0


def test_receptors_have_the_parameters_of_their_population(cell):
    network = Network(*cell, at((1, 1)), populations(GLUTAMATE, ALPHA))
    [made] = network.connect(np.array([0]), np.array([2.0]))
    glutamate, alpha = made.processes
    assert (glutamate.tau1, alpha.tau2) == (26.0, 3.0)
    assert list(made.netcons[0].weight)[:2] == [1.5, 2.5]
    assert (made.netcons[0].delay, made.netcons[0].threshold) == (1.0, 0.5)
    assert made.netcons[1].weight[0] == 0.002


def test_a_synapse_acts_when_it_is_told(cell):
    """Beside the same conductance driven by NEURON's own NetCon.event."""
    times = np.array([5.0, 12.3, 12.3])
    network = Network(*cell, at((1, 1)), populations(ALPHA))
    made = network.connect(np.zeros(3, np.int64), times)
    voltage = h.Vector().record(cell[0][0](0.5)._ref_v)
    run()
    ours = voltage.to_python()
    del made
    alone = h.Exp2Syn(cell[0][1](0.3))
    alone.tau1, alone.tau2 = 0.5, 3.0
    netcon = h.NetCon(None, alone, 0, 0, 0.002)
    start = h.FInitializeHandler(lambda: [netcon.event(time) for time in times])
    run()
    del start
    assert max(ours) > -60
    assert ours == voltage.to_python()


def test_all_weights_outlive_the_beginning_of_a_run(cell):
    """NEURON sets those behind the first to 0 for a mechanism that does not say how they begin."""
    network = Network(*cell, at((1, 1)), populations(GLUTAMATE))
    [made] = network.connect(np.array([0]), np.array([1.0]))
    nmda, ampa = (
        h.Vector().record(getattr(made.processes[0], name)) for name in ("_ref_gnmda", "_ref_gampa")
    )
    run()
    assert list(made.netcons[0].weight)[:2] == [1.5, 2.5]
    assert ampa.max() == pytest.approx(1.5, rel=0.01)
    assert nmda.max() > 0.01


def test_drawn_weights_are_lognormal_and_keyed(cell):
    """5,000 deviates: a mean that is off by 2 %, or a spread by 10 %, fails."""
    weights = np.array([lognormal_weight(0.5, deviate) for deviate in deviates(5000)])
    assert abs(weights.mean() / 0.5 - 1) < 0.02
    assert abs(weights.std() / 0.25 - 1) < 0.1
    receptor = Receptor("Exp2Syn", (0.5,), lognormal=True)
    network = Network(*cell, at((1, 1), (1, 2)), populations(receptor))

    def drawn(rows, **key):
        made = network.connect(np.array(rows), np.ones(len(rows)), **key)
        return [connection.netcons[0].weight[0] for connection in made]

    both = drawn([0, 1], seed=1, trial=2)
    assert both[0] != both[1]
    assert drawn([1], seed=1, trial=2) == both[1:]
    assert drawn([1], seed=1, trial=3) != both[1:]


@numba.njit
def fill(numbers, name):
    for k in range(len(numbers)):
        first, second = uniforms(1, 1, name, k, 0)
        numbers[k] = normal(first, second)


def deviates(count):
    numbers = np.empty(count)
    fill(numbers, stream("weight", "test"))
    return numbers


def test_stored_rows_become_synapses_of_their_own(cell):
    table = {
        "synapse_type": np.array(["VPM_C2", "L2_C2", "VPM_C2", "VPM_C2"]),
        "synapse_id": np.array([7, 3, 7, 7]),
        "section_id": np.array([1, 0, 1, 1]),
        "section_pt_id": np.array([2, 0, 2, 3]),
        "time": np.array([8.0, 4.0, 2.0, 6.0]),
    }
    synapses, rows, times = stored_synapses(table)
    assert synapses.populations == ("L2_C2", "VPM_C2")
    assert synapses.synapse_id.tolist() == [3, 7, 7]
    assert synapses.section_pt_id.tolist() == [0, 2, 3]
    assert rows.tolist() == [1, 0, 1, 2]
    both = {name: Population(name, 9, (), 0.1, (ALPHA,)) for name in synapses.populations}
    made = Network(*cell, synapses, both).connect(rows, times)
    assert [list(connection.source[1]) for connection in made] == [[4.0], [2.0, 8.0], [6.0]]


@pytest.mark.parametrize(
    ("receptor", "reason"),
    [
        (Receptor("no_such_syn", (1.0,)), "'no_such_syn' is not known to NEURON; are its mechanisms loaded"),
        (Receptor("IClamp", (1.0,)), "'IClamp' takes no events"),
        (Receptor("Exp2Syn", (1.0, 2.0)), "'Exp2Syn': 2 weights are given, it takes 1"),
        (Receptor("Exp2Syn", (1.0,), parameters={"tau9": 1.0}), "'Exp2Syn' has no parameter 'tau9'"),
    ],
)
def test_receptors_that_cannot_be(cell, receptor, reason):
    with pytest.raises(ModelError, match=reason):
        Network(*cell, at((0, 0)), populations(receptor))


def test_places_that_cannot_be(cell):
    with pytest.raises(ModelError, match="synapse 1 of L2_C2 is on section 2: the cell has 2"):
        Network(*cell, at((0, 0), (2, 0)), populations(ALPHA))
    with pytest.raises(ModelError, match="synapse 0 of L2_C2 is on point 4 of section 1, which has 4"):
        Network(*cell, at((1, 4)), populations(ALPHA))
    with pytest.raises(ModelError, match="1 sections are given, but the cell's geometry has 2"):
        Network(cell[0][:1], cell[1], at((0, 0)), populations(ALPHA))


def test_what_else_is_refused_before_a_run(cell):
    with pytest.raises(ModelError, match="without parameters: L2_C2"):
        Network(*cell, at((0, 0)), {})
    with pytest.raises(ModelError, match="no artificial cell 'Exp2Syn'"):
        Network(*cell, at((0, 0)), populations(ALPHA), source="Exp2Syn")
    network = Network(*cell, at((0, 0)), populations(ALPHA))
    with pytest.raises(ValueError, match="seed is -1"):
        network.connect(np.array([0]), np.array([1.0]), seed=-1)
