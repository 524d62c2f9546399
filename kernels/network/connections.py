"""Sources of synapses: which population, and which of its cells, by distance along two axes.

The order of work is that of MiV-Simulator: every synapse of a cell first gets a population
(`synapse_populations`), then, population by population (`population_rows`), a cell of it (`synapse_sources`).
Everything is keyed by (seed, projection, target cell), so that a cell's connections do not depend on who else is
asked for, on their order, or on the number of threads.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .ordering import Ordered
from .weighting import Weighting, gaussian

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


class SourcelessError(ValueError):
    """A synapse that no source can have.

    Attributes
    ----------
    cell
        Position of the target cell among those given.
    row
        Row of the synapse.
    """

    def __init__(self, message: str, cell: int, row: int) -> None:
        super().__init__(message)
        self.cell, self.row = cell, row


class Sources(NamedTuple):
    """A source for each synapse, in the order of the synapses.

    Attributes
    ----------
    source_node_id
        Node of the source population, int32[n]; -1 where no source is within reach.
    distance
        ``|du| + |dv|`` in µm, float32[n]; NaN where there is no source.
    """

    source_node_id: NDArray[np.int32]
    distance: NDArray[np.float32]


def synapse_populations(
    kind: ArrayLike,
    shares: ArrayLike,
    offsets: ArrayLike,
    cells: ArrayLike,
    *,
    seed: int,
    population: str,
    attempts: int = 10,
) -> NDArray[np.int16]:
    """Choose the source population of each synapse, by the proportions of its kind.

    Parameters
    ----------
    kind
        A code for each combination of synapse type, section type and layer, int[n_synapses].
    shares
        Proportion of each source population, float64[n_kinds, n_populations]; the rows need not sum to 1.
    offsets
        Rows of each target cell, int64[n_cells + 1].
    cells
        Numbers of the target cells, int[n_cells].
    seed, population
        Key of the random numbers; the name of the target population.
    attempts
        A cell is drawn again, at most so often, until each population that has a share in one of its kinds got at
        least one synapse; the last draw stands.

    Returns
    -------
    numpy.ndarray
        Column of *shares*, int16[n_synapses].

    Raises
    ------
    SourcelessError
        All shares of a synapse's kind are zero.
    ValueError
        Shapes differ, or a share is negative or not finite.
    """
    raise NotImplementedError


def population_rows(populations: ArrayLike, offsets: ArrayLike, n_populations: int) -> list[Ordered]:
    """Rows of the synapses that each source population has, from `synapse_populations`, by target cell.

    Raises
    ------
    ValueError
        A population is not in ``[-1, n_populations)`` or offsets are not those of the rows.
    """
    raise NotImplementedError


def synapse_sources(
    layer: ArrayLike,
    soma_distance: ArrayLike,
    offsets: ArrayLike,
    cells: ArrayLike,
    target: tuple[ArrayLike, ArrayLike],
    source: tuple[ArrayLike, ArrayLike],
    extents: ArrayLike,
    *,
    seed: int,
    projection: str,
    contacts: int = 1,
    arrangement: Literal["shuffled", "clustered", "plain"] = "shuffled",
    spread: float = 2.0,
    weighting: Weighting = gaussian,
    parameters: ArrayLike | None = None,
    autapses: bool = True,
    out_of_reach: Literal["error", "drop"] = "error",
) -> Sources:
    """Choose a cell of one source population for each synapse.

    Parameters
    ----------
    layer, soma_distance
        Of each synapse, int[n] and float32[n] (µm). Layers are rows of *extents*. Only the order of distances
        matters, and ``"plain"`` asks for none of them.
    offsets
        Synapses of each target cell, int64[n_cells + 1].
    cells
        Node ids of the target cells, int[n_cells].
    target, source
        Arc distances (u, v) in µm of the target cells, float64[n_cells], and of all cells of the source population.
    extents
        For each layer how far axons reach: width along u and v, offset along u and v, in µm,
        float64[n_layers, 4]. A source is a candidate if ``|du| < width_u / 2`` and ``|dv| < width_v / 2``.
    seed, projection
        Key of the random numbers; the projection's name.
    contacts
        Synapses that a source has on a target cell each time it is drawn.
    arrangement
        How the sources drawn come to the synapses of a layer, which are sorted by soma distance. ``"shuffled"``:
        MiV's clustered shuffle. Each candidate has a centre, uniform in (-1, 1) and rising with its node id, each
        of its synapses a normal deviate of *spread* more, and their order is that of the synapses.
        ``"clustered"``: each source has *contacts* synapses in succession. ``"plain"``: in random order; without
        contacts nothing is sorted.
    spread
        Standard deviation of ``"shuffled"``; 0 keeps all synapses of a source together.
    weighting, parameters
        Relative probability of a candidate, see `weighting`; parameters for each layer, float64[n_layers, k],
        by default the *extents*.
    autapses
        Whether a cell may be its own source, where *cells* are of the source population.
    out_of_reach
        What to do with synapses of a layer in which no candidate has a positive weight.

    Returns
    -------
    Sources
        The n synapses of a layer get ``ceil(n / contacts)`` independent draws of candidates.

    Raises
    ------
    SourcelessError
        A synapse has no candidate and *out_of_reach* is ``"error"``.
    ValueError
        Shapes differ, numbers are not finite, an extent is not positive or a weight is negative.

    Notes
    -----
    With `gaussian`, the probability of a candidate is proportional to ``N(|du| - offset_u; 0, sigma_u)
    N(|dv| - offset_v; 0, sigma_v)``, ``sigma = (width / 2 - offset) / 3``.
    """
    raise NotImplementedError
