"""Clamps on several threads, and gone on with from a state: bit for bit what one thread does from the beginning."""

import numpy as np
import pytest

from neurolake.mechanisms.network.attached import Timing
from neurolake.mechanisms.network.cells import Detector, NetworkCell, NetworkNode
from neurolake.mechanisms.network.simulator import LiveNetwork
from neurolake.mechanisms.network.templates import GivenTemplate
from neurolake.mechanisms.stimuli.clamps import ConductanceClamp, CurrentClamp, VoltageClamp
from neurolake.mechanisms.stimuli.noise import ColouredNoise, DrawnSignal, ShotNoise, WhiteNoise
from neurolake.mechanisms.stimuli.signals import pulses, ramp, sinusoid

TIMING = Timing(40.0, v_init=-65.0, celsius=6.3)
CELLS = range(6)
KEY = (3, "noise")


def ball(node):
    """A sphere with hh that one current makes fire."""
    from neuron import h

    soma = h.Section(name=f"soma{node.gid}")
    soma.L = soma.diam = 20
    soma.insert("hh")
    return NetworkCell(node.gid, [soma], Detector(threshold=-10.0))


def clamps():
    """One of each kind, on different cells, with jumps at odd times: those of a step, and those between."""
    shots = ShotNoise.of_moments(DrawnSignal(*KEY, 4, 2.0, 35.0, 0.25, 0.0), 0.01, 0.004, 0.5, 0.4, 4.0)
    return [
        CurrentClamp("ramp", {0: ramp(0.0, 0.4, 3.1, 20.0), 1: pulses(0.3, 2.0, 100.0, 5.0, 30.0)}),
        CurrentClamp("wave", {1: sinusoid(0.1, 80.0, 1.0, 33.3)}, electrode=False),
        CurrentClamp("white", {cell: WhiteNoise(*KEY, cell, 0.0, 40.0, 0.5, -np.inf, 0.05, 0.02) for cell in (0, 2)}),
        VoltageClamp("hold", [2, 5], [(10.0, -50.0), (7.0125, -80.0)], 4.0),
        ConductanceClamp("shots", {4: shots}, 0.0, electrode=False),
        ConductanceClamp("open", {3: ColouredNoise(*KEY, 3, 1.0, 38.0, 0.25, 0.0, 0.002, 0.001, 3.0)}, -20.0),
    ]  # fmt: skip


class Watched:
    """Keeps the potential of every cell at every step."""

    variables, dt, start, stop = ("v",), 0.025, 0.0, 1e9

    def __init__(self):
        self.blocks = []

    def places(self, cell):
        return [(0, 0.5)]

    def begin(self, columns):
        pass

    def take(self, frames):
        self.blocks.append(frames.values["v"].copy())

    def finish(self):
        pass


def simulated(threads, state=None, until=TIMING.t_stop):
    """Potentials, and the state at the end."""
    watched = Watched()
    with LiveNetwork(TIMING, threads=threads) as live:
        live.make([NetworkNode(gid, "cells", gid) for gid in CELLS], lambda node: GivenTemplate("ball", ball))
        live.attach(clamps())
        live.start([watched], state)
        live.advance(until)
        live.flush()
        left = live.state()
    return np.concatenate(watched.blocks), left


@pytest.fixture(scope="module")
def alone(library):
    return simulated(1)[0]


def test_every_clamp_acts(alone):
    assert alone.shape == (1601, len(CELLS))
    # Cells differ from each other, so that each clamp has done something.
    assert len(np.unique(alone.round(3), axis=1).T) == len(CELLS)
    assert (alone[:, [0, 1, 4]].max(axis=0) > 0).all()


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(alone, threads):
    assert np.array_equal(simulated(threads)[0], alone)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_state_goes_on_to_the_same_end(alone, threads):
    first, state = simulated(threads, until=11.0)
    rest, _ = simulated(threads, state)
    assert np.array_equal(np.concatenate([first, rest]), alone)
