"""What simrun would have written of a run of our own: the files of its directory, as the table ``files`` lists them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ...catalog.vocabulary import trials as schema
from ...catalog.vocabulary.kinds import TableKind
from ..outgoing import as_part
from ..trials.names import prefix_of
from .text import format_cells, format_synapses
from .traces import trace_header

_DATA = {"synapses", "cells", "soma_traces", "site_traces"}
SOMA = "soma"

Row = Mapping[str, Any]


def with_written(rows: Sequence[Row], trials: pa.Table, traces: pa.Table) -> list[Row]:
    """Return rows of ``files``, with those of the files that live runs would have.

    Parameters
    ----------
    rows
        Of the table ``files``.
    trials, traces
        Those tables.

    Raises
    ------
    InputError
        A recording site or a host has a name that would be a path.
    """
    ingested = {row["run"] for row in rows if row["kind"] in _DATA}
    runs = [run for run in trials["run"].unique().to_pylist() if run is not None and run not in ingested]
    return [*rows, *(row for run in runs for row in _written(run, trials, traces))]


def _written(run: str, trials: pa.Table, traces: pa.Table) -> Iterator[Row]:
    own = trials.filter(pa.compute.equal(trials["run"], run))
    for number in sorted(own["trial_number"].to_pylist()):
        stem = f"{run}/simulation_run{number:04d}"
        yield _row(
            run, f"{stem}_synapses.csv", "synapses", _header(format_synapses, schema.SYNAPSE_ACTIVATION)
        )
        yield _row(
            run, f"{stem}_presynaptic_cells.csv", "cells", _header(format_cells, schema.CELL_ACTIVATION)
        )
    sites = traces.filter(pa.compute.is_in(traces["trial_id"], own["trial_id"].combine_chunks()))["site"]
    header, prefix = "\t".join(trace_header(own.num_rows)), f"{run}/{prefix_of(run)}"
    for site in sorted(set(sites.to_pylist())):
        name = "vm_all_traces" if site == SOMA else f"{as_part(site, 'recording site')}_vm_dend_traces"
        kind = "soma_traces" if site == SOMA else "site_traces"
        yield _row(run, f"{prefix}_{name}.csv", kind, header)
    hosts = set(own["hostname"].to_pylist())
    if len(hosts) == 1 and (host := hosts.pop()):
        yield _row(run, f"{run}/hostname_{as_part(host, 'host')}", "hostname", None)


def _header(written: Any, kind: TableKind) -> str:
    return str(written(kind.schema.empty_table()).decode().rstrip("\n"))


def _row(run: str, path: str, kind: str, header: str | None) -> Row:
    return {"run": run, "path": path, "kind": kind, "size": 0, "header": header, "node": None}
