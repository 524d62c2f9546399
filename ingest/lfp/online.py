"""Potentials while a simulation runs: coefficients of a lake for the segments that are simulated, and what they record."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import reports as report_kinds
from ...catalog.vocabulary.circuits import NODES
from ...catalog.vocabulary.runs import NETWORK_LFP_GROUPS
from ...catalog.vocabulary.space import ELECTRODES
from ...kernels.lfp.electrodes import Electrodes
from ...kernels.lfp.matching import Keys, listed
from ...kernels.lfp.methods import prepared
from ...kernels.lfp.segments import KEYS, Segments
from ...lake import Snapshot, Transaction
from ...lake.errors import InputError
from ...lake.nodes.content import content
from ...lake.nodes.derived import origin
from ..sonata.reports import write_times
from ..trials.frames import StoredFrames, put_frames
from .weights import stored_coefficients

Columns = Mapping[str, Any]
Probes = str | Sequence[str] | Mapping[str, str]
"""Nodes of electrodes or coefficients, which are called by the last part of their names, or by names of yours."""

_LABELS = ("x", "y", "z", "type", "layer", "region", "probe")
_CHUNK_VALUES = 2**18
_DENSITY = "ObjectiveCSD"
_OF_UNITS = {"mV/nA": "mV", "V/nA": "mV", "1": "nA"}


@dataclass(frozen=True, eq=False)
class Contacts:
    """Contacts, and what each records per membrane current of each segment that is simulated.

    Parameters
    ----------
    name
        What the signal is called.
    node
        The node of the lake that it comes from.
    content
        Digest of that node's content.
    factors
        In mV/nA, or 1 for densities, float64[n_contacts, n_segments].
    labels
        ``electrode``, the names, and places (µm) and types, each of all contacts.
    units
        Unit of the signal.
    """

    name: str
    node: str
    content: str
    factors: NDArray[np.float64]
    labels: Mapping[str, NDArray[Any]]
    units: str


def named_probes(probes: Probes | None) -> dict[str, str]:
    """Return nodes by the names of their signals.

    Parameters
    ----------
    probes
        A node, several, or nodes by name; None for none.

    Raises
    ------
    InputError
        A name is there twice, or is no part of a node's name.
    """
    if probes is None:
        return {}
    if isinstance(probes, Mapping):
        named = list(probes.items())
    else:
        nodes = [probes] if isinstance(probes, str) else list(probes)
        named = [(_short(node), node) for node in nodes]
    found = dict(named)
    if len(found) < len(named):
        raise InputError(
            f"lfp: {', '.join(node for _, node in named)} have equal names; give names: {{name: node}}"
        )
    if bad := [name for name in found if not name or "/" in name or "." in name]:
        raise InputError(f"lfp: {bad[0]!r} cannot be part of a node's name")
    return found


def _short(node: str) -> str:
    """The probe's name: of weights that of their file, of all else the last part."""
    parts = report_kinds.WEIGHTS.parts(node)
    return parts["file"] if parts else node.rpartition("/")[2]


def contacts_of(snapshot: Snapshot, name: str, node: str, segments: Columns) -> Contacts:
    """Return contacts of a lake with coefficients for some segments.

    Electrodes are given the coefficients of their types, as ``nl.lfp.coefficients`` computes them by default. Coefficients
    of the lake are matched by node, section and segment; weights, as SONATA has them, by node.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        What the signal is called.
    node
        A table of electrodes, an array of coefficients [electrode, segment], or weights [compartment, electrode].
    segments
        Columns of the segments that are simulated, as ``segments/…`` has them, in order.

    Raises
    ------
    InputError
        There is no such node, or it has no coefficients for all segments.
    """
    try:
        factors, labels, units = _found(snapshot, node, segments)
    except ValueError as error:
        raise InputError(f"lfp: {node}: {error}") from error
    return Contacts(name, node, str(content(snapshot.tree, node)), factors, labels, units)


