"""Shapes of astrocytes: grown to their endfeet and synapses, by space colonisation or by NeuroTS."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.glia import RETICULUM
from ...kernels.glia.growth import GrownCells, grown_cells
from ...kernels.glia.planes import DomainPlanes
from ...kernels.shapes.perimeters import PerimeterRule, perimeters
from ...kernels.shapes.resampling import resampled
from ...kernels.shapes.reticulum import Bar, reticulum_of
from ...lake.digest import digest_of
from ...lake.errors import IngestError
from ..building.steps import Outcome, Output, Parts, Step
from ..ngv.morphologies import CellShape, shape_tables
from ..synthesis.cells import Grounds, neurots_cells, parameter_texts
from ..synthesis.environment import versions
from .cells import SOMATA
from .construction import AXES, GliaConstruction, domain_inputs, planes_of, soma_names
from .contacts import SURFACE_PLACE

SHAPES = Step("ngv.shapes", "1")

_BLOCK = 64  # cells that a worker grows at a time
_NEUROTS_BLOCK = 8

COLONISED = "space colonisation by neurolake, not fitted to data"
"""The attribute ``grower`` of the tables of shapes that NeuroTS has not grown."""

Whole = NDArray[np.int64]


class _Cells(NamedTuple):
    """What some cells grow from, and by."""

    grounds: Grounds
    texts: dict[str, str] | None
    density: float | None
    perimeter: PerimeterRule | None
    measured: list[list[Bar]] | None
    seed: int


def build_shapes(of: GliaConstruction) -> Outcome:
    """Grow the shapes of astrocytes.

    Parameters
    ----------
    of
        The circuit under construction.

    Raises
    ------
    InputError
        NeuroTS is wanted, and is not installed or cannot grow a cell.
    """
    rules = of.manifest.shapes
    kinds = {"points": circuits.POINTS, "sections": circuits.SECTIONS}
    if rules.reticulum is not None:
        kinds["reticulum"] = RETICULUM
    outputs = {part: Output(kind, of.table(kind)) for part, kind in kinds.items()}
    inputs = {SOMATA: of.stage(SOMATA), "gliovascular": of.stage("gliovascular"), **domain_inputs(of)}
    if of.neurons is not None:
        inputs |= {"neuroglial": of.stage("neuroglial"), "synapses": of.neurons.edges}
    told = None if rules.reticulum is None else rules.reticulum.read_bytes()
    measured = None if told is None or rules.reticulum is None else measured_bars(told, rules.reticulum)
    texts = None if rules.parameters is None else parameter_texts(rules.parameters)
    params = {
        "grower": rules.grower,
        "parameters": texts and {name: digest_of(text.encode()) for name, text in texts.items()},
        "versions": None if texts is None else versions(),
        "density": rules.density,
        "perimeter": rules.perimeters and [*rules.perimeters[:3], list(rules.perimeters[3])],
        "reticulum": None if told is None else digest_of(told),
        "places": None if of.neurons is None else list(of.neurons.places),
        "seed": of.seed,
    }

    grower = {"grower": COLONISED if texts is None else versions()}

    def make(parts: Parts) -> None:
        files: dict[str, list[Any]] = {part: [] for part in kinds}
        for made in of.workers.blocks(
            _grown, [(block,) for block in _blocks(of, texts, measured)], parts.storage
        ):
            for part in kinds:
                files[part] += made[part]
        # Files have the columns of any shape's tables.
        sphere = CellShape("", np.zeros((1, 4), np.float32), np.array([[0, 1, -1]]), None, {}, ())
        for part, table in zip(kinds, shape_tables([sphere]), strict=False):
            parts.write_files(part, table.schema, files[part], grower)

    return of.build.run(SHAPES, outputs, make, inputs=inputs, params=params)


def _blocks(
    of: GliaConstruction, texts: dict[str, str] | None, measured: list[list[Bar]] | None
) -> Iterator[_Cells]:
    """What each block of cells grows from."""
    planes, somata = planes_of(of), of.stage(SOMATA)
    centres, (radii,) = of.places(somata, AXES), of.columns(somata, ["radius"])
    n = len(radii)
    (owner,) = of.columns(of.stage("gliovascular"), ["target_node_id"])
    feet, foot_offsets = _by_cell(owner, of.places(of.stage("gliovascular"), SURFACE_PLACE), n)
    places, offsets = np.zeros((0, 3)), np.zeros(n + 1, np.int64)
    if of.neurons is not None:
        cell, synapse = of.columns(of.stage("neuroglial"), ["source_node_id", "synapse_id"])
        places, offsets = _by_cell(
            cell, of.places(of.neurons.edges, of.neurons.places)[synapse.astype(np.int64)], n
        )
    rules = of.manifest.shapes
    rule = None if rules.perimeters is None else PerimeterRule(*rules.perimeters)
    size = _BLOCK if texts is None else _NEUROTS_BLOCK
    for first in range(0, n, size):
        last = min(first + size, n)
        grounds = Grounds(
            _some_planes(planes, first, last),
            centres[first:last],
            radii[first:last],
            (
                feet[foot_offsets[first] : foot_offsets[last]],
                foot_offsets[first : last + 1] - foot_offsets[first],
            ),
            (places[offsets[first] : offsets[last]], offsets[first : last + 1] - offsets[first]),
            np.arange(first, last),
        )
        yield _Cells(grounds, texts, rules.density, rule, measured, of.seed)


def _by_cell(owner: NDArray[Any], places: NDArray[Any], n: int) -> tuple[NDArray[Any], Whole]:
    """Places cell by cell, and where those of each cell begin."""
    order = np.argsort(owner, kind="stable")
    return places[order], np.searchsorted(owner[order], np.arange(n + 1)).astype(np.int64)


def _some_planes(planes: DomainPlanes, first: int, last: int) -> DomainPlanes:
    rows = slice(planes.offsets[first], planes.offsets[last])
    return DomainPlanes(
        planes.offsets[first : last + 1] - planes.offsets[first],
        planes.points[rows],
        planes.normals[rows],
        planes.low[first:last],
        planes.high[first:last],
        planes.centroids[first:last],
    )


def _grown(cells: _Cells) -> dict[str, pa.Table]:
    """Tables of the shapes of some cells."""
    grounds, first = cells.grounds, int(cells.grounds.numbers[0])
    if cells.texts is None:
        found = grown_cells(*grounds[:5], seed=cells.seed, first=first)
    else:
        # Blocks are grown at once already.
        found = neurots_cells(grounds, cells.texts, seed=cells.seed, processes=1)
    if cells.density is not None:
        found = _resampled(found, cells.density)
    around = None
    if cells.perimeter is not None:
        around = perimeters(
            found.diameter,
            found.offsets,
            found.parent,
            found.cells,
            cells.perimeter,
            seed=cells.seed,
            first=first,
        ).astype(np.float32)
    inside = _reticula(found, cells.measured)
    shapes = []
    names = soma_names(first + len(grounds.radii))[first:]
    points = np.column_stack([found.points, found.diameter]).astype(np.float32)
    for at, name in enumerate(names):
        rows = slice(found.cells[at], found.cells[at + 1])
        begin, end = found.offsets[found.cells[at]], found.offsets[found.cells[at + 1]]
        structure = np.stack(
            [found.offsets[:-1][rows] - begin, found.type[rows].astype(np.int64), found.parent[rows]], axis=1
        )
        perimeter = None if around is None else around[begin:end]
        shapes.append(CellShape(name, points[begin:end], structure, perimeter, inside[at], ()))
    made = dict(zip(("points", "sections", "reticulum"), shape_tables(shapes), strict=True))
    if cells.measured is None:
        del made["reticulum"]
    return made


def _reticula(cells: GrownCells, measured: list[list[Bar]] | None) -> list[dict[str, NDArray[Any]]]:
    """Columns of each cell's reticulum; empty where none is wanted."""
    n = len(cells.cells) - 1
    if measured is None:
        return [{} for _ in range(n)]
    steps = np.zeros(len(cells.points))
    steps[1:] = np.linalg.norm(np.diff(cells.points, axis=0), axis=1)
    steps[cells.offsets[:-1]] = 0.0
    lengths = np.add.reduceat(steps, cells.offsets[:-1])
    found = reticulum_of(lengths, cells.parent, cells.cells, measured)
    bounds = np.searchsorted(found.section, cells.cells)
    columns = []
    for at in range(n):
        rows = slice(bounds[at], bounds[at + 1])
        # Sections are counted without the soma, as in the files of MorphIO.
        columns.append(
            {
                "section_index": (found.section[rows] - cells.cells[at] - 1).astype(np.uint32),
                "surface_area": found.values[rows, 0].astype(np.float32),
                "volume": found.values[rows, 1].astype(np.float32),
                "filament_count": found.values[rows, 2].astype(np.uint32),
            }
        )
    return columns


