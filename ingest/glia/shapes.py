"""Shapes of astrocytes: grown to their endfeet and synapses, and where they are in the circuit."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...kernels.glia.growth import grown_cells
from ...kernels.glia.planes import DomainPlanes
from ...kernels.shapes.perimeters import PerimeterRule, perimeters
from ..building.steps import Outcome, Output, Parts, Step
from ..ngv.morphologies import CellShape, shape_tables
from .cells import SOMATA
from .construction import AXES, GliaConstruction, domain_inputs, planes_of, soma_names
from .contacts import SURFACE_PLACE

SHAPES = Step("ngv.shapes", "1")

_BLOCK = 64  # cells that a worker grows at a time

Whole = NDArray[np.int64]


class _Cells(NamedTuple):
    """What some cells grow from."""

    planes: DomainPlanes
    somata: NDArray[np.float64]
    radii: NDArray[np.float64]
    feet: tuple[NDArray[Any], Whole]
    synapses: tuple[NDArray[Any], Whole]
    perimeter: PerimeterRule | None
    seed: int
    first: int


def build_shapes(of: GliaConstruction) -> Outcome:
    """Grow the shapes of astrocytes by space colonisation.

    Parameters
    ----------
    of
        The circuit under construction.
    """
    kinds = {"points": circuits.POINTS, "sections": circuits.SECTIONS}
    outputs = {part: Output(kind, of.table(kind)) for part, kind in kinds.items()}
    inputs = {SOMATA: of.stage(SOMATA), "gliovascular": of.stage("gliovascular"), **domain_inputs(of)}
    if of.neurons is not None:
        inputs |= {"neuroglial": of.stage("neuroglial"), "synapses": of.neurons.edges}
    rule = _perimeter_rule(of)
    params = {
        "perimeter": None if rule is None else [*rule[:3], list(rule.window)],
        "places": None if of.neurons is None else list(of.neurons.places),
        "seed": of.seed,
    }

    def make(parts: Parts) -> None:
        files: dict[str, list[Any]] = {part: [] for part in kinds}
        for made in of.workers.blocks(_grown, [(block,) for block in _blocks(of, rule)], parts.storage):
            for part in kinds:
                files[part] += made[part]
        # Files have the columns of any shape's tables.
        sphere = CellShape("", np.zeros((1, 4), np.float32), np.array([[0, 1, -1]]), None, {}, ())
        for part, table in zip(kinds, shape_tables([sphere]), strict=False):
            parts.write_files(part, table.schema, files[part])

    return of.build.run(SHAPES, outputs, make, inputs=inputs, params=params)


def _perimeter_rule(of: GliaConstruction) -> PerimeterRule | None:
    """The rule of perimeters that the manifest has; None where they are not wanted."""
    told = of.manifest.perimeters
    return None if told is None else PerimeterRule(*told)


def _blocks(of: GliaConstruction, rule: PerimeterRule | None) -> Iterator[_Cells]:
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
    for first in range(0, n, _BLOCK):
        last = min(first + _BLOCK, n)
        yield _Cells(
            _some_planes(planes, first, last),
            centres[first:last],
            radii[first:last],
            (
                feet[foot_offsets[first] : foot_offsets[last]],
                foot_offsets[first : last + 1] - foot_offsets[first],
            ),
            (places[offsets[first] : offsets[last]], offsets[first : last + 1] - offsets[first]),
            rule,
            of.seed,
            first,
        )


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
    found = grown_cells(
        cells.planes,
        cells.somata,
        cells.radii,
        cells.feet,
        cells.synapses,
        seed=cells.seed,
        first=cells.first,
    )
    around = None
    if cells.perimeter is not None:
        around = perimeters(
            found.diameter,
            found.offsets,
            found.parent,
            found.cells,
            cells.perimeter,
            seed=cells.seed,
            first=cells.first,
        ).astype(np.float32)
    shapes = []
    names = soma_names(cells.first + len(cells.radii))[cells.first :]
    points = np.column_stack([found.points, found.diameter]).astype(np.float32)
    for at, name in enumerate(names):
        rows = slice(found.cells[at], found.cells[at + 1])
        begin, end = found.offsets[found.cells[at]], found.offsets[found.cells[at + 1]]
        structure = np.stack(
            [found.offsets[:-1][rows] - begin, found.type[rows].astype(np.int64), found.parent[rows]], axis=1
        )
        perimeter = None if around is None else around[begin:end]
        shapes.append(CellShape(name, points[begin:end], structure, perimeter, {}, ()))
    return dict(zip(("points", "sections"), shape_tables(shapes), strict=False))
