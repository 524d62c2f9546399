"""A network run in the lake: its rows, its spikes and reports as they come, and the states that it goes on from."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds

from ...catalog.vocabulary import circuits, runs
from ...catalog.vocabulary import reports as report_kinds
from ...catalog.vocabulary import trials as trial_kinds
from ...lake import Lake, Snapshot, Transaction
from ...lake.digest import digest_of
from ...lake.errors import ConflictError, InputError
from ...lake.provenance import code_version
from ...mechanisms.network.simulator import NetworkSpikes
from ..records.traces import NetworkRecord
from ..trials.kept import MECHANISMS
from ..trials.names import file_node
from ..trials.stage import append_rows
from ..wiring.circuit import NetworkPopulation

_ATTEMPTS = 20
_SAME = ("kind", "seed", "t_stop", "mechanisms", "settings")


@dataclass(frozen=True)
class NetworkPlan:
    """A network run that is about to begin, or goes on.

    Attributes
    ----------
    run, circuit
        Names of the run and of its circuit.
    content
        Digest of the circuit's tables.
    seed
        Key of what is random in it.
    t_start, t_stop, dt
        In ms of the lake.
    mechanisms
        Digest of all mechanisms.
    settings
        What else it depends on, as JSON has it.
    files
        Content of templates and mechanisms by path.
    cells, edges, ranks, threads
        As in ``network_runs``.
    """

    run: str
    circuit: str
    content: str
    seed: int
    t_start: float
    t_stop: float
    dt: float
    mechanisms: str
    settings: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)
    cells: int = 0
    edges: int = 0
    ranks: int = 1
    threads: int = 1

    def simulation(self) -> dict[str, Any]:
        """Return the row of ``simulations``."""
        from neuron import __version__ as neuron

        code = code_version(Path.cwd()) or {}
        return {
            "run": self.run,
            "kind": "network",
            "seed": self.seed,
            "t_stop": self.t_stop,
            "neuron_parameters": None,
            "network_parameters": None,
            "mechanisms": self.mechanisms,
            "neuron": neuron,
            "code_commit": code.get("commit"),
            "code_dirty": code.get("dirty"),
            "settings": json.dumps(self.settings, sort_keys=True),
        }

    def progress(self, done: float, seconds: float) -> dict[str, Any]:
        """Return the row of ``network_runs``.

        Parameters
        ----------
        done
            Time up to which the run is stored, in ms.
        seconds
            How long it took.
        """
        names = ("run", "circuit", "content", "cells", "edges", "t_start", "t_stop", "dt", "ranks", "threads")
        return {**{name: getattr(self, name) for name in names}, "t_done": done, "seconds": seconds}


def row_of(table: Any, run: str) -> dict[str, Any] | None:
    """Return the row of a run in a table; None if there is none.

    Parameters
    ----------
    table
        The table, or None.
    run
        Name of the run.
    """
    rows = [] if table is None else table.to_arrow(where=pds.field("run") == run).to_pylist()
    return rows[0] if rows else None


def check_name(snapshot: Snapshot, plan: NetworkPlan) -> dict[str, Any] | None:
    """Return the row of ``network_runs`` of a run that the lake has already; None for a new one.

    Parameters
    ----------
    snapshot
        The newest commit.
    plan
        The run.

    Raises
    ------
    InputError
        The lake has something else of that name.
    """
    before = row_of(snapshot.tables.get(runs.SIMULATIONS.name), plan.run)
    if before is None:
        for kind in (circuits.NODES, circuits.SPIKES, report_kinds.REPORT):
            for node in snapshot:
                parts = kind.parts(node)
                if parts is not None and parts["circuit"] == plan.run:
                    raise InputError(
                        f"the lake has {node}: choose another name for the run than {plan.run!r}"
                    )
        return None
    now = plan.simulation()
    differ = [name for name in _SAME if before[name] != now[name]]
    if differ:
        told = "; ".join(f"{name}: {before[name]} there, {now[name]} now" for name in differ)
        raise InputError(f"the lake has a run {plan.run!r} that differs; choose another name. {told}")
    return row_of(snapshot.tables.get(runs.NETWORK_RUNS.name), plan.run)


def states_of(snapshot: Snapshot, run: str) -> list[bytes]:
    """Return the states of the ranks of a run, in their order; none if it has ended or keeps none.

    Parameters
    ----------
    snapshot
        The commit to read.
    run
        Name of the run.
    """
    found: list[bytes] = []
    while (node := runs.STATE.of(run=run, rank=len(found))) in snapshot.files:
        found.append(snapshot.files[node])
    return found


class RunWriter:
    """Commits a network run while it runs; only rank 0 has one.

    Parameters
    ----------
    lake, branch
        Where it is committed to.
    plan
        The run.
    populations
        Populations whose spikes are stored.
    records
        What is recorded.

    Attributes
    ----------
    commit
        Id of the last commit.
    spikes
        How many spikes of each population were stored.
    """

    def __init__(
        self,
        lake: Lake,
        plan: NetworkPlan,
        populations: Sequence[NetworkPopulation],
        records: Sequence[NetworkRecord],
    ) -> None:
        self._lake, self._plan = lake, plan
        self._populations, self._records = list(populations), list(records)
        self.commit: str | None = None
        self.spikes = {each.name: 0 for each in populations}

    def begin(self) -> None:
        """Commit that the run begins: its rows, its files, and empty tables of spikes."""
        self._committed(f"Begin run {self._plan.run}", self._begin)

    def _begin(self, transaction: Transaction) -> None:
        plan = self._plan
        transaction.depends_on(runs.SIMULATIONS.name, runs.NETWORK_RUNS.name, trial_kinds.FILES.name)
        for kind, row in (
            (runs.SIMULATIONS, plan.simulation()),
            (runs.NETWORK_RUNS, plan.progress(plan.t_start, 0.0)),
        ):
            append_rows(transaction, kind, pa.Table.from_pylist([row], kind.schema))
        rows = []
        for path, content in plan.files.items():
            node = file_node(path, content)
            transaction.put_file(node, content)
            kind_of = "mechanism" if path.startswith(f"{MECHANISMS}/") else "template"
            facts = {"size": len(content), "digest": digest_of(content), "node": node}
            rows.append({"run": plan.run, "path": path, "kind": kind_of, **facts})
        append_rows(transaction, trial_kinds.FILES, pa.Table.from_pylist(rows, trial_kinds.FILES.schema))
        kind = circuits.SPIKES
        names = ("node_id", "time")
        for each in self._populations:
            transaction.write_table(
                kind.of(circuit=plan.run, population=each.name),
                kind.schema_of(names).empty_table(),
                doc=kind.doc,
                sorted_by=("time",),
                attributes={"population": each.name, "sorting": "by_time"},
            )

    def land(
        self, done: float, spikes: NetworkSpikes, shift: float, states: Sequence[bytes], seconds: float
    ) -> None:
        """Commit what came since the last commit.

        Parameters
        ----------
        done
            Time up to which it is, in ms of the lake.
        spikes
            Spikes of all ranks, with times of the simulation.
        shift
            What is taken from those for times of the lake.
        states
            State of each rank; none where none is kept, or at the end.
        seconds
            How long the simulation took so far.
        """
        tables = self._tables(spikes, shift)
        parts = [(record, record.taken()) for record in self._records]

        def stage(transaction: Transaction) -> None:
            for node, table in tables.items():
                transaction.append_table(node, table)
            for record, part in parts:
                if part is not None:
                    record.store(transaction, self._plan.run, part)
            condition = pds.field("run") == self._plan.run
            row = pa.Table.from_pylist([self._plan.progress(done, seconds)], runs.NETWORK_RUNS.schema)
            transaction.replace_rows(runs.NETWORK_RUNS.name, row, condition)
            self._keep(transaction, states)

        self._committed(f"Run {self._plan.run} up to {done:g} ms", stage)
        for each in self._populations:
            node = circuits.SPIKES.of(circuit=self._plan.run, population=each.name)
            self.spikes[each.name] += tables[node].num_rows if node in tables else 0

    def _keep(self, transaction: Transaction, states: Sequence[bytes]) -> None:
        for rank, state in enumerate(states):
            transaction.put_file(runs.STATE.of(run=self._plan.run, rank=rank), state)
        rank = len(states)
        while (node := runs.STATE.of(run=self._plan.run, rank=rank)) in transaction.drafts:
            transaction.delete(node)
            rank += 1

    def _tables(self, spikes: NetworkSpikes, shift: float) -> dict[str, pa.Table]:
        kind, found = circuits.SPIKES, {}
        for each in self._populations:
            order = np.argsort(each.gid, kind="stable")
            at = np.minimum(np.searchsorted(each.gid[order], spikes.gid), max(len(order) - 1, 0))
            own = each.gid[order][at] == spikes.gid if len(order) else np.zeros(len(spikes), bool)
            if own.any():
                columns = [order[at[own]], spikes.time[own] - shift]
                node = kind.of(circuit=self._plan.run, population=each.name)
                found[node] = pa.table(columns, kind.schema_of(("node_id", "time")))
        return found

    def _committed(self, message: str, stage: Callable[[Transaction], None]) -> None:
        """Commit, again from what is there now where another writer was first."""
        notes = {"run": {"name": self._plan.run, "circuit": self._plan.circuit}}
        for _ in range(_ATTEMPTS):
            transaction = self._lake.transaction(message, notes=notes)
            stage(transaction)
            try:
                record = transaction.commit()
            except ConflictError as error:
                conflict = error
                continue
            self.commit = (record or transaction.tip).id
            return
        raise conflict
