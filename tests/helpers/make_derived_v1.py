"""Writes ``tests/data/derived-v1``: a small lake with a derived result of every built-in kernel, all of them stale.

It was made before the rooms had wings, when each result said that its kernel was in a module that is elsewhere now. It
is read and refreshed for ever, and never written again: `make` is kept to say what is in it.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from make_format_v1 import no_chance
from simrun_trees import SITE, Run, write_run

import neurolake
from neurolake.ingest.lfp.electrodes import store_electrodes
from neurolake.ingest.lfp.weights import write_weights
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.lake.digest import canonical_json, digest_of
from neurolake.query import lfp
from neurolake.query.trials.activations import bin_activations
from neurolake.query.trials.spatial import spatiotemporal_activations
from neurolake.query.trials.spikes import (
    burst_events,
    firing_rates,
    interspike_intervals,
    psth,
    rate_features,
    spike_counts,
    spike_rates,
    spikes_in,
    voltage_bursts,
)
from neurolake.query.trials.voltages import (
    spike_triggered_average,
    voltage_density,
    voltage_quantiles,
    voltage_statistics,
)

FOLDER = Path(__file__).parents[1] / "data" / "derived-v1"
SPIKES = ["spike_times", "trials"]
ACTIVATIONS = ["synapse_activation", "trials"]
SOMA = ["trials", "traces", "voltage/soma"]
REPORT = "reports/run/i/cells"


def add_run(lake: Any, folder: Path, seed: int) -> None:
    """Ingest one run of three trials."""
    write_run(folder, Run(seed=seed, trials=range(3), samples=400))
    ingest_simrun(lake, folder, processes=1)


def segments(count: int = 12, scale: float = 1.0) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    start = rng.uniform(-200, 200, (count, 3)) * scale
    places = {"start": start, "end": start + 10}
    return {
        "node_id": 5 + 2 * np.sort(np.arange(count) % 3),
        "section_id": np.arange(count) // 2 % 2,
        "segment_id": np.arange(count) % 2,
        "diameter": np.ones(count),
    } | {f"{name}_{axis}": at[:, i] for name, at in places.items() for i, axis in enumerate("xyz")}


def write_potentials(lake: Any, scale: float) -> None:
    """Segments, and a report of their currents."""
    columns = segments(scale=scale)
    with lake.transaction("Report currents") as tx:
        tx.write_table("segments/cells", pa.table(columns))
        attributes = {"units": "nA", "population": "cells"}
        values = scale * np.random.default_rng(2).normal(size=(11, 12))
        tx.write_array(REPORT, values, dimension_names=["time", "element"], attributes=attributes)
        tx.write_array(f"{REPORT}.time", 0.5 * np.arange(11), dimension_names=["time"])
        names = {"node_id": "node_id", "element_id": "section_id", "segment_index": "segment_id"}
        tx.write_table(f"{REPORT}.elements", pa.table({own: columns[key] for own, key in names.items()}))
        nodes = {"node_id": [9, 7, 5], "mtype": [None, "PC", "BC"], "layer": [5, 2, 2]}
        tx.write_table("nodes/run/cells", pa.table(nodes))


def derive(lake: Any, folder: Path) -> None:
    """One result of each kernel."""
    lake.derive(psth, SPIKES, width=1.0)
    lake.derive(spike_counts, SPIKES, by="stimulus")
    lake.derive(spikes_in, SPIKES, begin=1.0, end=6.0)
    lake.derive(interspike_intervals, SPIKES)
    lake.derive(burst_events, SPIKES, longest=[1.0, 2.0])
    lake.derive(
        voltage_bursts,
        [*SPIKES, "traces", f"voltage/{SITE}", f"voltage/{SITE}.time"],
        site=SITE,
        cutoff=-70.0,
    )
    lake.derive(spike_rates, SPIKES, ongoing=[0.0, 4.0], evoked=[4.0, 9.0])
    lake.derive(firing_rates, SPIKES, alpha=4.0)
    lake.derive(rate_features, SPIKES)
    lake.derive(bin_activations, ACTIVATIONS, by=["EI", "soma_distance"], width=50.0)
    lake.derive(spatiotemporal_activations, ACTIVATIONS, width=50.0, distance_width=400.0)
    soma = [*SOMA, "voltage/soma.time", "voltage/soma.trial"]
    lake.derive(voltage_statistics, soma, site="soma", trials="trial_id < 2")
    lake.derive(voltage_quantiles, soma, q=[0.5])
    lake.derive(voltage_density, soma, width=10.0)
    lake.derive(spike_triggered_average, [*soma, "spike_times"], before=1.0, after=1.0)
    store_electrodes(lake, "probe", lfp.laminar_probe(3, 50, first=(250, 0, 0)))
    coefficients = lfp.coefficients("segments/cells", "electrodes/probe", soma="line", lake=lake)
    lfp.signal(REPORT, coefficients.path, "cell", lake=lake)
    write_weights(folder / "weights.h5", coefficients.xarray().compute(), "cells")
    ingest_sonata(lake, folder / "weights.h5", name="file")
    lfp.weights(lake, "electrodes/file/weights/cells", REPORT)


def make(root: Path, folder: Path) -> Any:
    """The lake, at *root*: results, then a commit that changes what they were made of."""
    lake = neurolake.create(root)
    add_run(lake, folder / "results", 1)
    write_potentials(lake, 1.0)
    derive(lake, folder)
    lake.tags.create("fresh", "main")
    add_run(lake, folder / "results", 2)
    write_potentials(lake, 2.0)
    with lake.transaction("Double the weights") as tx:
        weights = tx.array("electrodes/file/weights/cells")
        weights[...] = 2 * weights[...]
    return lake


def value_of(snapshot: Any, name: str) -> str:
    """A digest of the values that stand at a node and below it."""
    found = {}
    for node in sorted(
        other for other in snapshot if other == name or other.startswith((f"{name}/", f"{name}."))
    ):
        if node in snapshot.tables:
            found[node.removeprefix(name)] = snapshot.tables[node].to_arrow().to_pydict()
        elif node in snapshot.arrays:
            values = snapshot.arrays[node][...]
            rounded = (
                values if values.dtype.kind not in "fc" else np.array([f"{x:.9g}" for x in values.ravel()])
            )
            found[node.removeprefix(name)] = [list(values.shape), rounded.tolist()]
    return digest_of(canonical_json(json.loads(json.dumps(found, default=str).replace("NaN", "null"))))


def expected(lake: Any) -> dict[str, Any]:
    """By kernel: where its result was, and what refreshing gives."""
    before = {made.kernel: made for made in lake.derived()}
    done: Mapping[str, str | None] = lake.refresh().done
    return {
        kernel: {
            "name": made.name,
            "version": made.version,
            "function": made.origin.function,
            "stale": made.stale,
            "becomes": done[made.name],
            "values": value_of(lake.head, str(done[made.name])),
        }
        for kernel, made in before.items()
    }


def main() -> None:
    """Write the lake, and beside it what refreshing a copy of it gives."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder, no_chance():
        make(FOLDER / "lake", Path(folder))
        shutil.rmtree(FOLDER / "lake" / "tmp", ignore_errors=True)
        shutil.copytree(FOLDER / "lake", Path(folder) / "copy")
        text = json.dumps(expected(neurolake.open(Path(folder) / "copy")), indent=1, sort_keys=True)
    (FOLDER / "expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
