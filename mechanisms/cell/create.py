"""A cell in NEURON, built from a morphology and the parameters of a simrun cell file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .axon import AIS, with_axon
from .biophysics import read_cell_model
from .membrane import check_membrane, equip, segments_wanted
from .modify import bind_modifiers
from .sections import Cell
from .shapes import SOMA, Morphology

__all__ = ["Cell", "create_cell"]


def create_cell(
    parameters: Mapping[str, Any], morphology: Morphology, *, path: str | Path | None = None
) -> Cell:
    """Build a cell; its mechanisms must have been loaded (`library.load`).

    Everything is checked before the first section is made. Where the parameters name an ``AIS``, an axon is added
    (`axon.with_axon`). Then come discretisation, membrane (`membrane`), and the functions to call on the cell
    (`modify`).

    Parameters
    ----------
    parameters
        The tree of a simrun cell parameter file; its ``filename`` is not followed.
    morphology
        The sections.
    path
        The parameter file, for messages.

    Raises
    ------
    ModelError
        No soma, sections whose label has no parameters, labels, mechanisms, parameters, spatial rules or functions that do
        not exist, and values that make no sense.
    """
    if SOMA not in morphology.labels:
        raise ModelError("no section of the soma, on which a cell's input and output are", morphology.path)
    model = read_cell_model(parameters, path)
    shapes = with_axon(morphology.shapes) if AIS in model.parts else morphology.shapes
    check_membrane(model, shapes)
    modifiers = bind_modifiers(model)
    cell = Cell(shapes)
    for section, shape in zip(cell.sections, shapes, strict=True):
        section.nseg = segments_wanted(model, shape, section.L)
    equip(cell.sections, cell.branches, model)
    for modifier in modifiers:
        modifier(cell)
    return cell
