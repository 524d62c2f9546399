"""Small networks, made by neurolake's engine and by hand in plain NEURON: `python small_networks.py HOW NETWORK [THREADS]`.

HOW is ``engine``, ``plain``, or ``resumed`` (the engine, killed in the middle and gone on by a second process from its
state). Prints the spikes: one line a spike, gid and the bits of its time. Under mpiexec, ranks share the cells.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

T_STOP, DT, V_INIT, CELSIUS = 100.0, 0.025, -65.0, 6.3
BALLS = range(5)
COUPLED = range(20)
POINTS = range(100, 103)
SOURCES = range(200, 203)
DELAYS = np.random.default_rng(7).uniform(0.5, 4.0, 200)
PAIRS = [(a, (a + 1) % 20) for a in COUPLED] + [(a, (a + 7) % 20) for a in COUPLED]


def trains() -> dict[int, np.ndarray]:
    """Spike trains of the sources."""
    return {gid: np.sort(np.random.default_rng(gid).uniform(0, T_STOP, 25 + gid % 7)) for gid in SOURCES}


def ball_and_stick(gid: int) -> tuple[Any, Any]:
    """A soma with hh and a passive dendrite."""
    from neuron import h

    soma, stick = h.Section(name=f"soma{gid}"), h.Section(name=f"stick{gid}")
    stick.connect(soma(1))
    soma.L = soma.diam = 12.6157
    stick.L, stick.diam, stick.nseg = 180, 1, 5
    for section in (soma, stick):
        section.Ra, section.cm = 100, 1
    soma.insert("hh")
    stick.insert("pas")
    for segment in stick:
        segment.pas.g, segment.pas.e = 0.001, -65
    return soma, stick


# Edges: source, target, delay, weight. Gap junctions: gids.


def network(name: str) -> tuple[list[int], list[tuple[int, int, float, float]], list[tuple[int, int]]]:
    """Cells, edges and gap junctions of a network."""
    if name == "ring":
        edges = [(gid, (gid + 1) % 5, 5.0, 0.01) for gid in BALLS]
        return [*BALLS, 200], [*edges, (200, 0, 1.0, 0.01)], []
    if name == "coupled":
        edges = [(gid, (gid + 3) % 20, float(DELAYS[gid]), 0.002) for gid in COUPLED]
        inputs = [
            (source, gid, float(DELAYS[40 + gid]), 0.02) for source, gid in ((200, 0), (201, 5), (202, 11))
        ]
        return [*COUPLED, *SOURCES], [*edges, *inputs], PAIRS
    edges = [(gid, (gid + 1) % 20, float(DELAYS[gid]), 0.003) for gid in COUPLED]
    edges += [(source, point, float(DELAYS[60 + point % 10]), 0.6) for source in SOURCES for point in POINTS]
    edges += [
        (point, gid, float(DELAYS[80 + gid]), 0.01)
        for gid in COUPLED
        for point in POINTS
        if (gid + point) % 3 == 0
    ]
    edges += [(gid, POINTS[gid % 3], float(DELAYS[100 + gid]), 0.3) for gid in COUPLED]
    return [*COUPLED, *POINTS, *SOURCES], edges, PAIRS[:8]


def engine(name: str, threads: int, state: Path | None) -> list[tuple[int, float]]:
    """Spikes by neurolake's engine."""
    from neuron import h

    from neurolake.mechanisms.library import load
    from neurolake.mechanisms.network.attached import Timing
    from neurolake.mechanisms.network.cells import Detector, NetworkCell, NetworkNode
    from neurolake.mechanisms.network.ranks import Ranks
    from neurolake.mechanisms.network.simulator import LiveNetwork
    from neurolake.mechanisms.network.sources import TrainSource
    from neurolake.mechanisms.network.templates import CellTemplate, GivenTemplate
    from neurolake.mechanisms.network.wiring import Connections, GapJunctions, SynapseKind

    ranks = Ranks()
    load()

    def ball(node: NetworkNode) -> NetworkCell:
        return NetworkCell(node.gid, ball_and_stick(node.gid), Detector(0, 0.5, -10.0))

    def point(node: NetworkNode) -> NetworkCell:
        cell = h.IntFire1()
        cell.tau, cell.refrac = 15, 3
        return NetworkCell(node.gid, process=cell)

    templates: dict[str, CellTemplate] = {
        "ball": GivenTemplate("ball", ball),
        "point": GivenTemplate("point", point, artificial=True),
        "source": TrainSource(trains()),
    }

    def kind(gid: int) -> str:
        return "ball" if gid < 100 else "point" if gid < 200 else "source"

    gids, edges, pairs = network(name)
    nodes = [NetworkNode(gid, kind(gid), gid) for gid in gids]
    live = LiveNetwork(Timing(T_STOP, DT, V_INIT, CELSIUS), ranks, threads)
    live.make(nodes, lambda node: templates[node.population], [5.0 + gid % 3 for gid in gids])
    synapse = SynapseKind("ExpSyn", "exp", {"tau": 2.0})
    parts = []
    for target in ("ball", "point"):
        rows = [edge for edge in edges if kind(edge[1]) == target]
        source, end, delay, weight = (
            (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.empty(0)] * 4
        )
        zeros = np.zeros(len(rows))
        parts.append(
            Connections(
                target,
                synapse if target == "ball" else None,
                source.astype(np.int64),
                end.astype(np.int64),
                (zeros + 1).astype(np.int32),
                zeros + 0.5,
                delay,
                weight[:, None],
                np.arange(len(rows)),
            )
        )
    live.connect(parts)
    if pairs:
        ends = np.array(pairs, np.int64)
        live.join(
            [GapJunctions("gaps", ends, np.ones(ends.shape, np.int32), ends * 0 + 0.3, ends * 0.0 + 0.0005)]
        )
    file = None if state is None else state.with_suffix(f".{ranks.rank}")
    live.start(state=file.read_bytes() if file is not None and file.exists() else None)
    if file is not None and not file.exists():
        live.advance(T_STOP / 2)
        file.write_bytes(live.state())
    else:
        live.advance(T_STOP)
    found = ranks.gather(
        [(int(gid), float(time)) for gid, time in zip(*vars(live.spikes()).values(), strict=True)]
    )
    return sorted((time, gid) for part in found for gid, time in part)  # type: ignore[return-value]


