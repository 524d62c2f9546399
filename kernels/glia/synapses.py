"""Synapses that astrocytes wrap: those in their domains."""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import whole_numbers
from ..grid import CubeGrid, cube_grid
from ..jit import jit, over_rows
from .planes import DomainPlanes, rows_in_domain

Whole = NDArray[np.int64]


class Wrapped(NamedTuple):
    """Pairs of an astrocyte and a synapse in its domain, sorted by neuron, astrocyte and synapse.

    Attributes
    ----------
    astrocyte
        int32[n].
    neuron
        Neuron of the synapse, int32[n].
    synapse
        Row of the synapse, int64[n].
    """

    astrocyte: NDArray[np.int32]
    neuron: NDArray[np.int32]
    synapse: Whole


def wrapped_synapses(planes: DomainPlanes, points: ArrayLike, neurons: ArrayLike) -> Wrapped:
    """Find the synapses in each domain; a synapse where domains overlap is in each of them.

    Parameters
    ----------
    planes
        The domains.
    points
        Places of the synapses in µm, float32 or float64[n, 3]: the width decides about those on a boundary.
    neurons
        Neuron of each synapse, int[n].

    Returns
    -------
    Wrapped
        One for each pair.

    Raises
    ------
    ValueError
        A place is not finite, or there is not one neuron for each synapse, from 0 to 2**31 - 1.

    Notes
    -----
    As ``neuroglial_generation`` of ArchNGV 3.3, in the same order. Points are sorted into a grid; a cell of it that no face
    cuts is in or out as a whole.
    """
    places = np.ascontiguousarray(points)
    if places.dtype != np.float32:
        places = np.ascontiguousarray(places, np.float64)
    if places.ndim != 2 or places.shape[1] != 3:
        raise ValueError(f"points have shape {places.shape}; expected (n, 3)")
    if not np.isfinite(places.sum()):
        bad = np.flatnonzero(~np.isfinite(places).all(axis=1))
        if bad.size:
            raise ValueError(f"points[{bad[0]}] is {places[bad[0]].tolist()}; expected finite coordinates")
    owners = whole_numbers("neurons", neurons)
    if len(owners) != len(places):
        raise ValueError(f"neurons have shape {owners.shape}; expected ({len(places)},), one per synapse")
    if len(owners) and not (owners.min() >= 0 and owners.max() < 2**31):
        raise ValueError(f"neurons are from {owners.min()} to {owners.max()}; expected 0 to 2**31 - 1")
    grid = cube_grid(places, _edge(places))
    n = len(planes.low)
    found = over_rows(partial(_inside, planes, places[grid.order], grid), n)
    astrocyte = np.repeat(np.arange(n, dtype=np.int32), np.concatenate([part[0] for part in found]))
    synapse = np.concatenate([part[1] for part in found])
    del found, grid
    return _by_neuron(astrocyte, synapse, owners)


def _edge(places: NDArray[np.floating]) -> float:
    """Edge of cells that hold some ten synapses, from 4 to 20 µm."""
    if not len(places):
        return 20.0
    volume = float(np.prod(np.maximum(places.max(axis=0) - places.min(axis=0), 1.0).astype(np.float64)))
    return float(min(max((10.0 * volume / len(places)) ** (1 / 3), 4.0), 20.0))


def _by_neuron(astrocyte: NDArray[np.int32], synapse: Whole, owners: NDArray[np.integer]) -> Wrapped:
    """Pairs in the order of neurons; those of a neuron stay in order."""
    starts = np.zeros(int(owners.max(initial=-1)) + 2, np.int64)
    sorted_ = Wrapped(
        np.empty(len(synapse), np.int32), np.empty(len(synapse), np.int32), np.empty(len(synapse), np.int64)
    )
    _place(astrocyte, synapse, owners, starts, sorted_)
    return sorted_


@jit
def _inside(
    planes: DomainPlanes, points: NDArray[np.floating], grid: CubeGrid, begin: int, end: int
) -> tuple[Whole, Whole]:
    """How many points each domain has, and which."""
    sizes, rows = np.zeros(end - begin, np.int64), np.empty(len(points), np.int64)
    no_radii = np.empty(0, np.float32)
    kept, n = np.empty(4096, np.int64), 0
    for d in range(begin, end):
        size = rows_in_domain(planes, d, points, no_radii, grid, rows)
        if n + size > len(kept):
            more = np.empty(2 * (n + size), np.int64)
            more[:n] = kept[:n]
            kept = more
        kept[n : n + size] = np.sort(rows[:size])
        sizes[d - begin] = size
        n += size
    return sizes, kept[:n]


@jit
def _place(
    astrocyte: NDArray[np.int32],
    synapse: Whole,
    owners: NDArray[np.integer],
    starts: Whole,
    found: Wrapped,
) -> None:
    for i in range(len(synapse)):
        starts[owners[synapse[i]] + 1] += 1
    for c in range(len(starts) - 1):
        starts[c + 1] += starts[c]
    for i in range(len(synapse)):
        neuron = owners[synapse[i]]
        at = starts[neuron]
        starts[neuron] += 1
        found.astrocyte[at], found.neuron[at], found.synapse[at] = astrocyte[i], neuron, synapse[i]
