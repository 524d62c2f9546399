"""Measures of domains, domains made larger so that they overlap, and domains kept within a region."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space, line, row_offsets
from ..jit import jit, over_rows
from .domains import Domains, power_domains
from .regions import Region, pieces

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


class Measures(NamedTuple):
    """Measures of closed polyhedra, of one each.

    Attributes
    ----------
    volume
        In µm³, float64[n].
    area
        Of the surface in µm², float64[n].
    centroid
        Centre of the volume in µm, float64[n, 3]; NaN where there is none.
    mean
        Mean of the vertices in µm, float64[n, 3]; NaN where there are none.
    low, high
        Bounding box in µm, float64[n, 3]; NaN where there are no points.
    triangle_area
        Of each triangle in µm², float64[n_triangles].
    """

    volume: Reals
    area: Reals
    centroid: Reals
    mean: Reals
    low: Reals
    high: Reals
    triangle_area: Reals


def polyhedron_measures(
    points: ArrayLike, triangles: ArrayLike, point_offsets: ArrayLike, triangle_offsets: ArrayLike
) -> Measures:
    """Return volumes, areas, centroids and boxes of closed polyhedra that are convex, or nearly so.

    Volume and centroid are sums over the tetrahedra from the mean of the vertices to each triangle. Triangles may be turned
    either way, as they are in ArchNGV's files.

    Parameters
    ----------
    points
        Vertices of all polyhedra in µm, shape (n_points, 3).
    triangles
        Vertices of each triangle, numbered in its polyhedron, int[n_triangles, 3].
    point_offsets, triangle_offsets
        Where the points and the triangles of each polyhedron begin, and the last ones end, int[n + 1].

    Raises
    ------
    ValueError
        Shapes do not agree, or a triangle has a vertex that its polyhedron has not.
    """
    places, corners = in_space("points", points), np.ascontiguousarray(triangles, np.int64)
    if corners.ndim != 2 or corners.shape[1] != 3:
        raise ValueError(f"triangles has shape {corners.shape}; expected (n_triangles, 3)")
    n = len(np.asarray(point_offsets)) - 1
    firsts = row_offsets(point_offsets, n, len(places))
    rows = row_offsets(triangle_offsets, n, len(corners))
    most = np.repeat(np.diff(firsts), np.diff(rows))
    bad = np.flatnonzero((corners < 0).any(axis=1) | (corners >= most[:, None]).any(axis=1))
    if bad.size:
        raise ValueError(
            f"triangles[{bad[0]}] is {corners[bad[0]].tolist()}; expected vertices from 0 to {most[bad[0]] - 1}"
        )
    found = Measures(
        np.zeros(n),
        np.zeros(n),
        np.full((n, 3), np.nan),
        np.full((n, 3), np.nan),
        np.full((n, 3), np.nan),
        np.full((n, 3), np.nan),
        np.zeros(len(corners)),
    )
    over_rows(partial(_measure, places, corners, firsts, rows, found), n, 32 * len(corners))
    return found


@jit
def _measure(
    points: Reals,
    triangles: Integers,
    firsts: Integers,
    rows: Integers,
    found: Measures,
    begin: int,
    end: int,
) -> None:
    mean, total = np.empty(3), np.empty(3)
    for i in range(begin, end):
        n = firsts[i + 1] - firsts[i]
        if n == 0:
            continue
        mean[:] = 0.0
        for axis in range(3):
            least = most = points[firsts[i], axis]
            for k in range(firsts[i], firsts[i + 1]):
                value = points[k, axis]
                mean[axis] += value / n
                least, most = min(least, value), max(most, value)
            found.low[i, axis], found.high[i, axis], found.mean[i, axis] = least, most, mean[axis]
        volume, area = 0.0, 0.0
        total[:] = 0.0
        for t in range(rows[i], rows[i + 1]):
            a, b, c = (firsts[i] + triangles[t, 0], firsts[i] + triangles[t, 1], firsts[i] + triangles[t, 2])
            ax, ay, az = points[a, 0] - mean[0], points[a, 1] - mean[1], points[a, 2] - mean[2]
            bx, by, bz = points[b, 0] - mean[0], points[b, 1] - mean[1], points[b, 2] - mean[2]
            cx, cy, cz = points[c, 0] - mean[0], points[c, 1] - mean[1], points[c, 2] - mean[2]
            nx = (by - ay) * (cz - az) - (bz - az) * (cy - ay)
            ny = (bz - az) * (cx - ax) - (bx - ax) * (cz - az)
            nz = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            found.triangle_area[t] = 0.5 * np.sqrt(nx * nx + ny * ny + nz * nz)
            area += found.triangle_area[t]
            part = abs(ax * nx + ay * ny + az * nz) / 6.0
            volume += part
            total[0] += part * (ax + bx + cx) / 4.0
            total[1] += part * (ay + by + cy) / 4.0
            total[2] += part * (az + bz + cz) / 4.0
        found.volume[i], found.area[i] = volume, area
        if volume > 0.0:
            for axis in range(3):
                found.centroid[i, axis] = mean[axis] + total[axis] / volume


def domain_measures(domains: Domains) -> Measures:
    """Return volumes, areas, centroids and boxes of domains.

    Parameters
    ----------
    domains
        The domains.
    """
    return polyhedron_measures(
        domains.points, domains.triangles, domains.point_offsets, domains.triangle_offsets
    )


def overlap_scale(overlap: ArrayLike) -> Reals:
    """Return by what domains are enlarged so that they share a part of their volume with their neighbours, float64[n].

    A domain that grows by s loses to its neighbours, which grow as much, all but (2 - s)³ of the volume that it had: the
    overlap is a = (s³ - (2 - s)³) / s³, and so s = 2 / (1 + (1 - a)^(1/3)). ArchNGV solves the same for s by the roots
    of the polynomial.

    Parameters
    ----------
    overlap
        Shared part of each domain's volume, from 0 to below 2, shape (n,).

    Raises
    ------
    ValueError
        An overlap is out of range.
    """
    shared = line("overlap", overlap)
    bad = np.flatnonzero(~((shared >= 0.0) & (shared < 2.0)))
    if bad.size:
        raise ValueError(f"overlap[{bad[0]}] is {shared[bad[0]]}; expected 0 <= overlap < 2")
    return 2.0 / (1.0 + np.cbrt(1.0 - shared))


def scaled_domains(domains: Domains, scale: ArrayLike, low: ArrayLike, high: ArrayLike) -> Domains:
    """Return domains enlarged about the mean of their vertices; vertices beyond the box are moved to its side.

    Parameters
    ----------
    domains
        The domains.
    scale
        Factor of each, shape (n,).
    low, high
        Corners of the box of each in µm, shape (3,) or (n, 3).

    Raises
    ------
    ValueError
        A shape is wrong.
    """
    n, factors = domains.size, line("scale", scale)
    if factors.shape != (n,):
        raise ValueError(f"scale has shape {factors.shape}; expected ({n},)")
    counts = np.diff(domains.point_offsets)
    sums = (
        np.add.reduceat(np.vstack([domains.points, np.zeros((1, 3))]), domains.point_offsets[:-1])
        if n
        else 0.0
    )
    mean = np.repeat(sums / np.maximum(counts, 1)[:, None], counts, axis=0) if n else domains.points
    points = mean + np.repeat(factors, counts)[:, None] * (domains.points - mean)
    bounds = [
        np.repeat(np.broadcast_to(np.asarray(side, float), (n, 3)), counts, axis=0) for side in (low, high)
    ]
    return domains._replace(points=np.clip(points, *bounds))


def within_region(domains: Domains, centres: ArrayLike, region: Region) -> Domains:
    """Return domains whose vertices outside of a region are drawn towards the centres.

    Such a vertex goes, as in ArchNGV, to the distance from the centre that the nearest vertex of the domain has. The domain
    may then be not quite convex.

    Parameters
    ----------
    domains
        The domains.
    centres
        A point of each that vertices are drawn to, in µm, shape (n, 3).
    region
        Where the domains may be.

    Raises
    ------
    ValueError
        There is not one centre for each domain.
    """
    middles = in_space("centres", centres)
    if len(middles) != domains.size:
        raise ValueError(f"centres has shape {middles.shape}; expected ({domains.size}, 3)")
    counts = np.diff(domains.point_offsets)
    # A vertex on the far wall belongs to the last voxel.
    far = np.maximum(*region.bounds) - 1e-5
    points = np.minimum(domains.points, far)
    outside = ~region.holds(points)
    if not outside.any():
        return domains
    away = points - np.repeat(middles, counts, axis=0)
    distance = np.sqrt((away**2).sum(axis=1))
    filled = counts > 0
    least = np.minimum.reduceat(distance, domains.point_offsets[:-1][filled])
    share = (np.repeat(least, counts[filled]) / np.maximum(distance, np.finfo(float).tiny))[outside]
    moved = points.copy()
    moved[outside] -= (1.0 - share)[:, None] * away[outside]
    changed = np.repeat(np.logical_or.reduceat(outside, domains.point_offsets[:-1][filled]), counts[filled])
    return domains._replace(points=np.where(changed[:, None], moved, domains.points))


def region_domains(
    centres: ArrayLike, radii: ArrayLike, region: Region, least: int = 10
) -> tuple[Domains, Reals]:
    """Share out each piece of a region between the spheres in it, and tell the box that each domain was cut from.

    The box around a piece is shared out, as in ArchNGV: where the region is no box, `within_region` brings the domains into it.
    A sphere belongs to the piece that its centre's voxel is in, or else to the one whose box is nearest.

    Parameters
    ----------
    centres
        Centres of the spheres in µm, shape (n, 3).
    radii
        Their radii in µm, shape (n,).
    region
        The region.
    least
        Fewest voxels of a piece; smaller ones have no domains of their own.

    Returns
    -------
    tuple
        Domains, whose neighbours are numbered among all spheres, and low and high corners of their boxes in µm,
        float64[2, n, 3].

    Raises
    ------
    ValueError
        As `power_domains`; or the region has no piece of that size.
    """
    points, sizes = in_space("centres", centres), line("radii", radii)
    found, labels = pieces(region, least)
    if not found:
        raise ValueError(f"the region has no piece of {least} voxels or more; expected one")
    at, inside = region.voxels(points)
    piece = np.where(inside, labels[at[:, 0], at[:, 1], at[:, 2]], -1)
    lost = np.flatnonzero(piece < 0)
    corners = np.array([[part.low, part.high] for part in found])
    if lost.size:
        gap = np.maximum(corners[None, :, 0] - points[lost, None], points[lost, None] - corners[None, :, 1])
        piece[lost] = np.argmin((np.maximum(gap, 0.0) ** 2).sum(axis=2), axis=1)
    box = corners[piece].transpose(1, 0, 2) if len(points) else np.zeros((2, 0, 3))
    if len(found) == 1:
        return power_domains(points, sizes, found[0].low, found[0].high), box
    members = [np.flatnonzero(piece == number) for number in range(len(found))]
    parts = [
        power_domains(points[rows], sizes[rows], part.low, part.high)
        for rows, part in zip(members, found, strict=True)
    ]
    return _in_order(parts, members), box


def _in_order(parts: Sequence[Domains], members: Sequence[Integers]) -> Domains:
    """Domains of several pieces as one sequence, in the order of the spheres, and their neighbours' numbers among all."""
    named = [
        part._replace(
            neighbors=np.where(part.neighbors < 0, part.neighbors, rows[np.maximum(part.neighbors, 0)])
        )
        for part, rows in zip(parts, members, strict=True)
        if len(rows)
    ]
    rows = np.concatenate(members)
    order = np.empty(len(rows), np.int64)
    order[rows] = np.arange(len(rows))

    def ragged(columns: Sequence[NDArray[Any]], offsets: Sequence[Integers]) -> tuple[NDArray[Any], Integers]:
        counts = np.concatenate([np.diff(each) for each in offsets])
        starts = np.concatenate([[0], np.cumsum(counts)])[:-1][order]
        sizes = counts[order]
        ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        take = np.arange(ends[-1]) - np.repeat(ends[:-1] - starts, sizes)
        return np.concatenate(columns)[take], ends

    points, point_offsets = ragged([each.points for each in named], [each.point_offsets for each in named])
    starts = [each.triangle_offsets for each in named]
    triangles, triangle_offsets = ragged([each.triangles for each in named], starts)
    faces, _ = ragged([each.faces for each in named], starts)
    neighbors, _ = ragged([each.neighbors for each in named], starts)
    return Domains(points, triangles, faces, neighbors, point_offsets, triangle_offsets)
