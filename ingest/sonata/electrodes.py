"""Weights of electrodes: SONATA's files of coefficients, and BlueRecording's, whose units and columns differ."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import reports as report_kinds
from ..hdf5.reading import HDF5File, Ids, IngestContext
from .reports import copy_array, node_ranges, write_kind

ORIGINS = ("sonata", "bluerecording")
UNITS = {"sonata": "mV/nA", "bluerecording": "V/nA"}
# What a point source sees at one centimetre in tissue of 0.3 S/m, in mV/nA; contacts are nearer.
_WEAKEST = 1 / (4 * np.pi * 0.3 * 1e4)
_SOURCES = (None, "LineSource", "PointSource")


def ingest_weights(source: HDF5File, population: str, node: str, context: IngestContext, origin: str) -> None:
    """Write the array [compartment, electrode] of weights, ``.nodes`` and ``.electrodes`` beside it.

    Values are kept as they are; the attribute ``units`` says what they are.

    Parameters
    ----------
    source
        The file that is open.
    population
        Name of the population.
    node
        Name of the node.
    context
        What the ingest goes on with: its transaction, notices and options.
    origin
        ``"sonata"``: mV/nA, columns as the file says. ``"bluerecording"``: V/nA; and in a file with a column more than
        electrodes, which BlueRecording wrote before 0.7, columns in the order of the sorted names, whatever it says.

    Raises
    ------
    IngestError
        Offsets, ids and weights do not agree, or an electrode's column is not there.
    """
    group, weights = source.file[population], source.file[f"electrodes/{population}"]
    factors = source.dataset(weights, "scaling_factors", "f", shape=(None, None))
    ranges = node_ranges(source, group, ("node_ids", "offsets"), node, len(factors), context, population)
    if "neurite_types" in group:
        _compartments(source, group, node, ranges, context)
    rows = weight_columns(source, population, factors.shape[1], origin)
    attributes = {"population": population, "units": UNITS[origin], "origin": origin}
    copy_array(source, factors, node, report_kinds.WEIGHTS.axes, attributes, context)
    source.at = factors.name
    strongest = np.zeros(factors.shape[1])
    ones = np.ones(factors.shape[1], bool)
    for start in range(0, len(factors), 2**14):
        block = np.abs(factors[start : start + 2**14])
        strongest, ones = np.maximum(strongest, block.max(axis=0)), ones & (block == 1).all(axis=0)
    for row, one in zip(rows, ones.tolist(), strict=True):
        row["all_ones"] = one and len(factors) > 0
    kind = report_kinds.ELECTRODES
    table = pa.Table.from_pylist(rows, kind.schema)
    write_kind(context, kind.beside(node), kind, table.columns)
    _judge(source, rows, strongest, origin, context)


def _compartments(
    source: HDF5File, group: Any, node: str, ranges: Mapping[str, Ids], context: IngestContext
) -> None:
    """The table of the rows of weights, with their neurites."""
    kind, counts = report_kinds.COMPARTMENTS, ranges["stop"] - ranges["start"]
    dataset = source.dataset(group, "neurite_types", length=int(counts.sum()))
    codes, names = source.ids(dataset), [*report_kinds.NEURITES, None]
    if (unknown := np.unique(codes[codes >= len(names) - 1])).size:
        context.notices.append(
            f"{source.path}: {dataset.name} has codes that neurodamus does not name: {', '.join(map(str, unknown))}"
        )
    words = pa.array([names[code] for code in np.minimum(codes, len(names) - 1).tolist()], pa.string())
    write_kind(context, kind.beside(node), kind, [np.repeat(ranges["node_id"], counts), codes, words])
    source.claim(dataset, kind.beside(node), "neurite_type")


def _judge(
    source: HDF5File, rows: list[dict[str, Any]], strongest: Any, origin: str, context: IngestContext
) -> None:
    """A notice where the numbers look like those of the other unit."""
    seen = [
        value
        for row, value in zip(rows, strongest.tolist(), strict=True)
        if row["type"] in _SOURCES and not row["all_ones"] and value
    ]
    if not seen:
        return
    if origin == "sonata" and max(seen) < _WEAKEST:
        context.notices.append(
            f"{source.path}: as mV/nA no weight is above {max(seen):.1e}: no contact would be nearer than 1 cm to "
            "a segment; are these V/nA, of BlueRecording? then say --electrodes bluerecording"
        )
    if origin == "bluerecording" and max(seen) > 1e3 * _WEAKEST:
        context.notices.append(
            f"{source.path}: as V/nA weights of {max(seen):.1e} put a contact less than 10 µm from a segment; are "
            "these mV/nA, as SONATA wants?"
        )


def weight_columns(source: HDF5File, population: str, columns: int, origin: str) -> list[dict[str, Any]]:
    """Return a row for every column of the weights; columns that no electrode claims have no name.

    Parameters
    ----------
    source
        The file that is open.
    population
        Name of the population.
    columns
        How many there are.
    origin
        As for `ingest_weights`.

    Raises
    ------
    IngestError
        An electrode's column is not there, or another electrode's.
    """
    rows: list[dict[str, Any]] = [
        {"column": number, **dict.fromkeys(report_kinds.ELECTRODES.schema.names[1:])}
        for number in range(columns)
    ]
    named = {
        name: group
        for name, group in source.groups("electrodes").items()
        if population in group and hasattr(group[population], "dtype")
    }
    order = {name: at for at, name in enumerate(_sorted_names([*named]))}
    by_name = origin == "bluerecording" and columns > len(named)
    for name, group in named.items():
        told = source.dataset(group, population, shape=())
        column = order[name] if by_name else int(told[()])
        if not 0 <= column < columns or rows[column]["name"] is not None:
            raise source.error(told, f"column {column} of {columns}, or another electrode's")
        rows[column] |= {"name": name, **_described(source, group)}
    return rows


def _sorted_names(names: list[str]) -> list[str]:
    """As BlueRecording stacked its weights before 0.7: by number where all names are numbers, by text otherwise."""
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names)


def _described(source: HDF5File, group: Any) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    position = source.dataset(group, "position", "f", length=3)[...].astype(np.float64)
    found |= dict(zip("xyz", position.tolist(), strict=True))
    for name in ("type", "layer", "region"):
        if name in group:
            found[name] = str(source.dataset(group, name, "OS", shape=()).asstr()[()])
    if "type" in group:
        attributes = group["type"].attrs
        found |= {name: float(attributes[name]) for name in ("radius", "thickness") if name in attributes}
    return found
