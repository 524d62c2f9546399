"""What a lake on an S3 server far away costs: requests, those of them that wait for one another, and time.

    python benchmarks/bench_latency.py --latency 20

Everything is done once by a new `Lake` with an empty cache, beside the same on a local disk. *Waits* are round trips that
follow on one another: with all requests at once, or none, no operation would take less than that times the latency.
"""

import argparse
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from far_server import BUCKET, FarServer, far_server, waits
from lakes import TRIALS_PER_RUN, Template, template
from measure import Figures, emptied, seconds
from terabyte import append, chunks_of, thinned, write
from trees import add_arguments, run_source, work_folder

import neurolake as nl
from neurolake.ingest.simrun.ingest import ingest_simrun

SPIKING = """
select stimulus, count(distinct s.trial_id) as trials
from trials t left join spike_times s on s.trial_id = t.trial_id and s.time >= 245 and s.time < 265 group by stimulus
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument(
        "--latency", type=float, default=20.0, help="of each request, in ms (default: %(default)s)"
    )
    parser.add_argument("--bytes", type=float, default=2e8, help="of the lake (default: %(default)g)")
    arguments = parser.parse_args()
    figures = Figures("latency")
    figures.settings = {"latency": arguments.latency, "bytes": arguments.bytes}
    with work_folder(arguments.work) as work, far_server(arguments.latency / 1e3) as server:
        os.environ["NEUROLAKE_CACHE"] = str(work / "cache")
        small = nl.create(emptied(work / "small"))
        ingest_simrun(small, run_source(arguments.data, work).folder.parent)
        source = template(small, arguments.data)
        local = emptied(work / "lake")
        trials = write(local, source, arguments.bytes).trials
        Far(figures, server, work, source, local, trials).measure()
    figures.report()


class Far:
    """One lake here and there, and what is done with it."""

    def __init__(
        self, figures: Figures, server: FarServer, work: Path, source: Template, local: Path, trials: int
    ) -> None:
        self._figures, self._server, self._work = figures, server, work
        self._source, self._local, self._trials = source, local, trials
        self._url = f"s3://{BUCKET}/lake"

    def measure(self) -> None:
        """Copy the lake there, and time everything here and there."""
        self._timed("copy to the server", lambda lake: lake.copy_to(self._url))
        for title, work in {
            "open, nodes of the newest commit": lambda lake: lake.head.tree,
            "voltage of one trial": lambda lake: lake["voltage/soma"][self._trials // 2],
            "voltages of a run (8 trials)": lambda lake: lake["voltage/soma"][:TRIALS_PER_RUN],
            "trials with a spike in a window, per stimulus": lambda lake: lake.sql(SPIKING).fetchall(),
            "synapses of one trial": self._synapses,
            "chunks by array": lambda lake: lake.sql(
                'select "array", count(*), max(max) from array_chunks group by all'
            ).fetchall(),
            "log": lambda lake: lake.log(),
            "commit of a run (8 trials)": self._commit,
            "gc, dry run": lambda lake: lake.collect_garbage(dry_run=True),
            "verify": lambda lake: lake.verify(),
        }.items():
            self._timed(title, work, self._url)

    def _timed(self, title: str, work: Callable[[Any], object], there: str | None = None) -> None:
        here = self._one(work, str(self._local)) if there else None
        del self._server.requests[:]
        spent = self._one(work, there or str(self._local))
        asked = list(self._server.requests)
        kinds = {
            method: sum(one.method == method for one in asked) for method in ("GET", "HEAD", "PUT", "DELETE")
        }
        note = ", ".join(f"{count} {method}" for method, count in kinds.items() if count)
        self._figures.add(title, "there", 1e3 * spent, "ms")
        if here is not None:
            self._figures.add(title, "here", 1e3 * here, "ms")
        self._figures.add(title, "requests", len(asked), "", note)
        self._figures.add(
            title, "waits", waits(asked), "", f"at least {waits(asked) * 1e3 * self._server.latency:.0f} ms"
        )

    def _one(self, work: Callable[[Any], object], url: str) -> float:
        shutil.rmtree(self._work / "cache", ignore_errors=True)
        return seconds(lambda: work(nl.open(url)))

    def _synapses(self, lake: Any) -> object:
        return lake.sql(
            "select * from synapse_activation where trial_id = $trial", trial=self._trials // 2
        ).fetchall()

    def _commit(self, lake: Any) -> None:
        chunks = chunks_of(lake, TRIALS_PER_RUN)
        first = lake["voltage/soma"].shape[0]
        append(
            lake,
            thinned(self._source),
            np.arange(first, first + TRIALS_PER_RUN),
            chunks,
            np.random.default_rng(1),
        )


if __name__ == "__main__":
    main()
