"""Tables that analyses of trials need, and the errors where they are missing."""

from ...catalog.vocabulary.trials import TRIALS
from ...lake.errors import InputError, NotFoundError
from ...lake.names import listed
from ..base import Snapshot

_HOW = "bring results in (neurolake ingest PATH, nl.ingest) or simulate into the lake (nl.run, nl.record)"


def require_tables(snapshot: Snapshot, *tables: str) -> None:
    """Raise an error if a snapshot does not have all of some tables.

    Parameters
    ----------
    snapshot
        The commit to read.
    *tables
        Names of the tables.

    Raises
    ------
    NotFoundError
        A table is missing; the message names it, and how a lake gets it.
    """
    for name in tables:
        if name not in snapshot.tables:
            have = listed(snapshot.tables) or "none"
            raise NotFoundError(f"there is no table {name} in this lake, which has {have}: {_HOW}")


def no_trial(condition: str, by: str | None = None) -> InputError:
    """Return the error to raise where no trial meets a condition, or has a value to group by.

    Parameters
    ----------
    condition
        The condition in SQL.
    by
        Column or SQL that groups trials; None where nothing does.
    """
    if condition == "true" and by is None:
        return InputError(f"no trial meets 'true': table {TRIALS.name} is empty; {_HOW}")
    return InputError(f"no trial meets {condition!r}" + ("" if by is None else f" and has a {by}"))


def last_time(snapshot: Snapshot) -> float:
    """Return when the last trial ends, in ms; 0 where there are no trials.

    Parameters
    ----------
    snapshot
        The commit to read.

    Raises
    ------
    NotFoundError
        There is no table of trials.
    InputError
        It does not say when they end.
    """
    require_tables(snapshot, TRIALS.name)
    if "t_stop" not in snapshot.tables[TRIALS.name].columns:
        raise InputError(f"the table {TRIALS.name} has no column t_stop: say until when, in ms")
    ((end,),) = snapshot.sql("select coalesce(max(t_stop), 0) from trials").fetchall()
    return float(end)
