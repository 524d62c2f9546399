"""Gap junctions between cells near each other."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]


class JunctionSites(NamedTuple):
    """Sections of a population's tree that may have gap junctions.

    Attributes
    ----------
    section_id
        int32[n].
    soma_distance, length
        Path from the soma to the section's 0 end, and its length, float64[n], in µm.
    """

    section_id: NDArray[np.int32]
    soma_distance: Reals
    length: Reals


class JunctionRule(NamedTuple):
    """How likely and how strong gap junctions are.

    Attributes
    ----------
    probability
        Fraction of the pairs in reach that are connected.
    reach
        Least and greatest distance of two somata, in µm.
    weight
        Relative probability of a pair by the distance of its somata in µm: coefficients of a polynomial, highest
        power first, as ``numpy.polyfit`` gives them. Negative values count as zero.
    coefficient
        Coupling of two somata.
    attenuation
        Factor of the coupling by path distance to the soma in µm: coefficients as of *weight*.
    """

    probability: float
    reach: tuple[float, float]
    weight: tuple[float, ...]
    coefficient: float
    attenuation: tuple[float, ...]


class Junctions(NamedTuple):
    """Gap junctions, sorted by target, then source.

    Attributes
    ----------
    source_node_id, target_node_id
        int32[n].
    source_section_id, target_section_id
        int32[n].
    source_section_pos, target_section_pos
        From 0 to 1 along the section, float32[n].
    source_coupling, target_coupling
        float32[n].
    """

    source_node_id: NDArray[np.int32]
    target_node_id: NDArray[np.int32]
    source_section_id: NDArray[np.int32]
    target_section_id: NDArray[np.int32]
    source_section_pos: NDArray[np.float32]
    target_section_pos: NDArray[np.float32]
    source_coupling: NDArray[np.float32]
    target_coupling: NDArray[np.float32]


def gap_junctions(
    source: ArrayLike,
    target: ArrayLike | None,
    source_sites: JunctionSites,
    target_sites: JunctionSites,
    rule: JunctionRule,
    *,
    seed: int,
    projection: str,
) -> Junctions:
    """Draw gap junctions between two populations, or within one.

    Parameters
    ----------
    source, target
        Somata in space, float64[n, 3], in µm. Without a target pairs are within the source population, each once.
    source_sites, target_sites
        Where junctions may be; sections are equally likely, and so are places along them.
    rule
        Probabilities and couplings.
    seed, projection
        Key of the random numbers.

    Returns
    -------
    Junctions
        ``round(probability * pairs in reach)`` pairs, drawn without replacement in proportion to their weights.

    Raises
    ------
    ValueError
        Shapes or numbers are wrong, there are no sites, or fewer pairs than asked for have a positive weight.

    Notes
    -----
    Of each pair an exponential deviate is divided by its weight, and the pairs with the smallest quotients are taken:
    the same distribution as drawing one after the other from those that are left (Efraimidis & Spirakis 2006,
    doi:10.1016/j.ipl.2005.11.003), and no pair's number depends on another's.
    """
    raise NotImplementedError
