"""Channels, capacitance and segments of a cell's sections, as its parameters define them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .axon import AIS, MYELIN
from .biophysics import Biophysics, CellModel, Insertion
from .shapes import APICAL, AXON, DENDRITE, SOMA, Shape
from .sites import Branches
from .spatial import Numbers, measured

KNOWN_LABELS = (SOMA, DENDRITE, APICAL, AXON, AIS, MYELIN)
"""Labels that parameters may describe although the morphology does not have them."""

_before: dict[str, float] = {}  # NEURON's global variables that cells have changed, as they were


def check_membrane(model: CellModel, shapes: Sequence[Shape]) -> None:
    """Compare the model with the morphology, and with the mechanisms of this process's NEURON.

    Parameters
    ----------
    model
        The model to check.
    shapes
        Sections of its morphology.

    Raises
    ------
    ModelError
        Naming the entry of the parameter file: a label without parameters or without sections, a mechanism that
        has not been loaded, a parameter or global that it does not have, an ion that no mechanism uses.
    """
    labels = dict.fromkeys(shape.label for shape in shapes)
    for label in labels:
        if label not in model.parts:
            raise model.source.error(f"no parameters for the sections labelled {label!r}", "neuron")
    for label in model.parts:
        if label not in labels and label not in KNOWN_LABELS:
            raise model.source.error(
                f"no section is labelled so; there are {', '.join(labels)}", f"neuron.{label}"
            )
    known = _parameters()
    for label, part in model.parts.items():
        _check_part(model, label, part, known)
    _check_globals(model)


def _check_part(model: CellModel, label: str, part: Biophysics, known: Mapping[str, frozenset[str]]) -> None:
    for insertion in part.insertions:
        own = known.get(insertion.mechanism)
        if own is None:
            raise model.source.error("no such mechanism: load the folder that defines it", insertion.place)
        for name in {**insertion.varied, **insertion.fixed}:
            if name not in own:
                offered = ", ".join(sorted(own)) or "none"
                raise model.source.error(
                    f"no parameter {name!r} of this mechanism; it has {offered}", insertion.place
                )
    for name in part.reversal:
        if not name.startswith("e") or f"{name[1:]}_ion" not in known:
            raise model.source.error(
                "no reversal potential of an ion", f"neuron.{label}.properties.ions.{name}"
            )


def _check_globals(model: CellModel) -> None:
    from neuron import h

    for name in model.mechanism_globals:
        if not isinstance(getattr(h, name, None), float):
            raise model.source.error(f"NEURON has no global variable {name!r}", "mech_globals")


def _parameters() -> dict[str, frozenset[str]]:
    """The RANGE parameters of each density mechanism in this process."""
    from neuron import h

    kinds, name, found = h.MechanismType(0), h.ref(""), {}
    for kind in range(int(kinds.count())):
        kinds.select(kind)
        kinds.selected(name)
        mechanism = name[0]
        found[mechanism] = frozenset(_parameters_of(h, mechanism))
    return found


def _parameters_of(h: Any, mechanism: str) -> list[str]:
    offered, name, names = h.MechanismStandard(mechanism, 1), h.ref(""), []
    for at in range(int(offered.count())):
        offered.name(name, at)
        names.append(name[0].removesuffix(f"_{mechanism}"))
    return names


def segments_wanted(model: CellModel, shape: Shape, length: float) -> int:
    """Return the number of segments that a section should have.

    An odd number that makes segments of about a tenth of the length constant at the model's frequency, for the
    diameter at the middle 3-D point; more where they would be longer than the model's greatest length.

    Parameters
    ----------
    model
        The model, with its frequency and greatest length of segments.
    shape
        The section.
    length
        Length of the section in um.

    Notes
    -----
    The rule is that of Hines ML, Carnevale NT (2001) The Neuroscientist 7:123-135, as simrun applies it.
    """
    if shape.segments is not None:
        return shape.segments
    part, diameter = model.parts[shape.label], shape.points[len(shape.points) // 2, 3]
    constant = 1e5 * math.sqrt(diameter / (4 * math.pi * model.frequency * part.ra * part.cm))
    segments = int((length / (0.1 * constant) + 0.5) // 2 * 2 + 1)
    if model.max_segment is not None and length / segments > model.max_segment:
        segments = math.ceil(length / model.max_segment)
    return segments


def equip(sections: Sequence[Any], cell: Branches, model: CellModel) -> None:
    """Give the sections their membrane, in the order of mechanisms in the file.

    Spines multiply a section's capacitance and passive conductance by 1 + spine area / membrane area.

    Parameters
    ----------
    sections
        NEURON's sections, discretised.
    cell
        The same sections as arrays.
    model
        A model that `check_membrane` has accepted.
    """
    _set_globals(model.mechanism_globals)
    for section, label in zip(sections, cell.labels, strict=True):
        _equip_section(section, model.parts[label])
    for label, part in model.parts.items():
        ids = [at for at, own in enumerate(cell.labels) if own == label]
        for insertion in part.insertions:
            _vary(insertion, ids, sections, cell)
    for section, label in zip(sections, cell.labels, strict=True):
        _add_spines(section, model.parts[label].spine_area)


def _set_globals(values: Numbers) -> None:
    """Set global variables; those that an earlier cell of this process had changed return to what they were."""
    from neuron import h

    for name, value in _before.items():
        setattr(h, name, value)
    for name, value in values.items():
        _before.setdefault(name, getattr(h, name))
        setattr(h, name, value)


def _equip_section(section: Any, part: Biophysics) -> None:
    section.Ra, section.cm = part.ra, part.cm
    for insertion in part.insertions:
        section.insert(insertion.mechanism)
        for name, value in insertion.fixed.items():
            setattr(section, f"{name}_{insertion.mechanism}", value)
    for name, value in part.reversal.items():
        section.insert(f"{name[1:]}_ion")
        setattr(section, name, value)


def _vary(insertion: Insertion, ids: Sequence[int], sections: Sequence[Any], cell: Branches) -> None:
    for section in ids:
        segments = list(sections[section])
        at = np.array([segment.x for segment in segments])
        x = measured(cell, section, at, insertion.rule.measure, relative=insertion.relative)
        for name in insertion.varied:
            for segment, value in zip(segments, insertion.values(name, section, x).tolist(), strict=True):
                setattr(segment, f"{name}_{insertion.mechanism}", value)


def _add_spines(section: Any, spine_area: float) -> None:
    if spine_area == 0:
        return
    factor = 1 + spine_area * section.L / sum(segment.area() for segment in section)
    for segment in section:
        segment.cm *= factor
        if hasattr(segment, "pas"):
            segment.pas.g *= factor
