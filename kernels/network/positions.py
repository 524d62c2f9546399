"""Positions of somata in layers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .surfaces import Surface
from .volumes import Box, Volume

Reals = NDArray[np.float64]


class Somata(NamedTuple):
    """Cells of a population, in the order of their U coordinate: row k is node k.

    Attributes
    ----------
    uvl, xyz
        Coordinates in the volume and in space, float64[n, 3], in µm.
    layer
        Which of the layers given, int16[n].
    """

    uvl: Reals
    xyz: Reals
    layer: NDArray[np.int16]


def soma_positions(
    layers: Sequence[Box | Surface],
    counts: Sequence[int],
    volume: Volume,
    *,
    seed: int,
    population: str,
    z_ranges: Sequence[tuple[float, float] | None] | None = None,
    minimum_distance: float = 0.0,
    taken: ArrayLike | None = None,
    relaxation: int = 0,
) -> Somata:
    """Place a population's cells uniformly in space in its layers, exactly as many as asked for in each.

    Parameters
    ----------
    layers
        Boxes in the volume's coordinates (u, v, l), or closed surfaces in space.
    counts
        Cells in each layer.
    volume
        Coordinates of the network, see `volumes`.
    seed, population
        Key of the random numbers: another population changes nothing here.
    z_ranges
        For each layer None or the least and greatest z in space, in µm.
    minimum_distance
        Between two somata of the population, and from those in *taken*, in µm.
    taken
        Somata of populations that were placed before, float64[m, 3] (x, y, z).
    relaxation
        Rounds in which each soma moves away from its nearest neighbours, towards a quasi-uniform arrangement;
        0 leaves the draws as they are. No soma leaves its layer.

    Returns
    -------
    Somata
        The same for any number of threads.

    Raises
    ------
    ValueError
        Numbers of layers, counts and ranges differ; a layer has no volume within its range; or the somata asked
        for do not fit at this distance: the message names the layer and how many found room.
    """
    raise NotImplementedError
