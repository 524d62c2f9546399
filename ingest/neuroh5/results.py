"""Recordings of NeuroH5's result files: traces of cells and potentials of electrodes on one axis of time, paths of inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary import reports as report_kinds
from ...lake import Transaction
from ...lake.data.arrays import create_array
from ...lake.data.differences import configuration
from ..circuits.trees import bits
from ..hdf5.reading import HDF5File, Ids
from ..sonata.reports import ordinals, write_times
from .cells import Attribute, blocks
from .namespaces import TIME, HeldAttribute, Namespace, split

POTENTIAL = "Local Field Potential "
TRAJECTORY = "Trajectory "
POINTS = {"t": "time", "x": "x", "y": "y", "d": "distance"}
"""Columns of a trajectory by dataset."""
CHUNK_ELEMENTS, CHUNK_VALUES, BLOCK_VALUES = 1024, 2**18, 2**23
_UNITS = {"v": "mV", "i": "nA", "i_membrane": "mA/cm2", "cai": "mM"}
_SECTION, _PLACE = "section", "loc"

Reals = NDArray[np.float64]


# Traces of cells


def write_traces(
    transaction: Transaction, namespace: Namespace, nodes: Mapping[str, str]
) -> tuple[list[HeldAttribute], dict[str, Attribute], list[str]]:
    """Write the recordings of a namespace as reports [time, element], one for each quantity.

    Parameters
    ----------
    transaction
        Writes the nodes.
    namespace
        Attributes by name, with their cells.
    nodes
        Names of the reports by quantity.

    Returns
    -------
    tuple
        What the reports hold, what is left, and notices. Where cells have different times, all is left.
    """
    within, beside = split(namespace, TIME)
    time = within.pop(TIME)
    quantities = {name: one for name, one in within.items() if one.values.dtype.kind == "f"}
    beside |= {name: one for name, one in within.items() if name not in quantities}
    axis = _axis(time)
    if axis is None or not quantities:
        why = "cells are recorded at different times" if axis is None else "nothing is recorded but times"
        return (
            [],
            {TIME: time, **quantities, **beside},
            [f"{time.source.path}: {time.name}: {why}; kept as features"],
        )
    notices = []
    if (np.diff(axis) <= 0).any():
        notices.append(f"{time.source.path}: {time.name}: times go back; was the same appended twice?")
    cells = np.unique(time.index.node_id)
    found: list[HeldAttribute] = []
    for name, one in quantities.items():
        node = nodes[name]
        attributes = {
            "population": namespace.population,
            "units": _UNITS.get(name),
            **told_times(axis),
            "report": {"type": "compartment", "variable_name": name, "namespace": namespace.name},
        }
        _write_frames(transaction, one, node, cells, axis, attributes)
        _write_elements(transaction, node, cells, namespace)
        found += [
            HeldAttribute(one, node, "@frames"),
            *([] if found else [HeldAttribute(time, report_kinds.REPORT_TIME.beside(node), "@times")]),
        ]
    return found, beside, notices


def told_times(axis: Reals) -> dict[str, float]:
    """Return the attributes ``t_start`` and, where frames are equally far apart, ``dt`` of an axis of times.

    Parameters
    ----------
    axis
        Times in ms, increasing.
    """
    if not len(axis):
        return {"t_start": 0.0}
    told = {"t_start": float(axis[0])}
    if len(axis) > 1:
        # Times are in single precision: the step that they were made of is the shortest number that it could be.
        step = float(str(np.float32((axis[-1] - axis[0]) / (len(axis) - 1))))
        off = np.abs(axis - (axis[0] + step * np.arange(len(axis)))).max()
        if step > 0 and off <= 2 * float(np.spacing(np.float32(np.abs(axis).max()))):
            told["dt"] = step
    return told


def _axis(time: Attribute) -> Reals | None:
    """The times that all cells have; None where they differ."""
    index = time.index
    order = index.order
    totals = np.bincount(index.node_id, index.size)[np.unique(index.node_id)].astype(np.int64)
    if not len(totals) or (totals != totals[0]).any() or not totals[0]:
        return None
    rows = order[: int(np.count_nonzero(index.node_id == index.node_id[order[0]]))]
    axis = time.read(rows)
    held = np.empty(0, axis.dtype)
    for part in blocks(index.size[order]):
        held = np.concatenate([held, time.read(order[part])])
        whole = len(held) // len(axis) * len(axis)
        if (bits(held[:whole]).reshape(-1, len(axis)) != bits(axis)).any():
            return None
        held = held[whole:]
    return axis.astype(np.float64)


def _write_frames(
    transaction: Transaction,
    values: Attribute,
    node: str,
    cells: Ids,
    axis: Reals,
    attributes: Mapping[str, Any],
) -> None:
    shape = (len(axis), len(cells))
    wide = max(1, min(len(cells), CHUNK_ELEMENTS))
    array = create_array(
        transaction.store,
        node,
        shape,
        values.values.dtype,
        chunks=(max(1, min(len(axis), CHUNK_VALUES // wide)), wide),
        dimension_names=report_kinds.REPORT.axes,
        attributes=attributes,
        codec=configuration(axis=0),
    )
    index, order = values.index, values.index.order
    bounds = [*np.searchsorted(index.node_id[order], cells).tolist(), len(order)]
    # Whole chunks across, as many as memory allows.
    step = wide * max(1, BLOCK_VALUES // max(1, wide * len(axis)))
    for left in range(0, len(cells), step):
        right = min(left + step, len(cells))
        block = values.read(order[bounds[left] : bounds[right]]).reshape(right - left, len(axis))
        array[:, left:right] = block.T
    write_times(transaction, node, axis)


def _write_elements(transaction: Transaction, node: str, cells: Ids, namespace: Namespace) -> None:
    sections = _of_cells(namespace, _SECTION, cells)
    places = _of_cells(namespace, _PLACE, cells)
    elements = np.zeros(len(cells), np.int64) if sections is None else sections.astype(np.int64)
    position = pa.nulls(len(cells), pa.float64()) if places is None else places.astype(np.float64)
    kind = report_kinds.ELEMENTS
    rows = pa.table([cells, elements, ordinals(cells, elements), position], kind.schema)
    transaction.write_table(kind.beside(node), rows, doc=kind.doc)
    ranges, counts = report_kinds.RANGES, np.arange(len(cells))
    transaction.write_table(
        ranges.beside(node), pa.table([cells, counts, counts + 1], ranges.schema), doc=ranges.doc
    )


def _of_cells(namespace: Namespace, name: str, cells: Ids) -> Any:
    """The one value that an attribute has for each cell; None where it has not."""
    one = namespace.attributes.get(name)
    if one is None or not one.scalar:
        return None
    first = one.index.order[one.index.occurrence[one.index.order] == 0]
    return one.read(first) if np.array_equal(one.index.node_id[first], cells) else None


# Potentials and paths


def read_potential(source: HDF5File, name: str) -> tuple[Any, Any]:
    """Return the datasets of times and values of an electrode.

    Parameters
    ----------
    source
        The file that is open.
    name
        Name of the electrode's group.

    Raises
    ------
    IngestError
        One lacks, or they differ in length.
    """
    group = source.file[name]
    times = source.dataset(group, "t", "f", shape=(None,))
    return times, source.dataset(group, "v", "f", length=len(times))


def write_potentials(transaction: Transaction, source: HDF5File, names: list[str], node: str) -> None:
    """Write the potentials [time, electrode] of electrodes that have the same times.

    Parameters
    ----------
    transaction
        Writes the nodes.
    source
        The file that is open.
    names
        Names of the electrodes' groups.
    node
        Name of the node.
    """
    pairs = [read_potential(source, name) for name in names]
    times = pairs[0][0][...].astype(np.float64)
    values = np.stack([dataset[...] for _, dataset in pairs], axis=1)
    kind = report_kinds.LFP
    transaction.write_array(
        node, values, dimension_names=kind.axes, attributes={"units": "mV", **told_times(times)}
    )
    axis = report_kinds.LFP_TIME
    transaction.write_array(
        axis.beside(node), times, dimension_names=axis.axes, attributes={"units": axis.unit}
    )
    table = report_kinds.LFP_ELECTRODES
    labels = [name.removeprefix(POTENTIAL) for name in names]
    transaction.write_table(table.beside(node), pa.table([labels], table.schema), doc=table.doc)
    for column, (time, dataset) in enumerate(pairs):
        source.claim(time, axis.beside(node), "@axis")
        source.claim(dataset, node, f"@column.{column}")


def potentials(source: HDF5File) -> dict[str, list[str]]:
    """Return groups of electrodes by the name of their array: one if all have the same times.

    Parameters
    ----------
    source
        The file that is open.
    """
    names = [name for name in source.groups("/") if name.startswith(POTENTIAL)]
    if not names:
        return {}
    times = [bits(read_potential(source, name)[0][...]) for name in names]
    if all(np.array_equal(times[0], other) for other in times):
        return {"electrodes": names}
    return {name.removeprefix(POTENTIAL): [name] for name in names}


def write_trajectory(transaction: Transaction, source: HDF5File, name: str, node: str) -> None:
    """Write the table of a path.

    Parameters
    ----------
    transaction
        Writes the nodes.
    source
        The file that is open.
    name
        Name of the trajectory's group.
    node
        Name of the node.

    Raises
    ------
    IngestError
        A dataset lacks, or they differ in length.
    """
    group, kind = source.file[name], circuits.TRAJECTORIES
    size = len(source.dataset(group, "t", "f", shape=(None,)))
    columns, fields = [], []
    for short, column in POINTS.items():
        dataset = source.dataset(group, short, "f", length=size)
        field = kind.schema.field(column)
        fields.append(field.with_type(pa.float32()) if dataset.dtype == np.float32 else field)
        columns.append(dataset[...])
        source.claim(dataset, node, column)
    transaction.write_table(node, pa.table(columns, pa.schema(fields)), doc=kind.doc)
