"""Weights from a time on (an override with a delay): against plain NEURON, over threads and ranks, and gone on with from a state."""

from pathlib import Path

import numpy as np
import pytest
from three_spheres import ALLEN, TYPED, connections, ingested, numbers, sphere
from under_mpi import run_python

import neurolake
from neurolake.ingest.networks.runs import run_network
from neurolake.mechanisms.stimuli.clamps import CurrentClamp

LATER = [
    {"name": "off", "source": "first", "target": "last", "weight": 0.0, "spont_minis": 100},
    {"name": "on", "source": "first", "target": "last", "weight": 3.0, "delay": 12.5},
    {"name": "less", "source": "net", "target": "last", "weight": 0.5, "delay": 25.0},
]


def firing(node):
    """A sphere with hh: a current makes it fire again and again."""
    cell = sphere(node)
    for section in cell.sections:
        section.insert("hh")
        section.g_pas = 0.0
    return cell


def test_an_override_with_a_delay_says_weights_from_a_time_on_and_nothing_else(tmp_path):
    lake = ingested(tmp_path / "c", TYPED)
    more = [
        {
            "name": "on",
            "source": "first",
            "target": "last",
            "weight": 3.0,
            "delay": 12.5,
            "spont_minis": 1,
            "synapse_configure": "%s.Use = 1",
        }
    ]
    made, faults = connections(lake, more)
    plain, _ = connections(lake)
    assert faults == [] and {n: each[:3] for n, each in made.items()} == {
        n: each[:3] for n, each in plain.items()
    }


def driven(folder, name, lake=None, **options):
    made = (
        ingested(folder, ALLEN, connection_overrides=LATER, conditions={"celsius": 6.3})
        if lake is None
        else lake
    )
    drive = CurrentClamp("drive", {0: (1.0, 38.0, 0.3)})
    report = run_network(
        made,
        "net",
        name=name,
        templates={"Sphere": firing},
        record=["soma"],
        clamps=[drive],
        seed=7,
        **options,
    )
    found = made.head.arrays.get(f"reports/{name}/soma v/net")
    return made, report, None if found is None else np.asarray(found[:])


def test_delayed_weights_do_what_changed_netcons_do_in_plain_neuron(tmp_path):
    from neuron import h

    from neurolake.kernels.traces.noise import poisson_times

    made, report, found = driven(tmp_path / "c", "run", save_state=False)
    number, inner = numbers(made, 0, 2), numbers(made, 1, 2)
    h.load_file("stdrun.hoc")
    held = []
    nodes = [type("Node", (), {"gid": at})() for at in range(3)]
    cells = [firing(node) for node in nodes]
    clamp = h.IClamp(cells[0].sections[0](0.5))
    clamp.delay, clamp.dur, clamp.amp = 1.0, 38.0, 0.3

    def join(source, target, weight):
        synapse = h.Exp2Syn(cells[target].sections[0](0.5))
        joined = h.NetCon(cells[source].sections[0](0.5)._ref_v, synapse, sec=cells[source].sections[0])
        joined.delay, joined.weight[0], joined.threshold = 1.5, weight, cells[source].detector.threshold
        held.append(synapse)
        return synapse, joined

    ends = {(0, 1): 0.002, (1, 2): 0.002, (2, 0): 0.002, (0, 2): 0.0}
    joins = {pair: join(*pair, weight) for pair, weight in ends.items()}
    # Spontaneous events have the weight of the beginning, which is 0, and keep it.
    assert (
        len(poisson_times(100, 40.0, seed=7, purpose="minis", population="net__net__chemical", cell=number))
        > 0
    )
    v = h.Vector().record(cells[2].sections[0](0.5)._ref_v)
    h.CVode().active(False)
    h.dt, h.celsius, h.secondorder, h.steps_per_ms = 0.025, 6.3, 0, 40
    h.finitialize(-65.0)
    for until, changes in ((12.5, {(0, 2): 3.0}), (25.0, {(0, 2): 0.5, (1, 2): 0.5}), (40.0, {})):
        h.ParallelContext().psolve(until)
        for pair, factor in changes.items():
            joins[pair][1].weight[0] = 0.002 * factor
    expected = v.as_numpy()
    assert report.spikes["net"] > 2 and inner != number
    assert np.ptp(found[:, 2]) > 5
    assert found[:, 2] == pytest.approx(expected[: len(found)], abs=1e-4)
    joins.clear()
    held.clear()
    cells.clear()
    del v, clamp


def interrupted(done, end):
    raise KeyboardInterrupt


def test_delayed_weights_are_the_same_on_threads_and_gone_on_with(tmp_path):
    made, _, whole = driven(tmp_path / "c", "whole", save_state=False)
    assert np.array_equal(driven(None, "threads", made, threads=2, save_state=False)[2], whole)
    for every in (10, 20):
        with pytest.raises(KeyboardInterrupt):
            driven(None, f"parts{every}", made, progress=interrupted, commit_every=every)
        _, report, parts = driven(None, f"parts{every}", made, commit_every=every, resume=True)
        assert report.t_start == every and np.array_equal(parts, whole)


SCRIPT = """
import sys
import neurolake

sys.path[:0] = sys.argv[3:]
from test_networks_later_weights import driven

driven(None, sys.argv[2], neurolake.open(sys.argv[1]), save_state=False)
"""


def test_delayed_weights_are_the_same_on_ranks(tmp_path):
    made = ingested(tmp_path / "c", ALLEN, connection_overrides=LATER, conditions={"celsius": 6.3})
    here = Path(__file__).parent
    for name, ranks in (("alone", 1), ("shared", 2)):
        run_python(["-c", SCRIPT, made.url, name, here, here.parent / "helpers"], ranks)
    arrays = neurolake.open(made.url).head.arrays
    alone, shared = (arrays[f"reports/{name}/soma v/net"][...] for name in ("alone", "shared"))
    assert np.array_equal(alone, shared) and np.ptp(alone[:, 2]) > 5
