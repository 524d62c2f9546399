"""A lake as a whole: what it is, its commits as a graph, what changed, and what takes how much room."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from starlette.responses import Response

from ...catalog.schema import literal
from ...catalog.vocabulary.runs import SIMULATIONS
from ...catalog.vocabulary.trials import TRIALS
from ...lake.history.log import Commit
from ..circuits.contents import circuit_names
from ..lake import Snapshot
from ..trials.voltages import sites_of
from .asking import Question, answer, records
from .bodies import Json

MOST_COMMITS = 2_000
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
    """Tell what changed from one commit to another, node by node.

    Parameters
    ----------
    question
        ``old`` and ``new``: branches, tags, commits or times.
    """
    old, new = question.at("old"), question.at("new")
    found = question.lake.diff(old.commit.id, new.commit.id)
    return Json({"old": old.commit.id, "new": new.commit.id, "changes": [one.to_json() for one in found]})


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
    """List the simulated runs: trials there, planned and failed, time of the last commit, and seconds left by the speed so far.

    Parameters
    ----------
    question
        ``at``.
    """
    snapshot = question.snapshot
    if SIMULATIONS.name not in snapshot.tables:
        return Json({"runs": []})
    counted = f"select run, count(*) as trials from {TRIALS.name} group by run"  # noqa: S608
    has_trials = TRIALS.name in snapshot.tables
    query = (
        f"select s.run, s.kind, s.seed, s.t_stop, s.settings, {'coalesce(t.trials, 0)' if has_trials else '0'} as trials "  # noqa: S608
        f"from {SIMULATIONS.name} as s "
        + (f"left join ({counted}) as t using (run) " if has_trials else "")
        + "order by s.run"
    )
    found = answer(snapshot, query)
    told = _progress(snapshot)
    rows = [{**row, **_left(row["trials"], told.get(row["run"], []))} for row in records(found)]
    return Json({"runs": rows})


def _progress(snapshot: Snapshot) -> dict[str, list[Commit]]:
    """Commits of each run that tell how far it was, newest first."""
    found: dict[str, list[Commit]] = {}
    for record in itertools.islice(snapshot.history(), LOOKED_AT):
        run = record.provenance.get("notes", {}).get("run", {})
        if isinstance(run, Mapping) and "planned" in run:
            found.setdefault(str(run.get("name")), []).append(record)
    return found


def _left(trials: int, commits: Sequence[Commit]) -> dict[str, Any]:
    """How many trials are planned and failed, and how many seconds are left by the speed so far; null where that is not known."""
    if not commits:
        return {"planned": None, "failed": None, "last": None, "seconds_left": None}
    newest, oldest = commits[0], commits[-1]
    notes = newest.provenance["notes"]["run"]
    planned, failed = int(notes["planned"]), int(notes.get("failed", 0))
    passed = (newest.time - oldest.time).total_seconds()
    rest = max(0, planned - trials - failed)
    left = None if rest and not (trials and passed) else rest * passed / max(trials, 1)
    return {"planned": planned, "failed": failed, "last": newest.time.isoformat(), "seconds_left": left}
