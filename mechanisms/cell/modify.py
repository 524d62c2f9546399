"""Functions that a cell parameter file may have called on the cell (``cell_modify_functions``), by name.

They change diameters or attach stimuli. Users register theirs with `cell_modifier`; nothing in a file is evaluated.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import ModelError
from .biophysics import CellModel
from .compartments import apical_place
from .sections import Cell
from .shapes import APICAL

Modifier = Callable[..., None]

_known: dict[str, Modifier] = {}


def cell_modifier(function: Modifier) -> Modifier:
    """Register a function under its own name; it is called with the `Cell` and the file's keyword arguments.

    Parameters
    ----------
    function
        The function; its name is the one that parameter files use.
    """
    _known[function.__name__] = function
    return function


def bind_modifiers(model: CellModel) -> list[Callable[[Cell], None]]:
    """Return the functions that a model names, with their arguments.

    Parameters
    ----------
    model
        The model.

    Raises
    ------
    ModelError
        A function is unknown, or does not take its arguments.
    """
    bound: list[Callable[[Cell], None]] = []
    for name, arguments in model.modifiers:
        place = f"neuron.cell_modify_functions.{name}"
        if name not in _known:
            raise model.source.error(f"no such function; there are {', '.join(sorted(_known))}", place)
        try:
            inspect.signature(_known[name]).bind(None, **arguments)
        except TypeError as error:
            raise model.source.error(str(error), place) from error
        bound.append(partial(_known[name], **arguments))
    return bound


@cell_modifier
def scale_apical(cell: Cell, scale: float, compartment: str = APICAL) -> None:
    """Multiply the diameters of all sections of a label.

    Parameters
    ----------
    cell
        The cell.
    scale
        Factor of the diameters.
    compartment
        Label of the sections.

    Raises
    ------
    ModelError
        No section has the label.
    """
    for section in cell.of_label(compartment):
        cell.scale_diameter(section, scale)


@cell_modifier
def scale_apical_morph_86(cell: Cell) -> None:
    """Multiply the diameters of cell 86's proximal apical dendrite by 2.5.

    That is the first 33 apical sections that end at most 1,000 um from the soma's 0-end.

    Parameters
    ----------
    cell
        The cell.
    """
    proximal = [section for section in cell.of_label(APICAL) if cell.distance(section, 1.0) <= 1000.0]
    for section in proximal[:33]:
        cell.scale_diameter(section, 2.5)


@cell_modifier
def scale_by_detailed_compartment(cell: Cell, **scales: float) -> None:
    """Multiply the diameters by detailed label: ``trunk``, ``tuft``, ``oblique``, ``basal`` or an own label.

    Parameters
    ----------
    cell
        The cell.
    **scales
        Factor of the diameters by detailed label; see `compartments.detailed_labels`.

    Raises
    ------
    ModelError
        No section has one of the labels.
    """
    if unknown := scales.keys() - set(cell.detailed_labels):
        raise ModelError(
            f"no sections of {', '.join(sorted(unknown))}; there are {set(cell.detailed_labels)}"
        )
    for section, label in enumerate(cell.detailed_labels):
        if label in scales:
            cell.scale_diameter(section, scales[label])


@cell_modifier
def soma_current_injection(cell: Cell, amplitude: float, delay: float, duration: float) -> None:
    """Inject a step of current into the soma.

    Parameters
    ----------
    cell
        The cell.
    amplitude
        Current in nA.
    delay, duration
        Begin and length of the step in ms.
    """
    _step(cell, cell.soma(0.5), amplitude, delay, duration)


@cell_modifier
def apical_current_injection(
    cell: Cell, dist: float, amplitude: float, delay: float, duration: float
) -> None:
    """Inject a step of current into the apical dendrite; see `compartments.apical_place`.

    Parameters
    ----------
    cell
        The cell.
    dist
        Path length from the soma's 0-end to the electrode in um.
    amplitude
        Current in nA.
    delay, duration
        Begin and length of the step in ms.

    Raises
    ------
    ModelError
        The apical dendrite does not reach so far.
    """
    _step(cell, _apical(cell, dist), amplitude, delay, duration)


@cell_modifier
def apical_epsp_injection(
    cell: Cell, dist: float, amplitude: float, delay: float, rise: float = 1.0, decay: float = 5.0
) -> None:
    """Inject a current of the shape of an EPSC into the apical dendrite; see `compartments.apical_place`.

    Parameters
    ----------
    cell
        The cell.
    dist
        Path length from the soma's 0-end to the electrode in um.
    amplitude
        Greatest current in nA.
    delay
        When the current starts in ms.
    rise, decay
        Time constants in ms.

    Raises
    ------
    ModelError
        The apical dendrite does not reach so far.
    """
    from neuron import h

    source = h.epsp(_apical(cell, dist))
    source.imax, source.onset, source.tau0, source.tau1 = amplitude, delay, rise, decay
    cell.keep(source)


@cell_modifier
def BAC_injection(cell: Cell, dist: float = 970.0, delay: float = 295.0) -> None:  # noqa: N802
    """Inject a somatic step of 1.9 nA for 5 ms, and 5 ms after its start an apical EPSP of 0.5 nA.

    The protocol of back-propagating action potential activated calcium spike firing: Larkum ME, Zhu JJ, Sakmann B
    (1999) Nature 398:338-341, with the numbers of Hay E, Hill S, Schurmann F, Markram H, Segev I (2011) PLoS Comput
    Biol 7:e1002107.

    Parameters
    ----------
    cell
        The cell.
    dist
        Path length from the soma's 0-end to the apical electrode in um.
    delay
        When the somatic step starts in ms.

    Raises
    ------
    ModelError
        The apical dendrite does not reach so far.
    """
    soma_current_injection(cell, 1.9, delay, 5.0)
    apical_epsp_injection(cell, dist, 0.5, delay + 5.0)


def _step(cell: Cell, place: Any, amplitude: float, delay: float, duration: float) -> None:
    from neuron import h

    source = h.IClamp(place)
    source.amp, source.delay, source.dur = amplitude, delay, duration
    cell.keep(source)


def _apical(cell: Cell, distance: float) -> Any:
    section, x = apical_place(cell.branches, distance)
    return cell.sections[section](x)
