"""A lake as a whole: what it is, its commits as a graph, what changed, and what takes how much room."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from starlette.responses import Response

from ...catalog.schema import literal
from ...catalog.vocabulary.runs import NETWORK_RUNS, SIMULATIONS
from ...catalog.vocabulary.sweeps import SWEEPS
from ...catalog.vocabulary.trials import TRIALS
from ...lake.history.log import Commit
from ..circuits.contents import circuit_names
from ..lake import Snapshot
from ..trials.changes import TrialChanges, trial_changes
from ..trials.voltages import sites_of
from .asking import Question, answer, records
from .bodies import Json

MOST_COMMITS = 2_000
MOST_CHANGED = 200
"""Trials, and runs of trials, that are told of one difference."""
LOOKED_AT = 500
"""Newest commits that are looked through for how far runs are."""


def lake(question: Question) -> Response:
    """Tell what the lake is: its name, branches, tags and kinds of nodes, and what of a commit can be looked at.

    Parameters
    ----------
    question
        ``at``.
    """
    snapshot, opened = question.snapshot, question.lake
    tables = snapshot.tables
    counts = Counter(node.kind for node in snapshot.tree.values())
    return Json(
        {
            "name": PurePosixPath(opened.url.rstrip("/")).name,
            "url": opened.url,
            "id": opened.id,
            "branches": {name: tip.id for name, tip in opened.branches.items()},
            "tags": {name: tip.id for name, tip in opened.tags.items()},
            "commit": _commit(snapshot.commit),
            "nodes": counts,
            "trials": tables[TRIALS.name].rows if TRIALS.name in tables else 0,
            "sites": sites_of(snapshot),
            "circuits": circuit_names(snapshot),
        }
    )


def _commit(record: Commit) -> dict[str, Any]:
    return {
        "id": record.id,
        "branch": record.branch,
        "time": record.time.isoformat(),
        "author": record.author,
        "message": record.message,
        "parents": [parent.id for parent in record.parents],
        "changed": list(record.changed)[:200],
        "changes": len(record.changed),
        "provenance": dict(record.provenance),
    }


def commits(question: Question) -> Response:
    """List the commits of all branches and tags, newest first, with what they follow and which names mean them.

    Parameters
    ----------
    question
        ``limit``.
    """
    limit = question.whole("limit", 200, 1, MOST_COMMITS)
    opened = question.lake
    names: dict[str, list[dict[str, str]]] = {}
    for kind, refs in (("branch", opened.branches), ("tag", opened.tags)):
        for name, tip in refs.items():
            names.setdefault(tip.id, []).append({"kind": kind, "name": name})
    graph = opened.graph(limit + 1)
    told = zip(graph.commits[:limit], graph.lanes, strict=False)
    rows = [{**_commit(record), "refs": names.get(record.id, []), "lane": lane} for record, lane in told]
    return Json({"commits": rows, "more": len(graph.commits) > limit})


def changes(question: Question) -> Response:
    """Tell what changed from one commit to another, node by node and trial by trial.

    Parameters
    ----------
    question
        ``old`` and ``new``: branches, tags, commits or times.
    """
    old, new = question.at("old"), question.at("new")

    def make() -> dict[str, Any]:
        found = question.lake.diff(old.commit.id, new.commit.id)
        return {
            "old": old.commit.id,
            "new": new.commit.id,
            "changes": [one.to_json() for one in found],
            "trials": _told(trial_changes(old, new)),
        }

    ids = {"old": old.commit.id, "new": new.commit.id}
    return Response(question.kept_json("changes", ids, make), media_type="application/json")


def _told(trials: TrialChanges) -> dict[str, Any]:
    return {
        "added": _spans(trials.added),
        "removed": _spans(trials.removed),
        "changed": [
            {"trial": trial, "in": names} for trial, names in [*trials.changed.items()][:MOST_CHANGED]
        ],
        "counts": [len(trials.added), len(trials.removed), len(trials.changed)],
        "unknown": trials.unknown,
    }


def _spans(numbers: Sequence[int]) -> list[list[int]]:
    """Rising numbers as first and last of each run of them."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found[:MOST_CHANGED]


def nodes(question: Question) -> Response:
    """List the nodes of a commit with what they hold and how many bytes are stored.

    Parameters
    ----------
    question
        ``at``.
    """
    query = "select name, kind, doc, rows, shape, data_type, stored_bytes, objects from nodes order by name"
    return Json(answer(question.snapshot, query))


def columns(question: Question) -> Response:
    """List the columns of a table with unit and meaning.

    Parameters
    ----------
    question
        ``node`` and ``at``.
    """
    node = literal(question.text("node"))
    query = f'select "column", type, unit, meaning, source from columns where "table" = {node}'  # noqa: S608
    return Json(answer(question.snapshot, query))


def upkeep(question: Question) -> Response:
    """Tell when the lake was last verified, collected, compacted and expired, by which command, and with what result.

    Parameters
    ----------
    question
        Nothing of it is used.
    """
    # Listed newest first: the last one of each work stays.
    found = {note.work: note.to_json() for note in reversed(question.lake.upkeep())}
    return Json({"upkeep": found})


