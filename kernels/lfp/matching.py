"""Which coefficient belongs to which column of a report."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Keys:
    """Ids that identify the columns of a report, or of coefficients; each int64[N].

    Parameters
    ----------
    node_id, section_id, segment_id
        Ids of the node, section and segment of each, int64[N].
    """

    node_id: Ids
    section_id: Ids
    segment_id: Ids

    def __len__(self) -> int:
        return len(self.node_id)

    def rows(self) -> Ids:
        """One row for each, int64[N, 3]."""
        return np.stack([self.node_id, self.section_id, self.segment_id], axis=1)

    def equals(self, other: "Keys") -> bool:
        """Tell whether two have the same keys in the same order.

        Parameters
        ----------
        other
            The other keys.
        """
        return len(self) == len(other) and all(
            np.array_equal(own, theirs)
            for own, theirs in zip(vars(self).values(), vars(other).values(), strict=True)
        )

    def named(self, row: int) -> str:
        """Describe one of them for a message.

        Parameters
        ----------
        row
            Its row.
        """
        return f"node {self.node_id[row]}, section {self.section_id[row]}, segment {self.segment_id[row]}"


def matched(report: Keys, known: Keys, partial: bool = False) -> tuple[Ids, Ids]:
    """Return columns of a report and the coefficients that belong to them.

    Parameters
    ----------
    report
        Keys of the report's columns.
    known
        Keys of the coefficients.
    partial
        Whether to leave out nodes that only one of the two has.

    Returns
    -------
    tuple
        Columns of the report, ascending, and for each the number of its coefficient.

    Raises
    ------
    ValueError
        One of them has a segment twice, or they do not have the same segments; the message names nodes and
        segments.
    """
    everything = np.arange(len(report))
    if report.equals(known):
        return everything, everything
    order = np.lexsort((known.segment_id, known.section_id, known.node_id))
    own = np.lexsort((report.segment_id, report.section_id, report.node_id))
    for what, keys, at in (("the coefficients", known, order), ("the report", report, own)):
        _refuse_twice(what, keys, at)
    left = _Sorted(report, own, np.isin(report.node_id, known.node_id) if partial else None)
    right = _Sorted(known, order, np.isin(known.node_id, report.node_id) if partial else None)
    _refuse_difference(left, right)
    columns = left.order
    back = np.argsort(columns, kind="stable")
    if not len(columns):
        raise ValueError("the report and the coefficients have no node in common")
    return columns[back], right.order[back]


class _Sorted:
    """Keys in order, perhaps some of them only."""

    def __init__(self, keys: Keys, order: Ids, chosen: NDArray[np.bool_] | None) -> None:
        self.keys = keys
        self.order: Ids = order if chosen is None else order[chosen[order]]
        self.rows = keys.rows()[self.order]


def _refuse_twice(what: str, keys: Keys, order: Ids) -> None:
    rows = keys.rows()[order]
    same = np.flatnonzero((rows[1:] == rows[:-1]).all(axis=1))
    if same.size:
        raise ValueError(
            f"{what} have {keys.named(int(order[same[0]]))} twice"
            f"{f' ({same.size - 1:,} more like it)' if same.size > 1 else ''}"
        )


def _refuse_difference(report: _Sorted, known: _Sorted) -> None:
    if report.rows.shape == known.rows.shape and (report.rows == known.rows).all():
        return
    kind = np.dtype([("", np.int64)] * 3)
    left, right = (np.ascontiguousarray(side.rows).view(kind).ravel() for side in (report, known))
    for what, some, other, side in (
        ("columns of the report have no coefficient", left, right, report),
        ("coefficients have no column in the report", right, left, known),
    ):
        lost = np.flatnonzero(~np.isin(some, other))
        if lost.size:
            nodes = np.unique(side.rows[lost, 0])
            raise ValueError(
                f"{lost.size:,} {what}, the first of {side.keys.named(int(side.order[lost[0]]))}; of nodes "
                f"{listed(nodes)}{_advice(side, nodes, other)}"
            )


def _advice(side: _Sorted, nodes: Ids, other: NDArray[Any]) -> str:
    whole = not np.isin(nodes, other["f0"]).any()
    return " (partial=True leaves out nodes that only one has)" if whole else ""


def listed(nodes: Ids) -> str:
    """Return numbers of nodes for a message, the first ten of them.

    Parameters
    ----------
    nodes
        The numbers.
    """
    shown = ", ".join(map(str, nodes[:10].tolist()))
    return shown if len(nodes) <= 10 else f"{shown} and {len(nodes) - 10:,} more"
