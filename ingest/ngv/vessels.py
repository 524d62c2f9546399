"""Vessels on the way in: segments as nodes, whatever file they come from, and the graph of their points."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import glia
from ...lake import Transaction
from ...lake.errors import IngestError
from ..circuits.vessels import (
    SectionMorphology,
    VesselError,
    graph_tables,
    point_segments,
    sections_of,
    segments_of,
)
from ..hdf5.reading import HDF5File, IngestContext
from ..spatial.vtk import read_vtk

SECTIONS, GRAPH = "@sections.", "@graph."
"""Parts of the table of segments: what sections, or the graph of points, say of them."""


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except VesselError as error:
        raise IngestError(str(error), path) from error


def put_graph(source: HDF5File, circuit: str, context: IngestContext) -> None:
    """Write points, sections and links of the vessels whose segments the circuit has.

    Parameters
    ----------
    source
        The file that the segments came from.
    circuit
        Name of the circuit.
    context
        What the ingest goes on with.

    Raises
    ------
    IngestError
        The segments are no graph; where bad things are left out, a notice is written.
    """
    table = context.transaction.table(glia.VASCULATURE.of(circuit=circuit))
    if table is None:
        return
    segments = table.to_arrow()
    needed = [name for name in glia.VASCULATURE.schema.names if name not in glia.VASCULATURE.optional]
    lacking = [name for name in needed if name not in segments.column_names]
    if lacking:
        error = source.error(
            "/nodes/vasculature/0", f"there is no attribute {lacking[0]}, which segments of vessels have"
        )
        if not context.skip:
            raise error
        context.notices.append(f"no graph of points: {error}")
        return
    try:
        tables = graph_tables(segments)
    except VesselError as error:
        found = source.error(f"/nodes/vasculature/0/{error.part}", error.reason)
        if not context.skip:
            raise found from error
        context.notices.append(f"no graph of points: {found}")
        return
    write_graph(context.transaction, circuit, tables)


def write_graph(transaction: Transaction, circuit: str, tables: tuple[pa.Table, pa.Table, pa.Table]) -> None:
    """Write the tables that `graph_tables` returned.

    Parameters
    ----------
    transaction
        Writes the nodes.
    circuit
        Name of the circuit.
    tables
        Points, sections and links.
    """
    for kind, table in zip(
        (glia.VESSEL_POINTS, glia.VESSEL_SECTIONS, glia.VESSEL_LINKS), tables, strict=True
    ):
        transaction.write_table(kind.of(circuit=circuit), table, doc=kind.doc, sorted_by=kind.sorted_by)


def write_segments(transaction: Transaction, circuit: str, segments: pa.Table) -> None:
    """Write segments of vessels as nodes of a circuit, and the graph of their points.

    Parameters
    ----------
    transaction
        Writes the nodes.
    circuit
        Name of the circuit.
    segments
        Rows of `VASCULATURE`.

    Raises
    ------
    VesselError
        The segments are no graph.
    """
    tables = graph_tables(segments)
    kind = glia.VASCULATURE
    transaction.write_table(
        kind.of(circuit=circuit),
        segments,
        doc=kind.doc,
        sorted_by=kind.sorted_by,
        attributes={"population": "vasculature", "size": segments.num_rows},
    )
    write_graph(transaction, circuit, tables)


def ingest_sections(source: HDF5File, circuit: str, context: IngestContext) -> None:
    """Take vessels as sections: they become the circuit's segments, unless it has some.

    Parameters
    ----------
    source
        The file that is open.
    circuit
        Name of the circuit.
    context
        What the ingest goes on with.

    Raises
    ------
    IngestError
        A dataset lacks, is of another type or shape, or says what cannot be.
    """
    file = source.file
    datasets = {
        "points": source.dataset(file, "points", "f", shape=(None, 4)),
        "structure": source.dataset(file, "structure", shape=(None, 2)),
        "connectivity": source.dataset(file, "connectivity", shape=(None, 2)),
    }
    given = SectionMorphology(*(dataset[...] for dataset in datasets.values()))
    if not len(given.structure):
        raise source.error("/structure", "it has no sections")
    with _vessel_errors(source):
        given.check()
    node = glia.VASCULATURE.of(circuit=circuit)
    with _vessel_errors(source):
        if context.transaction.table(node) is None:
            segments = segments_of(given)
            write_segments(context.transaction, circuit, segments)
            context.sizes["vasculature"] = segments.num_rows
    table = context.transaction.table(node)
    try:
        made = sections_of(table.to_arrow() if table is not None else segments_of(given))
    except VesselError:
        return
    for name, dataset in datasets.items():
        if np.array_equal(getattr(made, name), getattr(given, name)):
            source.claim(dataset, node, SECTIONS + name)


@contextmanager
def _vessel_errors(source: HDF5File) -> Iterator[None]:
    try:
        yield
    except VesselError as error:
        raise source.error(f"/{error.part}", error.reason) from error


_EDGE = {"type": np.int32, "section_id": np.uint32, "segment_id": np.uint32}


def ingest_graph(source: HDF5File, circuit: str, context: IngestContext) -> None:
    """Take vessels as a graph of points with properties of both: they become the circuit's segments, unless it has some.

    Parameters
    ----------
    source
        The file that is open.
    circuit
        Name of the circuit.
    context
        What the ingest goes on with.

    Raises
    ------
    IngestError
        A dataset lacks, is of another type or shape, or says what cannot be.
    """
    file, node = source.file, glia.VASCULATURE.of(circuit=circuit)
    places = source.dataset(file, "points", "f", shape=(None, 3))
    edges = source.dataset(file, "edges", shape=(None, 2))
    count = len(edges)
    of_points, of_edges = (_group(source, name) for name in ("point_properties", "edge_properties"))
    thick = source.dataset(of_points, "diameter", "f", length=len(places))
    told = {name: source.dataset(of_edges, name, length=count) for name in _EDGE if name in of_edges}
    values = {name: dataset[...] for name, dataset in told.items()}
    points = np.column_stack([places[...], thick[...]]).astype(np.float32)
    _segments(source.path, circuit, context, points, edges[...], values)
    table, graph = (
        context.transaction.table(node),
        context.transaction.table(glia.VESSEL_POINTS.of(circuit=circuit)),
    )
    if table is None or graph is None:
        return
    segments, made = table.to_arrow(), graph.to_arrow()
    stored = np.stack([made[axis].to_numpy() for axis in "xyz"], axis=1)
    ends = np.stack([segments[f"{end}_node"].to_numpy() for end in ("start", "end")], axis=1)
    if np.array_equal(stored, places[...]) and np.array_equal(made["diameter"].to_numpy(), thick[...]):
        source.claim(places, graph.name, GRAPH + "points")
        source.claim(thick, graph.name, "diameter")
    if np.array_equal(ends, edges[...]):
        source.claim(edges, node, GRAPH + "edges")
        for name, dataset in told.items():
            if np.array_equal(segments[name].to_numpy(), values[name]):
                source.claim(dataset, node, name)


def _group(source: HDF5File, name: str) -> Any:
    found = source.file.get(name)
    if found is None or hasattr(found, "dtype"):
        raise source.error(f"/{name}", "there is no such group")
    return found


def ingest_vtk(path: Path, circuit: str, context: IngestContext) -> None:
    """Take vessels as polydata of VTK: they become the circuit's segments, unless it has some.

    Parameters
    ----------
    path
        The file.
    circuit
        Name of the circuit.
    context
        What the ingest goes on with.

    Raises
    ------
    IngestError
        The file is cut short or no polydata of vessels.
    """
    found = read_vtk(path)
    thick = found.of_points.get("diameter")
    if thick is None and (radii := found.of_points.get("radius")) is not None:
        thick = 2 * radii
    if thick is None:
        raise IngestError("POINT_DATA: there is no attribute 'diameter' of the points", path)
    points = np.column_stack([found.points, thick]).astype(np.float32)
    _segments(
        path,
        circuit,
        context,
        points,
        found.lines,
        {name: found.of_lines[name] for name in _EDGE if name in found.of_lines},
    )


def _segments(
    path: Path, circuit: str, context: IngestContext, points: Any, edges: Any, told: dict[str, Any]
) -> None:
    """Write a graph of points as segments, unless the circuit has some; edges without a section are one of their own each."""
    if not np.isfinite(points).all():
        raise IngestError(
            f"points: point {int(np.argmin(np.isfinite(points).all(axis=1)))} is no place", path
        )
    count = len(edges)
    columns = {
        "type": np.zeros(count, np.int32),
        "section_id": np.arange(count),
        "segment_id": np.zeros(count, np.int64),
        **told,
    }
    for name, kind in _EDGE.items():
        values = columns[name]
        if (
            values.dtype.kind not in "iu"
            or ((values < np.iinfo(kind).min) | (values > np.iinfo(kind).max)).any()
        ):
            raise IngestError(f"{name}: its values are no {np.dtype(kind)}", path)
    seen = np.zeros(len(points), bool)
    with _told(path):
        segments = point_segments(
            points, edges, *(columns[name].astype(kind) for name, kind in _EDGE.items())
        )
        seen[edges] = True
        if not seen.all():
            # Segments would not say where it is.
            raise IngestError(f"edges: no edge has point {int(np.argmin(seen))} of {len(points)}", path)
        if context.transaction.table(glia.VASCULATURE.of(circuit=circuit)) is None:
            write_segments(context.transaction, circuit, segments)
            context.sizes["vasculature"] = count
