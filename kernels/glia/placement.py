"""PlacedSomata placed where a density has them, apart from each other and from vessels.

As ArchNGV does it (Zisis et al. 2021, doi:10.1093/cercor/bhab254): each soma is drawn from the voxels' densities, and has a few
more trials, of which a Metropolis-Hastings walk on the energy of the distance to the nearest soma keeps the best. Here the trials
are among voxels of the density that the first one has: among all, thinly settled ones would gain by the energy, and numbers of
somata would not follow the density. All potentials count, voxels may have three different edges, the densities hold for the first
somata, too, and vessels are the cones between their points, not only the points.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space
from ..draws import key_word, stream, truncated_normal, uniforms
from ..jit import jit
from .obstacles import Obstacles, obstructed, segment_obstacles

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]
PotentialName = Literal["spring", "coulomb", "inverse_distance", "lenard_jones"]

POTENTIALS = {"spring": 2, "coulomb": 1, "inverse_distance": 1, "lenard_jones": 2}
"""Potentials, and how many numbers each takes."""

_NAMES = tuple(POTENTIALS)
_BAND = 1.05  # densities that differ by less than this factor count as one
_PATIENCE = 20_000  # proposals in a row that find no room


class PlacedSomata(NamedTuple):
    """PlacedSomata that were placed, in the order in which they were.

    Attributes
    ----------
    points
        Their centres in µm, float64[n, 3].
    radii
        Their radii in µm, float64[n].
    """

    points: Reals
    radii: Reals


class Walk(NamedTuple):
    """How many trials a soma has, and how they are judged.

    Attributes
    ----------
    initial
        How many somata come first, without more trials.
    trials
        Trials of each further soma.
    beta
        Inverse temperature: a step up in energy by E is taken with probability exp(-beta E).
    cutoff
        Distance to the nearest soma in µm beyond which a place is taken at once.
    """

    initial: int = 10
    trials: int = 3
    beta: float = 0.01
    cutoff: float = 60.0


def soma_count(density: ArrayLike, voxel: ArrayLike) -> int:
    """Return how many somata a density stands for.

    Parameters
    ----------
    density
        Cells per mm³ in each voxel, shape (x, y, z); NaN counts as 0.
    voxel
        Edges of a voxel in µm, shape (3,).
    """
    return int(
        np.round(abs(np.prod(np.asarray(voxel, float))) * np.nansum(np.asarray(density, float)) * 1e-9)
    )


def placed_somata(
    density: ArrayLike,
    offset: ArrayLike,
    voxel: ArrayLike,
    radius: Sequence[float],
    *,
    seed: int,
    population: str,
    potentials: Mapping[str, Sequence[float]] | None = None,
    walk: Walk = Walk(),  # noqa: B008 - it cannot be changed
    count: int | None = None,
    obstacles: Obstacles | None = None,
) -> PlacedSomata:
    """Place somata.

    Parameters
    ----------
    density
        Cells per mm³ in each voxel, shape (x, y, z); NaN counts as 0.
    offset
        Corner of the first voxel in µm, shape (3,).
    voxel
        Edges of a voxel in µm, shape (3,); below zero where an axis of the array runs against that of space.
    radius
        Mean, standard deviation, least and largest radius in µm, of a truncated normal distribution.
    seed
        Of all random numbers.
    population
        Name of the population, for its own stream of random numbers.
    potentials
        Energy of the distance d to the nearest soma, by name: ``spring`` (d0, k): k (d - d0)²; ``coulomb`` (a): a / d²;
        ``inverse_distance`` (a): a / d; ``lenard_jones`` (m, e): e ((m/d)^12 - 2 (m/d)^6). They add up. With none, the first
        place that is free is taken.
    walk
        Trials of each soma.
    count
        How many somata; by default as many as the density stands for.
    obstacles
        Vessels, which no soma overlaps.

    Raises
    ------
    ValueError
        An argument is out of range, no voxel has a density, or there is no room for as many somata.
    """
    values = np.nan_to_num(np.ascontiguousarray(density, np.float64), nan=0.0)
    corner, edges = in_space("offset and voxel", np.array([offset, voxel], float))
    if values.ndim != 3 or not np.isfinite(values).all() or (values < 0.0).any():
        raise ValueError(
            f"density has shape {values.shape}; expected (x, y, z) of finite values that are 0 or more"
        )
    if (
        len(radius) != 4
        or not np.isfinite(radius).all()
        or not 0.0 < radius[2] <= radius[3]
        or radius[1] < 0.0
    ):
        raise ValueError(
            f"radius is {list(radius)}; expected mean, standard deviation, least and largest, above 0"
        )
    if walk.trials < 0 or walk.initial < 0 or not walk.cutoff > 0.0 or not walk.beta >= 0.0:
        raise ValueError(f"{walk}: expected trials, initial and beta of 0 or more, and a cutoff above 0")
    wanted = soma_count(values, edges) if count is None else count
    chosen = np.flatnonzero(values)
    if wanted < 0 or wanted >= 2**32:
        raise ValueError(f"{wanted} somata: expected 0 to 2**32 - 1")
    if wanted and not len(chosen):
        raise ValueError("no voxel has a density above 0")
    density_of = values.reshape(-1)[chosen]
    band = np.floor(np.log(density_of) / np.log(_BAND))
    order = np.argsort(band, kind="stable")
    chosen, band, share = chosen[order], band[order], np.cumsum(density_of[order])
    share = share / share[-1] if len(share) else share
    first, last = np.searchsorted(band, band), np.searchsorted(band, band, "right") - 1
    bounds = (
        np.stack([np.concatenate([[0.0], share])[first], share[last]], axis=1)
        if len(share)
        else np.zeros((0, 2))
    )
    nothing = np.zeros((0, 3))
    points, radii, placed = _place(
        chosen,
        share,
        bounds,
        np.array(values.shape),
        corner,
        edges,
        (float(radius[0]), float(radius[1]), float(radius[2]), float(radius[3])),
        _table(potentials or {}),
        walk,
        obstacles or segment_obstacles(nothing, nothing, [], []),
        np.array([key_word(seed, "seed"), stream("somata", population)], np.uint64),
        wanted,
    )
    if placed < wanted:
        raise ValueError(
            f"only {placed} of {wanted} somata found room: {_PATIENCE} places in a row were taken; give a lower density or "
            "smaller somata"
        )
    return PlacedSomata(points, radii)


def _table(potentials: Mapping[str, Sequence[float]]) -> Reals:
    """Kind and two numbers of each potential."""
    rows = []
    for name, numbers in potentials.items():
        if name not in POTENTIALS:
            raise ValueError(f"there is no potential {name!r}; known are {', '.join(POTENTIALS)}")
        if len(numbers) != POTENTIALS[name] or not np.isfinite(numbers).all():
            raise ValueError(
                f"the potential {name!r} has {list(numbers)}; expected {POTENTIALS[name]} numbers"
            )
        rows.append([float(_NAMES.index(name)), *numbers, 0.0][:3])
    return np.array(rows, np.float64).reshape(-1, 3)


class _Crowd(NamedTuple):
    """PlacedSomata so far in a grid: the first of each cell, and the next one in the cell of each."""

    points: Reals
    radii: Reals
    low: Reals
    side: float
    shape: Integers
    first: Integers
    following: Integers
    largest: Reals


@jit
def _place(
    chosen: Integers,
    share: Reals,
    bounds: Reals,
    shape: Integers,
    corner: Reals,
    edges: Reals,
    radius: tuple[float, float, float, float],
    potentials: Reals,
    walk: Walk,
    obstacles: Obstacles,
    key: NDArray[np.uint64],
    wanted: int,
) -> tuple[Reals, Reals, int]:
    volume = abs(edges[0] * edges[1] * edges[2]) * max(len(chosen), 1)
    side = max((volume / max(wanted, 1)) ** (1.0 / 3.0), radius[0])
    cells, low = np.empty(3, np.int64), np.empty(3)
    for axis in range(3):
        low[axis] = min(corner[axis], corner[axis] + edges[axis] * shape[axis])
        cells[axis] = max(int(np.ceil(abs(edges[axis]) * shape[axis] / side)), 1)
    crowd = _Crowd(
        np.empty((wanted, 3)),
        np.empty(wanted),
        low,
        side,
        cells,
        np.full(cells[0] * cells[1] * cells[2], -1),
        np.empty(wanted, np.int64),
        np.zeros(1),
    )
    best, trial, everywhere = np.empty(6), np.empty(6), np.array([0.0, 1.0])
    for n in range(wanted):
        draw = _propose(
            chosen, share, everywhere, shape, corner, edges, radius, walk, obstacles, crowd, key, n, 0, best
        )
        if draw < 0:
            return crowd.points, crowd.radii, n
        if n > walk.initial and len(potentials) and best[4] <= walk.cutoff:
            lowest = current = _energy(potentials, best[4])
            band = bounds[int(best[5])]
            for _ in range(walk.trials):
                draw = _propose(
                    chosen,
                    share,
                    band,
                    shape,
                    corner,
                    edges,
                    radius,
                    walk,
                    obstacles,
                    crowd,
                    key,
                    n,
                    draw,
                    trial,
                )
                if draw < 0:
                    return crowd.points, crowd.radii, n
                if trial[4] > walk.cutoff:
                    best[:] = trial
                    break
                energy = _energy(potentials, trial[4])
                chance, _spare = uniforms(key[0], np.uint64(0), key[1], n, draw)
                draw += 1
                if np.log(chance) < walk.beta * (current - energy):
                    current = energy
                    if energy < lowest:
                        lowest = energy
                        best[:] = trial
        _admit(crowd, n, best)
    return crowd.points, crowd.radii, wanted


@jit
def _energy(potentials: Reals, distance: float) -> float:
    total = 0.0
    for k in range(len(potentials)):
        kind, one, other = int(potentials[k, 0]), potentials[k, 1], potentials[k, 2]
        if kind == 0:
            total += other * (distance - one) ** 2
        elif kind == 1:
            total += one / distance**2
        elif kind == 2:
            total += one / distance
        else:
            sixth = (one / distance) ** 6
            total += other * (sixth * sixth - 2.0 * sixth)
    return total


@jit
def _propose(
    chosen: Integers,
    share: Reals,
    bounds: Reals,
    shape: Integers,
    corner: Reals,
    edges: Reals,
    radius: tuple[float, float, float, float],
    walk: Walk,
    obstacles: Obstacles,
    crowd: _Crowd,
    key: NDArray[np.uint64],
    n: int,
    draw: int,
    found: Reals,
) -> int:
    """Draw a place and a radius that are free, its distance to the nearest soma and its voxel; return the next draw, or -1."""
    for _ in range(_PATIENCE):
        voxel, x = uniforms(key[0], np.uint64(0), key[1], n, draw)
        y, z = uniforms(key[0], np.uint64(0), key[1], n, draw + 1)
        size, _spare = uniforms(key[0], np.uint64(0), key[1], n, draw + 2)
        draw += 3
        # The last share is 1, but for rounding.
        row = min(np.searchsorted(share, bounds[0] + voxel * (bounds[1] - bounds[0])), len(share) - 1)
        at = chosen[row]
        x = corner[0] + edges[0] * (at // (shape[1] * shape[2]) + x)
        y = corner[1] + edges[1] * ((at // shape[2]) % shape[1] + y)
        z = corner[2] + edges[2] * (at % shape[2] + z)
        r = truncated_normal(size, radius[0], radius[1], radius[2], radius[3])
        if obstructed(obstacles, x, y, z, r):
            continue
        nearest = _nearest(crowd, n, x, y, z, r, walk.cutoff)
        if nearest >= 0.0:
            found[0], found[1], found[2], found[3], found[4], found[5] = x, y, z, r, nearest, row
            return draw
    return -1


@jit
def _nearest(crowd: _Crowd, n: int, x: float, y: float, z: float, radius: float, cutoff: float) -> float:
    """Distance to the nearest soma; infinity beyond the cutoff; -1 where somata overlap."""
    place = (_cell(crowd, 0, x), _cell(crowd, 1, y), _cell(crowd, 2, z))
    low, side, shape = crowd.low, crowd.side, crowd.shape
    inset = min(x - low[0] - place[0] * side, (place[0] + 1) * side + low[0] - x)
    inset = min(inset, y - low[1] - place[1] * side, (place[1] + 1) * side + low[1] - y)
    inset = max(min(inset, z - low[2] - place[2] * side, (place[2] + 1) * side + low[2] - z), 0.0)
    contact = radius + crowd.largest[0]
    nearest = np.inf
    rings = max(shape[0], shape[1], shape[2])
    for ring in range(rings):
        for i in range(max(place[0] - ring, 0), min(place[0] + ring, shape[0] - 1) + 1):
            for j in range(max(place[1] - ring, 0), min(place[1] + ring, shape[1] - 1) + 1):
                edge = abs(i - place[0]) == ring or abs(j - place[1]) == ring
                step = 1 if edge or ring == 0 else 2 * ring
                for k in range(place[2] - ring, place[2] + ring + 1, step):
                    if k < 0 or k >= shape[2]:
                        continue
                    m = crowd.first[(i * shape[1] + j) * shape[2] + k]
                    while m >= 0:
                        dx, dy, dz = crowd.points[m, 0] - x, crowd.points[m, 1] - y, crowd.points[m, 2] - z
                        away = np.sqrt(dx * dx + dy * dy + dz * dz)
                        if away < radius + crowd.radii[m]:
                            return -1.0
                        nearest = min(nearest, away)
                        m = crowd.following[m]
        seen = inset + ring * side
        if seen >= contact and seen >= min(nearest, cutoff):
            break
    return nearest if nearest <= cutoff else np.inf


@jit
def _cell(crowd: _Crowd, axis: int, value: float) -> int:
    return int(min(max(int((value - crowd.low[axis]) / crowd.side), 0), crowd.shape[axis] - 1))


@jit
def _admit(crowd: _Crowd, n: int, soma: Reals) -> None:
    crowd.points[n, 0], crowd.points[n, 1], crowd.points[n, 2] = soma[0], soma[1], soma[2]
    crowd.radii[n] = soma[3]
    crowd.largest[0] = max(crowd.largest[0], soma[3])
    cell = (_cell(crowd, 0, soma[0]) * crowd.shape[1] + _cell(crowd, 1, soma[1])) * crowd.shape[2]
    cell += _cell(crowd, 2, soma[2])
    crowd.following[n] = crowd.first[cell]
    crowd.first[cell] = n
