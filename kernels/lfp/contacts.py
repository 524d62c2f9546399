"""Contacts that are not points: the mean potential over their face."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import Floats, positions, positive

_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


def disk_points(electrodes: ArrayLike, normals: ArrayLike, radius: float, n_points: int) -> Floats:
    """Points spread evenly, in a sunflower's spiral, over round contacts.

    Parameters
    ----------
    electrodes
        Centres of the contacts in µm, shape (M, 3).
    normals
        Direction that each faces, of any length but 0, shape (M, 3).
    radius
        Radius of the contacts in µm.
    n_points
        Points on each.

    Returns
    -------
    numpy.ndarray
        float64[M, n_points, 3] in µm.

    Raises
    ------
    ValueError
        If shapes do not match, a number is not finite or out of range, or a normal has no length.
    """
    centers, axes = positions("electrodes", electrodes), positions("normals", normals)
    if centers.shape != axes.shape:
        raise ValueError(f"electrodes has shape {centers.shape}, normals {axes.shape}; expected the same")
    if n_points < 1:
        raise ValueError(f"n_points is {n_points}; expected 1 or more")
    length = np.linalg.norm(axes, axis=1)
    for m in np.flatnonzero(length == 0)[:1]:
        raise ValueError(f"normals[{m}] is {axes[m]}; expected a direction")
    axes /= length[:, None]
    # Any vector that is not along the normal leads to two directions in the contact's plane.
    other = np.eye(3)[np.argmin(np.abs(axes), axis=1)]
    u = np.cross(axes, other)
    u /= np.linalg.norm(u, axis=1)[:, None]
    v = np.cross(axes, u)
    i = np.arange(n_points)
    distance = positive("radius", radius) * np.sqrt((i + 0.5) / n_points)
    angle = _GOLDEN_ANGLE * i
    plane = np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=-1)
    found: Floats = centers[:, None] + np.einsum("pk,kmi->mpi", plane, np.stack([u, v]))
    return found


def contact_average(potential: Callable[[Floats], NDArray[Any]], points: Floats) -> NDArray[Any]:
    """Mean over the points of each contact of what *potential* returns for them.

    Parameters
    ----------
    potential
        Coefficients [M, N] of electrodes [M, 3]: a kernel with all other arguments bound. It may fill and return the
        same array each time.
    points
        float64[M, n_points, 3] in µm, as from `disk_points`.

    Returns
    -------
    numpy.ndarray
        [M, N] in the unit of *potential*.

    Raises
    ------
    ValueError
        If points have another shape, and what *potential* raises.
    """
    if points.ndim != 3 or points.shape[2] != 3 or not points.shape[1]:
        raise ValueError(f"points has shape {points.shape}; expected (n_contacts, n_points, 3)")
    total = np.array(potential(points[:, 0]))
    for i in range(1, points.shape[1]):
        total += potential(points[:, i])
    total /= points.shape[1]
    return total
