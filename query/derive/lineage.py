"""Lineage: what nodes were made from, by which commits, and what was made from them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...lake import Commit
from ...lake.errors import NotFoundError
from ...lake.nodes.content import content, parts
from ...lake.nodes.derived import Derived, Origin, result_of
from ...lake.nodes.derived import origin as origin_in

if TYPE_CHECKING:
    from ..base import Lake, Snapshot


@dataclass(frozen=True)
class Lineage:
    """Where a node comes from, and what came of it.

    Parameters
    ----------
    name, kind
        The node, and what it is; no kind where the commit it was read from is not in this lake any more.
    content
        Digest of its content; where the node is an input, of the content that was read.
    commits
        Those that made or changed it, newest first.
    origin
        How it was derived; None for what was ingested or written.
    inputs
        The lineage of what it was derived from, as it was then.
    results
        What was derived from it, also by way of others; only for the node that was asked for.
    """

    name: str
    kind: str | None
    content: str
    commits: tuple[Commit, ...] = ()
    origin: Origin | None = None
    inputs: tuple["Lineage", ...] = ()
    results: tuple[Derived, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the lineage as JSON.

        A node that is in it already has ``"repeated": true`` in place of its commits and inputs; one that is
        more than `DEEPEST` steps away has ``"deeper": true``.
        """
        root: dict[str, Any] = {}
        told: set[int] = set()
        waiting = [(self, root, 0)]
        while waiting:
            one, filled, depth = waiting.pop()
            filled |= {"name": one.name, "kind": one.kind, "content": one.content}
            if one.inputs and (id(one) in told or depth == DEEPEST):
                filled["repeated" if id(one) in told else "deeper"] = True
                continue
            told.add(id(one))
            below: list[dict[str, Any]] = [{} for _ in one.inputs]
            filled |= {
                "derived": None if one.origin is None else one.origin.to_json(),
                "commits": [
                    {"id": record.id, "time": record.time.isoformat(), "author": record.author}
                    | {"message": record.message, "provenance": dict(record.provenance)}
                    for record in one.commits
                ],
                "inputs": below,
                "results": [{"name": made.name, "stale": made.stale} for made in one.results],
            }
            waiting += reversed(
                [(part, made, depth + 1) for part, made in zip(one.inputs, below, strict=True)]
            )
        return root

    def lines(self) -> Iterator[str]:
        """Write the lineage as lines of text; inputs are indented below what was made of them, and shown once each."""
        told: set[int] = set()
        waiting = [(self, 0)]
        while waiting:
            one, depth = waiting.pop()
            start = "    " * depth
            yield f"{start}{one.name}  ({one.kind or 'gone from this lake'}, content {one.content[:12]})"
            if one.inputs and id(one) in told:
                yield f"{start}  as above"
                continue
            told.add(id(one))
            yield from (f"{start}  {line}" for line in one._details())
            waiting += reversed([(part, depth + 1) for part in one.inputs])

    def _details(self) -> Iterator[str]:
        """How it was made, and by which commits."""
        if self.origin is not None:
            params = ", ".join(f"{key}={value!r}" for key, value in self.origin.params.items())
            version = self.origin.version or f"code {(self.origin.code or '')[:12]}"
            yield f"by {self.origin.kernel}({params}), version {version}, of {self.origin.function}"
        for record in self.commits[:_SHOWN]:
            yield f"commit {record.id[:12]} {record.time:%Y-%m-%d %H:%M} {record.author}: {record.message}"
        if len(self.commits) > _SHOWN:
            yield f"and {len(self.commits) - _SHOWN} commits before"


DEEPEST = 100
"""Steps from a result to its inputs, and theirs, that JSON of a lineage may have."""

_SHOWN = 3


def lineage(lake: "Lake", name: str, at: str | datetime) -> Lineage:
    """Return the lineage of a node of a commit; see `Lake.lineage`.

    Parameters
    ----------
    lake
        The lake to read.
    name
        Name of the node.
    at
        Branch, tag, commit or time.

    Raises
    ------
    NotFoundError
        There is no such node or commit.
    """
    snapshot = lake.at(at)
    name = result_of(name) or name
    return _Tracer(lake, snapshot).trace(name, snapshot, results=tuple(results(snapshot, name)))


