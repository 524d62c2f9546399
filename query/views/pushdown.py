"""Conditions that dask would check on rows, checked while files are read.

dask's own Parquet reader does the same (`dask.dataframe.dask_expr.io.parquet.ReadParquet`); here conditions are
pushed only where Arrow and pandas agree on them.
"""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pds
from dask.dataframe.dask_expr._expr import EQ, GE, GT, LE, LT, And, Expr, Filter, Or, Projection
from dask.dataframe.dask_expr.io import FromMapProjectable

# Not "unequal": it is true of what is missing in pandas, and unknown in Arrow.
_COMPARISONS: Mapping[type[Expr], Callable[[Any, Any], Any]] = {
    EQ: operator.eq,
    GE: operator.ge,
    GT: operator.gt,
    LE: operator.le,
    LT: operator.lt,
}
_TURNED: Mapping[type[Expr], type[Expr]] = {EQ: EQ, GE: LE, GT: LT, LE: GE, LT: GT}
_INTEGERS = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32())
# Beyond it there are integers that no double equals.
_EXACT = 2**53


class TableRows(FromMapProjectable):  # type: ignore[misc]
    """Partitions read by a function with a ``schema``, which can be ``narrowed`` to rows of a condition."""

    _filter_passthrough = True

    def _filter_passthrough_available(self, parent: Filter, dependents: Any) -> bool:
        return (
            super()._filter_passthrough_available(parent, dependents)
            and condition(parent.predicate, self) is not None
        )

    def _simplify_up(self, parent: Expr, dependents: Any) -> Any:
        if isinstance(parent, Filter) and self._filter_passthrough_available(parent, dependents):
            narrowed = self.func.narrowed(condition(parent.predicate, self))
            return self.substitute_parameters({"func": narrowed})
        return super()._simplify_up(parent, dependents)


def condition(predicate: Any, rows: TableRows) -> pds.Expression | None:
    """Return Arrow's form of a predicate on columns; None if it has none that means the same.

    Parameters
    ----------
    predicate
        A predicate of dask.
    rows
        The rows that it is about.
    """
    if isinstance(predicate, And | Or):
        left, right = condition(predicate.left, rows), condition(predicate.right, rows)
        if left is None or right is None:
            return None
        return left & right if isinstance(predicate, And) else left | right
    kind = type(predicate)
    if kind not in _COMPARISONS:
        return None
    left, right = predicate.left, predicate.right
    if not isinstance(left, Expr):
        kind, left, right = _TURNED[kind], right, left
    if not isinstance(left, Projection) or left.frame._name != rows._name or left.ndim != 1:
        return None
    name = left.columns[0]
    stored = rows.func.schema.field(name).type
    if not _alike(stored, right):
        return None
    if stored == pa.uint64():
        # Arrow would compare with an int64, and fail where the column has more than that holds.
        if right < 0 or type(right) is not int:
            return None
        right = pa.scalar(right, stored)
    return _COMPARISONS[kind](pds.field(name), right)


def _alike(kind: pa.DataType, value: Any) -> bool:
    """Whether Arrow and pandas compare a column of that type with *value* in the same way."""
    if kind == pa.string():
        return type(value) is str
    # NumPy would round a Python number to a column of float32, and Arrow would not.
    numeric = kind in _INTEGERS or kind == pa.float64()
    return numeric and type(value) in (int, float) and math.isfinite(value) and abs(value) <= _EXACT
