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
returns a number that is not negative; sources are chosen in proportion to it. `decay` is a fast exponential for it.
"""


@jit
def decay(x: float) -> float:
    """``exp(-x)`` for x from 0 on, to 1e-13 below 50: in a loop over many it takes a fifth of the time of ``np.exp``.

    Of a thousandth of x eight terms of the series are exact, and ten squarings follow; unlike a call to the
    library, this can be done for several numbers at once.

    Parameters
    ----------
    x
        The exponent, not negative.
    """
    y = min(x, 700.0) * (-1.0 / 1024.0)
    value = (y / 40320.0 + 1.0 / 5040.0) * y + 1.0 / 720.0
    value = ((value * y + 1.0 / 120.0) * y + 1.0 / 24.0) * y + 1.0 / 6.0
    value = ((value * y + 0.5) * y + 1.0) * y + 1.0
    for _ in range(10):
        value *= value
    return value


@jit
def gaussian(du: float, dv: float, parameters: Reals) -> float:
    """Weigh a candidate by a two-dimensional Gaussian of |du| and |dv|.

    The standard deviation of each axis is a third of ``width / 2 - offset``, and the density is greatest at the
    offset.

    Parameters
    ----------
    du, dv
        Difference of the cells along u and v in µm.
    parameters
        Width u, width v, offset u and offset v in µm, float64[4].
    """
    width_u, width_v, offset_u, offset_v = parameters[0], parameters[1], parameters[2], parameters[3]
    a = (abs(du) - offset_u) / (width_u / 2.0 - offset_u)
    b = (abs(dv) - offset_v) / (width_v / 2.0 - offset_v)
    return decay(4.5 * (a * a + b * b))


@jit
def uniform(du: float, dv: float, parameters: Reals) -> float:
    """Weigh every candidate the same.

    Parameters
    ----------
    du, dv
        Difference of the cells along u and v in µm; not used.
    parameters
        No numbers, float64[0].
    """
    return 1.0


@jit
def exponential_decay(du: float, dv: float, parameters: Reals) -> float:
    """Weigh a candidate by an exponential of the distance in the plane.

    Parameters
    ----------
    du, dv
        Difference of the cells along u and v in µm.
    parameters
        The length in µm at which the weight is 1/e, float64[1].
    """
    return decay(np.sqrt(du * du + dv * dv) / parameters[0])


class _Traits(NamedTuple):
    n_parameters: int
    falls: Callable[[Reals], bool]


_KNOWN: dict[Weighting, _Traits] = {}


def register_weighting(
    weighting: Weighting, n_parameters: int, falls: Callable[[Reals], bool] = lambda parameters: False
) -> Weighting:
    """Say what is known of a weighting; one that is not registered may be used, too.

    Parameters
    ----------
    weighting
        The compiled function.
    n_parameters
        How many parameters it reads: fewer are an error then, not a number from elsewhere in memory.
    falls
        Whether with some parameters, float64[k], the weight never rises as ``|du|`` or ``|dv|`` do. Then
        `fixed_indegree` and `fixed_outdegree` need not look at all candidates. A weight that does rise is an error
        where it is met.

    Returns
    -------
    Weighting
        The function.
    """
    _KNOWN[weighting] = _Traits(n_parameters, falls)
    return weighting


def falls(weighting: Weighting, parameters: Reals) -> bool:
    """Tell whether a weighting is registered as one that never rises with distance, with some parameters.

    Parameters
    ----------
    weighting
        The weighting.
    parameters
        Its parameters, float64[k].

    Raises
    ------
    ValueError
        There are fewer parameters than it reads.
    """
    known = _KNOWN.get(weighting)
    if known is None:
        return False
    if len(parameters) < known.n_parameters:
        raise ValueError(f"{len(parameters)} parameters are given; the weighting reads {known.n_parameters}")
    return known.falls(parameters)


register_weighting(uniform, 0, lambda parameters: True)
register_weighting(exponential_decay, 1, lambda parameters: bool(parameters[0] > 0))
register_weighting(gaussian, 4, lambda parameters: bool(parameters[2] == 0 == parameters[3]))

BAD_WEIGHT = -2
"""In place of a number of candidates: a weight is negative or not finite."""


class Targets(NamedTuple):
    """Cells that get connections: node ids and coordinates.

    Attributes
    ----------
    ids
        Node ids, int64[n].
    u, v
        Coordinates in µm, float64[n].
    """

    ids: Integers
    u: Reals
    v: Reals


class Partners(NamedTuple):
    """Cells of the other population in the order of u.

    Attributes
    ----------
    node
        Node ids, int32[n].
    u, v
        Coordinates in µm, float64[n]; *u* does not decrease.
    """

    node: NDArray[np.int32]
    u: Reals
    v: Reals


@cache
def weights_by(weighting: Weighting) -> Any:
    """Return the kernel that weighs the partners in reach of a cell, with a weighting compiled into it.

    Parameters
    ----------
    weighting
        The weighting, a compiled kernel.
    """

    @jit
    def weights(
        sources: Partners,
        u: float,
        v: float,
        half_u: float,
        half_v: float,
        numbers: Reals,
        excluded: int,
        place: NDArray[np.int32],
        away: Reals,
        weight: Reals,
    ) -> int:
        """Write rows, distances and weights of partners in reach; how many, or a negative number for a bad weight."""
        n, good = 0, True
        low, high = np.searchsorted(sources.u, u - half_u), np.searchsorted(sources.u, u + half_u, "right")
        # Loops without exits: those that are not in reach are overwritten.
        for i in range(low, high):
            du, dv = u - sources.u[i], v - sources.v[i]
            place[n], away[0, n], away[1, n] = i, du, dv
            n += int((abs(du) < half_u) & (abs(dv) < half_v) & (sources.node[i] != excluded))
        for i in range(n):
            weight[i] = weighting(away[0, i], away[1, i], numbers)
        for i in range(n):
            good &= (weight[i] >= 0.0) & (weight[i] < np.inf)
        return n if good else BAD_WEIGHT

    return weights


@cache
def candidates_by(weighting: Weighting) -> Any:
    """Return the kernel that finds candidates to draw from, with a weighting compiled into it.

    Parameters
    ----------
    weighting
        The weighting, a compiled kernel.
    """
    weights = weights_by(weighting)

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
        away: Reals,
        sums: Reals,
    ) -> int:
        """As the kernel of `weights_by`, with running sums of weights; 0 where all weights are zero."""
        n, total = weights(sources, u, v, half_u, half_v, numbers, excluded, place, away, sums), 0.0
        for i in range(n):
            total += sums[i]
            sums[i] = total
        return n if n < 0 or total > 0.0 else 0

    return candidates
