"""Segments of cells in space, from their morphologies and from where their nodes are placed."""

import os
import time
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary.circuits import NODES
from ...catalog.vocabulary.reports import ELEMENTS
from ...catalog.vocabulary.space import SEGMENTS
from ...lake import Lake, Snapshot
from ...lake.errors import IngestError, InputError
from ..source import Ingested
from .axons import RULES
from .morphologies import Cell, cell_segments, default_counts, read_morphology
from .stored import StoredMorphologies

Floats: TypeAlias = NDArray[np.float64]
Ids: TypeAlias = NDArray[np.int64]


SUFFIXES = (".h5", ".asc", ".swc")
BLOCK_ROWS = 2**20
_SHAPES = 64


# Placement


def rotations(nodes: Mapping[str, Any], count: int) -> Floats:
    """Return the rotation of each node, float64[count, 3, 3].

    From the quaternions ``orientation_w, _x, _y, _z`` (normalised here), or else from the angles
    ``rotation_angle_{x,y,z}axis`` in rad as bmtk's BioNet applies them: about z by the negative angle, then about y,
    then about x. What is missing is 0; without either nothing is turned.

    Parameters
    ----------
    nodes
        Values by column of the table of nodes.
    count
        Number of nodes.

    Raises
    ------
    ValueError
        A quaternion is 0 or not finite.
    """
    parts = [nodes.get(f"orientation_{axis}") for axis in "wxyz"]
    if any(part is not None for part in parts):
        if any(part is None for part in parts):
            raise ValueError("nodes have a part of a quaternion only; expected orientation_w, _x, _y and _z")
        return _of_quaternions(np.stack([np.asarray(part, np.float64) for part in parts], axis=1))
    angles = [
        np.nan_to_num(_real(nodes.get(f"rotation_angle_{axis}axis", np.zeros(count)))) for axis in "xyz"
    ]
    about = [_about(axis, sign * angles[axis]) for axis, sign in ((0, 1), (1, 1), (2, -1))]
    return about[0] @ about[1] @ about[2]


def _real(values: Any) -> Floats:
    return np.asarray(values, np.float64)


def _of_quaternions(quaternions: Floats) -> Floats:
    length = np.linalg.norm(quaternions, axis=1)
    bad = np.flatnonzero(~(length > 0) | ~np.isfinite(length))
    if bad.size:
        raise ValueError(
            f"the orientation of node {bad[0]} (by row) is {quaternions[bad[0]]}, which is not a rotation"
        )
    w, x, y, z = (quaternions / length[:, None]).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def _about(axis: int, angle: Floats) -> Floats:
    found = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    found[:, axis, axis] = 1
    found[:, i, i] = found[:, j, j] = np.cos(angle)
    found[:, j, i] = np.sin(angle)
    found[:, i, j] = -np.sin(angle)
    return found


def placed(columns: Mapping[str, NDArray[Any]], rotation: Floats, place: Floats) -> dict[str, NDArray[Any]]:
    """Return the segments of a cell, turned and moved to where its node is.

    Parameters
    ----------
    columns
        Values by column of `SEGMENTS`, in µm.
    rotation
        Rotation matrix, float64[3, 3].
    place
        Position of the soma, float64[3], in µm.
    """
    found = dict(columns)
    for end in ("start", "end"):
        own = np.stack([columns[f"{end}_{axis}"] for axis in "xyz"], axis=1)
        for i, values in enumerate((own @ rotation.T + place).T):
            found[f"{end}_{'xyz'[i]}"] = values
    return found


# In a lake


