"""Synapse activations counted by groups of synapses, trial and time.

``synapse_activation_binning`` of the In Silico Framework. Rows stream from the table a range of trials at a time, so
that a table of any size is counted in the memory of the result; or, as a dask array, in that of a block of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xarray as xr

from ...catalog.vocabulary.trials import SYNAPSE_ACTIVATION, TRIALS
from ...kernels.activity.activations import activation_counts
from ...kernels.bins import checked_edges
from ...lake.errors import InputError
from ..base import Snapshot
from ..derive.kernels import kernel
from ..located import Located, located
from ..prefetch import prefetched
from .requirements import last_time, no_trial, require_tables
from .trains import tables_read

if TYPE_CHECKING:
    import dask.array as da

# ISF of 2024; its list of 2025 has L1 as well, whose synapses are GABAergic.
EXCITATORY = (
    "L6cc",
    "L2",
    "VPM",
    "L4py",
    "L4ss",
    "L4sp",
    "L5st",
    "L6ct",
    "L34",
    "L6ccinv",
    "L5tt",
    "Generic",
)
PROXIMAL_UM = 500.0
TABLE = SYNAPSE_ACTIVATION.name
# Rows that are in memory at a time.
_ROWS = 4_000_000
# Counts in a block of a lazy result: with fine bins and many groups they are larger than what is counted.
_BLOCK_BYTES = 32 * 2**20
_SEPARATOR = "__"

Labels = Callable[[Any], str]
By = str | Sequence[str] | Mapping[str, str]


@dataclass(frozen=True)
class Key:
    """What synapses are grouped by.

    Parameters
    ----------
    name
        Name of the key.
    sql
        Its value as SQL over the table of activations.
    label
        Function that returns the text of a value.
    few
        The column of few values that it is computed from, if there is just one.
    """

    name: str
    sql: str
    label: Labels = str
    few: str | None = None


@dataclass(frozen=True)
class Groups:
    """All groups that occur: values of the keys for each, in order.

    Parameters
    ----------
    keys
        What synapses are grouped by.
    values
        Values of the keys of each group, in order.
    """

    keys: tuple[Key, ...]
    values: tuple[tuple[Any, ...], ...]

    @property
    def labels(self) -> list[str]:
        """Names of the groups: labels of their values, joined by two underscores as ISF joins them."""
        return [_SEPARATOR.join(row) for row in self.label_rows]

    @property
    def label_rows(self) -> list[tuple[str, ...]]:
        """Labels of each group by key."""
        return [
            tuple(key.label(value) for key, value in zip(self.keys, row, strict=True)) for row in self.values
        ]

    def codes(self, columns: Sequence[pa.ChunkedArray]) -> npt.NDArray[np.int32]:
        """Return the number of the group of each row, int32[n_rows].

        Parameters
        ----------
        columns
            The columns that the keys read, in their order, all of the same length.
        """
        known = [sorted({row[at] for row in self.values}) for at in range(len(self.keys))]
        flat = np.zeros(len(columns[0]), np.int32)
        for column, values in zip(columns, known, strict=True):
            flat *= len(values)
            flat += _positions(column, values)
        number = np.full([len(values) for values in known], -1, np.int32)
        for group, row in enumerate(self.values):
            number[tuple(values.index(value) for value, values in zip(row, known, strict=True))] = group
        return number.reshape(-1)[flat]


def _positions(column: pa.ChunkedArray, known: list[Any]) -> npt.NDArray[np.int32]:
    """Where each value stands among *known*."""
    if pa.types.is_integer(column.type):
        return _lookup(column.to_numpy(), np.array(known, np.int64))
    encoded = pa.array(column.combine_chunks()).dictionary_encode()
    translated = np.array([known.index(value) for value in encoded.dictionary.to_pylist()], np.int32)
    return translated[encoded.indices.to_numpy()] if len(encoded) else np.empty(0, np.int32)


def _lookup(values: npt.NDArray[Any], known: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Where each value stands among *known*, which rises; -1 for those between that are not known."""
    if not len(known) or known[-1] - known[0] > max(_ROWS, len(values)):
        return np.asarray(np.searchsorted(known, values), np.int32)
    if values.dtype.itemsize < 4:
        values = values.astype(np.int32)
    low = values.dtype.type(known[0])
    if known[-1] - known[0] == len(known) - 1:
        return values if values.dtype == np.int32 and not low else (values - low).astype(np.int32)
    place = np.full(known[-1] - known[0] + 1, -1, np.int32)
    place[known - known[0]] = np.arange(len(known))
    return np.asarray(place[values - low])


