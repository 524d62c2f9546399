"""Segments of cells: where they are, which they are, and which of two lists belong together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SOMA = "Soma"
KEYS = ("node_id", "section_id", "segment_id")
"""Columns that identify a segment."""
PLACES = tuple(f"{end}_{axis}" for end in ("start", "end") for axis in "xyz")
"""Columns of the ends of a segment, in µm."""


@dataclass(frozen=True, eq=False)
class Segments:
    """Segments of cells, in order.

    Parameters
    ----------
    node_id, section_id, segment_id
        Ids of each segment, int64[N].
    start, end
        In µm, float64[N, 3].
    diameter
        In µm, float64[N]; None where it is not known.
    soma
        Which belong to a soma, bool[N]; None where it is not known.
    center
        Where the dipole of its cell is, in µm, float64[N, 3]; used by dipole_reciprocity only.
    """

    node_id: NDArray[np.int64]
    section_id: NDArray[np.int64]
    segment_id: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    diameter: NDArray[np.float64] | None = None
    soma: NDArray[np.bool_] | None = None
    center: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.node_id)

    @property
    def middle(self) -> NDArray[np.float64]:
        """Middle of each in µm, float64[N, 3]."""
        return (self.start + self.end) / 2

    def at(self, where: slice) -> "Segments":
        """Return some of the segments, without a copy.

        Parameters
        ----------
        where
            Which rows.
        """
        parts: dict[str, Any] = {}
        for key, values in vars(self).items():
            parts[key] = None if values is None else values[where]
        return Segments(**parts)

    def named(self, row: int) -> str:
        """Describe a segment for a message.

        Parameters
        ----------
        row
            Row of the segment.
        """
        return f"node {self.node_id[row]}, section {self.section_id[row]}, segment {self.segment_id[row]}"

    @classmethod
    def of_columns(cls, columns: Mapping[str, Any]) -> "Segments":
        """Return segments from their columns.

        Parameters
        ----------
        columns
            ``start_x`` … ``end_z`` in µm are needed; ``diameter`` in µm and ``label`` (``Soma`` for segments of a soma) are
            what some methods need. ``node_id`` is 0 where it is not there, ``section_id`` 0 and ``segment_id`` the
            number of the row where neither is.

        Raises
        ------
        ValueError
            A coordinate is missing or is not a number, or columns differ in length.
        """
        missing = [place for place in PLACES if place not in columns]
        if missing:
            raise ValueError(f"segments have no column {missing[0]!r}; they have {', '.join(columns)}")
        try:
            start, end = (
                np.stack([_real(columns[f"{end}_{axis}"]) for axis in "xyz"], axis=1)
                for end in ("start", "end")
            )
            ids = _ids(columns, len(start))
            diameter = _real(columns["diameter"]) if "diameter" in columns else None
        except (ValueError, TypeError) as error:
            raise ValueError(f"segments cannot be read: {error}") from error
        soma = np.asarray(columns["label"]) == SOMA if "label" in columns else None
        made = cls(ids[0], ids[1], ids[2], start, end, diameter, soma)
        for name, values in vars(made).items():
            if values is not None and len(values) != len(made):
                raise ValueError(f"segments: {name} has {len(values)} values for {len(made)} segments")
        return made


def _real(values: Any) -> NDArray[np.float64]:
    return np.asarray(values, np.float64)


def _ids(columns: Mapping[str, Any], count: int) -> list[NDArray[np.int64]]:
    zeros = np.zeros(count, np.int64)
    numbered = "section_id" in columns and "segment_id" in columns
    other = {} if numbered else {"section_id": zeros, "segment_id": np.arange(count)}
    return [np.asarray({"node_id": zeros, **columns, **other}[key]).astype(np.int64) for key in KEYS]
