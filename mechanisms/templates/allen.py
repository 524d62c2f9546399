"""Cells of the Allen Cell Types database: perisomatic and all-active models, by JSON or by NeuroML, on an SWC file.

What is done with parameters is what bmtk's BioNet does with ``ctdb:Biophys1.hoc``, ``nml:`` and the directives ``aibs_perisomatic``
and ``aibs_allactive`` (bmtk 1.1, Allen Institute): sections are those of NEURON's Import3d, soma first, then dendrites, then
apical dendrites; the axon is cut to two stubs of 30 um, which come last; mechanisms go to the parts that the parameters
name. bmtk's own copy of Import3d writes every coordinate with six significant digits; so do we (of the single precision that it keeps), for its results are reproduced
bit by bit only then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cell.shapes import APICAL, AXON, DENDRITE, SOMA, Morphology, Shape
from ..errors import ModelError
from ..network.cells import Detector, NetworkCell, NetworkNode
from ..network.templates import Search
from .files import content_named, node_dynamics, node_morphology
from .genome import Genome, read_genome
from .neuroml import read_neuroml

BIOPHYS, NEUROML = ("ctdb:Biophys1", "ctdb:Biophys1.hoc"), "nml:"
PERISOMATIC, ALL_ACTIVE = "aibs_perisomatic", "aibs_allactive"
SEGMENT, THRESHOLD = 20.0, -15.0
"""bmtk's ``dL`` in um, a half of which at least a segment is long, and its threshold of spikes in mV, where nothing says them."""

_ORDER = (SOMA, DENDRITE, APICAL)
_PARTS = {SOMA: "soma", AXON: "axon", DENDRITE: "dend", APICAL: "apic"}
_STUB = 30.0


@dataclass(frozen=True, eq=False)
class AllenTemplate:
    """Makes cells of the Allen Cell Types database.

    Attributes
    ----------
    name
        What circuits call it: ``ctdb:Biophys1.hoc``, or ``nml:`` and the name of a file.
    search
        Where morphologies and parameters are. Its settings ``run.dL`` and ``run.spike_threshold`` are used.
    artificial
        Never.
    """

    name: str
    search: Search
    artificial: bool = False
    _cut: dict[Any, Sequence[Shape]] = field(default_factory=dict, repr=False)

    @cached_property
    def mechanisms(self) -> Sequence[str]:
        """Mechanisms of the NeuroML file; those of JSON files are known by cell, and `check` tells them."""
        return self._neuroml.mechanisms if self.name.startswith(NEUROML) else ()

    @cached_property
    def _neuroml(self) -> Genome:
        name = self.name.removeprefix(NEUROML)
        content = content_named(name, self.search)
        if content is None:
            raise ModelError(f"the file {name} of template {self.name!r} is not in a folder that was named")
        return read_neuroml(content, name)

    def check(self, node: NetworkNode) -> Sequence[str]:
        """Return what hinders it to make this cell.

        Parameters
        ----------
        node
            The cell.
        """
        told = []
        for ask in (self._genome, self.shapes):
            try:
                ask(node)
            except ModelError as error:
                told.append(str(error))
        return tuple(told)

    def build(self, node: NetworkNode) -> NetworkCell:
        """Make a cell.

        Parameters
        ----------
        node
            The cell.

        Raises
        ------
        ModelError
            It cannot be made, or a mechanism was not loaded.
        """
        from neuron import h

        genome, shapes = self._genome(node), self.shapes(node)
        sections = [h.Section(name=shape.name) for shape in shapes]
        for section, shape in zip(sections, shapes, strict=True):
            h.pt3dadd(*(h.Vector(column) for column in shape.points.T), sec=section)
            if shape.parent >= 0:
                section.connect(sections[shape.parent](shape.parent_x), 0.0)
        genome.equip(
            {
                _PARTS[label]: [s for s, shape in zip(sections, shapes, strict=True) if shape.label == label]
                for label in _PARTS
            },
            sections,
            self.name,
        )
        for section in sections:
            section.nseg = 1 + 2 * int(section.L / (2 * self._setting("dL", SEGMENT)))
        return NetworkCell(node.gid, sections, Detector(0, 0.5, self._setting("spike_threshold", THRESHOLD)))

    def _setting(self, name: str, default: float) -> float:
        value = self.search.settings.get("run", {}).get(name)
        return default if value is None else float(value)

    def _genome(self, node: NetworkNode) -> Genome:
        what = f"cell {node.population} {node.node_id}"
        directive = node.attributes.get("model_processing")
        if self.name.startswith(NEUROML):
            return self._neuroml
        if directive not in (PERISOMATIC, ALL_ACTIVE):
            raise ModelError(
                f"{what}: model_processing is {directive!r}, expected {PERISOMATIC} or {ALL_ACTIVE}"
            )
        return read_genome(node_dynamics(node, self.search), what, everywhere=directive == PERISOMATIC)

    def shapes(self, node: NetworkNode) -> Sequence[Shape]:
        """Return the sections of a cell.

        Parameters
        ----------
        node
            The cell.

        Raises
        ------
        ModelError
            Its morphology is not there, or cannot be read.
        """
        key = (node.attributes.get("morphology"), node.attributes.get("model_processing"))
        if key not in self._cut:
            self._cut[key] = self._shapes(node)
        return self._cut[key]

    def _shapes(self, node: NetworkNode) -> list[Shape]:
        return cut(node_morphology(node, self.search), node.attributes.get("model_processing") == ALL_ACTIVE)


