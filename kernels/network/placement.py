"""Places of synapses on the trees of cells."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .segments import CellTree, SegmentTable

Reals = NDArray[np.float64]


class SynapseTable(NamedTuple):
    """Synapses of many cells, cell by cell.

    Attributes
    ----------
    offsets
        Rows of cell k are ``offsets[k]`` to ``offsets[k + 1]``, int64[n_cells + 1].
    synapse_id
        0-based within each cell, int32[n].
    section_id
        int32[n].
    section_pos
        From 0 to 1 (excluded) along the section, float32[n].
    layer
        Layer of the synapse's segment, int16[n].
    type
        Type of synapse, int8[n].
    section_type
        SWC type of the section, int8[n].
    soma_distance
        In µm, float32[n].
    """

    offsets: NDArray[np.int64]
    synapse_id: NDArray[np.int32]
    section_id: NDArray[np.int32]
    section_pos: NDArray[np.float32]
    layer: NDArray[np.int16]
    type: NDArray[np.int8]
    section_type: NDArray[np.int8]
    soma_distance: NDArray[np.float32]


def placed_synapses(
    tree: CellTree,
    segments: SegmentTable,
    densities: list[tuple[int, int, Reals]],
    cells: ArrayLike,
    *,
    seed: int,
    population: str,
    method: Literal["poisson", "poisson_miv", "uniform"] = "poisson",
    soma_distance: Literal["path", "radial"] = "path",
) -> SynapseTable:
    """Place synapses on cells that share a tree.

    Parameters
    ----------
    tree, segments
        The tree and its segments, from `tree_segments`.
    densities
        From `segment_densities`.
    cells
        Numbers of the cells, int[n_cells]; each is a key: a cell's synapses do not depend on who else is asked for.
    seed, population
        Key of the random numbers.
    method
        ``"poisson"``: a Poisson process of each segment's density. ``"uniform"``: in each segment
        ``floor(density * length)`` synapses at equal distances. ``"poisson_miv"``: MiV-Simulator's process, which
        differs from a Poisson process in two ways: the first gap of a section is drawn again until it ends within
        the first segment, so that this is never empty; and at each later segment one gap is skipped.
    soma_distance
        ``"path"``: along the tree, from the 0 end of the root. ``"radial"``: as the crow flies from the origin of
        the tree's coordinates, which is MiV's ``syn_cdists``.

    Returns
    -------
    SynapseTable
        Synapses of a cell in the order of *densities*, then of sections, then along the section.

    Raises
    ------
    ValueError
        Arrays do not belong together, or a density is too low for ``"poisson_miv"``.
    """
    raise NotImplementedError