def keys(by: By, *, distance_width: float = 50.0, l1: Literal["INH", "EXC"] = "INH") -> tuple[Key, ...]:
    """Return the keys that *by* names.

    Parameters
    ----------
    by
        Names, or SQL by name. Known names, ISF's spellings among them: ``EI``, ``cell_type`` (``celltype``),
        ``column`` (``presynaptic_column``), ``proximal`` (nearer than 500 µm to the soma: prox or dist),
        ``soma_distance`` (``binned_somadist``; bins of *distance_width*), and every column of the table. Anything
        else is an SQL expression over these columns.
    distance_width
        Width in µm of the bins of ``soma_distance``.
    l1
        What ``EI`` calls cells of layer 1. Their synapses are GABAergic; ISF's list of 2025 says EXC.

    Raises
    ------
    InputError
        *by* is empty, or *distance_width* is not positive.
    """
    if not distance_width > 0:
        raise InputError(f"distance_width is {distance_width}; it must be above 0 µm")
    excitatory = ", ".join(f"'{name}'" for name in (*EXCITATORY, *(["L1"] if l1 == "EXC" else [])))
    width = float(distance_width)
    ei = Key(
        "EI", f"(cell_type in ({excitatory}))::tinyint", lambda value: "EXC" if value else "INH", "cell_type"
    )
    near = f"(soma_distance < {PROXIMAL_UM})::tinyint"
    distance = Key(
        "soma_distance",
        f"floor(soma_distance / {width})::integer",
        lambda value: f"{value * width:g}to{(value + 1) * width:g}",
    )
    named = {
        "EI": ei,
        "celltype": Key("cell_type", "cell_type", few="cell_type"),
        "cell_type": Key("cell_type", "cell_type", few="cell_type"),
        "presynaptic_column": Key("column", '"column"', few='"column"'),
        "column": Key("column", '"column"', few='"column"'),
        "proximal": Key("proximal", near, lambda value: "prox" if value else "dist"),
        "soma_distance": distance,
        "binned_somadist": distance,
    }
    if isinstance(by, Mapping):
        found = [Key(name, sql) for name, sql in by.items()]
    else:
        found = [named.get(name, Key(name, name)) for name in ([by] if isinstance(by, str) else by)]
    if not found:
        raise InputError("by is empty; name what to group by, such as EI or cell_type")
    return tuple(found)


def reads_activations(snapshot: Snapshot, given: Mapping[str, Any]) -> list[str]:
    """Name the tables that an analysis of activations reads: these, trials, and those that conditions select from.

    Parameters
    ----------
    snapshot
        The commit to read.
    given
        Arguments of the analysis by name.
    """
    return tables_read(snapshot, [TABLE, TRIALS.name], given)


