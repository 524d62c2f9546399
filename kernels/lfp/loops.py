"""The loops over contacts and segments behind `lfp_sources`: compiled, in blocks, without branches.

What is integrated is the mean of 1/distance along a segment of length L. With A the sum of the distances from the
contact to both ends it is ``ln((A + L) / (A - L)) / L``: one logarithm, and no case of its own for contacts
before, beside or behind the segment.

No vectorised ``log`` is available to numba's LLVM without Intel's library. So the quotient's power of two ``s`` is
taken from the bits of its parts, and the rest is ``2 atanh f`` with ``f = (A+L - s(A-L)) / (A+L + s(A-L))`` in
[0, 1/3), a polynomial. Far away s is 1 and f = L/A: nothing cancels, however small the segment is.
"""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..jit import jit, jit_contracted
from .arguments import Floats

Vector: TypeAlias = tuple[float, float, float]

# Segments in a block: its geometry stays in the second-level cache while all contacts pass.
BLOCK = 1024
# A segment without length has this one instead: the mean of 1/distance is then 1/distance, but for rounding.
NO_LENGTH = 1e-100
# A contact closer to a segment than this part of its length is on it.
ON_SEGMENT = 1e-9
# In an anisotropic medium a contact this close to the axis, in µm, has no direction from it (LFPykit).
AXIS = 1e-8

# Where A - L is smaller than this part of L, it is not computed as a difference.
_CLOSE = 1e-2
_CLOSE_LOG = math.log(2 / _CLOSE)

_EXPONENT = 0x7FF << 52
_ONE = 1023 << 52
_LN2 = math.log(2.0)
# atanh(f) / f = sum of c[i] f**(2 i): Chebyshev fit for f < 1/3, off by less than 2e-18 there.
_C1, _C2, _C3, _C4, _C5 = (
    0.33333333333333076,
    0.20000000000092874,
    0.14285714272727057,
    0.11111112040373837,
    0.09090870416252403,
)
_C6, _C7, _C8, _C9, _C10 = (
    0.07693307021152004,
    0.06650187016337313,
    0.06055084364034609,
    0.0416225325593041,
    0.08522081781390699,
)


@jit_contracted
def _log_ratio(a: float, length: float) -> float:
    """``ln((a + length) / (a - length))`` for a > length."""
    top = np.float64(a + length).view(np.int64)
    bottom = np.float64(a - length).view(np.int64)
    twos = (top - bottom) >> 52
    s = np.int64(((top - bottom) & _EXPONENT) + _ONE).view(np.float64)
    f = (a * (1 - s) + length * (1 + s)) / (a * (1 + s) + length * (1 - s))
    t = f * f
    p = ((((_C10 * t + _C9) * t + _C8) * t + _C7) * t + _C6) * t + _C5
    p = (((p * t + _C4) * t + _C3) * t + _C2) * t + _C1
    return 2 * (f + f * (t * p)) + _LN2 * np.float64(twos)


@jit
def _mean_inverse_distance(d: Vector, v: Vector, length: float, floor2: float) -> float:
    """Mean of 1/distance, to the last digits also where the contact is close; infinite where it is on the segment.

    d goes from the contact to the end, v from the start to the end; *floor2* is the least squared distance from
    the axis.
    """
    ux, uy, uz = v[0] / length, v[1] / length, v[2] / length
    h = -(d[0] * ux + d[1] * uy + d[2] * uz)
    px, py, pz = d[0] + h * ux, d[1] + h * uy, d[2] + h * uz
    r2 = max(px * px + py * py + pz * pz, floor2)
    beyond = max(h, -(h + length), 0.0)
    if math.sqrt(r2 + beyond * beyond) <= ON_SEGMENT * length:
        return np.inf
    # A - L as a sum of what is not negative.
    rest = 2 * beyond + r2 / (math.sqrt(h * h + r2) + abs(h))
    rest += r2 / (math.sqrt((h + length) ** 2 + r2) + abs(h + length))
    return math.log1p(2 * length / rest) / length


