"""How long a lake takes to build a network, to build it again, to read and write it as NeuroH5, and to answer about it.

The network is MiV-Simulator's tutorial where its files are (``--tutorial``), and the example at growing sizes.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from growth import Growth
from measure import HERE, Figures, Timing, emptied, peak_memory, screen, seconds, tree_bytes

import neurolake as nl
from neurolake.ingest.demo import NETWORK, write_demo_network

TUTORIAL = HERE.parents[1] / "shared" / "data" / "miv_tutorial" / "config" / "Microcircuit_Small.yaml"
BUILD = """
import json, sys
import neurolake as nl
nl.build.network(sys.argv[1], json.load(open(sys.argv[2])), "net")
"""
QUESTIONS = {
    "in-degree and sources of every cell": 'select target_node_id, count(*), count(distinct source_node_id) from "{edges}" group by 1',
    "out-degree of every cell": 'select source_node_id, count(*) from "{edges}" group by 1',
    "edges by distance": 'select floor(distance / 50), count(*) from "{edges}" group by 1',
    "edges of one target cell": 'select count(*), avg(distance) from "{edges}" where target_node_id = 17',
    "edges of one source cell": 'select count(*) from "{edges}.by_source" where source_node_id = 17',
}


def configuration(folder: Path, cells: int) -> dict[str, Any]:
    """The example with so many pyramidal cells, as dense as it is."""
    found: dict[str, Any] = yaml.safe_load(NETWORK)
    scale = cells / 60
    side = 500 * scale**0.5
    for low, high in found["Geometry"]["Parametric Surface"]["Layer Extents"].values():
        del low
        high[0] = high[1] = side
    found["Geometry"]["Cell Distribution"] = {
        "STIM": {"SP": round(20 * scale)},
        "PYR": {"SP": cells},
        "PVBC": {"SP": round(8 * scale)},
    }
    for population in ("PYR", "PVBC"):
        found["Cell Types"][population]["morphology"] = str(folder / f"{population}.swc")
    del found["Stimulus"]
    return found


def tutorial(figures: Figures, scratch: Path, file: Path, rounds: int) -> None:
    """Build the tutorial, build it again, change an extent; NeuroH5 out and in."""
    section = "tutorial"
    whole = [
        seconds(lambda: nl.build.network(emptied(scratch / "lake"), file, "ca1", reproduce="miv"))
        for _ in range(rounds)
    ]
    lake = nl.open(scratch / "lake")
    edges = sum(nl.circuit(lake, "ca1").counts["edges"].values())
    figures.add(section, "build", Timing(whole).median, "s", f"{edges:,} edges")
    again = [seconds(lambda: nl.build.network(lake, file, "ca1", reproduce="miv")) for _ in range(rounds)]
    figures.add(section, "build again", Timing(again).median, "s", "nothing computed")
    out, back = scratch / "files", scratch / "back"
    wrote = seconds(lambda: nl.export(lake, out, format="neuroh5", name="ca1"))
    size = tree_bytes(out) / 1e6
    figures.add(section, "NeuroH5 out", size / wrote, "MB/s", f"{size:.0f} MB")
    read = [
        seconds(lambda: nl.ingest(emptied(back), out, format="neuroh5", name="ca1")) for _ in range(rounds)
    ]
    figures.add(section, "NeuroH5 in", size / Timing(read).median, "MB/s", f"{size:.0f} MB")
    figures.add(section, "lake of it", tree_bytes(back) / 1e6, "MB", f"files: {size:.0f} MB")


def sizes(figures: Figures, scratch: Path, cells: list[int]) -> None:
    """Build networks of growing size, each in a process of its own, and ask."""
    growth = Growth()
    folder = write_demo_network(scratch / "example").parent
    for count in cells:
        lake, file = emptied(scratch / "grown"), scratch / "config.json"
        file.write_text(json.dumps(configuration(folder, count)))
        command = [sys.executable, "-c", BUILD, str(lake), str(file)]
        peak = 0

        def build(command: list[str] = command) -> None:
            nonlocal peak
            peak = peak_memory(command)

        took = seconds(build)
        found = nl.circuit(lake, "net")
        edges = sum(found.counts["edges"].values())
        section = f"{edges / 1e6:,.1f} M edges"
        figures.add(
            section, "build, with the start of a process", took, "s", f"{edges / took / 1e6:.2f} M edges/s"
        )
        figures.add(section, "peak memory", peak / 1e9, "GB", "resident, of the building process")
        figures.add(
            section, "lake", tree_bytes(lake) / 1e6, "MB", f"{tree_bytes(lake) / edges:.1f} bytes an edge"
        )
        growth.add("build", edges, Timing([took]))
        projection = max(found.edges, key=lambda name: found.edges[name].rows)
        rows = found.edges[projection].rows
        for question, query in QUESTIONS.items():
            asked = query.format(edges=f"edges/net/{projection}")
            times = [_asked(found.snapshot, asked) for _ in range(3)]
            figures.add(section, question, 1e3 * Timing(times).median, "ms", f"of {rows:,} edges")
            growth.add(question, edges, Timing(times))
    growth.report(figures, HERE / "results", 10**9)


def _asked(snapshot: Any, query: str) -> float:
    return seconds(lambda: snapshot.sql(query).fetchall())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tutorial", type=Path, default=TUTORIAL)
    parser.add_argument("--cells", type=int, nargs="*", default=[700, 7_000, 70_000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    figures = Figures("network_lake")
    figures.settings = vars(options)
    with tempfile.TemporaryDirectory() as scratch:
        if options.tutorial.is_file():
            tutorial(figures, Path(scratch), options.tutorial, options.rounds)
        else:
            screen.print(f"The tutorial is not at {options.tutorial}; only the example is built.")
        sizes(figures, Path(scratch), options.cells)
    figures.report()


if __name__ == "__main__":
    main()
