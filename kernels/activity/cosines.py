"""Raised cosines: bases in which generalised linear models describe kernels in space and time."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import line

_BLOCK = 1 << 22  # counts turned into float64 at a time


def raised_cosines(
    u: ArrayLike, *, a: float = 2.0, c: float = 1.0, phi: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Basis functions ``cos(a ln(u + c) - phi) / 2 + 1 / 2``, zero where the angle is π or more from 0.

    Parameters
    ----------
    u
        Where to evaluate them: ms before a time, or bins of distance, shape (n_u,).
    a, c
        How fast the functions widen with u, and what is added to it.
    phi
        Where each function has its peak, shape (n_basis,); 1, 1.5, ... 10.5 by default.

    Returns
    -------
    numpy.ndarray
        float64[n_basis, n_u].

    Raises
    ------
    ValueError
        If a number is not finite, or ``u + c`` is not positive somewhere.

    Notes
    -----
    The defaults are those of ``modular_reduced_model_inference`` of the In Silico Framework. For a window of
    ``width`` ms that ends at the time of interest, the basis over its samples is that of ``arange(width)``
    turned round: ``raised_cosines(arange(width))[:, ::-1]``.

    References
    ----------
    Pillow et al. (2008), Nature 454: 995-999.
    """
    places = line("u", u)
    peaks = line("phi", np.arange(1, 11, 0.5) if phi is None else phi)
    for name, values, bad in (("u", places, ~(places + c > 0)), ("phi", peaks, ~np.isfinite(peaks))):
        wrong = np.flatnonzero(bad | ~np.isfinite(values))
        if wrong.size:
            i = wrong[0]
            raise ValueError(f"{name}[{i}] is {values[i]} (c is {c}); expected finite numbers, and u + c > 0")
    angle = a * np.log(places + c) - peaks[:, None]
    return np.where(np.abs(angle) < np.pi, 0.5 * np.cos(angle) + 0.5, 0.0)


def projections(activity: ArrayLike, spatial: ArrayLike, temporal: ArrayLike) -> NDArray[np.float64]:
    """Weigh each trial's activity by every pair of a spatial and a temporal basis function.

    Parameters
    ----------
    activity
        Counts or rates, shape (n_trials, n_time, n_space), of any real type.
    spatial
        Basis in space, shape (n_i, n_space).
    temporal
        Basis in time, shape (n_j, n_time).

    Returns
    -------
    numpy.ndarray
        float64[n_i, n_j, n_trials]: the sum over time t and space s of
        ``spatial[i, s] * activity[trial, t, s] * temporal[j, t]``.

    Raises
    ------
    ValueError
        If shapes do not match.
    """
    counts, across, along = (
        np.asarray(activity),
        np.asarray(spatial, np.float64),
        np.asarray(temporal, np.float64),
    )
    if (
        counts.ndim != 3
        or across.shape != (len(across), *counts.shape[2:])
        or along.shape != (len(along), counts.shape[1])
    ):
        raise ValueError(
            f"activity has shape {counts.shape}, spatial {across.shape}, temporal {along.shape}; expected "
            "(n_trials, n_time, n_space), (n_i, n_space) and (n_j, n_time)"
        )
    found = np.empty((len(across), len(along), len(counts)))
    step = max(1, _BLOCK // max(1, counts[:1].size))
    for start in range(0, len(counts), step):
        block = counts[start : start + step].astype(np.float64)
        found[:, :, start : start + step] = (along @ block @ across.T).transpose(2, 1, 0)
    return found
