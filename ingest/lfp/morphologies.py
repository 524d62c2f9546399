"""Morphologies as sections of 3-D points in the order of NEURON's IDs, and their segments."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...lake.errors import IngestError
from ...lake.extras import needed
from ...lake.names import in_one_line
from ...mechanisms.cell.morphology import read_morphology as read_swc
from ...mechanisms.cell.morphology import read_text
from ...mechanisms.cell.shapes import AXON, SOMA, Shape
from ...mechanisms.cell.sites import branches
from ...mechanisms.errors import ModelError
from .axons import BOUNDS, MYELIN_SEGMENTS, AxonTree, stub_axon

Floats: TypeAlias = NDArray[np.float64]
Ids: TypeAlias = NDArray[np.int64]

_LABELS = {1: "Soma", 2: "Axon", 3: "Dendrite", 4: "ApicalDendrite"}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_PLACE = re.compile(r"^\s*(?:\$STRING\$|\S*?):(\d+):(?:error|warning)\s*")
_AT_0 = 1e-3
"""A soma as near to 0 as that, in µm, is at 0: MorphIO keeps places in single precision."""

_MOST_PACKED = 1000
"""Content of an h5 file is at most so many times as large as the file."""
_MOST_SEGMENTS = 100_000
"""A section has at most so many segments."""


@dataclass(frozen=True)
class Section:
    """An unbranched piece of a morphology.

    Attributes
    ----------
    label
        Soma (of several sections, all but the first), Axon, Dendrite or ApicalDendrite.
    points
        x, y, z and diameter in µm, float64[n, 4]; the soma is at 0.
    distance, near
        Path length in µm from the soma's surface to the 0-end, and the relative position that is nearest to the soma.
    """

    label: str
    points: Floats
    distance: float
    near: float = 0.0


@dataclass(frozen=True)
class Cell:
    """A morphology with the sections in the order of NEURON's import: soma, axon, basal, apical, others.

    Attributes
    ----------
    sections
        Section k has the ID k + 1; 0 is the soma.
    soma
        Its diameter in µm: the mean along it.
    axon
        The axon, for a caller that replaces it.
    center
        Where the file has the soma's centre, float64[3] in µm.
    notices
        What the file says and the sections do not have, with its lines.
    """

    sections: Sequence[Section]
    soma: float
    axon: AxonTree
    center: Floats
    notices: tuple[str, ...] = ()


def read_morphology(path: str | Path) -> Cell:
    """Read a morphology, and move its soma to 0.

    SWC is read as NEURON's Import3d reads it, see `neurolake.mechanisms.cell.swc.parse_swc`; asc and h5 by MorphIO.
    Sections keep their order within a type; types follow each other as NEURON's Import3d and neurodamus number
    them, so that an ID of a report finds its section. The soma's centre is the mean of its points.

    Parameters
    ----------
    path
        The file: swc, asc or h5.

    Raises
    ------
    IngestError
        With the line where it is known: a file that cannot be read, without soma, a diameter not above 0, or a
        coordinate that is not finite.
    InputError
        MorphIO is not installed, and needed.
    """
    if Path(path).suffix.lower() == ".swc":
        return _from_swc(path)
    return _from_morphio(path)


# SWC


def _from_swc(path: str | Path) -> Cell:
    try:
        read = read_swc(path)
    except ModelError as error:
        raise IngestError(error.reason, path, error.line) from error
    if SOMA not in read.labels:
        raise IngestError("no soma, from which a cell is placed: expected samples of type 1", path)
    shapes, soma = read.shapes, read.labels.index(SOMA)
    tree = branches(
        [shape.points for shape in shapes],
        labels=read.labels,
        parents=[shape.parent for shape in shapes],
        parent_x=[shape.parent_x for shape in shapes],
    )
    somatic = np.concatenate([shape.points for shape in shapes if shape.label == SOMA])
    center = _center(somatic[:, :3])
    moved = [shape.points - [*center, 0.0] for shape in shapes]
    rest = [at for at in range(len(shapes)) if at != soma]
    order = sorted(rest, key=lambda at: (shapes[at].label != SOMA, shapes[at].kind))
    sections = [
        Section(shapes[at].label, moved[at], float(tree.start[at]), float(tree.near[at])) for at in order
    ]
    return Cell(sections, _mean_diameter(shapes[soma].points), _axon(shapes, moved), center, read.notices)


def _axon(shapes: Sequence[Shape], moved: Sequence[Floats]) -> AxonTree:
    """The tree without the soma, to which the parents of what starts on it lead."""
    number = {at: new for new, at in enumerate(at for at in range(len(shapes)) if shapes[at].label != SOMA)}

    def parent(at: int) -> int:
        above, x = shapes[at].parent, shapes[at].parent_x
        while above >= 0 and x == 0 and shapes[above].label != SOMA:
            above, x = shapes[above].parent, shapes[above].parent_x  # it starts where that one starts
        return number.get(above, -1)

    tree = [(moved[at], parent(at)) for at in number]
    return AxonTree.of(tree, [shapes[at].label == AXON for at in number])


def _mean_diameter(points: Floats) -> float:
    """The mean of the diameter along the line of points."""
    steps = np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1)
    return float(steps @ (points[1:, 3] + points[:-1, 3]) / 2 / steps.sum())


def _center(points: Floats) -> Floats:
    center: Floats = points.mean(axis=0)
    return np.zeros(3) if np.abs(center).max() < _AT_0 else center


# asc and h5


def _from_morphio(path: str | Path) -> Cell:
    morphio = _morphio()
    suffix = Path(path).suffix.lower()
    if suffix == ".h5":
        _check_h5(path)
    try:
        # What MorphIO is given as text has the line ends that it knows, of whichever system the file is.
        source = [read_text(path), "asc"] if suffix == ".asc" else [str(path)]
        # Its warnings about odd somata would go to the terminal.
        read = morphio.Morphology(*source, warning_handler=morphio.WarningHandlerCollector())
        tree = [_piece(read, number) for number in range(len(read.sections))]
        outline, diameters = (np.asarray(own, np.float64) for own in (read.soma.points, read.soma.diameters))
    except ModelError as error:
        raise IngestError(error.reason, path) from error
    except (morphio.MorphioError, ArithmeticError, LookupError, RuntimeError, OSError, ValueError) as error:
        raise _refused(str(error), path) from error
    if not len(outline):
        raise IngestError("no soma, from which a cell is placed", path)
    for number, (_, points, _) in enumerate(tree):
        if not np.isfinite(points).all() or len(points) < 2:
            raise IngestError(f"section {number} has fewer than two points, or one that is not finite", path)
        if not (points[:, 3] > 0).all():
            raise IngestError(f"section {number} has a diameter that is not above 0", path)
    soma = _soma_diameter(outline, diameters)
    if not np.isfinite(outline).all() or not 0 < soma < np.inf:
        raise IngestError("the soma has a diameter that is not above 0, or a point that is not finite", path)
    center = _center(outline)
    tree = [(kind, points - [*center, 0.0], parent) for kind, points, parent in tree]
    starts = _distances(tree)
    order = sorted(range(len(tree)), key=lambda number: tree[number][0])
    sections = [
        Section(_LABELS.get(kind, "Dendrite"), points, starts[at])
        for at, (kind, points, _) in ((number, tree[number]) for number in order)
    ]
    axon = AxonTree.of(
        [(points, parent) for kind, points, parent in tree], [kind == 2 for kind, _, _ in tree]
    )
    return Cell(sections, soma, axon, center)


def _check_h5(path: str | Path) -> None:
    """Compare the sections of an h5 file with its points: MorphIO looks at points that are not there."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            largest = max(file[name].nbytes for name in ("points", "structure"))
            if largest > _MOST_PACKED * Path(path).stat().st_size:
                raise IngestError(
                    f"{largest:,} bytes of points or sections, which the file is too small for", path
                )
            count, structure = len(file["points"]), np.asarray(file["structure"][...], np.int64)
            first, parents = structure[:, 0], structure[:, 2]
    except IngestError:
        raise
    except (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise IngestError(f"not a morphology in h5: {in_one_line(error)}", path) from error
    # A section begins with the one before it or after; the soma, which is the first, may have no points.
    bad = (first < 0) | (first >= count) | (np.diff(first, prepend=0) < 0)
    bad |= (parents < -1) | (parents >= np.arange(len(parents)))
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise IngestError(f"/structure: row {at} names points or a parent that are not there", path)


def _refused(message: str, path: str | Path) -> IngestError:
    """What MorphIO says, without its colours; it says the line in front."""
    said = _COLOURS.sub("", message).removesuffix(f": {path}").strip()
    place = _PLACE.match(said)
    reason = " ".join((said[place.end() :] if place else said).split())
    return IngestError(f"MorphIO cannot read it: {reason}", path, int(place[1]) if place else None)


def _morphio() -> Any:
    with needed("morphologies in asc and h5", "sonata"):
        import morphio
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


def _soma_diameter(outline: Floats, diameters: Floats) -> float:
    """Twice the mean radius of an outline; the mean diameter of samples on one line, which are no outline."""
    if len(outline) == 1:
        return float(diameters[0])
    out = outline - outline.mean(axis=0)
    if np.linalg.matrix_rank(out, tol=1e-3) < 2 and (diameters > 0).all():
        return _mean_diameter(np.column_stack([outline, diameters]))
    return float(2 * np.linalg.norm(out, axis=1).mean())


# Segments of one cell


def cell_segments(
    cell: Cell, sections: Ids, counts: Ids, axon: str = "keep", rotation: Floats | None = None
) -> dict[str, NDArray[Any]]:
    """Return the segments of a cell in its own coordinates, the soma at 0.

    Segments divide the line of a section's points into pieces of the same length; each goes straight from start to
    end. All segments of the soma are at its centre.

    Parameters
    ----------
    cell
        The morphology, its soma at 0.
    sections, counts
        Which sections, by their IDs, and how many segments each has, int64[n].
    axon
        ``"keep"``: as in the file. ``"stub"`` and ``"bluerecording"``: sections 1 and 2, and the one after the last
        of the file, are an axon initial segment of two sections of 30 µm and a myelin of 1,000 µm along
        a branch of the axon, which they replace; see `axons.stub_axon`, also for *rotation*.
    rotation
        Turns the axon's stub, float64[3, 3]; none by default.

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
            path = np.linspace(first, last, count + 1)
            parts.append(_columns(label, at(path), path, _middles(path)))
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
    return _columns("Soma", here, np.zeros(count + 1), np.zeros(count))


def _pieces(section: Section, count: int) -> dict[str, NDArray[Any]]:
    path = _path(section.points)
    at = np.linspace(0.0, 1.0, count + 1) * path[-1]
    ends = np.column_stack([np.interp(at, path, section.points[:, i]) for i in range(4)])
    near = section.near * path[-1]
    distance = np.abs(_middles(at) - near) + (section.distance - near)
    columns = _columns(section.label, ends, at, np.zeros(count) if section.label == SOMA else distance)
    # The mean of a diameter that is linear from point to point: its integral, which is quadratic, by differences.
    steps = np.diff(path) * (section.points[1:, 3] + section.points[:-1, 3]) / 2
    whole = np.concatenate([[0.0], np.cumsum(steps)])
    cell = np.clip(np.searchsorted(path, at, side="right") - 1, 0, len(path) - 2)
    integral = whole[cell] + (at - path[cell]) * (section.points[cell, 3] + ends[:, 3]) / 2
    if path[-1] > 0:
        columns["diameter"] = np.diff(integral) / np.diff(at)
    return columns


def _middles(path: Floats) -> Floats:
    return (path[1:] + path[:-1]) / 2


def _columns(label: str, ends: Floats, path: Floats, soma_distance: Floats) -> dict[str, NDArray[Any]]:
    places = {
        f"{end}_{axis}": ends[rows, i]
        for end, rows in (("start", slice(None, -1)), ("end", slice(1, None)))
        for i, axis in enumerate("xyz")
    }
    return {
        "label": np.full(len(ends) - 1, label, object),
        **places,
        "diameter": (ends[1:, 3] + ends[:-1, 3]) / 2,
        "length": np.diff(path),
        "soma_distance": soma_distance,
    }


def default_counts(cell: Cell, length: float, axon: str = "keep") -> tuple[Ids, Ids]:
    """Count the segments of each section, an odd number, none longer than *length* µm.

    Parameters
    ----------
    cell
        The morphology.
    length
        In µm.
    axon
        See `cell_segments`. Where a stub replaces the axon, that is left out, and the myelin has five segments, as in
        the cells of the Blue Brain Project.

    Raises
    ------
    ValueError
        A section is so long that its unit is hardly µm, or the axon has fewer than the two sections that a stub replaces.
    """
    lengths = np.array([0.0, *(_path(section.points)[-1] for section in cell.sections)])
    if (long := np.flatnonzero(lengths > length * _MOST_SEGMENTS)).size:
        raise ValueError(
            f"section {long[0]} is {lengths[long[0]]:g} µm long, more than {_MOST_SEGMENTS} segments of {length:g} µm"
        )
    sections = np.arange(len(lengths))
    if axon == "keep":
        return sections, _odd(lengths, length)
    is_axon = np.array([False, *(section.label == AXON for section in cell.sections)])
    if not is_axon[1:3].sum() == 2:
        raise ValueError("sections 1 and 2 are not of an axon, which the stub would replace")
    rest = np.flatnonzero(~is_axon)
    stub = _odd(np.diff(BOUNDS[:3]), length)
    return (
        np.concatenate([[0, 1, 2], rest[1:], [len(lengths)]]),
        np.concatenate([[1], stub, _odd(lengths[rest[1:]], length), [MYELIN_SEGMENTS]]),
    )


def _odd(lengths: Floats, longest: float) -> Ids:
    return 1 + 2 * (lengths / (2 * longest)).astype(np.int64)
