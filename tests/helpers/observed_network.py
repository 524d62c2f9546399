"""A small network whose contacts record while it runs: `python observed_network.py LAKE OUT [THREADS]`.

Saves what contacts recorded, the currents that they recorded it of, and the segments. Under mpiexec, ranks share the cells.
"""

import sys
from typing import Any

import numpy as np

T_STOP, DT, AMPLITUDE = 20.0, 0.025, 0.3


class Currents:
    """Collects membrane currents of all segments on rank 0."""

    variables = ("i_membrane",)
    dt, start, stop = 0.1, 0.0, float("inf")

    def __init__(self, ranks: Any) -> None:
        self.ranks, self.parts, self.gid = ranks, [], np.empty(0)

    def places(self, cell: Any) -> None:
        return None

    def begin(self, columns: Any) -> None:
        gid = self.ranks.gather(columns.gid)
        if gid:
            self.gid = np.concatenate(gid)
            self.order = np.argsort(self.gid, kind="stable")

    def take(self, frames: Any) -> None:
        told = self.ranks.gather(frames.values["i_membrane"])
        if told:
            self.parts.append(np.concatenate(told, axis=1)[:, self.order])

    def finish(self) -> None:
        pass


def main(path: str, out: str, threads: int) -> None:
    from neuron import h
    from small_networks import ball_and_stick

    import neurolake
    from neurolake.ingest.lfp.observed import ContactRecord
    from neurolake.mechanisms.library import load
    from neurolake.mechanisms.network.attached import Timing
    from neurolake.mechanisms.network.cells import Detector, NetworkCell, NetworkNode
    from neurolake.mechanisms.network.ranks import Ranks
    from neurolake.mechanisms.network.simulator import LiveNetwork
    from neurolake.mechanisms.network.sources import TrainSource
    from neurolake.mechanisms.network.templates import GivenTemplate

    ranks = Ranks()
    load()

    def ball(node: Any) -> Any:
        sections = ball_and_stick(node.gid)
        clamp = h.IClamp(sections[1](0.7))
        clamp.delay, clamp.dur, clamp.amp = 2 + node.gid % 3, 10, AMPLITUDE
        return NetworkCell(node.gid, sections, Detector(0, 0.5, -10.0), held=clamp)

    templates = {
        "ball": GivenTemplate("ball", ball),
        "rod": GivenTemplate("rod", ball),
        "source": TrainSource({}),
    }
    draw = np.random.default_rng(3)
    nodes = [
        NetworkNode(
            gid,
            "ball" if gid < 7 else "rod",
            gid if gid < 7 else gid - 7,
            position=tuple(draw.uniform(-200, 200, 3).tolist()),
            attributes={f"rotation_angle_{axis}axis": draw.uniform(-3, 3) for axis in "xyz"},
        )
        for gid in range(11)
    ]
    nodes.append(NetworkNode(50, "source", 0))
    snapshot = neurolake.open(path).head
    probe, sphere = (
        ContactRecord(
            name, f"electrodes/{name}", snapshot, {node.gid: node for node in nodes}, ranks, 0.1, 5.0
        )
        for name in ("probe", "sphere")
    )
    currents = Currents(ranks)
    live = LiveNetwork(Timing(T_STOP, DT), ranks, threads)
    live.make(nodes, lambda node: templates[node.population], [1.0 + node.gid % 3 for node in nodes])
    live.start([probe, currents, sphere])
    taken = []
    for time in (7.0, 7.05, T_STOP):
        live.advance(time)
        live.flush()
        taken.append([record.taken() for record in (probe, sphere)])
    live.finish()
    if not ranks.first:
        return
    joined = {
        name: np.concatenate([parts[at].values[name] for parts in taken if parts[at] is not None])
        for at, name in enumerate(("probe", "sphere"))
    }
    time = np.concatenate([parts[0].time for parts in taken if parts[0] is not None])
    segments = {
        f"{population}.{key}": values.astype(str) if values.dtype == object else values
        for population, columns in probe.segments.items()
        for key, values in columns.items()
    }
    np.savez(
        out,
        time=time,
        currents=np.concatenate(currents.parts),
        gid=currents.gid[currents.order],
        **joined,
        **segments,
    )
    assert probe.populations == ["ball", "rod"]
    lake = neurolake.open(path)
    with lake.transaction("Store") as transaction:
        for parts in taken:
            for record, part in zip((probe, sphere), parts, strict=True):
                if part is not None:
                    record.store(transaction, f"run-{ranks.size}-{threads}", part)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    from neuron import h as neuron

    context = neuron.ParallelContext()
    if context.nhost() > 1:
        context.barrier()
    sys.stdout.flush()
    neuron.quit()
