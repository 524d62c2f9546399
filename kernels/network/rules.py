"""Rules of connection without synapses that are there beforehand: fixed degrees, one to one, all to all.

Rules that draw are keyed by (seed, projection, cell), where the cell is the one whose degree is fixed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .weighting import Weighting, uniform


class EdgeTable(NamedTuple):
    """Edges, sorted by target; those of one target are sorted by source where the rule draws nothing.

    Attributes
    ----------
    source_node_id, target_node_id
        int32[n].
    distance
        ``|du| + |dv|`` in µm, float32[n]; NaN where positions are not asked for.
    """

    source_node_id: NDArray[np.int32]
    target_node_id: NDArray[np.int32]
    distance: NDArray[np.float32]


def fixed_indegree(
    degree: int,
    cells: ArrayLike,
    target: tuple[ArrayLike, ArrayLike],
    source: tuple[ArrayLike, ArrayLike],
    *,
    seed: int,
    projection: str,
    reach: tuple[float, float] = (np.inf, np.inf),
    weighting: Weighting = uniform,
    parameters: ArrayLike = (),
    autapses: bool = True,
    multapses: bool = True,
) -> EdgeTable:
    """Draw *degree* sources for each target cell.

    Parameters
    ----------
    degree
        Edges that end at each target cell.
    cells
        Node ids of the target cells, rising, int[n_cells].
    target, source
        Positions (u, v) in µm of the target cells, float64[n_cells], and of all cells of the source population.
    seed, projection
        Key of the random numbers; the projection's name.
    reach
        Candidates have ``|du| < reach[0]`` and ``|dv| < reach[1]``, in µm.
    weighting, parameters
        Relative probability of a candidate, see `weighting`; float64[k].
    autapses
        Whether a cell may be its own source, where both populations are one.
    multapses
        Whether a source may be drawn more than once for a target.

    Raises
    ------
    SourcelessError
        A target has no candidate, or without multapses fewer than *degree*.
    ValueError
        Shapes differ, positions are not finite, or a number is out of range.
    """
    raise NotImplementedError


def fixed_outdegree(
    degree: int,
    cells: ArrayLike,
    source: tuple[ArrayLike, ArrayLike],
    target: tuple[ArrayLike, ArrayLike],
    *,
    seed: int,
    projection: str,
    reach: tuple[float, float] = (np.inf, np.inf),
    weighting: Weighting = uniform,
    parameters: ArrayLike = (),
    autapses: bool = True,
    multapses: bool = True,
) -> EdgeTable:
    """Draw *degree* targets for each source cell of *cells*: as `fixed_indegree` with the roles exchanged."""
    raise NotImplementedError


def one_to_one(n_sources: int, n_targets: int) -> EdgeTable:
    """Connect source k with target k.

    Raises
    ------
    ValueError
        The populations are not of one size.
    """
    raise NotImplementedError


def all_to_all(n_sources: int, n_targets: int, *, autapses: bool = True) -> EdgeTable:
    """Connect each source with each target; without autapses, not those of one number.

    Raises
    ------
    ValueError
        A number is negative.
    """
    raise NotImplementedError
