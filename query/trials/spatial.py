"""Activations counted by distance from the soma and time, over many trials."""

import numpy as np
import xarray as xr

from ...catalog.vocabulary.trials import TRIALS
from ...kernels.activity.binning import bin_edges
from ...kernels.activity.spatial import padded_sum, spatiotemporal_counts
from ..base import Snapshot
from ..derive.kernels import kernel
from .activations import TABLE, reads_activations
from .requirements import last_time, no_trial, require_tables
from .trains import input_errors

_ROWS = 2_000_000  # in memory at a time


@kernel(version="1", whole=True, reads=reads_activations)
def spatiotemporal_activations(
    snapshot: Snapshot,
    *,
    width: float = 1.0,
    distance_width: float = 50.0,
    t_min: float = 0.0,
    t_max: float | None = None,
    where: str = "true",
    trials: str = "true",
) -> xr.DataArray:
    """Synapse activations of all trials by distance from the soma and time; ISF's ``spatiotemporal_binning``.

    Parameters
    ----------
    snapshot
        The commit to read.
    width, t_min, t_max
        Time bins in ms; from 0 to the end of the longest trial by default.
    distance_width
        Width of the distance bins in µm; bin k begins at ``k * distance_width``.
    where
        Condition on activations in SQL, such as ``"cell_type = 'VPM'"``.
    trials
        Condition on trials in SQL.

    Returns
    -------
    xarray.DataArray
        Counts ``[soma_distance, time]``, where bins begin in µm and ms; attribute ``n_trials``.

    Raises
    ------
    NotFoundError
        The lake has no synapse activations.
    QueryError
        A condition is not valid SQL over columns of the tables.
    InputError
        Bins make no sense, or no trial meets the condition.
    """
    require_tables(snapshot, TABLE, TRIALS.name)
    condition = f"({trials}\n)"
    ((n_trials,),) = snapshot.sql(f"select count(*) from trials where {condition}").fetchall()  # noqa: S608
    if not n_trials:
        raise no_trial(trials)
    if t_max is None:
        t_max = last_time(snapshot)
    chosen = "" if trials == "true" else f" and trial_id in (select trial_id from trials where {condition})"  # noqa: S608
    query = f"select soma_distance, time from {TABLE} where ({where}\n){chosen}"  # noqa: S608
    with input_errors():
        edges = bin_edges(t_min, t_max, width)
        parts = [
            spatiotemporal_counts(
                batch["soma_distance"].to_numpy(), batch["time"].to_numpy(), edges, width=distance_width
            )
            for batch in snapshot.sql(query).to_arrow_reader(_ROWS)
        ]
    counts = padded_sum([np.zeros((0, len(edges) - 1), np.int64), *parts])
    distance = distance_width * np.arange(len(counts))
    coords = {
        "soma_distance": ("soma_distance", distance, {"units": "um", "long_name": "begin of the bin"}),
        "time": ("time", edges[:-1], {"units": "ms", "long_name": "begin of the bin"}),
    }
    attrs = {"units": "1", "long_name": "synapse activations", "n_trials": n_trials}
    return xr.DataArray(counts, coords, ("soma_distance", "time"), "spatiotemporal_activations", attrs)
