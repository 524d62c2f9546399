"""Relative probabilities of connections as functions of distance, and the candidates that they make."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import jit

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

Weighting = Callable[[float, float, Reals], float]
"""A compiled function (`kernels.jit.jit` or ``numba.njit``) of ``(du, dv, parameters)``.

du and dv are the signed differences in µm of target minus source along the two axes, parameters is float64[k]. It
returns a number that is not negative; sources are chosen in proportion to it.
"""


@jit
def gaussian(du: float, dv: float, parameters: Reals) -> float:
    """A two-dimensional Gaussian of |du| and |dv|; parameters: width u, width v, offset u, offset v in µm.

    The standard deviation of each axis is a third of ``width / 2 - offset``, and the density is greatest at the
    offset.
    """
    width_u, width_v, offset_u, offset_v = parameters[0], parameters[1], parameters[2], parameters[3]
    a = (abs(du) - offset_u) / (width_u / 2.0 - offset_u)
    b = (abs(dv) - offset_v) / (width_v / 2.0 - offset_v)
    return float(np.exp(-4.5 * (a * a + b * b)))


@jit
def uniform(du: float, dv: float, parameters: Reals) -> float:
    """The same for every candidate."""
    return 1.0


@jit
def exponential_decay(du: float, dv: float, parameters: Reals) -> float:
    """An exponential of the distance in the plane; parameters[0] is the length in µm at which it is 1/e."""
    return float(np.exp(-np.sqrt(du * du + dv * dv) / parameters[0]))


BAD_WEIGHT = -2
"""In place of a number of candidates: a weight is negative or not finite."""


class Targets(NamedTuple):
    """Cells that get connections: node ids and coordinates."""

    ids: Integers
    u: Reals
    v: Reals


class Partners(NamedTuple):
    """Cells of the other population in the order of u."""

    node: NDArray[np.int32]
    u: Reals
    v: Reals


@cache
def candidates_by(weighting: Weighting) -> Any:
    """The kernel that finds candidates, with a weighting compiled into it."""

    @jit
    def candidates(
        sources: Partners,
        u: float,
        v: float,
        half_u: float,
        half_v: float,
        numbers: Reals,
        excluded: int,
        place: NDArray[np.int32],
        sums: Reals,
    ) -> int:
        """Sources in reach and running sums of their weights; how many, or a negative number for a bad weight."""
        n, total = 0, 0.0
        i = np.searchsorted(sources.u, u - half_u, side="right")
        while i < len(sources.u) and u - sources.u[i] > -half_u:
            du, dv = u - sources.u[i], v - sources.v[i]
            if abs(du) < half_u and abs(dv) < half_v and sources.node[i] != excluded:
                weight = weighting(du, dv, numbers)
                if not (weight >= 0.0 and weight < np.inf):
                    return BAD_WEIGHT
                total += weight
                place[n], sums[n] = i, total
                n += 1
            i += 1
        return n if total > 0.0 else 0

    return candidates
