"""Trials of two commits compared: which came, which went, and which hold something else, and what."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from ...catalog.traces import Traces
from ...catalog.vocabulary.trials import TRIALS
from ...lake.data.tables import Table
from ...lake.errors import QueryError
from ...lake.nodes.entry import Entry
from ...lake.nodes.grid import Grid
from ..base import Snapshot

MOST_ROWS = 20_000_000
"""Rows of a table, in files that only one of the commits has, that are compared."""
_KEY = "trial_id"
Rows = dict[int, tuple[int, int]]


@dataclass(frozen=True)
class TrialChanges:
    """How the trials of two commits differ.

    Attributes
    ----------
    added, removed
        trial_id of those that only the new commit has, or only the old one, rising.
    changed
        Of those that both have, by trial_id: columns of ``trials``, and nodes, that hold something else for them.
    unknown
        Tables that were not compared, because too many rows of them moved to other files.
    """

    added: list[int]
    removed: list[int]
    changed: dict[int, list[str]]
    unknown: list[str]


def trial_changes(old: Snapshot, new: Snapshot) -> TrialChanges:
    """Compare the trials of two commits; what both have in the same files and chunks is not read.

    Parameters
    ----------
    old, new
        The commits.
    """
    before, after = _trials(old), _trials(new)
    both = before.keys() & after.keys()
    changed: dict[int, list[str]] = {}
    for trial in sorted(both):
        if before[trial] is not after[trial] and before[trial] != after[trial]:
            names = {*before[trial], *after[trial]}
            changed[trial] = sorted(n for n in names if before[trial].get(n) != after[trial].get(n))
    unknown = []
    for name in sorted(old.tables.keys() | new.tables.keys()):
        found = None if name == TRIALS.name else _differing(old.tables.get(name), new.tables.get(name))
        if found is None:
            unknown += [] if name == TRIALS.name else [name]
            continue
        for trial in found & both:
            changed.setdefault(trial, []).append(name)
    for name in sorted(_recorded(old) | _recorded(new)):
        for trial in _other_chunks(old, new, name) & both:
            changed.setdefault(trial, []).append(name)
    return TrialChanges(
        sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys()), changed, unknown
    )


def _trials(snapshot: Snapshot) -> dict[int, dict[str, object]]:
    """Rows of trials by trial_id."""
    table = snapshot.tables.get(TRIALS.name)
    if table is None or _KEY not in table.columns:
        return {}
    return {int(row[_KEY]): row for row in table.to_arrow().to_pylist()}


def _differing(old: Table | None, new: Table | None) -> set[int] | None:
    """Trials of which two versions of a table have other rows; None where these are too many to compare."""
    tables = [table for table in (old, new) if table is not None and _KEY in table.columns]
    if not tables:
        return set()
    files: list[Sequence[Entry]] = [() if table is None else table.files for table in (old, new)]
    own = [_less(files[0], files[1]), _less(files[1], files[0])]
    if sum(entry.stats["rows"] for part in own for entry in part) > MOST_ROWS:
        return None
    before, after = (_sums(table, part) for table, part in zip((old, new), own, strict=True))
    return {trial for trial in before.keys() | after.keys() if before.get(trial) != after.get(trial)}


def _less(files: Sequence[Entry], others: Sequence[Entry]) -> list[Entry]:
    """Files without those that the others have, too; one may be there several times."""
    left = Counter(entry.digest for entry in others)
    found = []
    for entry in files:
        if left[entry.digest]:
            left[entry.digest] -= 1
        else:
            found.append(entry)
    return found


def _sums(table: Table | None, files: Sequence[Entry]) -> Rows:
    """By trial, how many rows the files have, and a sum of what is in them, whatever their order."""
    if table is None or not files or _KEY not in table.columns:
        return {}
    with duckdb.cursor() as cursor:
        query = (
            f"select {_KEY}, count(*), sum(hash(rows)::hugeint)::varchar "  # noqa: S608
            f"from read_parquet($paths, union_by_name = true) as rows where {_KEY} is not null group by 1"
        )
        found = cursor.execute(query, {"paths": table.paths(files)}).fetchall()
    return {int(trial): (count, int(total)) for trial, count, total in found}


def _recorded(snapshot: Snapshot) -> set[str]:
    """Arrays of traces."""
    traces = Traces(snapshot.store)
    return {name for site in traces.sites for name in traces.arrays_of(site)}


def _other_chunks(old: Snapshot, new: Snapshot, name: str) -> set[int]:
    """Trials of an array's rows of which some chunk is another, or is there in one of the commits only."""
    nodes = [snapshot.tree.get(name) for snapshot in (old, new)]
    if nodes[0] is not None and nodes[1] is not None:
        if nodes[0].digest == nodes[1].digest:
            return set()
        if Grid.of(nodes[0].meta).chunks == Grid.of(nodes[1].meta).chunks:
            return {*_trials_of(old, new, name, nodes[1].entries.difference(nodes[0].entries))}
    return {*_trials_of(old, new, name, None)}


def _trials_of(old: Snapshot, new: Snapshot, name: str, positions: object) -> Iterator[int]:
    """Trials of some chunks, or of all."""
    for snapshot in (old, new):
        try:
            recording = Traces(snapshot.store).recording(name)
        except (QueryError, KeyError):
            continue
        trials: npt.NDArray[np.int64] = recording.trials
        if positions is not None:
            grid = Grid.of(snapshot.tree[name].meta)
            rows = sorted({position // grid.counts[1] for position in positions})  # type: ignore[attr-defined]
            spans = [np.arange(row * grid.chunks[0], (row + 1) * grid.chunks[0]) for row in rows]
            wanted = np.concatenate(spans) if spans else np.empty(0, np.int64)
            trials = trials[wanted[wanted < len(trials)]]
        yield from trials.tolist()