def plain(name: str) -> list[tuple[float, int]]:
    """Spikes of the same network, written by hand, in one thread of one process."""
    from neuron import h

    from neurolake.mechanisms.library import load

    load()
    h.load_file("stdrun.hoc")
    h.dt, h.celsius = DT, CELSIUS
    gids, edges, pairs = network(name)
    cells: dict[int, Any] = {}
    synapses: dict[int, Any] = {}
    held: list[Any] = []
    context = h.ParallelContext()
    times, ids = h.Vector(), h.Vector()
    for gid in gids:
        if gid < 100:
            soma, stick = ball_and_stick(gid)
            cells[gid] = soma, stick
            detector = h.NetCon(soma(0.5)._ref_v, None, sec=soma)
            detector.threshold = -10
        else:
            if gid < 200:
                cells[gid] = h.IntFire1()
                cells[gid].tau, cells[gid].refrac = 15, 3
            else:
                cells[gid] = h.VecStim()
                vector = h.Vector(trains()[gid])
                cells[gid].play(vector)
                held.append(vector)
            detector = h.NetCon(cells[gid], None)
        detector.record(times, ids, gid)
        held.append(detector)
    for source, target, delay, weight in edges:
        if target < 100:
            end = h.ExpSyn(cells[target][1](0.5))
            end.tau = 2.0
            synapses.setdefault(target, []).append(end)
        else:
            end = cells[target]
        if source < 100:
            connection = h.NetCon(cells[source][0](0.5)._ref_v, end, sec=cells[source][0])
            connection.threshold = -10
        else:
            connection = h.NetCon(cells[source], end)
        connection.delay, connection.weight[0] = delay, weight
        held.append(connection)
    for number, (a, b) in enumerate(pairs):
        for side, here in enumerate((a, b)):
            gap = h.HalfGap(cells[here][1](0.3))
            gap.g = 0.0005
            context.source_var(cells[here][1](0.3)._ref_v, 2 * number + side, sec=cells[here][1])
            context.target_var(gap, gap._ref_vgap, 2 * number + 1 - side)
            held.append(gap)
    if pairs:
        context.setup_transfer()
    h.finitialize(V_INIT)
    while h.t < T_STOP - DT / 2:
        h.fadvance()
    return sorted((float(time), int(gid)) for time, gid in zip(times, ids, strict=True))


def main() -> None:
    """Print spikes as the command line asks."""
    how, name = sys.argv[1:3]
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    state = Path(sys.argv[4]) if len(sys.argv) > 4 else None
    found = plain(name) if how == "plain" else engine(name, threads, state)
    for time, gid in found:
        print(gid, float(time).hex())
    sys.stdout.flush()
    from neuron import h

    context = h.ParallelContext()
    if context.nhost() > 1:
        context.barrier()
    h.quit()


if __name__ == "__main__":
    main()