@jit_contracted
def line_block(
    start: Floats,
    end: Floats,
    floor: Floats,
    electrodes: Floats,
    k: float,
    out: NDArray[Any],
    step: int,
    first: int,
    last: int,
) -> int:
    """Fill some columns with k times the mean of 1/distance; return the number of infinite values.

    Parameters
    ----------
    start, end
        Ends of the segments in µm, float64[N, 3].
    floor
        Least distance from the axis of each segment in µm, float64[N].
    electrodes
        Places of the contacts in µm, float64[M, 3].
    k
        Factor of all values.
    out
        Gets the values, one dimension; the row of contact m begins at ``out[m * step]``.
    step
        Elements from one row of *out* to the next.
    first, last
        Columns to fill: ``first <= column < last``.
    """
    lines = np.empty((9, BLOCK))
    infinite = 0
    for begin in range(first, last, BLOCK):
        n = min(BLOCK, last - begin)
        for i in range(n):
            _line(start[begin + i], end[begin + i], floor[begin + i], lines[:, i])
        for m in range(len(electrodes)):
            row = out[m * step + begin : m * step + begin + n]
            if _line_row(lines, electrodes[m], k, row):
                infinite += _close_row(lines, electrodes[m], k, row)
    return infinite


@jit
def _line(start: Floats, end: Floats, floor: float, line: Floats) -> None:
    """What the loops need of a segment: end (3), end - start (3), length, 1/length, squared least distance."""
    vx, vy, vz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    length = math.sqrt(vx * vx + vy * vy + vz * vz)
    if length == 0.0:
        vx, vy, vz, length = 0.0, 0.0, 0.0, NO_LENGTH
    line[0], line[1], line[2] = end[0], end[1], end[2]
    line[3], line[4], line[5] = vx, vy, vz
    line[6], line[7], line[8] = length, 1 / length, floor * floor


@jit_contracted
def _line_row(lines: Floats, electrode: Floats, k: float, row: NDArray[Any]) -> int:
    """Coefficients of one contact; how many of them are for `_close_row` to do again."""
    x, y, z = electrode[0], electrode[1], electrode[2]
    # Slices of one contiguous array: what keeps the loop vectorised are no tests for indices that wrap around,
    # and few for arrays that overlap.
    n = len(row)
    end_x, end_y, end_z = lines[0, :n], lines[1, :n], lines[2, :n]
    along_x, along_y, along_z = lines[3, :n], lines[4, :n], lines[5, :n]
    lengths, inverse, floor2 = lines[6, :n], lines[7, :n], lines[8, :n]
    close = 0
    for i in range(n):
        dx, dy, dz = end_x[i] - x, end_y[i] - y, end_z[i] - z
        vx, vy, vz, length = along_x[i], along_y[i], along_z[i], lengths[i]
        sx, sy, sz = dx - vx, dy - vy, dz - vz
        h = -(dx * vx + dy * vy + dz * vz) * inverse[i]
        l = h + length
        a = math.sqrt(max(dx * dx + dy * dy + dz * dz, h * h + floor2[i]))
        a += math.sqrt(max(sx * sx + sy * sy + sz * sz, l * l + floor2[i]))
        close += int(a - length < _CLOSE * length)
        row[i] = k * inverse[i] * _log_ratio(a, length)
    return close


@jit
def _close_row(lines: Floats, electrode: Floats, k: float, row: NDArray[Any]) -> int:
    """Do again, exactly, what is close to its segment; the number of infinite values."""
    infinite = 0
    for i in range(len(row)):
        end_x, end_y, end_z, vx, vy, vz, length, _, floor2 = lines[:, i]
        d = end_x - electrode[0], end_y - electrode[1], end_z - electrode[2]
        mean = _mean_inverse_distance(d, (vx, vy, vz), length, floor2)
        if mean * length > _CLOSE_LOG:
            row[i] = k * mean
            infinite += int(mean == np.inf)
    return infinite


