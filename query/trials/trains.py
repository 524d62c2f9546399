"""Spike trains of chosen trials, read from a snapshot, with what trials are grouped by."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...catalog.vocabulary.trials import SPIKE_TIMES, TRIALS
from ...lake.errors import InputError
from ..base import Snapshot
from .requirements import no_trial, require_tables

SPIKES = SPIKE_TIMES.name
EVERYTHING = "all"
_SELECTS = re.compile(r"\b(from|join)\b", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Trains:
    """Spikes of trials.

    Attributes
    ----------
    trials
        trial_id of every chosen trial, those without spikes included, rising, int64[n_trials].
    labels
        Names of the groups, in order of their values.
    group
        Number of the group of each trial, int64[n_trials].
    trial, time
        Row of the trial, and time in ms, of each spike, ordered by both, int64 and float64[n_spikes].
    """

    trials: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    group: npt.NDArray[np.int64]
    trial: npt.NDArray[np.int64]
    time: npt.NDArray[np.float64]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Number of trials of each group."""
        return np.bincount(self.group, minlength=len(self.labels))

    def coordinates(self) -> dict[str, Any]:
        """Return coordinates of a dimension ``trial``: trial_id, and the group where there are several."""
        group = np.array(self.labels, object)[self.group]
        coords = {"trial": ("trial", self.trials, {"long_name": "trial_id"})}
        return coords if self.labels == (EVERYTHING,) else {**coords, "group": ("trial", group)}


def trains(
    snapshot: Snapshot,
    *,
    trials: str = "true",
    spikes: str = "true",
    by: str | None = None,
    table: str = SPIKES,
) -> Trains:
    """Read the spikes of the trials that meet a condition.

    Parameters
    ----------
    snapshot
        The commit to read.
    trials
        Condition on ``trials`` in SQL, such as ``"stimulus = 'C2'"``.
    spikes
        Condition on *table* in SQL, such as ``"time >= 245"``.
    by
        Column of ``trials``, or SQL over them, that groups trials; those where it is null are left out.
    table
        With columns ``trial_id`` and ``time``: ``spike_times``, ``dendritic_spike_times``.

    Raises
    ------
    NotFoundError
        There is no such table.
    QueryError
        A condition or *by* is not valid SQL over columns of the tables.
    InputError
        No trial meets the condition.
    """
    require_tables(snapshot, TRIALS.name, table)
    ids, labels, group = grouped(snapshot, trials, by)
    query = f'select trial_id, time from "{table}" where ({spikes}\n) order by trial_id, time'  # noqa: S608
    rows = snapshot.sql(query).to_arrow_table()
    trial, time = rows["trial_id"].to_numpy(), rows["time"].to_numpy()
    row = np.minimum(np.searchsorted(ids, trial), len(ids) - 1)
    ours = ids[row] == trial
    return Trains(ids, labels, group, row[ours], np.asarray(time[ours], np.float64))


def grouped(
    snapshot: Snapshot, trials: str, by: str | None
) -> tuple[npt.NDArray[np.int64], tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the trials that meet a condition, the names of their groups, and the number of the group of each; see `Trains`.

    Parameters
    ----------
    snapshot
        The commit to read.
    trials
        Condition on ``trials`` in SQL.
    by
        Column of ``trials``, or SQL over them, that groups trials; None for one group.

    Raises
    ------
    QueryError
        The condition or *by* is not valid SQL over columns of ``trials``.
    InputError
        No trial meets the condition.
    """
    key = f"'{EVERYTHING}'" if by is None else by
    query = (
        f"select trial_id, dense_rank() over (order by ({key}\n)) - 1 as number, ({key}\n)::varchar as label "  # noqa: S608
        f"from trials where ({trials}\n) and ({key}\n) is not null order by trial_id"
    )
    rows = snapshot.sql(query).to_arrow_table()
    if not rows.num_rows:
        raise no_trial(trials, by)
    group = np.asarray(rows["number"].to_numpy(), np.int64)
    _, first = np.unique(group, return_index=True)
    labels = tuple(rows["label"].take(first).to_pylist())
    return np.asarray(rows["trial_id"].to_numpy(), np.int64), labels, group


def reads_trains(snapshot: Snapshot, given: Mapping[str, Any]) -> list[str]:
    """Name the tables that analyses of spikes read: trials, spikes, and those that conditions select from.

    Parameters
    ----------
    snapshot
        The commit to read.
    given
        Arguments of the analysis by name, ``table`` among them.
    """
    return tables_read(snapshot, [TRIALS.name, given["table"]], given)


def tables_read(snapshot: Snapshot, tables: Sequence[str], given: Mapping[str, Any]) -> list[str]:
    """Name the tables that an analysis reads: *tables*, and those that its conditions in SQL select from.

    Parameters
    ----------
    snapshot
        The commit to read.
    tables
        Names of the tables that it reads in any case.
    given
        Arguments of the analysis by name; those that are text may be SQL.
    """
    texts = [text for value in given.values() for text in _texts(value) if _SELECTS.search(text)]
    named = [
        name
        for name in snapshot.tables
        if any(re.search(rf"(?<![\w/.]){re.escape(name)}(?![\w/.])", text, re.IGNORECASE) for text in texts)
    ]
    return [*dict.fromkeys([*tables, *named])]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        value = [*value.values()]
    return [text for text in value if isinstance(text, str)] if isinstance(value, list | tuple) else []


@contextmanager
def input_errors() -> Iterator[None]:
    """Raise the ValueError of a kernel as an `InputError`.

    Raises
    ------
    InputError
        The body of the ``with`` statement raised a ValueError.
    """
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error
