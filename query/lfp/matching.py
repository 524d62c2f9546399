"""Which coefficient belongs to which column of a report, and which group a column is in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.lfp import matching
from ...kernels.lfp.matching import Ids, Keys, listed
from ...lake.errors import InputError


def matched(report: Keys, known: Keys, partial: bool = False) -> tuple[Ids, Ids]:
    """Return columns of a report and the coefficients that belong to them, as `kernels.lfp.matching.matched` does.

    Parameters
    ----------
    report, known
        Keys of the report's columns, and of the coefficients.
    partial
        Whether to leave out nodes that only one of the two has.

    Raises
    ------
    InputError
        One of them has a segment twice, or they do not have the same segments; the message names nodes and
        segments.
    """
    try:
        return matching.matched(report, known, partial)
    except ValueError as error:
        raise InputError(str(error)) from error


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of columns.

    Parameters
    ----------
    of
        Group of each column, int64[N].
    labels
        Of the groups, in order.
    """

    of: Ids
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)


def grouped(nodes_of: Ids, by: str | None, population: str, nodes: Mapping[str, Any] | None) -> Groups:
    """Group columns by a property of their nodes.

    Parameters
    ----------
    nodes_of
        Node of each column, int64[N].
    by
        None and ``"population"``: one group. ``"cell"``: one for each node. Else a column of *nodes*.
    population
        Name of the population, the label where there is one group.
    nodes
        Columns of the table of nodes, ``node_id`` among them.

    Raises
    ------
    InputError
        There is no such column, or nodes are not in the table; the message names them.
    """
    if by is None or by == "population":
        return Groups(np.zeros(len(nodes_of), np.int64), np.array([population], object))
    if by == "cell":
        labels, of = np.unique(nodes_of, return_inverse=True)
        return Groups(of.astype(np.int64), labels)
    if nodes is None:
        raise InputError(f"by={by!r} is about the table of nodes: give nodes")
    if by not in nodes or "node_id" not in nodes:
        raise InputError(
            f"the table of nodes has no column {by if 'node_id' in nodes else 'node_id'!r}; it has {', '.join(nodes)}"
        )
    ids = np.asarray(nodes["node_id"])
    order = np.argsort(ids, kind="stable")
    at = np.clip(np.searchsorted(ids[order], nodes_of), 0, max(len(ids) - 1, 0))
    known = np.zeros(len(nodes_of), np.bool_) if not len(ids) else ids[order[at]] == nodes_of
    if not known.all():
        lost = np.unique(nodes_of[~known])
        raise InputError(f"the table of nodes has no nodes {listed(lost)}")
    values = np.asarray(nodes[by])[order[at]]
    if values.dtype.kind == "O":
        values = np.array(["" if value is None else str(value) for value in values], object)
    labels, of = np.unique(values, return_inverse=True)
    return Groups(of.astype(np.int64), labels)