def cut(cell: Morphology, all_active: bool = False) -> list[Shape]:
    """Return the sections of a cell with its axon cut to two stubs, in the order in which bmtk numbers them.

    Soma, dendrites and apical dendrites come in the order of the file, coordinates with six significant digits.

    Parameters
    ----------
    cell
        The morphology.
    all_active
        Stubs are as wide as the middle of the first and of the last section of the axon and hang on the end of the soma,
        as ``aibs_allactive`` has it; else 1 um wide, on its middle.

    Raises
    ------
    ModelError
        It has no soma, or an axon's width is needed and there is none.
    """
    kept = [at for label in _ORDER for at, shape in enumerate(cell.shapes) if shape.label == label]
    number = {at: new for new, at in enumerate(kept)}
    shapes: list[Shape] = []
    for at in kept:
        shape = cell.shapes[at]
        if shape.parent >= 0 and shape.parent not in number:
            raise ModelError(f"section {shape.name} grows on the axon, which is cut off", cell.path)
        points = _rounded(shape.points)
        shapes.append(
            Shape(
                f"{_PARTS[shape.label]}_{len(shapes)}",
                shape.label,
                number.get(shape.parent, -1),
                shape.parent_x,
                points,
            )
        )
    if not shapes or shapes[0].label != SOMA:
        raise ModelError("no section of the soma", cell.path)
    axon = [shape for shape in cell.shapes if shape.label == AXON]
    if all_active and not axon:
        raise ModelError("no axon, whose width the stubs of an all-active cell have", cell.path)
    widths = (_width(axon[0]), _width(axon[-1])) if all_active else (1.0, 1.0)
    middle = shapes[0].points[len(shapes[0].points) // 2, :3]
    for stub, width in enumerate(widths):
        begin = middle - [0.0, stub * _STUB, 0.0]
        points = np.array([[*begin, width], [*(begin - [0.0, _STUB, 0.0]), width]])
        parent, x = (len(shapes) - 1, 1.0) if stub else (0, 1.0 if all_active else 0.5)
        shapes.append(Shape(f"axon_{stub}", AXON, parent, x, points))
    return shapes


def _rounded(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([[float(f"{value:g}") for value in row] for row in points.astype(np.float32).tolist()])


def _width(shape: Shape) -> float:
    """Diameter at the middle of a section of one segment, as NEURON has it: of the area of the whole."""
    from neuron import h

    section = h.Section(name="measured")
    h.pt3dadd(*(h.Vector(column) for column in _rounded(shape.points).T), sec=section)
    return float(section.diam)


def find_allen(name: str, search: Search) -> AllenTemplate | None:
    """Return the template of cells of the Allen Cell Types database.

    Parameters
    ----------
    name
        ``ctdb:Biophys1.hoc``, or ``nml:`` and a file's name.
    search
        Where files are.
    """
    known = name in BIOPHYS or (name.startswith(NEUROML) and name != NEUROML)
    return AllenTemplate(name, search) if known else None