def measured_bars(text: bytes, path: Path) -> list[list[Bar]]:
    """Return the trees of a file ``er_data.json`` of ArchNGV's.

    Parameters
    ----------
    text
        Its content.
    path
        Its name, for messages.

    Raises
    ------
    IngestError
        It is no such file.
    """
    names = ("surface_area", "volume", "filament_count")
    try:
        trees = []
        for barcode, told in json.loads(text):
            bars = []
            for bar, each in zip(barcode, told, strict=True):
                paths, values = each["ER"]
                rows = [[np.nan] * 3 if one is None else _numbers(one, names) for one in values]
                bars.append(
                    Bar(
                        abs(bar[0] - bar[1]),
                        np.array(paths, float),
                        np.array(rows, float).reshape(len(paths), 3),
                    )
                )
            trees.append(bars)
        if not trees or not all(trees):
            raise ValueError("it has no trees with bars")
    except (ValueError, TypeError, KeyError, IndexError) as error:
        reason = f"it has no barcodes with an endoplasmic reticulum, as ArchNGV's er_data.json: {error}"
        raise IngestError(reason, path) from error
    return trees


def _numbers(told: Any, names: Sequence[str]) -> list[float]:
    """Surface, volume and number of filaments, which stand in a mapping or in this order."""
    return (
        [float(told[name]) for name in names]
        if isinstance(told, dict)
        else [float(told[k]) for k in range(3)]
    )


def _resampled(cells: GrownCells, density: float) -> GrownCells:
    """Cells with so many points per µm on their sections."""
    points, diameter, offsets = resampled(cells.points, cells.diameter, cells.offsets, density)
    return cells._replace(points=points, diameter=diameter, offsets=offsets)
