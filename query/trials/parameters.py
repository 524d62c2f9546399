"""Parameters of trials: those of one, and what differs between two."""

from typing import TYPE_CHECKING

import duckdb

from ...lake.errors import NotFoundError

if TYPE_CHECKING:
    from ..base import Snapshot

# Items of a list are in the order of their numbers, which is not that of letters.
_OF_TRIAL = """
select kind, path, type, coalesce(number::varchar, text) as value
from (
    select 'neuron' as kind, neuron_parameters as file from trials where trial_id = $trial
    union all
    select 'network', network_parameters from trials where trial_id = $trial
) join parameters using (file)
"""
_DIFFERENCE = """
with a as (of_old), b as (of_new)
select kind, path, a.value as old, b.value as new
from a full join b using (kind, path)
where a.value is distinct from b.value or a.type is distinct from b.type
order by all
""".replace("of_old", _OF_TRIAL.replace("$trial", "$old")).replace(
    "of_new", _OF_TRIAL.replace("$trial", "$new")
)


def of_trial(snapshot: "Snapshot", trial: int | str, prefix: str = "") -> duckdb.DuckDBPyRelation:
    """Return the parameters of a trial: ``kind`` (neuron or network), ``path``, ``type`` and ``value`` as text.

    Parameters
    ----------
    snapshot
        The commit to read.
    trial
        trial_id or sim_trial_index.
    prefix
        Only paths that begin with it.

    Raises
    ------
    NotFoundError
        There is no such trial.
    """
    query = f"from ({_OF_TRIAL}) where starts_with(path, $prefix) order by kind, path"
    return snapshot.sql(query, trial=trial_id(snapshot, trial), prefix=prefix)


def difference(snapshot: "Snapshot", old: int | str, new: int | str) -> duckdb.DuckDBPyRelation:
    """Return the parameters whose value or type differs: ``kind``, ``path``, ``old`` and ``new`` as text, null where absent.

    Parameters
    ----------
    snapshot
        The commit to read.
    old, new
        The trial_id or sim_trial_index of either trial.

    Raises
    ------
    NotFoundError
        There is no such trial.
    """
    return snapshot.sql(_DIFFERENCE, old=trial_id(snapshot, old), new=trial_id(snapshot, new))


def trial_id(snapshot: "Snapshot", trial: int | str) -> int:
    """Return the trial_id of a trial that is given by it or by its sim_trial_index.

    Parameters
    ----------
    snapshot
        The commit to read.
    trial
        trial_id or sim_trial_index.

    Raises
    ------
    NotFoundError
        There is no such trial.
    """
    rows = snapshot.sql(
        "select trial_id from trials where trial_id::varchar = $trial or sim_trial_index = $trial",
        trial=str(trial),
    ).fetchall()
    if not rows:
        raise NotFoundError(f"there is no trial {trial!r}; `neurolake trials` lists them")
    return int(rows[0][0])
