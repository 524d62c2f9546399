"""Contacts of a lake that stimulate cells of a network."""

import numpy as np
import pytest
from small_trees import small_tree

import neurolake
from neurolake.ingest.lfp.electrodes import store_electrodes
from neurolake.ingest.lfp.stimulation import contact_field
from neurolake.kernels.lfp.electrodes import Electrodes
from neurolake.lake.errors import InputError
from neurolake.mechanisms.library import load
from neurolake.mechanisms.network.attached import Timing
from neurolake.mechanisms.network.cells import NetworkNode
from neurolake.mechanisms.network.simulator import LiveNetwork
from neurolake.mechanisms.stimuli.clamps import CurrentClamp, VoltageClamp
from neurolake.mechanisms.stimuli.fields import FieldClamp, one_thread
from neurolake.mechanisms.stimuli.signals import pulses, ramp
from neurolake.mechanisms.templates.documented import DOCUMENTED

CONTACTS = np.array([[0.0, 60.0, 20.0], [300.0, 0.0, 0.0]])
NODES = [
    NetworkNode(0, "cells", 0, small_tree(), (0.0, 0.0, 0.0)),
    NetworkNode(1, "cells", 1, small_tree(), (200.0, 0.0, 0.0)),
]
TIMING = Timing(40.0, v_init=-70.0)


@pytest.fixture
def lake(tmp_path):
    made = neurolake.create(tmp_path / "lake", durable=False)
    store_electrodes(made, "probe", Electrodes(["near", "far"], CONTACTS, ["PointSource"] * 2))
    return made


def simulated(clamps):
    """Spikes of both cells, and what the field is at their segments."""
    load()
    for clamp in clamps:
        assert list(clamp.check({node.gid: node for node in NODES}, TIMING)) == []
    with LiveNetwork(TIMING) as live:
        live.make(NODES, lambda node: DOCUMENTED["PyramidalCell"])
        live.attach(clamps)
        fields = {
            gid: np.array([[getattr(s.FieldPotential, f"phi{k}") for k in range(2)] for part in cell.sections for s in part])
            for gid, cell in live.cells.items()
            if clamps
        }  # fmt: skip
        live.start()
        live.advance(TIMING.t_stop)
        live.finish()
        spikes = live.spikes()
    return spikes.gid.tolist(), spikes.time.tolist(), fields


def test_a_contact_makes_the_potential_of_a_point_source(lake):
    field = contact_field(lake, "electrodes/probe", {"near": ramp(1, 1, 5, 10), "far": ramp(2, 2, 5, 10)})
    _, _, found = simulated([field])
    cell = DOCUMENTED["PyramidalCell"].build(NODES[0])
    middles = []
    for section in cell.sections:
        points = np.array(
            [[getattr(section, f"{axis}3d")(at) for axis in "xyz"] for at in range(section.n3d())]
        )
        arc = np.array([section.arc3d(at) for at in range(section.n3d())]) / section.L
        middles += [[np.interp(s.x, arc, points[:, axis]) for axis in range(3)] for s in section]
    # The soma's centre, the mean of its points, is at the place of the cell.
    middles = np.array(middles) - [0.0, 0.0, 8.0]
    del cell, section
    for number, contact in enumerate(CONTACTS):
        for gid, place in ((0, 0.0), (1, 200.0)):
            away = np.linalg.norm(middles + np.array([place, 0.0, 0.0]) - contact, axis=1)
            # 1 / (4 pi sigma r), in mV/nA, with 0.3 S/m; segments bend a little at the points of their sections.
            expected = 1 / (4 * np.pi * 0.3 * away)
            assert found[gid][:, number] == pytest.approx(expected, rel=0.05)


def test_strong_pulses_make_the_nearer_cell_fire(lake):
    assert simulated([])[0] == []
    pulse = {"near": pulses(-400_000.0, 0.5, 50.0, 5.0, 30.0)}
    gids, times, _ = simulated([contact_field(lake, "electrodes/probe", pulse)])
    assert gids and set(gids) == {0} and min(times) > 5


def test_faults_of_contacts_are_told(lake):
    with pytest.raises(InputError, match="did you mean 'electrodes/probe'"):
        contact_field(lake, "electrodes/prob", {})
    assert "mpiexec" in one_thread([contact_field(lake, "electrodes/probe", {})])[0]
    field = contact_field(lake, "electrodes/probe", {"gone": ramp(1, 1, 0, 1)})
    (told,) = field.check({node.gid: node for node in NODES}, TIMING)
    assert "no contact 'gone'; there are near, far" in told


@pytest.mark.parametrize(
    "clamp, alone",
    [
        (CurrentClamp("step", {0: (1.0, 2.0, 0.1)}), False),
        (CurrentClamp("slope", {0: ramp(0, 1, 0, 1)}), False),
        (VoltageClamp("hold", [0], [(1.0, -70.0)]), False),
        (FieldClamp("field", []), True),
    ],
)
def test_clamps_that_need_one_thread_are_known(clamp, alone):
    told = one_thread([clamp])
    assert len(told) == alone and all(clamp.name in line and "mpiexec" in line for line in told)