def results(snapshot: "Snapshot", name: str) -> list[Derived]:
    """List what was derived from a node, also by way of other results.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        Name of the node.
    """
    known = set(parts(snapshot.tree, name)) if name in snapshot.tree else {name}
    found = []
    for made in snapshot.derived:
        if known.intersection(made.inputs):
            found.append(made)
            known.update(parts(snapshot.tree, made.name))
    return found


@dataclass
class _Visit:
    """A node on the way down: its commit, what is known of it, what held its inputs, and which of these are to come."""

    key: tuple[str, str]
    lineage: Lineage
    then: "Snapshot | None"
    waiting: list[tuple[str, str]]
    inputs: list[Lineage] = field(default_factory=list)


class _Tracer:
    """Walks from results to inputs, through the commits that they were read from."""

    def __init__(self, lake: "Lake", snapshot: "Snapshot") -> None:
        self._lake = lake
        self._histories: dict[str, list[Commit]] = {snapshot.commit.id: snapshot.history()}
        self._records: dict[str, Commit] = {
            record.id: record for record in self._histories[snapshot.commit.id]
        }

    def trace(self, name: str, snapshot: "Snapshot", results: tuple[Derived, ...] = ()) -> Lineage:
        """The lineage of a node of a commit; what several results were made of is the same object in all."""
        done: dict[tuple[str, str, str], Lineage] = {}
        path: set[tuple[str, str]] = set()
        visits = [self._visit(name, snapshot, None, results)]
        while True:
            visit = visits[-1]
            if visit.waiting:
                part, was = visit.waiting.pop()
                then = visit.then
                # Only a forged record leads back to itself.
                if then is None or part not in then.tree or (part, then.commit.id) in path:
                    visit.inputs.append(Lineage(part, None, was))
                elif (part, then.commit.id, was) in done:
                    visit.inputs.append(done[part, then.commit.id, was])
                else:
                    path.add((part, then.commit.id))
                    visits.append(self._visit(part, then, was))
                continue
            visits.pop()
            found = replace(visit.lineage, inputs=tuple(visit.inputs))
            if not visits:
                return found
            path.discard(visit.key)
            done[(*visit.key, found.content)] = found
            visits[-1].inputs.append(found)

    def _visit(
        self, name: str, snapshot: "Snapshot", digest: str | None, results: tuple[Derived, ...] = ()
    ) -> "_Visit":
        """A node of a commit, whose content is *digest*, before its inputs are known."""
        node = snapshot.tree.get(name) or snapshot[name]
        made = origin_in(snapshot.tree, name)
        commits = tuple(record for record in self._history(snapshot) if name in record.fields["changes"])
        return _Visit(
            (name, snapshot.commit.id),
            Lineage(
                name,
                node.kind,
                digest or content(snapshot.tree, name),
                commits,
                made,
                results=results,
            ),
            None if made is None else self._then(made, commits),
            [] if made is None else [*reversed([*made.inputs.items()])],
        )

    def _then(self, made: Origin, commits: tuple[Commit, ...]) -> "Snapshot | None":
        """What held the inputs of a result that these commits made or changed."""
        if made.part is not None:
            # Results with names of their own are committed together with what they were made of.
            return self._lake.pinned(commits[0].reference) if commits else None
        return self._snapshot(made.commit)

    def _history(self, snapshot: "Snapshot") -> list[Commit]:
        found = self._histories.get(snapshot.commit.id)
        if found is None:
            found = self._histories[snapshot.commit.id] = snapshot.history()
            self._records |= {record.id: record for record in found}
        return found

    def _snapshot(self, commit: str) -> "Snapshot | None":
        """A commit by its id; None where it is not in the lake, or no more."""
        known = self._records.get(commit)
        try:
            return self._lake.at(commit) if known is None else self._lake.pinned(known.reference)
        except NotFoundError:
            return None
