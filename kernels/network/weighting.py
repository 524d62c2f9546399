"""Relative probabilities of connections as functions of distance."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..jit import jit

Weighting = Callable[[float, float, NDArray[np.float64]], float]
"""A compiled function (`kernels.jit.jit` or ``numba.njit``) of ``(du, dv, parameters)``.

du and dv are the signed differences in µm of target minus source along the two axes, parameters is float64[k]. It
returns a number that is not negative; sources are chosen in proportion to it.
"""


@jit
def gaussian(du: float, dv: float, parameters: NDArray[np.float64]) -> float:
    """A two-dimensional Gaussian of |du| and |dv|; parameters: width u, width v, offset u, offset v in µm.

    The standard deviation of each axis is a third of ``width / 2 - offset``, and the density is greatest at the
    offset.
    """
    width_u, width_v, offset_u, offset_v = parameters[0], parameters[1], parameters[2], parameters[3]
    a = (abs(du) - offset_u) / (width_u / 2.0 - offset_u)
    b = (abs(dv) - offset_v) / (width_v / 2.0 - offset_v)
    return float(np.exp(-4.5 * (a * a + b * b)))


@jit
def uniform(du: float, dv: float, parameters: NDArray[np.float64]) -> float:
    """The same for every candidate."""
    return 1.0


@jit
def exponential_decay(du: float, dv: float, parameters: NDArray[np.float64]) -> float:
    """An exponential of the distance in the plane; parameters[0] is the length in µm at which it is 1/e."""
    return float(np.exp(-np.sqrt(du * du + dv * dv) / parameters[0]))
