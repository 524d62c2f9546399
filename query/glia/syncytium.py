"""The syncytium: astrocytes that gap junctions connect."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...lake.errors import InputError
from .asking import GliaTables, Ids, whole


@dataclass(frozen=True)
class Syncytium:
    """The graph of a circuit's astrocytes and their gap junctions.

    Parameters
    ----------
    tables
        The circuit.
    """

    tables: GliaTables

    def __repr__(self) -> str:
        return (
            f"<Syncytium of {self.tables.circuit!r}: {self.tables.table('glialglial').rows:,} gap junctions>"
        )

    @cached_property
    def _graph(self) -> tuple[Ids, Ids]:
        """Where the neighbours of each astrocyte begin, and the neighbours, rising."""
        n = self.tables.table("astrocytes").rows
        rows = self.tables.snapshot.sql(
            f"select distinct astrocyte_id, other_id from {self.tables.sql_name('view:gap_junctions')} order by 1, 2"
        ).fetchnumpy()
        one, other = (rows[name].astype(np.int64) for name in ("astrocyte_id", "other_id"))
        return np.searchsorted(one, np.arange(n + 1)), other

    def degrees(self) -> pd.DataFrame:
        """Count the gap junctions of each astrocyte.

        Returns
        -------
        One astrocyte a row: ``node_id``, ``gap_junctions`` and ``partners``, the distinct astrocytes at their other ends.
        """
        return self.tables.frame(
            f"""
            with found as (
                select astrocyte_id as node_id, count(distinct edge_id) as gap_junctions, count(distinct other_id) as partners
                from {self.tables.sql_name("view:gap_junctions")} group by 1
            )
            select node_id, coalesce(gap_junctions, 0) as gap_junctions, coalesce(partners, 0) as partners
            from {self.tables.sql_name("astrocytes")} left join found using (node_id) order by 1
            """
        )

    def hops(self, ids: npt.ArrayLike, most: int | None = None) -> pd.DataFrame:
        """Return the astrocytes that can be reached over gap junctions, and over how few.

        Parameters
        ----------
        ids
            Where it starts: one or more astrocytes.
        most
            Gap junctions that may be crossed; any number by default.

        Returns
        -------
        One astrocyte a row, the starting ones too: ``node_id``, ``hops``, and ``before``, the astrocyte before it (-1 at the start).

        Raises
        ------
        InputError
            There is no such astrocyte, or *most* is below 0.
        """
        far, before = self._searched(whole(ids), most)
        found = np.flatnonzero(far >= 0)
        order = found[np.lexsort((found, far[found]))]
        return pd.DataFrame({"node_id": order, "hops": far[order], "before": before[order]})

    def _searched(self, starts: Ids, most: int | None) -> tuple[Ids, Ids]:
        """Hops to each astrocyte, -1 where there is no way, and the astrocyte before it."""
        offsets, others = self._graph
        n = len(offsets) - 1
        if most is not None and most < 0:
            raise InputError(f"at most {most} gap junctions; expected 0 or more")
        if (strange := starts[(starts < 0) | (starts >= n)]).size:
            raise InputError(f"there is no astrocyte {strange[0]}; there are 0 to {n - 1}")
        far, before = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
        front, step = np.unique(starts), 0
        far[front] = 0
        while len(front) and (most is None or step < most):
            step += 1
            sizes = offsets[front + 1] - offsets[front]
            at = np.repeat(offsets[front] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
            reached, source = others[at], np.repeat(front, sizes)
            new = far[reached] < 0
            # Of several ways of one length, that over the lowest number.
            front, first = np.unique(reached[new], return_index=True)
            far[front], before[front] = step, source[new][first]
        return far, before

    def path(self, starts: npt.ArrayLike, ends: npt.ArrayLike) -> Ids:
        """Return a shortest way over gap junctions: astrocytes from one of some to the nearest of others; empty if there is none.

        Parameters
        ----------
        starts
            Astrocytes, any of which it may start at.
        ends
            Astrocytes, any of which it may end at.

        Raises
        ------
        InputError
            There is no such astrocyte.
        """
        far, before = self._searched(whole(starts), None)
        goals = whole(ends)
        goals = goals[(goals >= 0) & (goals < len(far))]
        goals = goals[far[goals] >= 0]
        if not len(goals):
            return np.empty(0, np.int64)
        at = int(goals[np.lexsort((goals, far[goals]))[0]])
        way = [at]
        while before[at] >= 0:
            at = int(before[at])
            way.append(at)
        return np.array(way[::-1])

    def components(self) -> pd.DataFrame:
        """Return which astrocytes are connected over any number of gap junctions.

        Returns
        -------
        One astrocyte a row: ``node_id``, and ``component``, the lowest number of an astrocyte of its component.
        """
        offsets, others = self._graph
        label = np.arange(len(offsets) - 1)
        one = np.repeat(label, np.diff(offsets))
        while True:
            lower = label.copy()
            np.minimum.at(lower, one, label[others])
            # Labels of labels: chains become short in few rounds.
            lower = lower[lower]
            if np.array_equal(lower, label):
                return pd.DataFrame({"node_id": np.arange(len(label)), "component": label})
            label = lower