def place_segments(
    lake: Lake,
    nodes: str,
    morphologies: str | Path | None = None,
    *,
    report: str | None = None,
    name: str | None = None,
    axon: str = "keep",
    segment_length: float = 40.0,
    branch: str = "main",
    message: str | None = None,
) -> Ingested:
    """Write the segments of all cells of a population as the table ``segments/<name>``, in one commit.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    nodes
        Name of the table of nodes: ``node_id``, ``morphology``, ``x``, ``y``, ``z`` (µm; 0 where it is not there),
        what `rotations` reads, and ``recenter``: where it is 0 the morphology is placed as it is in its file; else
        its soma's centre is placed, as SONATA asks.
    morphologies
        Folder of the files that ``morphology`` names: h5, asc or swc, looked for in this order. By default the trees that the
        lake holds of the circuit, whose sections are numbered as the trees number them. Nodes without a morphology
        have no segments.
    report
        Name of a compartment report, whose columns tell which cells have which sections, and how many segments each;
        by default all cells have what *segment_length* gives.
    name
        By default the last part of *nodes*.
    axon
        See `morphologies.cell_segments`.
    segment_length
        Without a report, a section of L µm has 1 + 2 floor(L / 2 segment_length) segments, as in neurodamus and bmtk,
        and the myelin of a stub five.
    branch, message
        The branch to commit to, and the commit's message.

    Returns
    -------
    Ingested
        `nodes` has the name of the node.

    Raises
    ------
    IngestError
        A morphology is not there or cannot be read, or does not have the sections of the report; names the node.
    InputError
        A column or option cannot be used.
    """
    if axon not in RULES or not segment_length > 0:
        raise InputError(
            f"axon is one of {', '.join(RULES)}, segment_length above 0; not {axon!r}, {segment_length}"
        )
    began, snapshot = time.perf_counter(), lake.at(branch)
    source: MorphologyFolder | StoredMorphologies
    if morphologies is None:
        source = StoredMorphologies(snapshot, (NODES.parts(nodes) or {}).get("circuit", nodes))
    else:
        source = MorphologyFolder(Path(morphologies).expanduser())
    made = SEGMENTS.of(cells=name or nodes.rsplit("/", 1)[-1])
    rows = _nodes(snapshot, nodes)
    wanted = None if report is None else _counts(snapshot, report)
    with lake.transaction(message or f"Place the segments of {nodes}", branch=branch) as transaction:
        transaction.notes["ingest"] = {"format": "segments", "source": source.name, "nodes": nodes}
        transaction.drafts.delete(made)
        shapes = _Shapes(source, axon, segment_length)
        for block in _blocks(rows, shapes, wanted):
            attributes = {"nodes": nodes, "report": report, "axon": axon}
            transaction.append_table(
                made, block, doc=SEGMENTS.doc, sorted_by=SEGMENTS.sorted_by, attributes=attributes
            )
    report_made = Ingested("segments", lake.url, made.partition("/")[2], nodes=[made])
    if isinstance(source, MorphologyFolder):
        used = [Path(path) for path in sorted(shapes.used)]
        report_made.added = [Path(os.path.relpath(path, source.name)).as_posix() for path in used]
        report_made.source_bytes = sum(path.stat().st_size for path in used)
    else:
        report_made.added = [source.name]
    report_made.notices = sorted(shapes.notices)
    return report_made.finish(transaction.committed, began)


def ingest_segments(lake: Lake, nodes: str, morphologies: str | Path, **options: Any) -> str:
    """Call `place_segments` by its old name, which returned the node's name and goes with the next version.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    nodes
        Name of the population's table.
    morphologies
        Folder of the morphologies.
    options
        Options of `place_segments`.
    """
    warnings.warn(
        "ingest_segments has become place_segments, which gives a report", FutureWarning, stacklevel=2
    )
    place_segments(lake, nodes, morphologies, **options)
    return SEGMENTS.of(cells=options.get("name") or nodes.rsplit("/", 1)[-1])


def _nodes(snapshot: Snapshot, name: str) -> dict[str, Any]:
    table = snapshot.tables[name]
    if "morphology" not in table.columns:
        raise InputError(f"table {name!r} has no column 'morphology'; it has {', '.join(table.columns)}")
    angles = [f"orientation_{axis}" for axis in "wxyz"] + [f"rotation_angle_{axis}axis" for axis in "xyz"]
    known = [key for key in ("node_id", "morphology", "recenter", *"xyz", *angles) if key in table.columns]
    frame = table.to_pandas(known).dropna(subset="morphology").sort_values("node_id")
    return {key: frame[key].to_numpy() for key in known}


def _counts(snapshot: Snapshot, report: str) -> dict[int, tuple[Ids, Ids]]:
    """Sections and how many columns each has, by node."""
    elements = snapshot.tables[ELEMENTS.beside(report)].to_arrow(["node_id", "element_id"])
    keys = np.stack([elements[key].to_numpy() for key in ("node_id", "element_id")], axis=1)
    unique, counts = np.unique(keys, axis=0, return_counts=True)
    nodes, first = np.unique(unique[:, 0], return_index=True)
    bounds = [*first.tolist(), len(unique)]
    return {
        node: (unique[begin:end, 1], counts[begin:end])
        for node, begin, end in zip(nodes.tolist(), bounds[:-1], bounds[1:], strict=True)
    }


