"""Positions of somata in layers."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space
from ..draws import key_word, stream, uniforms
from ..jit import jit, over_rows
from .crowding import Crowd, crowd, pushed, settle
from .surfaces import Surface, inside
from .volumes import Box, Volume, determinant, jacobian, point_at, volume_coordinates

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
    shapes = list(layers)
    numbers = [int(count) for count in counts]
    ranges = [None] * len(shapes) if z_ranges is None else list(z_ranges)
    if not len(shapes) == len(numbers) == len(ranges):
        raise ValueError(f"{len(shapes)} layers have {len(numbers)} counts and {len(ranges)} ranges of z")
    if min(numbers, default=0) < 0 or relaxation < 0 or not 0 <= minimum_distance < np.inf:
        raise ValueError("expected counts, a minimum distance and rounds of relaxation that are not negative")
    others = in_space("taken", np.empty((0, 3)) if taken is None else taken)
    key = np.array([key_word(seed, "seed"), stream("somata", population)], np.uint64)
    places = [_Layer.of(shape, volume, z) for shape, z in zip(shapes, ranges, strict=True)]
    room = crowd(
        others,
        sum(numbers),
        [volume.points.reshape(-1, 3), *(each.corners for each in places)],
        minimum_distance,
    )
    spacing, drawn = [], []
    for code, (place, number) in enumerate(zip(places, numbers, strict=True)):
        uvl, tried = _fill(place, code, number, key, room)
        drawn.append(uvl)
        # The share of candidates in the layer estimates its volume.
        spacing.append((place.size * number / max(tried, 1) / max(number, 1)) ** (1 / 3))
    layer = np.repeat(np.arange(len(shapes), dtype=np.int16), numbers)
    xyz = room.points[len(others) : room.n].copy()
    for _ in range(relaxation):
        moved = pushed(room, len(others), np.array(spacing)[layer])
        for code, place in enumerate(places):
            rows = np.flatnonzero(layer == code)
            stays = rows[~place.holds(moved[rows])]
            moved[stays] = xyz[stays]
        xyz = moved
        room = crowd(np.concatenate([others, xyz]), 0, [room.bounds], minimum_distance)
    # A box's candidates are drawn by their coordinates; those of surfaces and of somata that moved are looked for.
    uvl = np.concatenate([np.empty((0, 3)), *drawn]) if not relaxation else np.full_like(xyz, np.nan)
    unknown = np.isnan(uvl[:, 0])
    uvl[unknown] = volume_coordinates(volume, xyz[unknown])
    order = np.argsort(uvl[:, 0], kind="stable")
    return Somata(uvl[order], xyz[order], layer[order])


_BLOCK = 1 << 20  # candidates drawn at once
_HOPELESS = 1000  # candidates for each soma, of which none found room


class _Layer(NamedTuple):
    """A layer and where its candidates come from: a box, in coordinates of the volume or in space.

    Attributes
    ----------
    shape, volume
        As given.
    low, high
        Corners of the box.
    density
        More than the volume in space of a unit of the box.
    size
        Volume of the box times that.
    z
        Least and greatest z.
    corners
        Points around the layer.
    """

    shape: Box | Surface
    volume: Volume
    low: Reals
    high: Reals
    density: float
    size: float
    z: tuple[float, float]
    corners: Reals

    @classmethod
    def of(cls, shape: Box | Surface, volume: Volume, z: tuple[float, float] | None) -> "_Layer":
        """Find the box of candidates of a layer."""
        if isinstance(shape, Surface):
            low, high, density, corners = shape.vertices.min(0), shape.vertices.max(0), 1.0, shape.vertices
        else:
            low, high = (np.asarray(corner, np.float64) for corner in shape)
            if low.shape != (3,) or high.shape != (3,) or not (high > low).all():
                raise ValueError(f"the layer is from {shape.low} to {shape.high}; expected the second larger")
            density, corners = _densest(volume), np.empty((0, 3))
        limits = (-np.inf, np.inf) if z is None else (float(z[0]), float(z[1]))
        if not limits[0] <= limits[1]:
            raise ValueError(f"the range of z is {z}; expected the least and the greatest one")
        return cls(shape, volume, low, high, density, density * float(np.prod(high - low)), limits, corners)

    def candidates(self, key: NDArray[np.uint64], code: int, first: int, last: int) -> tuple[Reals, Reals]:
        """Candidates number *first* to *last*, in space and by coordinates.

        NaN in place of those outside of the layer, and of coordinates that are not known.
        """
        xyz, uvl = np.empty((last - first, 3)), np.empty((last - first, 3))
        is_box = not isinstance(self.shape, Surface)
        kernel = partial(
            _draw, *self.volume, self.low, self.high, self.density, is_box, key, code, first, xyz, uvl
        )
        over_rows(kernel, last - first, last - first)
        if isinstance(self.shape, Surface):
            xyz[~inside(self.shape, xyz)] = np.nan
        if self.z != (-np.inf, np.inf):
            xyz[~((xyz[:, 2] >= self.z[0]) & (xyz[:, 2] <= self.z[1]))] = np.nan
        return xyz, uvl

    def holds(self, xyz: Reals) -> NDArray[np.bool_]:
        """Whether points lie in the layer."""
        within: NDArray[np.bool_]
        if isinstance(self.shape, Surface):
            within = inside(self.shape, xyz)
        else:
            uvl = volume_coordinates(self.volume, xyz)
            within = np.logical_and.reduce((uvl >= self.low) & (uvl <= self.high), axis=1)
        return within & (xyz[:, 2] >= self.z[0]) & (xyz[:, 2] <= self.z[1])


def _densest(volume: Volume) -> float:
    """No less than the volume that a unit of (u, v, l) takes up anywhere: by Hadamard, the product of the sides."""
    sides = [
        np.sqrt((np.diff(volume.points, axis=axis) ** 2).sum(axis=-1)).max() / np.diff(volume[axis]).min()
        for axis in range(3)
    ]
    return float(np.prod(sides))


def _fill(place: _Layer, code: int, number: int, key: NDArray[np.uint64], room: Crowd) -> tuple[Reals, int]:
    """Settle a layer's somata: their coordinates, and how many candidates were tried."""
    first, found, chosen = 0, 0, []
    while found < number:
        rate = found / first if found else 0.5
        block = min(_BLOCK, max(1024, int(1.1 * (number - found) / rate)))
        xyz, uvl = place.candidates(key, code, first, first + block)
        rows, tried = settle(room, xyz, number - found)
        chosen.append(uvl[rows])
        new = len(rows)
        found += new
        first += tried
        if found < number and not new and first > _HOPELESS * number + _BLOCK:
            limits = "" if np.isinf(place.z[0]) else f" within z from {place.z[0]} to {place.z[1]} um"
            raise ValueError(
                f"layer {code} has room for {found} of {number} somata at a distance of {room.distance} um{limits}: "
                f"of {first} candidates none of the last {block} fits"
            )
    return np.concatenate([np.empty((0, 3)), *chosen]), first


@jit
def _draw(
    u: Reals,
    v: Reals,
    l: Reals,
    points: Reals,
    low: Reals,
    high: Reals,
    density: float,
    is_box: bool,
    key: NDArray[np.uint64],
    code: int,
    first: int,
    xyz: Reals,
    uvl: Reals,
    begin: int,
    end: int,
) -> None:
    """Candidates that are uniform in space; in a box of the volume's coordinates those where it is dense stay."""
    matrix = np.empty((3, 3))
    for n in range(begin, end):
        draw, at = 2 * (first + n), uvl[n]
        at[0], at[1] = uniforms(key[0], np.uint64(0), key[1], code, draw)
        at[2], chance = uniforms(key[0], np.uint64(0), key[1], code, draw + 1)
        for axis in range(3):
            at[axis] = low[axis] + at[axis] * (high[axis] - low[axis])
        if not is_box:
            xyz[n] = at
            at[:] = np.nan
            continue
        jacobian(u, v, l, points, at, matrix)
        if chance * density > abs(determinant(matrix)) * (1.0 + 1e-12):
            xyz[n] = np.nan
        else:
            point_at(u, v, l, points, at, xyz[n])
