"""Windows that point patterns are observed in: voxels of a region. A box is a window of one voxel.

Two numbers of a window correct what its edges hide: the volume that it shares with itself moved by a vector (the set
covariance, for Ohser & Stoyan's translation correction), and the distance of a point to its border (for the reduced
sample). See Baddeley, Rubak & Turner 2015, Spatial Point Patterns, section 7.4.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space
from ..jit import jit, over_rows

Reals = NDArray[np.float64]


class Window(NamedTuple):
    """Voxels of a region.

    Attributes
    ----------
    low
        Lowest corner of the first voxel in µm, float64[3].
    size
        Edges of a voxel in µm, float64[3].
    inside
        Which voxels belong to the window, bool[nx, ny, nz].
    """

    low: Reals
    size: Reals
    inside: NDArray[np.bool_]

    @property
    def volume(self) -> float:
        """Its volume in µm³."""
        return float(self.inside.sum() * self.size.prod())


def box_window(low: ArrayLike, high: ArrayLike) -> Window:
    """Make a window of a box.

    Parameters
    ----------
    low, high
        Two corners in µm, shape (3,).

    Raises
    ------
    ValueError
        A corner is not finite, or the box has no volume.
    """
    corners = in_space("corners", [np.asarray(low, float), np.asarray(high, float)])
    size = corners[1] - corners[0]
    if not (size > 0).all():
        raise ValueError(
            f"the box from {corners[0].tolist()} to {corners[1].tolist()} um has no volume; expected high > low"
        )
    return Window(corners[0].copy(), size, np.ones((1, 1, 1), np.bool_))


def mask_window(inside: ArrayLike, low: ArrayLike, size: ArrayLike) -> Window:
    """Make a window of voxels.

    Parameters
    ----------
    inside
        Which voxels belong to it, shape (nx, ny, nz), true where it is not 0.
    low
        Lowest corner of the first voxel in µm, shape (3,).
    size
        Edge or edges of a voxel in µm, shape () or (3,).

    Raises
    ------
    ValueError
        The mask has not three axes or no voxel inside, or a corner or size is not finite or not positive.
    """
    mask = np.ascontiguousarray(np.asarray(inside) != 0)
    if mask.ndim != 3:
        raise ValueError(f"inside has shape {mask.shape}; expected (nx, ny, nz)")
    if not mask.any():
        raise ValueError("inside has no voxel that is not 0; expected a window with a volume")
    edges = np.broadcast_to(np.asarray(size, float), (3,))
    given = in_space("low and size", [np.asarray(low, float), edges])
    if not (edges > 0).all():
        raise ValueError(f"size is {edges.tolist()} um; expected positive edges")
    return Window(given[0].copy(), given[1].copy(), mask)


def within(window: Window, points: ArrayLike) -> NDArray[np.bool_]:
    """Tell which points lie in a window, its border included, bool[n].

    Parameters
    ----------
    window
        The window.
    points
        Places in µm, shape (n, 3).

    Raises
    ------
    ValueError
        *points* has another shape or is not finite.
    """
    rows = in_space("points", points)
    shape = np.array(window.inside.shape)
    place = (rows - window.low) / window.size
    there = ((place >= 0) & (place <= shape)).all(axis=1)
    voxel = np.clip(np.floor(place), 0, shape - 1).astype(np.int64)
    found: NDArray[np.bool_] = there & window.inside[voxel[:, 0], voxel[:, 1], voxel[:, 2]]
    return found


def set_covariance(window: Window, reach: float) -> Reals:
    """Compute the volume that a window shares with itself moved by whole voxels, in µm³.

    Between whole voxels the volume is linear along each axis, so trilinear interpolation of these values is exact.

    Parameters
    ----------
    window
        The window.
    reach
        Longest move along an axis in µm.

    Returns
    -------
    ndarray
        float64[2 kx + 1, 2 ky + 1, 2 kz + 1], k voxels to either side, so that the middle is the whole volume.

    Raises
    ------
    ValueError
        *reach* is negative or not finite.
    """
    if not 0 <= reach < np.inf:
        raise ValueError(f"reach is {reach} um; expected a finite distance that is not negative")
    shape = np.array(window.inside.shape)
    # Moved by its whole extent, a window no longer meets itself: beyond, all is 0.
    steps = np.minimum(np.floor(reach / window.size).astype(np.int64) + 1, shape)
    padded = [int(n + k) for n, k in zip(shape, steps, strict=True)]
    power = np.abs(np.fft.rfftn(window.inside.astype(float), padded, axes=(0, 1, 2))) ** 2
    # Numbers of voxels, so rounding removes the errors of the transform.
    counts = np.rint(np.fft.irfftn(power, padded, axes=(0, 1, 2)))
    lags = np.ix_(*(np.arange(-k, k + 1) % n for k, n in zip(steps, padded, strict=True)))
    found: Reals = np.ascontiguousarray(counts[lags] * window.size.prod())
    return found


@jit
def shared_volume(covariance: Reals, size: Reals, dx: float, dy: float, dz: float) -> float:
    """Return the volume that a window shares with itself moved by a vector, in µm³.

    Parameters
    ----------
    covariance
        As of `set_covariance`, with a reach that holds the vector.
    size
        Edges of a voxel in µm, float64[3].
    dx, dy, dz
        The vector in µm.
    """
    at = (dx / size[0], dy / size[1], dz / size[2])
    total = 0.0
    for corner in range(8):
        weight = 1.0
        i = j = k = 0
        for axis in range(3):
            middle = covariance.shape[axis] // 2
            low = int(np.floor(at[axis]))
            step = (corner >> axis) & 1
            part = at[axis] - low
            weight *= part if step else 1.0 - part
            place = low + step + middle
            if place < 0 or place >= covariance.shape[axis]:
                weight, place = 0.0, 0
            if axis == 0:
                i = place
            elif axis == 1:
                j = place
            else:
                k = place
        total += weight * covariance[i, j, k]
    return total


def border_distances(window: Window, points: ArrayLike, most: float = np.inf) -> Reals:
    """Return how far points are from what is not in a window, in µm, float64[n].

    Parameters
    ----------
    window
        The window.
    points
        Places in it in µm, shape (n, 3).
    most
        Distance in µm beyond which it is enough to know that: the result is then at least *most*.

    Raises
    ------
    ValueError
        *points* has another shape, is not finite, or one is outside.
    """
    rows = observed(window, points)
    result = np.empty(len(rows))
    kernel = partial(_border, window.low, window.size, window.inside, rows, float(most), result)
    over_rows(kernel, len(rows), 64 * len(rows))
    return result


def observed(window: Window, points: ArrayLike, name: str = "points") -> Reals:
    """Return points as float64[n, 3], all in the window.

    Parameters
    ----------
    window
        The window.
    points
        Places in µm, shape (n, 3).
    name
        Name of the points in messages.

    Raises
    ------
    ValueError
        The shape is another, or a point is not finite or outside; the message names it.
    """
    rows = in_space(name, points)
    out = np.flatnonzero(~within(window, rows))
    if out.size:
        raise ValueError(
            f"{name}[{out[0]}] = {rows[out[0]].tolist()} and {out.size - 1:,} more are outside of the window; "
            "leave them out, see `within`"
        )
    return rows


@jit
def _border(
    low: Reals,
    size: Reals,
    inside: NDArray[np.bool_],
    points: Reals,
    most: float,
    result: Reals,
    begin: int,
    end: int,
) -> None:
    least = min(size[0], min(size[1], size[2]))
    for n in range(begin, end):
        at = (points[n] - low) / size
        i0 = min(int(at[0]), inside.shape[0] - 1)
        j0 = min(int(at[1]), inside.shape[1] - 1)
        k0 = min(int(at[2]), inside.shape[2] - 1)
        nearest, shell = np.inf, 1
        while (shell - 1) * least < min(nearest, most):
            for i in range(i0 - shell, i0 + shell + 1):
                for j in range(j0 - shell, j0 + shell + 1):
                    on_side = abs(i - i0) == shell or abs(j - j0) == shell
                    # Within the shell only its two faces across z are new.
                    for k in range(k0 - shell, k0 + shell + 1, 1 if on_side else 2 * shell):
                        if _is_inside(inside, i, j, k):
                            continue
                        far = 0.0
                        for axis, voxel in enumerate((i, j, k)):
                            below = voxel * size[axis] - (points[n, axis] - low[axis])
                            gap = max(0.0, max(below, -below - size[axis]))
                            far += gap * gap
                        nearest = min(nearest, np.sqrt(far))
            shell += 1
        result[n] = nearest


@jit
def _is_inside(inside: NDArray[np.bool_], i: int, j: int, k: int) -> bool:
    if i < 0 or j < 0 or k < 0 or i >= inside.shape[0] or j >= inside.shape[1] or k >= inside.shape[2]:
        return False
    return bool(inside[i, j, k])