def _blocks(
    rows: Mapping[str, Any], shapes: "_Shapes", wanted: Mapping[int, tuple[Ids, Ids]] | None
) -> Iterator[pa.Table]:
    """Tables of about `BLOCK_ROWS` segments each, at least one."""
    ids = rows["node_id"].tolist()
    strangers = sorted(set(wanted or ()) - set(ids))
    if strangers:
        raise InputError(
            f"the report has {len(strangers)} nodes that are not in the table, the first is {strangers[0]}"
        )
    places = np.stack([np.asarray(rows.get(axis, np.zeros(len(ids))), np.float64) for axis in "xyz"], axis=1)
    try:
        turns = rotations(rows, len(ids))
    except ValueError as error:
        raise InputError(str(error)) from error
    as_in_file = np.nan_to_num(np.asarray(rows.get("recenter", np.ones(len(ids))), np.float64), nan=1.0) == 0
    held: list[pa.Table] = []
    for row, node in enumerate(ids):
        if wanted is not None and node not in wanted:
            continue
        given = None if wanted is None else wanted[node]
        own, center = shapes.segments(node, str(rows["morphology"][row]), given, turns[row])
        place = places[row] + (turns[row] @ center if as_in_file[row] else 0.0)
        held.append(segments_table(node, placed(own, turns[row], place)))
        if sum(map(len, held)) >= BLOCK_ROWS:
            yield pa.concat_tables(held).combine_chunks()
            held = []
    yield pa.concat_tables([*held, SEGMENTS.schema.empty_table()]).combine_chunks()


def segments_table(node: int, columns: Mapping[str, Any]) -> pa.Table:
    """Return the segments of one cell as a table, documented as `SEGMENTS` is.

    Parameters
    ----------
    node
        Id of the cell.
    columns
        Values by column.

    Raises
    ------
    InputError
        A column is not there.
    """
    missing = [key for key in SEGMENTS.schema.names[1:] if key not in columns]
    if missing:
        raise InputError(
            f"segments have no column {missing[0]!r}; expected {', '.join(SEGMENTS.schema.names[1:])}"
        )
    everything = {"node_id": np.full(len(columns["section_id"]), node), **columns}
    return pa.table([everything[key] for key in SEGMENTS.schema.names], SEGMENTS.schema)


class MorphologyFolder:
    """The morphologies in a folder, by the names of their files.

    Parameters
    ----------
    folder
        Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)

    def find(self, node: int, morphology: str) -> str:
        """Return the file of a node.

        Parameters
        ----------
        node
            Id of the node.
        morphology
            Name of its morphology.

        Raises
        ------
        IngestError
            There is none.
        """
        folder = Path(self.name)
        tried = [folder / morphology, *(folder / f"{morphology}{suffix}" for suffix in SUFFIXES)]
        found = next((path for path in tried if path.is_file()), None)
        if found is None:
            raise IngestError(f"node {node} has morphology {morphology!r}, which is missing", folder)
        return str(found)

    def read(self, path: str) -> Cell:
        """Read the cell in a file; see `read_morphology`.

        Parameters
        ----------
        path
            A path that `find` returned.
        """
        return read_morphology(path)


class _Shapes:
    """Segments of cells in their own coordinates; cells of the same shape are computed once."""

    def __init__(self, source: "MorphologyFolder | StoredMorphologies", axon: str, length: float) -> None:
        self.source, self.axon, self.length = source, axon, length
        self.used: set[str] = set()
        self._cell = lru_cache(_SHAPES)(source.read)
        self._known: dict[tuple[str, bytes, bytes], tuple[dict[str, NDArray[Any]], Floats]] = {}
        self.notices: set[str] = set()

    def segments(
        self, node: int, morphology: str, wanted: tuple[Ids, Ids] | None, rotation: Floats
    ) -> tuple[dict[str, NDArray[Any]], Floats]:
        """Segments with the soma at 0, and where the file has it."""
        path = self.source.find(node, morphology)
        turned = rotation.tobytes() if self.axon == "bluerecording" else b""
        self.used.add(path)
        key = path, b"" if wanted is None else np.concatenate(wanted).tobytes(), turned
        if key not in self._known:
            if len(self._known) == _SHAPES:
                self._known.clear()
            cell: Cell = self._cell(path)
            self.notices.update(f"{Path(path).name}: {notice}" for notice in cell.notices)
            try:
                sections, counts = default_counts(cell, self.length, self.axon) if wanted is None else wanted
                made = cell_segments(cell, sections, counts, self.axon, rotation)
                self._known[key] = made, cell.center
            except ValueError as error:
                raise IngestError(f"node {node}: {error}", path) from error
        return self._known[key]