def health(question: Question) -> Response:
    """Tell what no commit needs any more, and what awaits deletion; reads the whole log, so it is asked for only on demand.

    Parameters
    ----------
    question
        Nothing of it is used.
    """
    found = question.lake.collect_garbage(dry_run=True)
    parts = {"condemned": found.condemned, "deletable": found.deleted, "temporary": found.temporary}
    told: dict[str, Any] = {
        name: {"files": len(rows), "bytes": sum(size for _, size in rows)} for name, rows in parts.items()
    }
    return Json({**told, "waiting": len(found.waiting)})


def runs(question: Question) -> Response:
    """List runs of trials, runs of networks and sweeps: how far each is, what failed, and seconds left by the speed so far.

    Parameters
    ----------
    question
        ``at``.
    """
    snapshot = question.snapshot
    told = _progress(snapshot)
    parts = (_trial_runs, _network_runs, _sweeps)
    return Json({"runs": [row for part in parts for row in part(snapshot, told)]})


Told = Mapping[tuple[str, str], Sequence[Commit]]
"""By kind and name, commits that tell how far a run or sweep was, newest first."""


def _trial_runs(snapshot: Snapshot, told: Told) -> list[dict[str, Any]]:
    if SIMULATIONS.name not in snapshot.tables:
        return []
    counted = f"select run, count(*) as trials from {TRIALS.name} group by run"  # noqa: S608
    has_trials = TRIALS.name in snapshot.tables
    query = (
        f"select s.run, s.kind, s.seed, s.t_stop, {'coalesce(t.trials, 0)' if has_trials else '0'} as trials "  # noqa: S608
        f"from {SIMULATIONS.name} as s "
        + (f"left join ({counted}) as t using (run) " if has_trials else "")
        + "where s.kind <> 'network' order by s.run"
    )
    found = []
    for row in records(answer(snapshot, query)):
        commits = told.get(("run", row["run"]), ())
        notes = commits[0].provenance["notes"]["run"] if commits else {}
        planned, failed = notes.get("planned"), int(notes.get("failed", 0))
        rest = None if planned is None else max(0, int(planned) - row["trials"] - failed)
        left = _left(rest, row["trials"], commits)
        found.append(
            {
                **row,
                "unit": "trials",
                "done": row["trials"],
                "planned": planned,
                "failed": failed if commits else None,
                **left,
            }
        )
    return found


def _network_runs(snapshot: Snapshot, told: Told) -> list[dict[str, Any]]:
    if NETWORK_RUNS.name not in snapshot.tables:
        return []
    query = (
        f"select n.run, n.circuit, n.t_start, n.t_stop, n.t_done, n.seconds, s.seed from {NETWORK_RUNS.name} as n "  # noqa: S608
        f"left join {SIMULATIONS.name} as s using (run) order by n.run"
    )
    found = []
    for row in records(answer(snapshot, query)):
        commits = told.get(("run", row["run"]), ())
        done, rest = row["t_done"] - row["t_start"], row["t_stop"] - row["t_done"]
        left = 0.0 if rest <= 0 else row["seconds"] * rest / done if done > 0 else None
        last = commits[0].time.isoformat() if commits else None
        shared = {"unit": "ms", "done": done, "planned": row["t_stop"] - row["t_start"], "failed": 0}
        found.append(
            {
                "run": row["run"],
                "kind": f"network of {row['circuit']}",
                "seed": row["seed"],
                "t_stop": row["t_stop"],
                **shared,
                "last": last,
                "seconds_left": left,
            }
        )
    return found


def _sweeps(snapshot: Snapshot, told: Told) -> list[dict[str, Any]]:
    if SWEEPS.name not in snapshot.tables:
        return []
    query = (
        "select sweep as run, any_value(function) as kind, count(*) filter (state = 'done') as done, "  # noqa: S608
        f"count(*) filter (state = 'failed') as failed from {SWEEPS.name} group by sweep order by sweep"
    )
    found = []
    for row in records(answer(snapshot, query)):
        commits = told.get(("sweep", row["run"]), ())
        planned = commits[0].provenance["notes"]["planned"] if commits else None
        rest = None if planned is None else max(0, int(planned) - row["done"] - row["failed"])
        left = _left(rest, row["done"] + row["failed"], commits)
        kind = {"kind": f"sweep of {row['kind']}", "seed": None, "t_stop": None}
        found.append({**row, **kind, "unit": "combinations", "planned": planned, **left})
    return found


def _progress(snapshot: Snapshot) -> dict[tuple[str, str], list[Commit]]:
    """See `Told`."""
    found: dict[tuple[str, str], list[Commit]] = {}
    for record in itertools.islice(snapshot.history(), LOOKED_AT):
        notes = record.provenance.get("notes", {})
        run = notes.get("run", {})
        if isinstance(run, Mapping) and ("planned" in run or "circuit" in run):
            found.setdefault(("run", str(run.get("name"))), []).append(record)
        elif isinstance(notes.get("sweep"), str) and "planned" in notes:
            found.setdefault(("sweep", notes["sweep"]), []).append(record)
    return found


def _left(rest: int | None, done: int, commits: Sequence[Commit]) -> dict[str, Any]:
    """When there was a commit last, and how many seconds are left by the speed so far; null where that is not known."""
    if not commits:
        return {"last": None, "seconds_left": None}
    newest, oldest = commits[0], commits[-1]
    passed = (newest.time - oldest.time).total_seconds()
    left = 0.0 if rest == 0 else rest * passed / done if rest and done and passed else None
    return {"last": newest.time.isoformat(), "seconds_left": left}