@jit_contracted
def point_block(
    start: Floats,
    end: Floats,
    floor: Floats,
    electrodes: Floats,
    k: float,
    out: NDArray[Any],
    step: int,
    first: int,
    last: int,
) -> int:
    """Fill as `line_block` does, with all of a segment at its middle: k/distance.

    Parameters
    ----------
    start, end, floor, electrodes, k, out, step, first, last
        As of `line_block`.
    """
    points = np.empty((4, BLOCK))
    infinite = 0
    for begin in range(first, last, BLOCK):
        n = min(BLOCK, last - begin)
        for i in range(n):
            for axis in range(3):
                points[axis, i] = (start[begin + i, axis] + end[begin + i, axis]) / 2
            points[3, i] = floor[begin + i] ** 2
        for m in range(len(electrodes)):
            infinite += _point_row(points, electrodes[m], k, out[m * step + begin : m * step + begin + n])
    return infinite


@jit_contracted
def _point_row(points: Floats, electrode: Floats, k: float, row: NDArray[Any]) -> int:
    x, y, z = electrode[0], electrode[1], electrode[2]
    n = len(row)
    at_x, at_y, at_z, floor2 = points[0, :n], points[1, :n], points[2, :n], points[3, :n]
    infinite = 0
    for i in range(n):
        dx, dy, dz = at_x[i] - x, at_y[i] - y, at_z[i] - z
        r2 = max(dx * dx + dy * dy + dz * dz, floor2[i])
        infinite += int(r2 == 0.0)
        row[i] = k / math.sqrt(r2)
    return infinite


@jit
def anisotropic_block(
    start: Floats,
    end: Floats,
    floor: Floats,
    electrodes: Floats,
    scale: Floats,
    out: NDArray[Any],
    step: int,
    first: int,
    last: int,
) -> int:
    """Fill as `line_block` does, with the mean of 1/distance where coordinates are multiplied by *scale*, over 4 pi.

    A contact that is closer than *floor* is moved away from the segment's
    closest point before anything is scaled.

    Parameters
    ----------
    start, end
        Ends of the segments in µm, float64[N, 3].
    floor
        Least distance from each segment in µm, float64[N].
    electrodes
        Places of the contacts in µm, float64[M, 3].
    scale
        Factors of x, y and z, float64[3].
    out, step, first, last
        As of `line_block`.
    """
    infinite = 0
    for m in range(len(electrodes)):
        for n in range(first, last):
            v = end[n, 0] - start[n, 0], end[n, 1] - start[n, 1], end[n, 2] - start[n, 2]
            d = end[n, 0] - electrodes[m, 0], end[n, 1] - electrodes[m, 1], end[n, 2] - electrodes[m, 2]
            d = _kept_away(d, v, floor[n])
            d = d[0] * scale[0], d[1] * scale[1], d[2] * scale[2]
            v = v[0] * scale[0], v[1] * scale[1], v[2] * scale[2]
            length = max(math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), NO_LENGTH)
            mean = _mean_inverse_distance(d, v, length, 0.0)
            infinite += int(mean == np.inf)
            out[m * step + n] = mean / (4 * math.pi)
    return infinite


@jit
def _kept_away(d: Vector, v: Vector, floor: float) -> Vector:
    """The vector d from a contact to a segment's end, the contact being *floor* away from the segment or more."""
    v2 = v[0] * v[0] + v[1] * v[1] + v[2] * v[2]
    back = min(max((d[0] * v[0] + d[1] * v[1] + d[2] * v[2]) / v2, 0.0), 1.0) if v2 > 0.0 else 0.0
    px, py, pz = d[0] - back * v[0], d[1] - back * v[1], d[2] - back * v[2]
    distance = math.sqrt(px * px + py * py + pz * pz)
    if distance >= floor:
        return d
    if distance < AXIS:  # no direction of its own: one at right angles to the segment
        if abs(v[0]) > AXIS:
            px, py, pz = v[1], -v[0], 0.0
        elif v2 > 0.0:
            px, py, pz = 0.0, -v[2], v[1]
        else:
            px, py, pz = -1.0, 0.0, 0.0
        distance = math.sqrt(px * px + py * py + pz * pz)
    away = floor / distance
    return back * v[0] + px * away, back * v[1] + py * away, back * v[2] + pz * away
