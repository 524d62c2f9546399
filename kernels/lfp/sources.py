"""Potentials of point and line sources in an unbounded medium, isotropic or anisotropic.

Sources: Holt and Koch, J Comput Neurosci 6:169 (1999) for the line; LFPykit (Hagen et al. 2018) for the distance
rules; Wait (1990) for the anisotropic medium, as in Ness et al., J Comput Neurosci 38:575 (2015).
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import ArrayLike, NDArray

from ..jit import over_rows
from .arguments import Floats, MinimumDistance, chosen, conductivity, matrix, nearest, positions, segments
from .loops import anisotropic_block, line_block, point_block

Block = Callable[[NDArray[Any], int, int, int], int]


def point_source_potential(
    start: ArrayLike,
    end: ArrayLike,
    diameter: ArrayLike | None,
    electrodes: ArrayLike,
    sigma: ArrayLike,
    *,
    minimum_distance: MinimumDistance = "radius",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Potential at each contact per membrane current of each segment, all of it at the segment's middle.

    ``1 / (4 pi sigma d)`` with d the distance from the contact to the middle of the segment.

    Parameters
    ----------
    start, end
        Ends of the segments in µm, shape (N, 3).
    diameter
        Diameter of the segments in µm, shape (N,). Only the rule ``"radius"`` uses it; else it may be None.
    electrodes
        Contacts in µm, shape (M, 3).
    sigma
        Conductivity in S/m: one number, or three for a medium that is anisotropic along x, y and z, where d sigma
        becomes ``sqrt(sy sz dx² + sx sz dy² + sx sy dz²)``.
    minimum_distance
        A contact closer than this is taken to be this far away, in the direction that it has: ``"radius"``, half
        the segment's diameter; a number of µm; or None, no limit. (A direction matters in an anisotropic medium
        only; there a contact within 1e-8 µm of the middle is moved along x.)
    out
        float32 or float64 of shape (M, N) with contiguous rows, filled and returned. Fresh memory costs more time than the
        computation: reuse it where you can. All arithmetic is float64.

    Returns
    -------
    numpy.ndarray
        [M, N] in mV/nA.

    Raises
    ------
    ValueError
        If shapes do not match, a number is not finite or out of range, or a contact is at a segment's middle and
        the rule leaves the distance 0. After the last of these *out* holds infinite values.

    Notes
    -----
    ``"radius"`` is the rule of LFPykit's ``PointSourcePotential``, None that of BlueRecording's PointSource.
    """
    begins, ends = segments(start, end)
    everything = np.ones(len(begins), np.bool_)
    return _potential(begins, ends, everything, diameter, electrodes, sigma, minimum_distance, out)


def line_source_potential(
    start: ArrayLike,
    end: ArrayLike,
    diameter: ArrayLike | None,
    electrodes: ArrayLike,
    sigma: ArrayLike,
    *,
    points: ArrayLike | None = None,
    minimum_distance: MinimumDistance = "radius",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Potential at each contact per membrane current of each segment, spread evenly along the segment.

    ``1 / (4 pi sigma)`` times the mean of 1/distance along the straight line from start to end.

    Parameters
    ----------
    start, end, diameter, electrodes, sigma, out
        As for `point_source_potential`.
    points
        Segments that are points nevertheless, as a soma often is: a mask of shape (N,), or indices.
    minimum_distance
        ``"radius"``, half the segment's diameter; a number of µm; or None, no limit. In an isotropic medium a
        contact closer than this to the line *through* the segment is taken to be this far from that line, even if
        it lies beyond the segment's ends. In an anisotropic one a contact closer than this to the segment itself
        is moved away from the closest point of it (at right angles if it is within 1e-8 µm). Both are LFPykit's rules.

    Returns
    -------
    numpy.ndarray
        [M, N] in mV/nA.

    Raises
    ------
    ValueError
        As `point_source_potential`; and if the rule leaves a contact on a segment, that is closer to it than
        1e-9 of its length, where the potential is infinite.

    Notes
    -----
    A segment whose ends coincide is a point, and so is one of *points*, at its middle: the rule of
    `point_source_potential` holds for them. BlueRecording's LineSource is ``minimum_distance=None`` with the somata
    as points; LFPykit's ``LineSourcePotential`` is the default, its ``root_as_point`` is ``points=[0]``.
    """
    begins, ends = segments(start, end)
    as_points = chosen("points", points, len(begins))
    return _potential(begins, ends, as_points, diameter, electrodes, sigma, minimum_distance, out)


def _potential(
    start: Floats,
    end: Floats,
    as_points: NDArray[np.bool_],
    diameter: ArrayLike | None,
    electrodes: ArrayLike,
    sigma: ArrayLike,
    rule: MinimumDistance,
    out: NDArray[Any] | None,
) -> NDArray[Any]:
    contacts, sigmas = positions("electrodes", electrodes), conductivity(sigma)
    floor = nearest(rule, diameter, len(start))
    result = matrix(out, (len(contacts), len(start)))
    k = 1 / (4 * math.pi * sigmas[0])
    if len(sigmas) == 1 and as_points.all():
        _fill(partial(point_block, start, end, floor, contacts, k), result)
        return result
    if as_points.any():  # segments without length
        middle, which = (start + end) / 2, as_points[:, None]
        start, end = np.where(which, middle, start), np.where(which, middle, end)
    if len(sigmas) == 1:
        _fill(partial(line_block, start, end, floor, contacts, k), result)
    else:
        scale = np.sqrt(sigmas.prod() / sigmas)
        _fill(partial(anisotropic_block, start, end, floor, contacts, scale), result)
    return result


def _fill(block: Block, result: NDArray[Any]) -> None:
    if not result.size:
        return
    step, within = (stride // result.itemsize for stride in result.strides)
    if (within != 1 and result.shape[1] > 1) or step < 0:
        raise ValueError(f"out has strides {result.strides}; expected contiguous rows, in rising order")
    n_rows, n_columns = result.shape
    flat = as_strided(result, ((n_rows - 1) * step + n_columns,), (result.itemsize,))
    infinite = sum(over_rows(partial(block, flat, step), n_columns, size=result.size))
    if infinite:
        electrode, segment = np.argwhere(np.isinf(result))[0]
        more = f" ({infinite - 1:,} more like it)" if infinite > 1 else ""
        raise ValueError(
            f"electrodes[{electrode}] is on segment {segment}, where the potential is infinite{more}; "
            "expected a distance, or a minimum_distance above 0 (with 'radius': a diameter above 0)"
        )