def check_probes(snapshot: Snapshot, probes: Mapping[str, str]) -> None:
    """Check, before there are segments, that probes are electrodes or coefficients.

    Parameters
    ----------
    snapshot
        The commit to read.
    probes
        Nodes by the names of their signals.

    Raises
    ------
    InputError
        Some are not; all are named, with the nearest nodes.
    """
    known = [node for node in snapshot.tree if _kind(snapshot, node)]
    wrong = []
    for node in probes.values():
        if not _kind(snapshot, node):
            near = difflib.get_close_matches(node, known, 1, 0.4)
            what = "is neither electrodes nor coefficients" if node in snapshot.tree else "is not in the lake"
            wrong.append(f"lfp: {node!r} {what}{f'; did you mean {near[0]!r}?' if near else ''}")
    if wrong:
        raise InputError("; ".join(wrong))


def is_electrodes(snapshot: Snapshot, node: str) -> bool:
    """Tell whether a node is a table of electrodes, for which coefficients of any cells are computed.

    Parameters
    ----------
    snapshot
        The commit to read.
    node
        The node.
    """
    return _kind(snapshot, node) == "electrodes"


def contact_names(snapshot: Snapshot, node: str) -> list[str]:
    """Return the names of the contacts of electrodes, coefficients or weights, in their order.

    Parameters
    ----------
    snapshot
        The commit to read.
    node
        The node.
    """
    kind = _kind(snapshot, node)
    if kind == "coefficients":
        return [str(name) for name in stored_coefficients(snapshot, node)["electrode"].values.tolist()]
    table = node if kind == "electrodes" else report_kinds.ELECTRODES.beside(node)
    names = snapshot.tables[table].to_arrow(["name"])["name"].to_pylist()
    return [str(name) for name in names if name is not None]


def population_of(snapshot: Snapshot, node: str) -> str | None:
    """Return the population that coefficients or weights are of, as far as the lake knows it.

    Parameters
    ----------
    snapshot
        The commit to read.
    node
        The node.
    """
    if _kind(snapshot, node) == "weights":
        parts = report_kinds.WEIGHTS.parts(node)
        return str(snapshot.arrays[node].attrs.get("population") or (parts or {}).get("population"))
    made = origin(snapshot.tree, node)
    segments = None if made is None else made.named.get("segments")
    if segments is None or segments not in snapshot.tables:
        return None
    nodes = snapshot.tables[segments].attributes.get("nodes")
    parts = NODES.parts(str(nodes)) if nodes else None
    # Those that a run has written are named by the run and the population.
    return parts["population"] if parts else segments.rpartition("/")[2]


def _kind(snapshot: Snapshot, node: str) -> str | None:
    found = snapshot.tree.get(node)
    if found is None:
        return None
    if found.kind == "table":
        return "electrodes" if ELECTRODES.parts(node) else None
    dims = tuple(found.meta.get("dimension_names") or ())
    return {("electrode", "segment"): "coefficients", report_kinds.WEIGHTS.axes: "weights"}.get(dims)


def _found(
    snapshot: Snapshot, node: str, segments: Columns
) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]], str]:
    check_probes(snapshot, {node: node})
    kind = _kind(snapshot, node)
    if kind == "electrodes":
        return _computed(snapshot.tables[node].to_arrow(), segments)
    if kind == "coefficients":
        return _stored(snapshot, node, segments)
    return _weights(snapshot, node, segments)


def _computed(table: pa.Table, segments: Columns) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]], str]:
    contacts = Electrodes.from_columns(
        {
            key: [
                "" if value is None and pa.types.is_string(column.type) else value
                for value in column.to_pylist()
            ]
            for key, column in zip(table.column_names, table.columns, strict=True)
        }
    )
    found = prepared(Segments.of_columns(segments), contacts)
    factors = np.empty((len(contacts), len(found.segments)))
    if len(found.segments):
        found.fill(factors)
    columns = contacts.columns()
    labels = {"electrode": columns["name"], **{key: columns[key] for key in _LABELS}}
    return factors, {key: np.asarray(values) for key, values in labels.items()}, _potential(found.units)


