"""BlueRecording's formulas, without its check for an HDF5 library that was built with MPI, which they do not need."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]
SEGMENTS, CONTACTS = 2_000, 50
"""How many it computes at a time unless it is told otherwise."""


def part(name: str) -> ModuleType:
    """A module of BlueRecording, such as ``physics``; ModuleNotFoundError where it is not installed."""
    if "bluerecording" not in sys.modules:
        found = importlib.util.find_spec("bluerecording")
        if found is None:
            raise ModuleNotFoundError("bluerecording is not installed")
        # Its modules can be imported below it, though it was not run itself.
        sys.modules["bluerecording"] = importlib.util.module_from_spec(found)
    return importlib.import_module(f"bluerecording.{name}")


def line_sources(start: Array, end: Array, contacts: Array, sigma: float, out: Array) -> Callable[[], Array]:
    """What fills *out*, shape (n_contacts, n_segments), with its line sources in V/nA; geometry is made before."""
    physics = part("physics")
    blocks = []
    for rows, columns in _blocks(len(start)):
        ends = start[rows], end[rows]
        length = np.linalg.norm(ends[1] - ends[0], axis=1)
        none = np.zeros(len(length), bool)
        geometry = physics.SegmentGeometry(
            *ends, length, (ends[1] - ends[0]) / length[:, None], none, np.empty((0, 3))
        )
        blocks.append((rows, geometry, columns))

    def fill() -> Array:
        for rows, geometry, columns in blocks:
            for some in _contacts(contacts):
                found = physics.get_coeffs_line_source(
                    geometry, columns, contacts[some], sigma, verbose=False
                )
                out[some, rows] = found.to_numpy()
        return out

    return fill


def point_sources(start: Array, end: Array, contacts: Array, sigma: float, out: Array) -> Callable[[], Array]:
    """The same for point sources in the middle of each segment."""
    physics = part("physics")
    middles = (start + end) / 2
    blocks = [
        (rows, pd.DataFrame(middles[rows].T.copy(), columns=columns)) for rows, columns in _blocks(len(start))
    ]

    def fill() -> Array:
        for rows, positions in blocks:
            for some in _contacts(contacts):
                found = physics.get_coeffs_point_source(positions, contacts[some], sigma)
                out[some, rows] = found.to_numpy()
        return out

    return fill


def _blocks(count: int) -> list[tuple[slice, pd.MultiIndex]]:
    return [
        (slice(i, min(i + SEGMENTS, count)), _columns(min(SEGMENTS, count - i)))
        for i in range(0, count, SEGMENTS)
    ]


def _columns(count: int) -> pd.MultiIndex:
    """Labels of a cell's segments."""
    ids = [np.zeros(count, np.int64), np.arange(1, count + 1)]
    return pd.MultiIndex.from_arrays(ids, names=["id", "section"])


def _contacts(contacts: Array) -> list[slice]:
    return [slice(i, min(i + CONTACTS, len(contacts))) for i in range(0, len(contacts), CONTACTS)]
