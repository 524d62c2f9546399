"""Connections of the same cells in NEST, BMTK and NetPyNE, timed in an interpreter that has them.

``python network_peers.py PEER DATA.npz THREADS ROUNDS`` prints JSON: seconds and processor seconds of each round, and the number of edges.
The data hold positions (x, y) in um of sources and targets, the in-degree, the reach and the standard deviation
of a Gaussian of the differences along both axes. Without an in-degree NEST takes the Gaussian as a probability.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

# Seconds, seconds of processor time, and edges.
Round = tuple[float, float, int]


def nest(data: dict[str, np.ndarray], threads: int) -> Callable[[], Round]:
    """A Gaussian kernel and a rectangular mask; creating the cells is not timed."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    reach, sd, degree = float(data["reach"]), float(data["sd"]), int(data["degree"])
    extent = [2.2 * float(abs(np.concatenate([data["source"], data["target"]], axis=1)).max())] * 2

    def once() -> Round:
        nest.ResetKernel()
        nest.local_num_threads = threads
        source, target = (
            nest.Create("iaf_psc_alpha", positions=nest.spatial.free(data[name].T.tolist(), extent=extent))
            for name in ("source", "target")
        )
        rule = {
            **({"rule": "fixed_indegree", "indegree": degree} if degree else {"rule": "pairwise_bernoulli"}),
            "p": nest.spatial_distributions.gaussian2D(
                nest.spatial.distance.x, nest.spatial.distance.y, std_x=sd, std_y=sd
            ),
            "mask": {"rectangular": {"lower_left": [-reach] * 2, "upper_right": [reach] * 2}},
            "allow_multapses": degree > 0,
            "allow_autapses": True,
        }
        began, used = time.perf_counter(), time.process_time()
        nest.Connect(source, target, rule)
        return time.perf_counter() - began, time.process_time() - used, int(nest.num_connections)

    return once


def bmtk(data: dict[str, np.ndarray], threads: int) -> Callable[[], Round]:
    """A rule for all sources of a target at once, BMTK's fastest way; threads are not used."""
    from bmtk.builder import NetworkBuilder

    reach, sd, degree = float(data["reach"]), float(data["sd"]), int(data["degree"])
    rng = np.random.default_rng(1)

    def draw(sources, target):  # type: ignore[no-untyped-def]
        du, dv = (np.array([cell[axis] for cell in sources]) - target[axis] for axis in "xy")
        weight = np.exp(-0.5 * (du**2 + dv**2) / sd**2) * (abs(du) < reach) * (abs(dv) < reach)
        return rng.multinomial(degree, weight / weight.sum()).tolist()

    def once() -> Round:
        net = NetworkBuilder("net")
        for name in ("source", "target"):
            x, y = data[name].tolist()
            net.add_nodes(N=len(x), pop_name=name, x=x, y=y)
        began, used = time.perf_counter(), time.process_time()
        net.add_edges(
            source={"pop_name": "source"},
            target={"pop_name": "target"},
            connection_rule=draw,
            iterator="all_to_one",
        )
        net.build()
        return time.perf_counter() - began, time.process_time() - used, int(net.nedges)

    return once


def netpyne(data: dict[str, np.ndarray], threads: int) -> Callable[[], Round]:
    """A probability of distance, so that the mean in-degree is as asked for; sections are points, threads not used."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()):
        from netpyne import sim, specs

    sd, degree = float(data["sd"]), int(data["degree"])
    params = specs.NetParams()
    params.sizeX = params.sizeY = params.sizeZ = 1.0
    for name in ("source", "target"):
        cells = [{"x": x, "y": 0.0, "z": y} for x, y in data[name].T.tolist()]  # its plane is x and z
        params.popParams[name] = {"cellType": name, "cellsList": cells}
        params.cellParams[name] = {
            "conds": {"cellType": name},
            "secs": {"soma": {"geom": {"L": 10, "diam": 10}}},
        }
    params.synMechParams["exc"] = {"mod": "Exp2Syn", "tau1": 0.1, "tau2": 5.0, "e": 0}
    du, dv = data["target"][:, :, None] - data["source"][:, None]
    mean = float(np.exp(-0.5 * (du**2 + dv**2) / sd**2).sum(axis=1).mean())
    params.connParams["edges"] = {
        "preConds": {"pop": "source"},
        "postConds": {"pop": "target"},
        "probability": f"{degree / mean}*exp(-0.5*dist_2D**2/{sd**2})",
        "weight": 0.001,
        "synMech": "exc",
    }
    options = specs.SimConfig()
    options.verbose = options.createNEURONObj = False

    def once() -> Round:
        with contextlib.redirect_stdout(io.StringIO()):
            sim.initialize(simConfig=options, netParams=params)
            sim.net.createPops()
            sim.net.createCells()
            began, used = time.perf_counter(), time.process_time()
            sim.net.connectCells()
            took, used = time.perf_counter() - began, time.process_time() - used
        return took, used, sum(len(cell.conns) for cell in sim.net.cells)

    return once


if __name__ == "__main__":
    peer, path, threads, rounds = sys.argv[1:]
    with np.load(path) as file:
        once = {"nest": nest, "bmtk": bmtk, "netpyne": netpyne}[peer](dict(file), int(threads))
    found = [once() for _ in range(int(rounds))]
    seconds, processor, edges = zip(*found, strict=True)
    print(json.dumps({"seconds": seconds, "processor": processor, "edges": edges[-1]}))
