"""What a cell parameter file says about membrane and axial properties, understood before a cell is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..entries import ParameterEntry
from .spatial import RULES, Numbers, Reals, Rule

NOT_LABELS = ("filename", "cell_modify_functions", "discretization", "spatialgraph_modify_functions")
"""Keys of ``neuron`` that do not name a part of the cell."""


@dataclass(frozen=True)
class Insertion:
    """A mechanism in all sections of a label.

    Attributes
    ----------
    mechanism
        Its name.
    rule
        How `varied` parameters vary over the label.
    numbers
        What the rule needs.
    relative
        Whether distances are shares of the farthest tip's.
    varied, fixed
        RANGE parameters by name: those that the rule varies, and those equal everywhere.
    outside
        Sections that count as outside whatever their distance (``outsidescale_sections``).
    place
        Where in the file this is said.
    """

    mechanism: str
    rule: Rule
    numbers: Numbers
    relative: bool
    varied: Numbers
    fixed: Numbers
    outside: frozenset[int]
    place: str

    def values(self, parameter: str, section: int, x: Reals) -> Reals:
        """Return a varied parameter for segments of a section, float64[n].

        Parameters
        ----------
        parameter
            Name of the parameter, one of `varied`.
        section
            ID of the section.
        x
            What the rule measures at each segment, float64[n].
        """
        if section in self.outside:
            x = np.full_like(x, np.nan)  # neither before the end nor behind the beginning
        return self.rule.value(self.varied[parameter], x, self.numbers)


@dataclass(frozen=True)
class Biophysics:
    """Properties of all sections of one label.

    Attributes
    ----------
    ra, cm
        Axial resistivity in ohm cm and membrane capacitance in uF/cm2.
    reversal
        Reversal potentials in mV by NEURON's names, such as ``ek``.
    spine_area
        Membrane area of spines per length, in um2/um.
    insertions
        Mechanisms.
    """

    ra: float
    cm: float
    reversal: Numbers
    spine_area: float
    insertions: tuple[Insertion, ...]


@dataclass(frozen=True)
class CellModel:
    """A cell parameter file, without its morphology.

    Attributes
    ----------
    parts
        Properties by label.
    frequency, max_segment
        Discretisation: frequency in Hz of the length constant that segments are a tenth of, and the greatest length
        in um, or None.
    mechanism_globals
        Values of NEURON's global variables, by name (such as ``q10_hh``).
    modifiers
        Functions to call on the cell, with keyword arguments, in order.
    source
        The parameters, for messages.
    """

    parts: Mapping[str, Biophysics]
    frequency: float
    max_segment: float | None
    mechanism_globals: Numbers
    modifiers: tuple[tuple[str, Mapping[str, Any]], ...]
    source: ParameterEntry


def read_cell_model(parameters: Mapping[str, Any], path: str | Path | None = None) -> CellModel:
    """Understand the parameters of a cell.

    Parameters
    ----------
    parameters
        The tree of a simrun cell parameter file, with ``neuron`` and optionally ``mech_globals`` at the top.
    path
        The file, for messages.

    Raises
    ------
    ModelError
        A value is missing or of another kind, a spatial rule does not exist, or a number of one is missing.
    """
    top = ParameterEntry(parameters, path=path)
    neuron = top.entry("neuron")
    if neuron.tree.get("spatialgraph_modify_functions"):
        raise neuron.error("not supported; use cell_modify_functions", "spatialgraph_modify_functions")
    discretisation = _optional(neuron, "discretization")
    functions = _optional(neuron, "cell_modify_functions")
    return CellModel(
        parts={label: _part(neuron.entry(label)) for label in neuron.tree if label not in NOT_LABELS},
        frequency=discretisation.positive("f") if "f" in discretisation.tree else 100.0,
        max_segment=_positive_or_none(discretisation, "max_seg_length"),
        mechanism_globals=_mechanism_globals(_optional(top, "mech_globals")),
        modifiers=tuple((name, dict(_optional(functions, name).tree)) for name in functions.tree),
        source=top,
    )


def _optional(entry: ParameterEntry, key: str) -> ParameterEntry:
    return ParameterEntry({}, key, entry.path) if entry.tree.get(key) is None else entry.entry(key)


def _positive_or_none(entry: ParameterEntry, key: str) -> float | None:
    return None if entry.tree.get(key) is None else entry.positive(key)


def _mechanism_globals(entry: ParameterEntry) -> Numbers:
    return {
        f"{name}_{mechanism}": entry.entry(mechanism).number(name)
        for mechanism in entry.tree
        for name in entry.entry(mechanism).tree
    }


def _part(entry: ParameterEntry) -> Biophysics:
    properties, mechanisms = entry.entry("properties"), _optional(entry, "mechanisms")
    if mechanisms.tree.get("global"):
        raise mechanisms.error("a mechanism's global values belong in mech_globals, at the top", "global")
    ranges, ions, spines = (
        _optional(mechanisms, "range"),
        _optional(properties, "ions"),
        _optional(properties, "spines"),
    )
    return Biophysics(
        ra=properties.positive("Ra"),
        cm=properties.positive("cm"),
        reversal={name: ions.number(name) for name in ions.tree},
        spine_area=spines.number("density", low=0) * spines.number("area", low=0) if spines.tree else 0.0,
        insertions=tuple(_insertion(name, ranges.entry(name)) for name in ranges.tree),
    )


def _insertion(mechanism: str, entry: ParameterEntry) -> Insertion:
    name = entry.value("spatial")
    rule = RULES.get(name) if isinstance(name, str) else None
    if rule is None:
        raise entry.error(f"no spatial rule {name!r}; there are {', '.join(RULES)}", "spatial")
    numbers = {need: entry.number(need) for need in rule.needs}
    said = {"spatial", "distance", "param_name", "outsidescale_sections", *rule.needs}
    values = {key: entry.number(key) for key in entry.tree if key not in said}
    varied, fixed = values, {}
    if "prox_value" in rule.needs:
        varied, fixed = {_text(entry, "param_name"): numbers["prox_value"]}, values
    return Insertion(
        mechanism=mechanism,
        rule=rule,
        numbers=numbers,
        relative=_relative(entry),
        varied=varied,
        fixed=fixed,
        outside=_outside(entry, name),
        place=entry.place,
    )


def _text(entry: ParameterEntry, key: str) -> str:
    if not isinstance(value := entry.value(key), str):
        raise entry.error(f"{value!r}, expected a name", key)
    return value


def _relative(entry: ParameterEntry) -> bool:
    if entry.tree.get("distance") not in (None, "relative"):
        raise entry.error(f"{entry.tree['distance']!r}, expected 'relative' or nothing", "distance")
    return "distance" in entry.tree and entry.tree["distance"] is not None


def _outside(entry: ParameterEntry, rule: str) -> frozenset[int]:
    if "outsidescale_sections" not in entry.tree:
        return frozenset()
    if rule != "uniform_range":
        raise entry.error("only the rule uniform_range has an outside", "outsidescale_sections")
    return frozenset(int(section) for section in entry.numbers("outsidescale_sections", low=0))