@kernel(version="1", name="binned_activations", whole=True, reads=reads_activations)
def bin_activations(
    snapshot: Snapshot,
    by: By = "EI",
    *,
    edges: npt.ArrayLike | None = None,
    width: float = 1.0,
    t_min: float = 0.0,
    t_max: float | None = None,
    where: str = "true",
    trials: str = "true",
    distance_width: float = 50.0,
    l1: Literal["INH", "EXC"] = "INH",
    dtype: npt.DTypeLike = np.uint16,
    lazy: bool = False,
) -> xr.DataArray:
    """Count synapse activations per group, trial and time bin.

    Parameters
    ----------
    snapshot
        The commit to read.
    by
        What to group synapses by; see `keys`. Activations where it is null are not counted.
    edges
        Bin edges in ms, rising; or *width*, *t_min* and *t_max* for even ones. By default bins of 1 ms from 0 to
        the end of the longest trial.
    width
        Width of even bins in ms.
    t_min
        Begin of the first of them in ms.
    t_max
        End of the last of them in ms; the end of the longest trial by default.
    where
        Condition on activations in SQL, such as ``"soma_distance < 100"``.
    trials
        Condition on trials in SQL, such as ``"stimulus = 'C2'"``.
    distance_width, l1
        See `keys`.
    dtype
        uint16, uint32 or float32.
    lazy
        Whether to count on access, block by block of trials: for results that are larger than memory.

    Returns
    -------
    xarray.DataArray
        Counts ``[group, trial, time]``; coordinates are the group's label and its label by every key, the
        trial_id, and where each bin begins, ms. Trials and groups without activations have zeros. Bins are those
        of ``numpy.histogram``.

    Raises
    ------
    NotFoundError
        The lake has no synapse activations.
    QueryError
        An expression is not valid SQL over columns of the table.
    InputError
        Edges do not rise, or no trial meets the condition.
    """
    chosen = keys(by, distance_width=distance_width, l1=l1)
    require_tables(snapshot, TABLE, TRIALS.name)
    ids = _trial_ids(snapshot, trials)
    borders = _edges(snapshot, edges, width, t_min, t_max)
    groups = _groups(snapshot, chosen, where)
    job = _Job(located(snapshot), groups, where, borders, np.dtype(dtype))
    per_block = _trials_per_block(snapshot, len(ids))
    counts = job.lazy(ids, per_block) if lazy else job.all(snapshot, ids, per_block)
    return _labelled(counts, groups, ids, borders)


