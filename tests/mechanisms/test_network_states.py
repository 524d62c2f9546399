"""Weights that change while a network runs, and states of one in a process and on threads: bit for bit what one run does."""

import numpy as np
import pytest

from neurolake.mechanisms.library import load
from neurolake.mechanisms.network.attached import Timing
from neurolake.mechanisms.network.cells import Detector, NetworkCell, NetworkNode
from neurolake.mechanisms.network.simulator import LiveNetwork
from neurolake.mechanisms.network.sources import TrainSource
from neurolake.mechanisms.network.templates import GivenTemplate
from neurolake.mechanisms.network.wiring import Connections, SynapseKind

STEPS = 800
TRAINS = {0: np.arange(1.0, 21.0, 0.5), 1: np.arange(1.0, 21.0, 0.25)}
SOURCE, TARGET = np.tile([0, 1], 4), np.repeat(np.arange(2, 6), 2)


@pytest.fixture(autouse=True, scope="module")
def mechanisms():
    load(tell=lambda line: None)


def ball(node):
    """A passive sphere."""
    from neuron import h

    soma = h.Section(name=f"soma{node.gid}")
    soma.L = soma.diam = 20
    soma.insert("pas")
    soma.e_pas = -65.0
    return NetworkCell(node.gid, [soma], Detector())


def simulated(later, first=0.0, threads=1, state=None, until=STEPS):
    """Potentials of four spheres that get events of two sources, and the state at the end."""
    shape = SynapseKind("ExpSyn", "ExpSyn", {"tau": 2.0}, shared=True)
    edges = Connections(
        "a__b", shape, SOURCE, TARGET, np.zeros(8, np.int32), np.full(8, 0.5), np.full(8, 1.0), np.full((8, 1), first), np.arange(8),
        later=later,
    )  # fmt: skip
    nodes = [NetworkNode(gid, "b", gid, None, (0.0, 0.0, 0.0), {}) for gid in range(6)]
    silent, spheres = TrainSource(TRAINS), GivenTemplate("ball", ball)
    found = []
    with LiveNetwork(Timing(STEPS * 0.025), threads=threads) as live:
        live.make(nodes, lambda node: silent if node.gid < 2 else spheres)
        live.connect([edges])
        live.start(state=state)
        while live.step < until:
            live.advance((live.step + 1) * 0.025)
            found.append([live.cells[gid].sections[0](0.5).v for gid in sorted(live.cells) if gid > 1])
        return np.array(found), live.state() if until < STEPS else b""


LATER = {5.0: np.where(SOURCE == 0, 0.001, 0.002), 10.0: np.full(8, 0.003)}


def test_events_at_the_time_of_a_change_have_the_new_weight_in_every_queue():
    one, _ = simulated(LATER)
    assert np.array_equal(one, simulated(LATER, threads=2)[0])
    # Events of 5 ms are the first that do anything, at either source; synapses of edges that begin alike are apart.
    assert np.ptp(one[:199], axis=0).max() < 1e-9
    charge = one[200] - one[199]
    assert (charge > 1e-3).all() and np.ptp(charge) < 1e-12


@pytest.mark.parametrize("later", [{}, LATER], ids=["one weight", "weights that change"])
def test_states_are_restored_again_and_again_in_a_process_and_on_threads(later):
    """Spikes on their way to cells of several threads, and processes that wait, among networks that are gone."""
    first = 0.0 if later else 0.002
    whole, _ = simulated(later, first)
    for threads in (1, 2):
        for until in (150, 300, 550):
            begun, state = simulated(later, first, threads, until=until)
            rest, _ = simulated(later, first, threads, state)
            assert np.array_equal(np.concatenate([begun, rest]), whole), (threads, until)