def _stored(
    snapshot: Snapshot, node: str, segments: Columns
) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]], str]:
    array = stored_coefficients(snapshot, node)
    at = _places(
        Keys(*(np.asarray(segments[key], np.int64) for key in KEYS)),
        Keys(*(np.asarray(array[key].values, np.int64) for key in KEYS)),
    )
    # Ascending columns are read chunk by chunk; the coefficients of a whole circuit may be more than those of a rank.
    order = np.argsort(at, kind="stable")
    factors = np.empty((array.shape[0], len(at)))
    factors[:, order] = array[:, at[order]].values
    labels = {key: array[key].values for key in ("electrode", *_LABELS) if key in array.coords}
    return factors, labels, _potential(str(array.attrs.get("units", "mV/nA")))


@dataclass(frozen=True, eq=False)
class NodeWeights:
    """Weights of electrodes, as SONATA has them, of some cells of a population.

    Attributes
    ----------
    array
        The weights [compartment, electrode] of the lake.
    rows
        Which rows are those of each cell, by its number.
    columns
        What is known of each column: rows of the table of electrodes.
    scale
        What makes mV/nA of a column's numbers; 1 for densities.
    """

    array: Any
    rows: Mapping[int, tuple[int, int]]
    columns: Sequence[Mapping[str, Any]]
    scale: NDArray[np.float64]

    @classmethod
    def read(cls, snapshot: Snapshot, node: str) -> "NodeWeights":
        """Read what a lake says of weights.

        Parameters
        ----------
        snapshot
            The commit to read.
        node
            The array of weights.
        """
        array = snapshot.arrays[node]
        ranges = snapshot.tables[report_kinds.WEIGHT_RANGES.beside(node)].to_arrow().to_pylist()
        columns = snapshot.tables[report_kinds.ELECTRODES.beside(node)].to_arrow().to_pylist()
        volts = 1e3 if array.attrs.get("units") == "V/nA" else 1.0
        scale = np.array([1.0 if str(row["type"]).startswith(_DENSITY) else volts for row in columns])
        return cls(array, {row["node_id"]: (row["start"], row["stop"]) for row in ranges}, columns, scale)

    def of(self, node_id: int) -> NDArray[np.float64]:
        """Return the weights of a cell in mV/nA, float64[n_compartments, n_columns].

        Parameters
        ----------
        node_id
            Its number.
        """
        low, high = self.rows[node_id]
        return np.asarray(self.array[low:high], np.float64) * self.scale

    def wrong(self, counts: Mapping[int, int]) -> list[int]:
        """Return the numbers of cells that have no weights, or not those of as many segments as they have.

        Parameters
        ----------
        counts
            Segments of cells by their numbers.
        """
        sizes = {node_id: high - low for node_id, (low, high) in self.rows.items()}
        return [node_id for node_id, count in counts.items() if sizes.get(node_id) != count]


def _weights(
    snapshot: Snapshot, node: str, segments: Columns
) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]], str]:
    weights = NodeWeights.read(snapshot, node)
    nodes, first, count = np.unique(np.asarray(segments["node_id"]), return_index=True, return_counts=True)
    wrong = weights.wrong(dict(zip(nodes.tolist(), count.tolist(), strict=True)))
    if wrong:
        raise ValueError(
            f"weights are not of as many segments as are simulated, of nodes {listed(np.array(wrong))}"
        )
    named = [row for row in weights.columns if row["name"] is not None]
    columns = [row["column"] for row in named]
    factors = np.empty((len(named), int(count.sum())))
    for node_id, begin, n in zip(nodes.tolist(), first.tolist(), count.tolist(), strict=True):
        factors[:, begin : begin + n] = weights.of(node_id)[:, columns].T
    densities = [str(row["type"]).startswith(_DENSITY) for row in named]
    labels = {"electrode": np.array([row["name"] for row in named])}
    for key in ("x", "y", "z"):
        labels[key] = np.array([np.nan if row[key] is None else row[key] for row in named], np.float64)
    for key in ("type", "layer", "region"):
        labels[key] = np.array([row[key] or "" for row in named])
    return (
        factors,
        labels,
        "mV or nA" if any(densities) and not all(densities) else "nA" if any(densities) else "mV",
    )


