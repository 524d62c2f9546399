"""Selections of arrays, as they stand in brackets, as boxes and rows."""

from typing import Any

import numpy as np
import numpy.typing as npt


def box_of(selection: Any, shape: tuple[int, ...]) -> tuple[list[tuple[int, int]], list[int]] | None:
    """Return ranges and result shape of a selection by ints, slices of step 1 and an ellipsis; None for others.

    Parameters
    ----------
    selection
        What stands in the brackets.
    shape
        Shape of the array.
    """
    parts = list(selection) if isinstance(selection, tuple) else [selection]
    gaps = [index for index, part in enumerate(parts) if part is Ellipsis]
    if len(gaps) > 1 or len(parts) - len(gaps) > len(shape):
        return None
    middle, end = (gaps[0], gaps[0] + 1) if gaps else (len(parts), len(parts))
    parts[middle:end] = [slice(None)] * (len(shape) - len(parts) + len(gaps))
    box, kept = [], []
    for part, length in zip(parts, shape, strict=True):
        if isinstance(part, slice) and part.step in (None, 1):
            start, stop, _ = part.indices(length)
            box.append((start, max(start, stop)))
            kept.append(max(stop - start, 0))
        elif isinstance(part, int | np.integer) and not isinstance(part, bool) and -length <= part < length:
            box.append((int(part) % length, int(part) % length + 1))
        else:
            return None
    return box, kept


def rows_of(selection: Any, shape: tuple[int, ...]) -> npt.NDArray[np.int64] | None:
    """Return the rows that a slice, integers or a mask select along the first axis, whole in all others; None for other selections.

    Parameters
    ----------
    selection
        What stands in the brackets.
    shape
        Shape of the array.
    """
    first, *rest = selection if isinstance(selection, tuple) and selection else (selection,)
    whole = [part for part in rest if isinstance(part, slice) and part == slice(None)]
    gaps = [part for part in rest if part is Ellipsis]
    if not shape or len(whole) >= len(shape) or len(gaps) > 1 or len(whole) + len(gaps) < len(rest):
        return None
    if isinstance(first, slice):
        return np.arange(*first.indices(shape[0])) if (first.step or 1) > 0 else None
    if not isinstance(first, list | np.ndarray):
        return None
    chosen = np.asarray(first)
    if chosen.dtype == bool and chosen.shape == shape[:1]:
        return np.flatnonzero(chosen)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not len(chosen):
        return None
    if chosen.min() < -shape[0] or chosen.max() >= shape[0]:
        return None
    return np.where(chosen < 0, chosen + shape[0], chosen).astype(np.int64)
