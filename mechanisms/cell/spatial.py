"""How a channel's density varies over a cell: the spatial rules of simrun's cell parameters.

A rule turns a parameter p of a mechanism into a value for each segment. x is the path length in um from the soma's
middle, where dendrites start, to the segment's centre, or what `Measure` has instead. Where ``distance`` is
``relative``, x is divided by the longest path from the soma's middle to a tip of the label (so that x of a rule that
measures from the soma's 0-end ends a little above 1), as simrun does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .sites import SOMA, Branches

Reals = NDArray[np.float64]
Numbers = Mapping[str, float]


class Measure(Enum):
    """What x measures in um, before it is made relative."""

    FROM_SOMA_MIDDLE = "path from the soma's middle"
    FROM_SOMA_START = "path from the soma's 0-end"
    HEIGHT = "height above the soma's middle along z; divided by 1000 where it is not relative"


@dataclass(frozen=True)
class Rule:
    """A spatial rule.

    Attributes
    ----------
    value
        Called with p, x (float64[n]) and the rule's numbers; returns float64[n].
    needs
        Names of the numbers that it needs.
    measure
        What x is.
    """

    value: Callable[[float, Reals, Numbers], Reals]
    needs: tuple[str, ...] = ()
    measure: Measure = Measure.FROM_SOMA_MIDDLE


def _uniform(p: float, x: Reals, a: Numbers) -> Reals:
    return np.full_like(x, p)


def _linear(p: float, x: Reals, a: Numbers) -> Reals:
    return np.maximum(p * (x * a["slope"] + 1), p * a["offset"])


def _linear_capped(p: float, x: Reals, a: Numbers) -> Reals:
    """From p at the soma to another value at a distance, and that beyond."""
    share = np.minimum(x / a["dist_value_distance"], 1.0)
    return p + (a["dist_value"] - p) * share


def _exponential(p: float, x: Reals, a: Numbers) -> Reals:
    return p * (a["offset"] + a["linScale"] * np.exp(a["_lambda"] * (x - a["xOffset"])))


def _capped_exponential(p: float, x: Reals, a: Numbers) -> Reals:
    return np.minimum(_exponential(p, x, a), a["max_g"])


def _sigmoid(p: float, x: Reals, a: Numbers) -> Reals:
    return p * (a["offset"] + a["linScale"] / (1 + np.exp((x - a["xOffset"]) / a["width"])))


def _uniform_range(p: float, x: Reals, a: Numbers) -> Reals:
    return np.where((a["begin"] <= x) & (x <= a["end"]), p, p * a["outsidescale"])


_EXPONENTIAL = ("offset", "linScale", "_lambda", "xOffset")
RULES: Mapping[str, Rule] = {
    "uniform": Rule(_uniform),
    "linear": Rule(_linear, ("slope", "offset"), Measure.FROM_SOMA_START),
    "linear_capped": Rule(
        _linear_capped, ("prox_value", "dist_value", "dist_value_distance"), Measure.FROM_SOMA_START
    ),
    "exponential": Rule(_exponential, _EXPONENTIAL),
    "exponential_by_z_dist": Rule(_exponential, _EXPONENTIAL, Measure.HEIGHT),
    "capped_exponential": Rule(_capped_exponential, (*_EXPONENTIAL, "max_g")),
    "sigmoid": Rule(_sigmoid, ("offset", "linScale", "xOffset", "width")),
    "uniform_range": Rule(_uniform_range, ("begin", "end", "outsidescale")),
}
"""Every rule by its name in parameter files."""


def measured(
    cell: Branches,
    section: int,
    x: Reals,
    measure: Measure = Measure.FROM_SOMA_MIDDLE,
    *,
    relative: bool = False,
) -> Reals:
    """Return what a rule takes as x at relative positions of a section.

    Parameters
    ----------
    cell
        The sections.
    section, x
        A section, and positions on it from 0 to 1, float64[n].
    measure, relative
        What to measure, and whether to divide it by the longest path of the section's label.

    Returns
    -------
    float64[n]
        On the soma itself every path starts at its 0-end.
    """
    if measure is Measure.HEIGHT:
        height = _height(cell, section, x) - _height(cell, cell.labels.index(SOMA), np.array([0.5]))
        return height / (longest_path(cell, cell.labels[section]) if relative else 1000.0)
    if cell.labels[section] == SOMA:
        found: Reals = x * cell.length[section] + cell.stem[section]
    else:
        found = cell.soma_distances(np.full(len(x), section), x)
        if measure is Measure.FROM_SOMA_START:
            found += cell.stem[section]
    return found / longest_path(cell, cell.labels[section]) if relative else found


def longest_path(cell: Branches, label: str) -> float:
    """Return the longest path in um from the soma's middle to a tip of a label.

    A tip is the end of a section on which none starts; that of the soma is its end.

    Parameters
    ----------
    cell
        The cell.
    label
        Label of the sections.

    Raises
    ------
    ModelError
        No section of the label ends in a tip.
    """
    if label == SOMA:
        return float(cell.length[cell.labels.index(SOMA)])
    tips = set(range(len(cell))) - set(cell.parent.tolist())
    ends = [float(cell.start[tip] + cell.length[tip]) for tip in tips if cell.labels[tip] == label]
    if not ends:
        raise ModelError(f"relative distances on {label}: none of its sections ends in a tip")
    return max(ends)


def _height(cell: Branches, section: int, x: Reals) -> Reals:
    points = cell.of(section)
    height: Reals = np.interp(x, cell.relative[points], cell.points[points, 2])
    return height