def _potential(units: str) -> str:
    return " or ".join(_OF_UNITS.get(unit, f"{unit} nA") for unit in units.split(" or "))


def _places(wanted: Keys, known: Keys) -> NDArray[np.int64]:
    """Where each of the wanted segments is among those that are known."""
    if wanted.equals(known):
        return np.arange(len(wanted))
    kind = np.dtype([("", np.int64)] * 3)
    ours, theirs = (np.ascontiguousarray(keys.rows()).view(kind).ravel() for keys in (wanted, known))
    order = np.argsort(theirs)
    at = np.minimum(np.searchsorted(theirs, ours, sorter=order), max(len(theirs) - 1, 0))
    there = theirs[order[at]] == ours if len(theirs) else np.zeros(len(ours), bool)
    if not there.all():
        row = int(np.flatnonzero(~there)[0])
        raise ValueError(
            f"{int((~there).sum()):,} segments that are simulated have no coefficient, the first of {wanted.named(row)}; "
            f"of nodes {listed(np.unique(wanted.node_id[~there]))}"
        )
    return order[at]


def put_potentials(transaction: Transaction, node: str, frames: StoredFrames, contacts: Contacts) -> None:
    """Write a signal [time, electrode] with times and contacts as coordinates beside it.

    Parameters
    ----------
    transaction
        Writes the nodes.
    node
        Name of the node.
    frames
        The stored signal, with its times in ms.
    contacts
        What recorded it.
    """
    put_frames(transaction, node, frames, ("time", "electrode"), _attributes(contacts))
    write_times(transaction, node, frames.time)
    _label(transaction, node, contacts)


def append_potentials(
    transaction: Transaction,
    node: str,
    time: NDArray[np.float64],
    values: NDArray[np.float32],
    contacts: Contacts,
    groups: Sequence[str],
    dt: float,
) -> None:
    """Append to a signal [time, group, electrode], which is made with times, groups and contacts beside it if it is missing.

    Parameters
    ----------
    transaction
        Writes the nodes.
    node
        Name of the node.
    time
        Times in ms, float64[n_times], after those that are there.
    values
        What contacts recorded, float32[n_times, n_groups, n_contacts].
    contacts
        The contacts.
    groups
        Names of the groups.
    dt
        How far times are apart, in ms.
    """
    times = report_kinds.REPORT_TIME.beside(node)
    if node in transaction.drafts:
        transaction.append_array(node, values)
        transaction.append_array(times, time)
        return
    transaction.write_array(
        node,
        values,
        chunks=(max(1, _CHUNK_VALUES // max(1, values[0].size)), *values.shape[1:]),
        dimension_names=("time", "group", "electrode"),
        attributes={**_attributes(contacts), "by": "population", "t_start": float(time[0]), "dt": dt},
    )
    transaction.write_array(
        times, time, chunks=(_CHUNK_VALUES,), dimension_names=("time",), attributes={"units": "ms"}
    )
    _label(transaction, node, contacts)
    group = NETWORK_LFP_GROUPS
    transaction.write_array(group.beside(node), _texts(groups), dimension_names=group.axes)


def _attributes(contacts: Contacts) -> dict[str, Any]:
    return {"units": contacts.units, "coefficients": contacts.node, "coefficients_content": contacts.content}


def _label(transaction: Transaction, node: str, contacts: Contacts) -> None:
    for key, values in contacts.labels.items():
        stored = values if values.dtype.kind in "fiu" else _texts(values)
        told = {"units": "µm"} if key in ("x", "y", "z") else {}
        transaction.write_array(f"{node}.{key}", stored, dimension_names=["electrode"], attributes=told)


def _texts(values: Any) -> NDArray[Any]:
    return np.array(list(map(str, values)), np.dtypes.StringDType())
