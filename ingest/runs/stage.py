"""From a planned run, and from finished trials, to commits: the tables and arrays of simrun results, and reports."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds

from ...catalog.vocabulary import runs as runs_schema
from ...catalog.vocabulary import trials as schema
from ...lake import Lake, Snapshot, Transaction
from ...lake.data.parquet import add_file
from ...lake.digest import digest_of
from ...lake.errors import ConflictError, InputError
from ...lake.provenance import code_version
from ..lfp.online import Contacts, put_potentials
from ..simrun.traces import trace_header
from ..text.parameters import flatten
from ..trials.names import file_node, identity, parameter_file, prefix_of, sim_trial_index, stimulus
from ..trials.rows import GroupResult, Rows, Settings, SiteTraces, store_traces
from ..trials.stage import append_rows, known_attachments, next_trial, stage_parameters, stage_results
from .model import Model
from .reports import put_report, report_node
from .worker import Finished

Columns = Mapping[str, Any]

_ATTEMPTS = 20


@dataclass(frozen=True)
class Plan:
    """A run that is about to begin, or goes on.

    Attributes
    ----------
    run
        Its name: a path, whose last part has the information in names of simrun directories.
    kind, seed, t_stop
        As in the table ``simulations``.
    model
        What is simulated; None for a model that we know nothing about.
    mechanisms
        Digest of the mechanisms.
    settings
        What else it depends on, as JSON would have it.
    sections, segments
        Geometry, as columns of `runs_schema`.
    contacts
        What records potentials while it is simulated.
    """

    run: str
    kind: str
    seed: int | None
    t_stop: float | None
    model: Model | None
    mechanisms: str | None
    settings: Mapping[str, Any]
    sections: Columns
    segments: Columns
    contacts: Sequence[Contacts] = ()

    def row(self) -> dict[str, Any]:
        """Return the row of ``simulations``."""
        from neuron import __version__ as neuron

        code = code_version(Path.cwd()) or {}
        digests = {} if self.model is None else self.model.digests
        return {
            "run": self.run,
            "kind": self.kind,
            "seed": self.seed,
            "t_stop": self.t_stop,
            "neuron_parameters": digests.get("neuron"),
            "network_parameters": digests.get("network"),
            "mechanisms": self.mechanisms,
            "neuron": neuron,
            "code_commit": code.get("commit"),
            "code_dirty": code.get("dirty"),
            "settings": json.dumps(self.settings, sort_keys=True),
        }


_MUST_EQUAL = ("kind", "seed", "t_stop", "neuron_parameters", "network_parameters", "mechanisms", "settings")


# Names in the lake


# Commits


def begun(lake: Lake, plan: Plan, planned: int) -> str:
    """Commit that a run begins, with its model and geometry; return the commit's id.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    plan
        The run.
    planned
        How many trials it is to have.

    Raises
    ------
    InputError
        The lake has a run of this name that was something else.
    """
    notes = {"run": {"name": plan.run, "planned": planned}}
    return committed(lake, f"Begin run {plan.run}", lambda transaction: _begin(transaction, plan), notes)


def _begin(transaction: Transaction, plan: Plan) -> None:
    transaction.depends_on(runs_schema.SIMULATIONS.name, schema.FILES.name, schema.PARAMETERS.name)
    row, before = plan.row(), _row_of(transaction.table(runs_schema.SIMULATIONS.name), plan.run)
    if before is not None:
        _check_same(plan.run, before, row)
        return
    _check_free(transaction, plan.run)
    rows = pa.Table.from_pylist([row], runs_schema.SIMULATIONS.schema)
    append_rows(transaction, runs_schema.SIMULATIONS, rows)
    for kind, columns in ((runs_schema.SECTIONS, plan.sections), (runs_schema.SEGMENTS, plan.segments)):
        table = pa.table([columns[name] for name in kind.schema.names], kind.schema)
        transaction.write_table(kind.of(run=plan.run), table, doc=kind.doc, sorted_by=kind.sorted_by)
    if plan.model is not None:
        _put_files(transaction, plan.run, plan.model)


def _row_of(table: Any, run: str) -> dict[str, Any] | None:
    rows = [] if table is None else table.to_arrow(where=pds.field("run") == run).to_pylist()
    return rows[0] if rows else None


def simulation_row(snapshot: Snapshot, run: str) -> dict[str, Any] | None:
    """Return the row of a run in ``simulations``; None if this program did not simulate it.

    Parameters
    ----------
    snapshot
        The commit to read.
    run
        Name of the run.
    """
    return _row_of(snapshot.tables.get(runs_schema.SIMULATIONS.name), run)


def _check_same(run: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    differ = [name for name in _MUST_EQUAL if before[name] != now[name]]
    if differ:
        told = "; ".join(f"{name}: {before[name]} there, {now[name]} now" for name in differ)
        raise InputError(f"the lake has a run {run!r} that differs; choose another name. {told}")


def _check_free(transaction: Transaction, run: str) -> None:
    trials = transaction.table(schema.TRIALS.name)
    if trials is not None and trials.to_arrow(["run"], pds.field("run") == run).num_rows:
        raise InputError(f"the lake has a run {run!r} that was ingested; choose another name")


def _put_files(transaction: Transaction, run: str, model: Model) -> None:
    known, rows = known_attachments(transaction), []
    for path, content in model.files.items():
        if path not in known:
            rows.append(_file(None, path, "attachment", content))
            transaction.put_file(file_node(path, content), content)
    for kind, content in model.texts.items():
        path = parameter_file(run, kind)
        rows.append(_file(run, path, f"{kind}_parameters", content))
        transaction.put_file(file_node(path, content), content)
    append_rows(transaction, schema.FILES, pa.Table.from_pylist(rows, schema.FILES.schema))
    flat = {model.digests[kind]: flatten(tree) for kind, tree in model.trees.items()}
    stage_parameters(flat, transaction)


def _file(run: str | None, path: str, kind: str, content: bytes) -> dict[str, Any]:
    size, node = len(content), file_node(path, content)
    digest = digest_of(content)
    return {"run": run, "path": path, "kind": kind, "size": size, "digest": digest, "node": node}


def land(lake: Lake, plan: Plan, finished: Sequence[Finished], notes: Mapping[str, Any]) -> str:
    """Commit finished trials; return the commit's id.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    plan
        The run.
    finished
        Trials in the order of their numbers.
    notes
        Notes for the commit's provenance.
    """
    numbers = [trial.number for trial in finished]
    span = f"trial {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} trials"
    hosts = sorted({trial.host for trial in finished})
    digests = {} if plan.model is None else plan.model.digests
    return committed(
        lake,
        f"Add {span} of run {plan.run}",
        lambda transaction: _stage(transaction, lake, plan, finished, digests),
        {"run": {"name": plan.run, "mechanisms": plan.mechanisms, "hosts": hosts, **notes}},
    )


def land_recorded(lake: Lake, plan: Plan, trial: Finished, spikes: pa.Table, given: Model | None) -> str:
    """Commit a recorded trial, with its run if that is new; return the commit's id.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    plan
        The run.
    trial
        What was recorded.
    spikes
        Rows of ``recorded_spikes`` without ``trial_id``.
    given
        Parameters of this trial, as those of its cell.
    """

    def stage(transaction: Transaction) -> None:
        _begin(transaction, plan)
        first = next_trial(transaction)
        _stage(transaction, lake, plan, [trial], {} if given is None else given.digests)
        rows = spikes.add_column(0, "trial_id", pa.repeat(pa.scalar(first, pa.int64()), spikes.num_rows))
        append_rows(transaction, runs_schema.RECORDED_SPIKES, rows.cast(runs_schema.RECORDED_SPIKES.schema))
        if given is not None:
            stage_parameters({given.digests["neuron"]: flatten(given.cell)}, transaction)

    notes = {"run": {"name": plan.run, "mechanisms": plan.mechanisms, "hosts": [trial.host]}}
    return committed(lake, f"Record trial {trial.number} of run {plan.run}", stage, notes)


def next_number(lake: Lake, run: str) -> int:
    """Return the number of the next trial of a run.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    run
        Name of the run.
    """
    return max(trial_numbers(lake, run), default=-1) + 1


def trial_numbers(lake: Lake, run: str) -> set[int]:
    """Return the numbers of the trials of a run in the lake.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    run
        Name of the run.
    """
    table = lake.head.tables.get(schema.TRIALS.name)
    rows = [] if table is None else table.to_arrow(["trial_number"], pds.field("run") == run)[0].to_pylist()
    return set(rows)


def committed(
    lake: Lake, message: str, stage: Callable[[Transaction], None], notes: Mapping[str, Any]
) -> str:
    """Stage and commit, again from what is there now where another writer was first; return the commit's id.

    Parameters
    ----------
    lake
        The lake to commit to.
    message
        The commit's message.
    stage
        Writes nodes in the transaction that it is given.
    notes
        Notes for the commit's provenance.

    Raises
    ------
    ConflictError
        Others were first again and again.
    """
    for _ in range(_ATTEMPTS):
        transaction = lake.transaction(message, notes=notes)
        stage(transaction)
        try:
            record = transaction.commit()
        except ConflictError as error:
            conflict = error
            continue
        return (record or transaction.tip).id
    raise conflict


def _stage(
    transaction: Transaction,
    lake: Lake,
    plan: Plan,
    finished: Sequence[Finished],
    digests: Mapping[str, str],
) -> None:
    transaction.depends_on(*(kind.name for kind in schema.TABLES if kind is not schema.FILES))
    first = next_trial(transaction)
    ids = np.arange(first, first + len(finished))
    result, settings = GroupResult(trials=len(finished)), Settings(lake.storage, {})
    for kind, parts in (
        (schema.SYNAPSE_ACTIVATION, [trial.synapses for trial in finished]),
        (schema.CELL_ACTIVATION, [trial.cells for trial in finished]),
    ):
        rows = Rows(kind)
        rows.add(ids, parts)
        result.large[kind.name] = add_file(rows.finish(), transaction.writer)
    store_traces(_traces(finished), ids, settings, transaction.writer, result)
    result.add(schema.TRIALS, _trial_rows(plan, finished, ids.tolist(), digests))
    stage_results([result], transaction)
    for trial in finished:
        for variable, frames in trial.frames.items():
            node = report_node(plan.run, trial.number, variable)
            put_report(transaction, node, variable, frames, plan.segments)
        for contacts in plan.contacts:
            node = runs_schema.LFP.of(run=plan.run, trial=f"{trial.number:06d}", probe=contacts.name)
            put_potentials(transaction, node, trial.potentials[contacts.name], contacts)


def _traces(finished: Sequence[Finished]) -> dict[str, SiteTraces]:
    header = trace_header(len(finished))
    return {
        site: SiteTraces(finished[0].time, np.stack([trial.voltage[site] for trial in finished]), header)
        for site in finished[0].voltage
    }


def _trial_rows(
    plan: Plan, finished: Sequence[Finished], ids: Sequence[int], digests: Mapping[str, str]
) -> pa.Table:
    date, seed, pid = identity(Path(plan.run), prefix_of(plan.run))
    rows = []
    for trial_id, trial in zip(ids, finished, strict=True):
        index, time = sim_trial_index(plan.run, trial.number), trial.time
        rows.append(
            {
                "trial_id": trial_id,
                "sim_trial_index": index,
                "run": plan.run,
                "trial_number": trial.number,
                "stimulus": stimulus(index),
                "date": date,
                "seed": seed,
                "pid": pid,
                "hostname": trial.host,
                "dt": round((time[-1] - time[0]) / (len(time) - 1), 9) if len(time) > 1 else None,
                "t_start": time[0],
                "t_stop": time[-1],
                "neuron_parameters": digests.get("neuron"),
                "network_parameters": digests.get("network"),
            }
        )
    return pa.Table.from_pylist(rows, schema.TRIALS.schema)
