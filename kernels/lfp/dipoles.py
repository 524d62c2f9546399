"""Current dipole moments, and their potential in an unbounded medium and in a head of concentric spheres.

Sources: Nunez and Srinivasan, Electric Fields of the Brain (2006); Næss et al., Front Hum Neurosci 11:490 (2017)
for the head, as in LFPykit's ``FourSphereVolumeConductor``.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..jit import jit
from .arguments import Floats, midpoints, position, positions, positive

# Radii in µm and conductivities in S/m of brain, fluid, skull and scalp: the defaults of LFPykit.
HEAD_RADII = (79_000.0, 80_000.0, 85_000.0, 90_000.0)
HEAD_SIGMAS = (0.3, 1.5, 0.015, 0.3)

_PRECISION = 1e-18
_MOST_TERMS = 2_000_000


def dipole_moment(start: ArrayLike, end: ArrayLike) -> Floats:
    """Current dipole moment per membrane current of each segment: the middle of the segment.

    Parameters
    ----------
    start, end
        Ends of the segments in µm, shape (N, 3).

    Returns
    -------
    numpy.ndarray
        float64[3, N] in µm: times currents in nA the moment in nA µm. Where the currents of a cell add up to 0, it
        does not depend on the origin.

    Raises
    ------
    ValueError
        If shapes do not match or a number is not finite.
    """
    return np.ascontiguousarray(midpoints(start, end).T)


def dipole_potential(electrodes: ArrayLike, dipole: ArrayLike, sigma: float) -> Floats:
    """Potential at each contact per moment of a dipole, in an unbounded medium: ``r / (4 pi sigma |r|³)``.

    Parameters
    ----------
    electrodes
        Contacts in µm, shape (M, 3).
    dipole
        Place of the dipole in µm, shape (3,).
    sigma
        Conductivity in S/m.

    Returns
    -------
    numpy.ndarray
        float64[M, 3] in mV/(nA µm), for the moment's x, y and z.

    Raises
    ------
    ValueError
        If a shape is wrong, a number out of range, or a contact is at the dipole.
    """
    away = positions("electrodes", electrodes) - position("dipole", dipole)
    distance = np.linalg.norm(away, axis=1, keepdims=True)
    if not distance.all():
        m = int(np.flatnonzero(distance == 0)[0])
        raise ValueError(f"electrodes[{m}] is at the dipole, where the potential is infinite")
    found: Floats = away / (4 * math.pi * positive("sigma", sigma) * distance**3)
    return found


def head_potential(
    electrodes: ArrayLike,
    dipole: ArrayLike,
    *,
    radii: Sequence[float] = HEAD_RADII,
    sigmas: Sequence[float] = HEAD_SIGMAS,
) -> Floats:
    """Potential at each contact per moment of a dipole in the innermost of concentric spheres.

    Parameters
    ----------
    electrodes
        Contacts in µm from the centre of the spheres, shape (M, 3): in any of them, or on the outermost.
    dipole
        Place of the dipole in µm from the centre, shape (3,), within the innermost sphere.
    radii
        Radii of the spheres in µm, rising, any number of them; by default those of brain, fluid, skull and
        scalp.
    sigmas
        Conductivity up to each radius in S/m. Outside of the last there is none.

    Returns
    -------
    numpy.ndarray
        float64[M, 3] in mV/(nA µm), for the moment's x, y and z.

    Raises
    ------
    ValueError
        If radii or conductivities make no sense, the dipole or a contact is outside, a contact is at the dipole,
        or the dipole is so near to the innermost radius that the series does not end.
    """
    contacts, place = positions("electrodes", electrodes), position("dipole", dipole)
    edges, conductivities = _spheres(radii, sigmas)
    distance, depth = np.linalg.norm(contacts, axis=1), float(np.linalg.norm(place))
    outside = np.flatnonzero(distance > edges[-1] * (1 + 1e-12))
    if outside.size:
        m = outside[0]
        raise ValueError(f"electrodes[{m}] is {distance[m]} µm from the centre; expected {edges[-1]} at most")
    if not depth < edges[0]:
        raise ValueError(f"dipole is {depth} µm from the centre; expected less than {edges[0]}")
    layer = np.minimum(np.searchsorted(edges, distance), len(edges) - 1)
    n_terms = _terms(distance, depth, layer, edges)
    inward, outward = _series(n_terms, edges, conductivities)
    up = place / depth if depth > 0 else np.array([0.0, 0.0, 1.0])
    found = np.zeros((len(contacts), 3))
    _head(contacts, up, depth, layer, edges, inward, outward, found)
    found /= 4 * math.pi * conductivities[0]
    brain = layer == 0
    if brain.any():
        found[brain] += dipole_potential(contacts[brain], place, float(conductivities[0]))
    return found


def _spheres(radii: Sequence[float], sigmas: Sequence[float]) -> tuple[Floats, Floats]:
    edges, conductivities = np.asarray(radii, np.float64), np.asarray(sigmas, np.float64)
    if edges.ndim != 1 or edges.shape != conductivities.shape or not len(edges):
        raise ValueError(
            f"radii has shape {edges.shape}, sigmas {conductivities.shape}; expected one each per sphere"
        )
    for i, sigma in enumerate(conductivities):
        positive(f"sigmas[{i}]", sigma)
    for i, (low, high) in enumerate(zip([0.0, *edges[:-1]], edges, strict=True)):
        if not low < high < np.inf:
            raise ValueError(f"radii[{i}] is {high} after {low}; expected rising radii above 0")
    return edges, conductivities


def _terms(distance: Floats, depth: float, layer: NDArray[np.intp], edges: Floats) -> int:
    """How many terms matter: they fall off as powers of this ratio."""
    outer, inner = distance[layer > 0], distance[layer == 0]
    ratio = max(
        depth / outer.min() if outer.size else 0.0,
        depth * inner.max() / edges[0] ** 2 if inner.size else 0.0,
    )
    if ratio == 0:
        return 1
    n = math.ceil(math.log(_PRECISION * (1 - ratio) ** 2) / math.log(ratio)) + 2
    if n > _MOST_TERMS:
        raise ValueError(
            f"dipole is {edges[0] - depth} µm below the radius of {edges[0]} µm: its series has {n:,} terms; "
            f"expected {_MOST_TERMS:,} at most"
        )
    return n


def _series(n_terms: int, edges: Floats, sigmas: Floats) -> tuple[Floats, Floats]:
    """For term n in layer j: the potential is ``outward (1 + inward (r / edge)^(2n+1)) / r^(n+1)``.

    From the surface, through which no current flows, inwards; then the strengths, outwards from the dipole.
    """
    n = np.arange(1, n_terms + 1, dtype=np.float64)
    inward: Floats = np.empty((len(edges), n_terms))
    step = np.ones((len(edges), n_terms))
    inward[-1] = (n + 1) / n
    for j in range(len(edges) - 1, 0, -1):
        within = inward[j] * (edges[j - 1] / edges[j]) ** (2 * n + 1)
        current = sigmas[j] / sigmas[j - 1] * (n * within - n - 1) / (within + 1)
        inward[j - 1] = (n + 1 + current) / (n - current)
        step[j] = (inward[j - 1] + 1) / (within + 1)
    return inward, np.cumprod(step, axis=0, dtype=np.float64)


@jit
def _head(
    contacts: Floats,
    up: Floats,
    depth: float,
    layer: NDArray[np.intp],
    edges: Floats,
    inward: Floats,
    outward: Floats,
    found: Floats,
) -> None:
    """Add up the series; in the innermost sphere without the dipole's own potential, which has a closed form."""
    for m in range(len(contacts)):
        r = math.sqrt(contacts[m, 0] ** 2 + contacts[m, 1] ** 2 + contacts[m, 2] ** 2)
        j, edge = layer[m], edges[layer[m]]
        # In units of the layer's edge, so that no power overflows.
        reach = r / edge if j == 0 else 1.0
        ratio = depth * r / edge**2 if j == 0 else depth / r
        scale = 1 / edge**2 if j == 0 else 1 / r**2
        cosine = (
            0.0 if r == 0 else (contacts[m, 0] * up[0] + contacts[m, 1] * up[1] + contacts[m, 2] * up[2]) / r
        )
        radial, tangential, power = 0.0, 0.0, 1.0
        before, legendre, slope_before, slope = 1.0, cosine, 0.0, 1.0
        for i in range(inward.shape[1]):
            n = i + 1
            back = inward[j, i] if j == 0 else 1 + inward[j, i] * (r / edge) ** (2 * n + 1)
            weight = outward[j, i] * back * power
            radial += weight * n * legendre
            tangential += weight * slope
            before, legendre = legendre, ((2 * n + 1) * cosine * legendre - n * before) / (n + 1)
            slope_before, slope = slope, slope_before + (2 * n + 1) * before
            power *= ratio
        for axis in range(3):
            direction = contacts[m, axis] / r if r > 0 else 0.0
            across = direction - cosine * up[axis]
            found[m, axis] = scale * reach * (radial * up[axis] + tangential * across)
