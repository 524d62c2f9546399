"""Reduced models fitted to the trials of a lake: activations are binned, spikes found, and the fit made."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...lake.errors import InputError
from ..base import Snapshot
from ..derive.kernels import kernel
from ..trials.activations import By, bin_activations, reads_activations
from ..trials.trains import SPIKES
from .cosines import Basis, CosineModel, fit_cosines
from .lda import LdaModel, fit_lda, spikes_within

Floats = npt.NDArray[np.float64]


def _reads(snapshot: Snapshot, given: Mapping[str, Any]) -> list[str]:
    return [*dict.fromkeys([*reads_activations(snapshot, given), SPIKES])]


@kernel(version="1", name="lda_model", whole=True, reads=_reads)
def lda_of_trials(
    snapshot: Snapshot,
    by: By = "EI",
    *,
    output: tuple[float, float] = (255, 265),
    refractory: float = 0.0,
    trials: str = "true",
    width: int = 80,
    window: tuple[int, int] | None = None,
    test_size: float = 0.4,
    repetitions: int = 5,
    step: int = 5,
    seed: int = 0,
) -> LdaModel:
    """Fit the model of `lda` to trials.

    Parameters
    ----------
    snapshot
        The commit to read.
    by
        Groups of synapses; see `activations.keys`.
    output
        Half-open window of the spikes to predict, ms.
    refractory
        Trials with a spike less than this many ms before *output* are left out.
    trials
        Condition on trials in SQL.
    width, window, test_size, repetitions, step, seed
        As of `lda.fit_lda`.

    Raises
    ------
    NotFoundError, QueryError, InputError
        As `activations.bin_activations` and `lda.fit_lda`.
    """
    counts = bin_activations(snapshot, by, t_max=float(np.ceil(output[1])), trials=trials)
    row, time = _spikes(snapshot, counts["trial"].values)
    n = counts.sizes["trial"]
    dropped = spikes_within(row, time, n, output[0] - refractory, output[0]) if refractory > 0 else None
    spiked = spikes_within(row, time, n, *output)
    return fit_lda(
        counts.values,
        list(counts["group"].values),
        spiked,
        output=output,
        width=width,
        window=window,
        dropped=dropped,
        test_size=test_size,
        repetitions=repetitions,
        step=step,
        seed=seed,
    )


@kernel(version="1", name="raised_cosines_model", whole=True, reads=_reads)
def cosines_of_trials(
    snapshot: Snapshot,
    by: Sequence[str] = ("EI",),
    *,
    output: tuple[float, float] = (255, 265),
    width: int = 80,
    distance_width: float = 50.0,
    since_spike: bool = False,
    trials: str = "true",
    space: Basis | None = None,
    time: Basis | None = None,
    penalty: Basis | None = None,
    test_size: float = 0.3,
    splits: int = 1,
    iterations: int = 5000,
    seed: int = 0,
) -> CosineModel:
    """Fit the model of `cosine_model` to trials.

    Parameters
    ----------
    snapshot
        The commit to read.
    by
        Groups of synapses, besides their distance to the soma.
    output
        Half-open window of the spikes to predict, ms.
    width
        Length of the window of activations in ms; it ends where *output* does.
    distance_width
        Bins of soma distance, µm.
    since_spike
        Whether the time from the last spike before *output* counts.
    trials
        Condition on trials in SQL.
    space, time, penalty, test_size, splits, iterations, seed
        As of `cosine_model.fit_cosines`.

    Raises
    ------
    NotFoundError, QueryError, InputError
        As `activations.bin_activations` and `cosine_model.fit_cosines`.
    """
    if not by or width > output[1]:
        raise InputError(
            f"{width} ms before {output[1]} ms, of groups {list(by)}: expected a window from 0 ms on, and groups"
        )
    counts = bin_activations(
        snapshot,
        [*by, "soma_distance"],
        t_min=float(output[1] - width),
        t_max=float(output[1]),
        trials=trials,
        distance_width=distance_width,
    )
    names, data = _by_distance(counts, len(by), distance_width)
    row, moments = _spikes(snapshot, counts["trial"].values)
    n = counts.sizes["trial"]
    return fit_cosines(
        data,
        names,
        spikes_within(row, moments, n, *output),
        since_spike=_since(row, moments, n, output[0]) if since_spike else None,
        space=space,
        time=time,
        penalty=penalty,
        test_size=test_size,
        splits=splits,
        iterations=iterations,
        seed=seed,
    )


def _by_distance(counts: Any, keys: int, width: float) -> tuple[list[str], npt.NDArray[Any]]:
    """Names of the groups, and counts [group, trial, ms, bin of distance]."""
    labels = [str(label).split("__") for label in counts["group"].values]
    names = sorted({"__".join(parts[:keys]) for parts in labels})
    at = [round(float(parts[-1].split("to")[0]) / width) for parts in labels]
    data = np.zeros((len(names), *counts.shape[1:], max(at, default=-1) + 1), counts.dtype)
    for group, (parts, bin_) in enumerate(zip(labels, at, strict=True)):
        data[names.index("__".join(parts[:keys])), :, :, bin_] = counts.values[group]
    return names, data


def _spikes(snapshot: Snapshot, ids: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Row among *ids* and time of every somatic spike of these trials."""
    rows = snapshot.sql("select trial_id, time from spike_times").to_arrow_table()
    trial, time = rows["trial_id"].to_numpy(), rows["time"].to_numpy()
    row = np.searchsorted(ids, trial)
    ours = ids[np.minimum(row, len(ids) - 1)] == trial
    return row[ours], time[ours]


def _since(row: npt.NDArray[np.int64], time: Floats, trials: int, moment: float) -> Floats:
    """Time from the last spike before *moment* to it, NaN where there was none."""
    last = np.full(trials, -np.inf)
    before = time < moment
    np.maximum.at(last, row[before], time[before])
    return np.where(np.isfinite(last), moment - last, np.nan)
