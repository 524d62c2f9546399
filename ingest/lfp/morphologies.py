"""Morphologies as sections of 3-D points in the order of NEURON's IDs, and their segments; read by MorphIO."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...lake.errors import IngestError, InputError
from .axons import AxonTree, stub_axon

Floats: TypeAlias = NDArray[np.float64]
Ids: TypeAlias = NDArray[np.int64]

_LABELS = {1: "Soma", 2: "Axon", 3: "Dendrite", 4: "ApicalDendrite"}


@dataclass(frozen=True)
class Section:
    """An unbranched piece of a morphology: x, y, z and diameter of its points in µm, float64[n, 4]."""

    label: str
    points: Floats
    distance: float


@dataclass(frozen=True)
class Cell:
    """A morphology with the sections in the order of NEURON's import: soma, axon, basal, apical, others.

    `soma` is its diameter in µm; section k of `sections` has the ID k + 1.
    """

    sections: Sequence[Section]
    soma: float
    axon: AxonTree


def read_morphology(path: str | Path) -> Cell:
    """Read a morphology by MorphIO (swc, asc, h5).

    Sections keep their order within a type; types follow each other as NEURON's Import3d and neurodamus number
    them, so that an ID of a report finds its section.

    Raises
    ------
    IngestError
        MorphIO cannot read it, or a coordinate is not finite.
    InputError
        MorphIO is not installed.
    """
    morphio = _morphio()
    try:
        # Its warnings about odd somata would go to the terminal.
        read = morphio.Morphology(str(path), warning_handler=morphio.WarningHandlerCollector())
    except (morphio.MorphioError, RuntimeError, OSError) as error:
        raise IngestError(f"MorphIO cannot read it: {str(error).strip()}", path) from error
    tree = [_piece(read, number) for number in range(len(read.sections))]
    for number, (_, points, _) in enumerate(tree):
        if not np.isfinite(points).all() or len(points) < 2:
            raise IngestError(f"section {number} has fewer than two points, or one that is not finite", path)
    starts = _distances(tree)
    order = sorted(range(len(tree)), key=lambda number: tree[number][0])
    sections = [
        Section(_LABELS.get(kind, "Dendrite"), points, starts[at])
        for at, (kind, points, _) in ((number, tree[number]) for number in order)
    ]
    axon = AxonTree.of(
        [(points, parent) for kind, points, parent in tree], [kind == 2 for kind, _, _ in tree]
    )
    return Cell(sections, _soma_diameter(read.soma), axon)


def _morphio() -> Any:
    try:
        import morphio
    except ImportError:
        raise InputError("morphologies need MorphIO: pip install 'neurolake[sonata]'") from None
    return morphio


def _piece(read: Any, number: int) -> tuple[int, Floats, int]:
    section = read.sections[number]
    points = np.column_stack([section.points, section.diameters]).astype(np.float64)
    return int(section.type), points, -1 if section.is_root else int(section.parent.id)


def _distances(tree: Sequence[tuple[int, Floats, int]]) -> list[float]:
    """Path length from the soma to the start of each section; parents come before their children."""
    found: list[float] = []
    for _, _, parent in tree:
        found.append(0.0 if parent < 0 else found[parent] + float(_path(tree[parent][1])[-1]))
    return found


def _path(points: Floats) -> Floats:
    steps = np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _soma_diameter(soma: Any) -> float:
    if len(soma.points) == 1:
        return float(soma.diameters[0])
    outline = np.asarray(soma.points, np.float64)
    return float(2 * np.linalg.norm(outline - outline.mean(axis=0), axis=1).mean()) if len(outline) else 0.0


# Segments of one cell


def cell_segments(
    cell: Cell, sections: Ids, counts: Ids, axon: str = "keep", rotation: Floats | None = None
) -> dict[str, NDArray[Any]]:
    """Segments of a cell in its own coordinates, the soma at 0.

    Segments divide the line of a section's points into pieces of the same length; each goes straight from start to
    end. All segments of the soma are at its centre.

    Parameters
    ----------
    sections, counts
        Which sections, by their IDs, and how many segments each has, int64[n].
    axon
        ``"keep"``: as in the file. ``"stub"`` and ``"bluerecording"``: sections 1 and 2, and the one after the last
        of the file, are an axon initial segment of two sections of 30 µm and a myelin of 1,000 µm along
        a branch of the axon, which they replace; see `axons.stub_axon`, also for *rotation*.

    Returns
    -------
    dict[str, NDArray]
        Columns of `geometry.SEGMENTS` but for ``node_id``.

    Raises
    ------
    ValueError
        A section is not there, or the axon has no branch for the stub.
    """
    known = len(cell.sections)
    replaced = (
        {}
        if axon == "keep"
        else dict(zip((1, 2, known + 1), stub_axon(cell.axon, axon, rotation), strict=True))
    )
    parts = []
    for section, count in zip(sections.tolist(), counts.tolist(), strict=True):
        if section == 0:
            parts.append(_soma(cell, count))
        elif section in replaced:
            label, first, last, at = replaced[section]
            ends = at(np.linspace(first, last, count + 1))
            parts.append(_columns(label, ends, np.linspace(first, last, count + 1)))
        elif 0 < section <= known:
            parts.append(_pieces(cell.sections[section - 1], count))
        else:
            raise ValueError(f"section {section} is not in the morphology, which has {known} and the soma")
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}
    within = [np.arange(count) for count in counts.tolist()]
    return {
        "section_id": np.repeat(sections, counts),
        "segment_id": np.concatenate(within) if within else np.empty(0, np.int64),
        **joined,
    }


def _soma(cell: Cell, count: int) -> dict[str, NDArray[Any]]:
    here = np.zeros((count + 1, 4))
    here[:, 3] = cell.soma
    return _columns("Soma", here, np.zeros(count + 1))


def _pieces(section: Section, count: int) -> dict[str, NDArray[Any]]:
    path = _path(section.points)
    at = np.linspace(0.0, 1.0, count + 1) * path[-1]
    ends = np.column_stack([np.interp(at, path, section.points[:, i]) for i in range(4)])
    columns = _columns(section.label, ends, section.distance + at)
    # The mean of a diameter that is linear from point to point: its integral, which is quadratic, by differences.
    steps = np.diff(path) * (section.points[1:, 3] + section.points[:-1, 3]) / 2
    whole = np.concatenate([[0.0], np.cumsum(steps)])
    cell = np.clip(np.searchsorted(path, at, side="right") - 1, 0, len(path) - 2)
    integral = whole[cell] + (at - path[cell]) * (section.points[cell, 3] + ends[:, 3]) / 2
    if path[-1] > 0:
        columns["diameter"] = np.diff(integral) / np.diff(at)
    return columns


def _columns(label: str, ends: Floats, distance: Floats) -> dict[str, NDArray[Any]]:
    places = {
        f"{end}_{axis}": ends[rows, i]
        for end, rows in (("start", slice(None, -1)), ("end", slice(1, None)))
        for i, axis in enumerate("xyz")
    }
    return {
        "label": np.full(len(ends) - 1, label, object),
        **places,
        "diameter": (ends[1:, 3] + ends[:-1, 3]) / 2,
        "length": np.diff(distance),
        "soma_distance": (distance[1:] + distance[:-1]) / 2,
    }


def default_counts(cell: Cell, length: float) -> tuple[Ids, Ids]:
    """All sections of a cell, with an odd number of segments each, which are not longer than *length* µm."""
    sections = np.arange(len(cell.sections) + 1)
    lengths = np.array([_path(section.points)[-1] for section in cell.sections])
    return sections, np.concatenate([[1], 1 + 2 * (lengths / (2 * length)).astype(np.int64)])