def activation_totals(
    snapshot: Snapshot, by: By = "EI", *, begin: float, width: float, bins: int, trials: str = "true"
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Count synapse activations per group and even time bin, over all trials together.

    What `bin_activations` sums up to, in a fifth of its time: DuckDB counts, and no row leaves it.

    Parameters
    ----------
    snapshot
        The commit to read.
    by
        What to group synapses by; see `keys`.
    begin
        Begin of the first bin in ms.
    width
        Width of the bins in ms.
    bins
        How many.
    trials
        Condition on trials in SQL.

    Returns
    -------
    tuple
        Names of all groups of the table, and counts int64[group, bin]. Bins are those of ``numpy.histogram`` with edges
        ``begin + width * arange(bins + 1)``.

    Raises
    ------
    NotFoundError
        The lake has no synapse activations.
    QueryError
        An expression is not valid SQL over columns of the table.
    InputError
        No trial meets the condition.
    """
    chosen = keys(by)
    require_tables(snapshot, TABLE, TRIALS.name)
    groups = _groups(snapshot, chosen, "true")
    names = ", ".join(f"k{at}" for at in range(len(chosen)))
    inner = ", ".join(
        f"({key.few or key.sql}\n) as {'v' if key.few else 'k'}{at}" for at, key in enumerate(chosen)
    )
    outer = ", ".join(
        f"({key.sql.replace(key.few, f'v{at}')}\n) as k{at}" if key.few else f"k{at}"
        for at, key in enumerate(chosen)
    )
    # A quotient may round to the other side of an edge: near one, the edges themselves decide. Keys are computed of
    # what was counted where they can be, for there are fewer of these rows.
    query = f"""
        with counted as (
          select {", ".join(f"{'v' if key.few else 'k'}{at}" for at, key in enumerate(chosen))}, case
              when abs(q - round(q)) > 1e-6::double then floor(q)::int
              else floor(q)::int + (t >= $begin + $width * (floor(q) + 1))::int - (t < $begin + $width * floor(q))::int
            end as low, count(*) as n
          from (
            select {inner}, "time" as t, ("time" - $begin) / $width as q from {TABLE}
            where "time" >= $begin and "time" <= $begin + $width * ($last + 1) and {_of_trials(snapshot, trials)}
          ) group by all
        )
        select {names}, least(low, $last)::int as bin, sum(n)::bigint from (select {outer}, low, n from counted)
        where {" and ".join(f"k{at} is not null" for at in range(len(chosen)))} group by all"""  # noqa: S608
    number = {values: at for at, values in enumerate(groups.values)}
    counts = np.zeros((len(number), bins), np.int64)
    rows = snapshot.sql(query, begin=float(begin), width=float(width), last=bins - 1).fetchall()
    for *values, at, n in rows:
        counts[number[tuple(values)], at] = n
    return groups.labels, counts


def _of_trials(snapshot: Snapshot, condition: str) -> str:
    """What chooses the activations of the trials that meet a condition."""
    ids = _trial_ids(snapshot, condition)
    # To compare with two numbers takes a fraction of the time, and passes over files and row groups.
    if ids[-1] - ids[0] + 1 == len(ids):
        return f"trial_id between {ids[0]} and {ids[-1]}"
    return f"trial_id in (select trial_id from {TRIALS.name} where ({condition}\n))"  # noqa: S608


@dataclass(frozen=True)
class _Job:
    """Counting a range of trials: what a task of dask carries, and nothing else."""

    lake: Located
    groups: Groups
    where: str
    edges: npt.NDArray[np.float64]
    dtype: np.dtype[Any]

    def __dask_tokenize__(self) -> Any:
        keys = [(key.name, key.sql) for key in self.groups.keys]
        return (self.lake.content, keys, self.groups.values, self.where, self.edges, self.dtype)

    def __call__(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        counts = self._empty(len(ids))
        self._add(self._rows(self.lake(), ids), ids, counts, 0)
        return counts

    def all(self, snapshot: Snapshot, ids: npt.NDArray[np.int64], per_block: int) -> npt.NDArray[Any]:
        """Counts of all trials."""
        counts = self._empty(len(ids))
        blocks = [ids[first : first + per_block] for first in range(0, len(ids), per_block)]
        # DuckDB makes the next rows while these are counted.
        tables = prefetched((self._rows(snapshot, block) for block in blocks), 1)
        for at, (block, rows) in enumerate(zip(blocks, tables, strict=True)):
            self._add(rows, block, counts, at * per_block)
        return counts

    def lazy(self, ids: npt.NDArray[np.int64], per_block: int) -> "da.Array":
        """Counts of all trials, a block of trials for each task."""
        # Counts in memory do without dask, which takes a while to import.
        import dask.array as da
        from dask.base import tokenize

        per_block = min(per_block, max(1, _BLOCK_BYTES // max(1, self._empty(1).nbytes)))
        name = f"activations-{tokenize(self, ids, per_block)}"
        blocks = [ids[first : first + per_block] for first in range(0, len(ids), per_block)]
        graph = {(name, 0, at, 0): (self, block) for at, block in enumerate(blocks)}
        shape = (len(self.groups.values), len(ids), len(self.edges) - 1)
        chunks = ((shape[0],), tuple(map(len, blocks)), (shape[2],))
        return da.Array(graph, name, chunks, dtype=self.dtype)

    def _empty(self, trials: int) -> npt.NDArray[Any]:
        return np.zeros((len(self.groups.values), trials, len(self.edges) - 1), self.dtype)

    def _rows(self, snapshot: Snapshot, ids: npt.NDArray[np.int64]) -> pa.Table:
        return _rows(snapshot, self.groups.keys, self.where, ids)

    def _add(self, rows: pa.Table, ids: npt.NDArray[np.int64], counts: npt.NDArray[Any], first: int) -> None:
        row, time = _lookup(rows["trial"].to_numpy(), ids - ids[0]), rows["time"].to_numpy()
        code = self.groups.codes([rows[f"k{at}"] for at in range(len(self.groups.keys))])
        if (row < 0).any():
            ours = row >= 0
            row, code, time = row[ours], code[ours], time[ours]
        size = {"n_trials": counts.shape[1], "n_groups": len(counts)}
        activation_counts(row + first, code, time, self.edges, **size, out=counts)


def _rows(snapshot: Snapshot, chosen: Sequence[Key], where: str, ids: npt.NDArray[np.int64]) -> pa.Table:
    expressions = ", ".join(f"({key.sql}\n) as k{at}" for at, key in enumerate(chosen))
    query = (
        f"select (trial_id - $first)::integer as trial, time, {expressions} from {TABLE} "  # noqa: S608
        f"where trial_id >= $first and trial_id <= $last and {_counted(chosen, where)}"
    )
    return snapshot.sql(query, first=int(ids[0]), last=int(ids[-1])).to_arrow_table()


def _counted(chosen: Sequence[Key], where: str) -> str:
    return " and ".join([f"({where}\n)", *(f"({key.sql}\n) is not null" for key in chosen)])


def _groups(snapshot: Snapshot, chosen: tuple[Key, ...], where: str) -> Groups:
    expressions = ", ".join(f"({key.sql}\n)" for key in chosen)
    counted, rows = _counted(chosen, where), TABLE
    if where == "true" and all(key.few for key in chosen):
        rows = f"(select distinct {', '.join(f'{key.few}' for key in chosen)} from {TABLE})"  # noqa: S608
    query = f"select distinct {expressions} from {rows} where {counted} order by all"  # noqa: S608
    return Groups(chosen, tuple(snapshot.sql(query).fetchall()))


def _trial_ids(snapshot: Snapshot, condition: str) -> npt.NDArray[np.int64]:
    query = f"select trial_id from trials where ({condition}\n) order by trial_id"  # noqa: S608
    rows = snapshot.sql(query).to_arrow_table()
    if not rows.num_rows:
        raise no_trial(condition)
    return np.asarray(rows["trial_id"].to_numpy(), np.int64)


def _trials_per_block(snapshot: Snapshot, trials: int) -> int:
    return max(1, int(_ROWS / max(snapshot.tables[TABLE].rows / max(trials, 1), 1)))


def _edges(
    snapshot: Snapshot, edges: npt.ArrayLike | None, width: float, t_min: float, t_max: float | None
) -> npt.NDArray[np.float64]:
    if edges is None:
        if t_max is None:
            t_max = last_time(snapshot)
        if not (width > 0 and t_max > t_min):
            raise InputError(
                f"bins of {width} ms from {t_min} to {t_max} ms: expected a width above 0, and t_max > t_min"
            )
        edges = t_min + width * np.arange(int(np.ceil((t_max - t_min) / width - 1e-9)) + 1)
    try:
        return checked_edges(edges)
    except ValueError as error:
        raise InputError(str(error)) from error


def _labelled(
    counts: Any, groups: Groups, ids: npt.NDArray[np.int64], edges: npt.NDArray[np.float64]
) -> xr.DataArray:
    by_key = list(zip(*groups.label_rows, strict=True)) or [() for _ in groups.keys]
    coords: dict[str, Any] = {
        "group": ("group", np.array(groups.labels, object), {"long_name": "group of synapses"}),
        "trial": ("trial", ids, {"long_name": "trial_id"}),
        "time": ("time", edges[:-1], {"units": "ms", "long_name": "begin of the bin"}),
        "time_end": ("time", edges[1:], {"units": "ms", "long_name": "end of the bin"}),
    }
    for key, labels in zip(groups.keys, by_key, strict=True):
        if key.name not in coords:
            coords[key.name] = ("group", np.array(labels, object))
    attrs = {"long_name": "synapse activations", "units": "1"}
    return xr.DataArray(counts, coords, ("group", "trial", "time"), "activations", attrs)
