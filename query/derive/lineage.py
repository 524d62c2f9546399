"""Lineage: what nodes were made from, by which commits, and what was made from them."""

from collections.abc import Iterator
from dataclasses import dataclass
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
        Digest of the content meant: that which was read, where the node is an input.
    commits
        Those that made or changed it, newest first.
    origin
        How it was derived; None for what was ingested or written.
    inputs
        The lineage of what it was derived from, as it was then.
    results
        What was derived from it, also by way of others; of the node asked for only.
    """

    name: str
    kind: str | None
    content: str
    commits: tuple[Commit, ...] = ()
    origin: Origin | None = None
    inputs: tuple["Lineage", ...] = ()
    results: tuple[Derived, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "content": self.content,
            "derived": None if self.origin is None else self.origin.to_json(),
            "commits": [
                {"id": record.id, "time": record.time.isoformat(), "author": record.author}
                | {"message": record.message, "provenance": dict(record.provenance)}
                for record in self.commits
            ],
            "inputs": [part.to_json() for part in self.inputs],
            "results": [{"name": made.name, "stale": made.stale} for made in self.results],
        }

    def lines(self, depth: int = 0) -> Iterator[str]:
        """All of it as text, indented by what was made from what."""
        start = "    " * depth
        yield f"{start}{self.name}  ({self.kind or 'gone from this lake'}, content {self.content[:12]})"
        if self.origin is not None:
            params = ", ".join(f"{key}={value!r}" for key, value in self.origin.params.items())
            version = self.origin.version or f"code {(self.origin.code or '')[:12]}"
            yield f"{start}  by {self.origin.kernel}({params}), version {version}, of {self.origin.function}"
        for record in self.commits[:_SHOWN]:
            yield f"{start}  commit {record.id[:12]} {record.time:%Y-%m-%d %H:%M} {record.author}: {record.message}"
        if len(self.commits) > _SHOWN:
            yield f"{start}  and {len(self.commits) - _SHOWN} commits before"
        for part in self.inputs:
            yield from part.lines(depth + 1)


_SHOWN = 3


def lineage(lake: "Lake", name: str, at: str | datetime) -> Lineage:
    """The lineage of a node of a commit; see `Lake.lineage`."""
    snapshot = lake.at(at)
    name = result_of(name) or name
    return _Tracer(lake, snapshot).trace(name, snapshot, results=tuple(results(snapshot, name)))


def results(snapshot: "Snapshot", name: str) -> list[Derived]:
    """What was derived from a node, also by way of others."""
    known = set(parts(snapshot.tree, name)) if name in snapshot.tree else {name}
    found = []
    for made in snapshot.derived:
        if known.intersection(made.inputs):
            found.append(made)
            known.update(parts(snapshot.tree, made.name))
    return found


class _Tracer:
    """Walks from results to inputs, through the commits that they were read from."""

    def __init__(self, lake: "Lake", snapshot: "Snapshot") -> None:
        self._lake = lake
        self._histories: dict[str, list[Commit]] = {snapshot.commit.id: snapshot.history()}
        self._records: dict[str, Commit] = {
            record.id: record for record in self._histories[snapshot.commit.id]
        }
        self._path: list[tuple[str, str]] = []

    def trace(
        self, name: str, snapshot: "Snapshot", digest: str | None = None, results: tuple[Derived, ...] = ()
    ) -> Lineage:
        """The lineage of a node of a commit, whose content is *digest*."""
        node = snapshot.tree.get(name) or snapshot[name]
        made = origin_in(snapshot.tree, name)
        inputs = {} if made is None else made.inputs
        commits = tuple(record for record in self._history(snapshot) if name in record.fields["changes"])
        then = None if made is None else self._then(made, commits)
        return Lineage(
            name,
            node.kind,
            digest or content(snapshot.tree, name),
            commits,
            made,
            tuple(self._input(part, was, then) for part, was in inputs.items()),
            results,
        )

    def _then(self, made: Origin, commits: tuple[Commit, ...]) -> "Snapshot | None":
        """What held the inputs of a result that these commits made or changed."""
        if made.part is not None:
            # Results with names of their own are committed together with what they were made of.
            return self._lake.pinned(commits[0].reference) if commits else None
        return self._snapshot(made.commit)

    def _input(self, name: str, digest: str, then: "Snapshot | None") -> Lineage:
        # Only a forged record leads back to itself.
        if then is None or name not in then.tree or (name, then.commit.id) in self._path:
            return Lineage(name, None, digest)
        self._path.append((name, then.commit.id))
        found = self.trace(name, then, digest)
        self._path.pop()
        return found

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
