"""What is asked of a circuit of glia: its tables by what they are in it, and rows of some of its cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...catalog.joins import JOINS, parts_of
from ...catalog.schema import identifier
from ...catalog.vocabulary import glia
from ...catalog.vocabulary.kinds import ArrayKind
from ...lake.data.ragged import Ragged, read_ragged
from ...lake.errors import InputError, NotFoundError
from ...lake.names import listed
from ..base import Snapshot, Table

Ids = npt.NDArray[np.int64]
_ENDINGS = {join.ending: join for join in JOINS}


@dataclass(frozen=True)
class GliaTables:
    """The tables of a circuit of glia.

    Parameters
    ----------
    snapshot
        The commit to read.
    circuit
        Name of the circuit.
    """

    snapshot: Snapshot
    circuit: str

    @cached_property
    def parts(self) -> dict[str, str]:
        """Names of the tables by what they are in the circuit; see `neurolake.catalog.joins.parts_of`."""
        return parts_of(self.snapshot, self.circuit)

    def has(self, *parts: str) -> bool:
        """Tell whether the circuit has all of these parts.

        Parameters
        ----------
        parts
            Such as ``astrocytes``.
        """
        return all(self.parts.get(part) in self.snapshot.tables for part in parts)

    def name(self, part: str) -> str:
        """Return the name of a part's table.

        Parameters
        ----------
        part
            Such as ``astrocytes``.

        Raises
        ------
        NotFoundError
            The circuit has no such part.
        """
        if not self.has(part):
            known = listed(sorted(each for each in self.parts if self.has(each))) or "none"
            raise NotFoundError(f"the circuit {self.circuit!r} has no {part}; of glia it has: {known}")
        return self.parts[part]

    def table(self, part: str) -> Table:
        """Return a part's table.

        Parameters
        ----------
        part
            Such as ``astrocytes``.

        Raises
        ------
        NotFoundError
            The circuit has no such part.
        """
        found = self.snapshot.tables[self.name(part)]
        assert isinstance(found, Table), "of `table_type`"
        return found

    def sql_name(self, part: str) -> str:
        """Return a part's table, or one of the views ``vessels``, ``endfeet``, ``tripartite``, ``gap_junctions``, ``branches``, quoted for SQL.

        Parameters
        ----------
        part
            Name of the part; of a view, with ``view:`` before it.

        Raises
        ------
        NotFoundError
            The circuit has no such part, or not what the view needs.
        """
        kind, _, ending = part.rpartition(":")
        if not kind:
            return identifier(self.name(part))
        for needed in (*_ENDINGS[ending].needs, *_ENDINGS[ending].reads):
            self.name(needed)
        return identifier(_ENDINGS[ending].of(self.circuit))

    def rows(
        self,
        part: str,
        by: str,
        ids: npt.ArrayLike | None = None,
        columns: Sequence[str] = (),
        order: Sequence[str] = (),
    ) -> pd.DataFrame:
        """Return the rows of a table or view that belong to some cells.

        Parameters
        ----------
        part
            As of `sql_name`.
        by
            Column that tells the cell.
        ids
            The cells; all by default.
        columns
            Columns to return; all by default.
        order
            Columns to sort by; *by* first by default.

        Raises
        ------
        NotFoundError
            The circuit has no such part.
        InputError
            *ids* are not whole numbers.
        """
        chosen = ", ".join(map(identifier, columns)) or "*"
        sorting = ", ".join(map(identifier, order or (by,)))
        return self.frame(
            f"select {chosen} from {self.sql_name(part)} where {among(by, ids)} order by {sorting}", ids
        )

    def frame(
        self, query: str, ids: npt.ArrayLike | None = None, parameters: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return the answer to a query; ``$ids`` are the *ids*.

        Parameters
        ----------
        query
            SQL.
        ids
            Whole numbers; None where the query has no ``$ids``.
        parameters
            Further values of ``$name`` in the query.

        Raises
        ------
        InputError
            *ids* are not whole numbers.
        """
        values = dict(parameters or {})
        if ids is not None:
            values["ids"] = whole(ids).tolist()
        found: pd.DataFrame = self.snapshot.sql(query, **values).df()
        return found

    def ragged(self, kind: ArrayKind, of: str, things: tuple[int, int] | None = None) -> Ragged:
        """Read a ragged array of the circuit.

        Parameters
        ----------
        kind
            Kind of its values.
        of
            The part of its name besides the circuit: population of the domains, or name of the mesh.
        things
            Half-open range of those to read; all by default.

        Raises
        ------
        NotFoundError
            The circuit has no such array.
        """
        name = kind.of(circuit=self.circuit, population=of, mesh=of)
        if name not in self.snapshot.arrays:
            raise NotFoundError(f"the circuit {self.circuit!r} has no array {name!r}")
        return read_ragged(self.snapshot.arrays, (name, name + glia.OFFSETS), things)


def among(column: str, ids: npt.ArrayLike | None) -> str:
    """Return the condition that a column has one of ``$ids``; where there are none to choose, all meet it.

    Parameters
    ----------
    column
        Name of the column.
    ids
        The ids, or None.
    """
    return "true" if ids is None else f"{identifier(column)} in (select unnest($ids::bigint[]))"


def whole(ids: npt.ArrayLike) -> Ids:
    """Return ids as int64, one dimension.

    Parameters
    ----------
    ids
        One or more ids.

    Raises
    ------
    InputError
        They are not whole numbers.
    """
    found = np.atleast_1d(np.asarray(ids))
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise InputError(f"ids must be whole numbers in one dimension, not {found.dtype}{list(found.shape)}")
    return found.astype(np.int64)
