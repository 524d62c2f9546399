"""Trees of cells: files of morphologies as points and sections, each distinct tree once.

Sections are cut as MiV-Simulator's ``neurotrees_import`` cuts them: a section ends where the tree branches and where the
type changes, and the root's own section goes through the root. Files are SWC, with a layer in an eighth column where there is
one, and whatever MorphIO reads (asc, h5).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...kernels.network import CellTree
from ...lake.data.tables import Table
from ...lake.digest import digest_of
from ...lake.errors import IngestError, NotFoundError
from ...lake.extras import needed
from ..circuits.trees import Forest, TreeError, rooted
from ..hdf5.reading import HDF5File, opened
from ..neuroh5.ingest import POPULATIONS
from ..neuroh5.trees import TREES, read_trees
from ..neuroh5.types import read_types
from .construction import Construction
from .steps import Outcome, Output, Step

STEP = Step("network.trees", "1")
SUFFIXES = (".swc", ".asc", ".h5")

_FIELDS = "number, type, x, y, z, radius, parent and perhaps a layer"


def build_trees(of: Construction, files: Sequence[Path]) -> Outcome:
    """Store the trees of morphology files.

    Parameters
    ----------
    of
        The network under construction.
    files
        Paths of the morphologies.

    Raises
    ------
    IngestError
        A file is no morphology; names the line, or the dataset.
    """
    outputs = tree_outputs(of.circuit)
    contents = {digest_of(path.read_bytes()): path for path in files}

    def make(parts: Any) -> None:
        read = {content: read_trees_of(path) for content, path in sorted(contents.items())}
        forest = Forest.joined(list(read.values()))
        every, names, at = forest.digests(), {}, 0
        for content, trees in read.items():
            names[content] = every[at : at + len(trees)]
            at += len(trees)
        # Each distinct tree once, in the order of its name.
        distinct = {name: at for at, name in enumerate(every)}
        chosen = np.array([distinct[name] for name in sorted(distinct)], np.int64)
        points, sections = forest.take(chosen).tables(sorted(distinct))
        parts.write("points", points)
        parts.write("sections", sections, {"files": names})

    suffixes = {content: path.suffix.lower() for content, path in contents.items()}
    return of.build.run(STEP, outputs, make, inputs={}, params={"files": suffixes})


def tree_names(of: Construction, files: Sequence[Path]) -> dict[Path, list[str]]:
    """Return the names of the trees that some files have become.

    Parameters
    ----------
    of
        The network under construction.
    files
        Paths of the morphologies.

    Raises
    ------
    NotFoundError
        The step of the trees has not been built, or of other files.
    """
    table = of.build.table(tree_outputs(of.circuit)["sections"].node)
    names = of.build.tree[table.name].meta["attributes"].get("files", {})
    digests = {path: digest_of(path.read_bytes()) for path in files}
    if missing := [path for path, content in digests.items() if content not in names]:
        raise NotFoundError(f"{table.name!r} was not made of {missing[0]}: build the step 'trees' too")
    return {path: names[content] for path, content in digests.items()}


def tree_outputs(circuit: str) -> dict[str, Output]:
    """Return the nodes of a circuit's trees.

    Parameters
    ----------
    circuit
        Name of the circuit.
    """
    return {
        "points": Output(circuits.POINTS, circuits.POINTS.of(circuit=circuit)),
        "sections": Output(circuits.SECTIONS, circuits.SECTIONS.of(circuit=circuit)),
    }


# Files


def read_trees_of(path: Path) -> Forest:
    """Read a morphology, or the trees that a file of NeuroH5 has, in the order of its populations and their cells.

    Parameters
    ----------
    path
        The morphology, or the file of NeuroH5.

    Raises
    ------
    IngestError
        It is none; names the line, or the dataset.
    """
    if path.suffix.lower() == ".h5":
        with needed("morphologies in h5", "sonata"), opened(path) as source:
            if POPULATIONS in source.file:
                return _forest(source)
    samples = _swc(path) if path.suffix.lower() == ".swc" else _morphio(path)
    return contracted(*samples)


def _forest(source: HDF5File) -> Forest:
    """The trees of all populations of a file of NeuroH5."""
    types, found = read_types(source), []
    for population in source.groups(POPULATIONS):
        group = source.file[f"/{POPULATIONS}/{population}"]
        if TREES not in group or population not in types.populations:
            continue
        trees = read_trees(source, group[TREES], types.populations[population].count, "error")
        rows = np.argsort(trees.node_id, kind="stable")
        forest = trees.read(rows)
        try:
            forest.check()
        except TreeError as fault:
            raise trees.error(fault, rows) from fault
        found.append(forest)
    if not found:
        raise source.error(f"/{POPULATIONS}", "no population has trees")
    return Forest.joined(found)


def _swc(path: Path) -> tuple[NDArray[Any], ...]:
    rows: list[list[float]] = []
    numbers: dict[int, int] = {}
    lines: list[int] = []
    for line, text in enumerate(path.read_text(errors="replace").splitlines(), 1):
        fields = text.partition("#")[0].split()
        if not fields:
            continue
        try:
            values = [float(field) for field in fields[:8]]
        except ValueError:
            values = []
        if len(values) < 7 or not np.isfinite(values).all():
            raise IngestError(f"expected {_FIELDS}, not {text.strip()!r:.80}", path, line)
        number, parent = int(values[0]), int(values[6])
        if number in numbers:
            raise IngestError(f"the number {number} is in the file already", path, line)
        if values[5] < 0:
            raise IngestError(f"a radius of {values[5]:g} µm is below zero", path, line)
        numbers[number] = len(rows)
        lines.append(line)
        rows.append([*values, -1.0][:8])
    if not rows:
        raise IngestError(f"no points: expected lines of {_FIELDS}", path)
    table = np.array(rows)
    for row, parent in enumerate(table[:, 6].astype(int).tolist()):
        if parent >= 0 and parent not in numbers:
            raise IngestError(f"its parent {parent} is not in the file", path, lines[row])
        table[row, 6] = numbers.get(parent, -1)
    roots = np.flatnonzero(table[:, 6] < 0)
    if len(roots) != 1:
        reason = (
            "a second root: a cell has one tree" if len(roots) else "no point is the root: its parent is -1"
        )
        raise IngestError(reason, path, lines[roots[1]] if len(roots) else 1)
    lost = np.flatnonzero(~rooted(table[:, 6].astype(np.int64)))
    if len(lost):
        raise IngestError("this point is above itself in the tree", path, lines[lost[0]])
    xyz = table[:, 2:5].astype(np.float32)
    return xyz, (2.0 * table[:, 5]).astype(np.float32), table[:, 1], table[:, 7], table[:, 6]


def _morphio(path: Path) -> tuple[NDArray[Any], ...]:
    with needed("morphologies in asc and h5", "sonata"):
        import morphio
    try:
        found = morphio.Morphology(path)
    except (morphio.MorphioError, RuntimeError) as error:
        raise IngestError(f"not a morphology: {error}", path) from error
    soma = np.asarray(found.soma.points, np.float32)
    if not len(soma):
        raise IngestError("it has no soma", path)
    xyz, diameter = [soma], [np.asarray(found.soma.diameters, np.float32)]
    types, parents = [np.ones(len(soma))], [np.arange(-1, len(soma) - 1)]
    last: dict[int, int] = {}
    count = len(soma)
    for section in found.iter():
        # A section repeats the last point of its parent.
        start = 0 if section.is_root else 1
        points = np.asarray(section.points, np.float32)[start:]
        above = np.arange(count - 1, count - 1 + len(points))
        if len(points):
            above[0] = 0 if section.is_root else last[section.parent.id]
        xyz.append(points)
        diameter.append(np.asarray(section.diameters, np.float32)[start:])
        types.append(np.full(len(points), int(section.type)))
        parents.append(above)
        count += len(points)
        last[section.id] = count - 1
    layers = np.full(count, -1)
    return (
        np.concatenate(xyz),
        np.concatenate(diameter),
        np.concatenate(types),
        layers,
        np.concatenate(parents),
    )


def contracted(
    xyz: NDArray[Any], diameter: NDArray[Any], type: NDArray[Any], layer: NDArray[Any], parent: NDArray[Any]
) -> Forest:
    """Return a forest of one tree, its points cut into sections.

    Parameters
    ----------
    xyz
        Coordinates of the points, float[point, 3], in µm.
    diameter
        Diameter of each point in µm.
    type
        SWC type of each point.
    layer
        Layer of each point.
    parent
        Row of the point that each hangs on; -1 at the root.
    """
    kinds, above = type.astype(np.int8), parent.astype(np.int32)
    children: list[list[int]] = [[] for _ in kinds]
    for point, on in enumerate(above.tolist()):
        if on >= 0:
            children[on].append(point)
    root = int(np.argmin(above))
    sections: list[list[int]] = []
    parents: list[int] = []
    waiting = [(root, -1)]
    while waiting:
        first, under = waiting.pop()
        points = [first]
        while True:
            on = points[-1]
            after = children[on]
            if on == root:
                # Neurites that start on the root do not cut its section.
                after = [point for point in after if kinds[point] == kinds[on]]
            if len(after) != 1 or kinds[after[0]] != kinds[on]:
                break
            points.append(after[0])
        inner, number = set(points), len(sections)
        # What branches off furthest along the section comes first.
        branches = [point for on in reversed(points) for point in children[on] if point not in inner]
        waiting += [(point, number) for point in reversed(branches)]
        sections.append([int(above[first]), first] if len(points) == 1 and under >= 0 else points)
        parents.append(under)
    packed = [len(sections), *(word for section in sections for word in (len(section), *section))]
    # Links in the order of their parents.
    links = sorted((under, child) for child, under in enumerate(parents) if under >= 0)
    x, y, z = xyz.astype(np.float32).T.copy()
    return Forest(
        x=x,
        y=y,
        z=z,
        diameter=diameter.astype(np.float32),
        layer=layer.astype(np.int8),
        type=kinds,
        parent=above,
        packed=np.array(packed, np.int32),
        link_parent=np.array([under for under, _ in links], np.int32),
        link_child=np.array([child for _, child in links], np.int32),
        points=np.array([len(kinds)]),
        words=np.array([len(packed)]),
        links=np.array([len(links)]),
    )


def cell_trees(points: Table, sections: Table) -> dict[str, CellTree]:
    """Return trees as kernels take them, by name.

    Parameters
    ----------
    points, sections
        The tables of the circuit's trees.
    """
    rows, cuts = points.to_arrow(), sections.to_arrow()
    names = rows["morphology"].to_numpy()
    xyz = np.stack([rows[axis].to_numpy().astype(np.float64) for axis in "xyz"], axis=1)
    diameter, layer = (rows[name].to_numpy() for name in ("diameter", "layer"))
    owner = cuts["morphology"].to_numpy()
    lists = cuts["points"].combine_chunks()
    found = {}
    for name in np.unique(owner):
        own = np.flatnonzero(owner == name)
        first = int(np.searchsorted(names, name))
        chosen = lists.take(pa.array(own))
        at = first + chosen.flatten().to_numpy().astype(np.int64)
        found[str(name)] = CellTree(
            offsets=np.concatenate([[0], np.cumsum(chosen.value_lengths().to_numpy())]).astype(np.int64),
            points=xyz[at],
            diameter=diameter[at].astype(np.float64),
            layer=layer[at].astype(np.int16),
            parent=cuts["parent_id"].take(pa.array(own)).fill_null(-1).to_numpy().astype(np.int32),
            type=cuts["type"].take(pa.array(own)).to_numpy().astype(np.int16),
        )
    return found
