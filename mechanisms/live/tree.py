"""The trees of NEURON's sections as they are: connections, distances and places, read without changing the model."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

# Of a class that a function makes: <module.function.<locals>.Cell object at 0x7f…>.
_ADDRESS = re.compile(
    r"<(?:[\w.<>]*\.)?(?P<kind>\w+) object at (?P<at>0x[0-9a-fA-F]+)>|(?P<other>0x[0-9a-fA-F]{6,})"
)
# How NEURON's define_shape spreads children of one place, in rad, and puts roots apart along z, in um.
_SPREAD, _APART = 0.8, 100.0


@dataclass(frozen=True)
class Attachment:
    """How a section is connected.

    Attributes
    ----------
    parent, parent_x
        The section that it is connected to, and where on that; None and NaN for a root.
    end
        Its own end that is connected, 0 or 1; 0 for a root.
    """

    parent: Any
    parent_x: float
    end: int


def connection(section: Any) -> Attachment:
    """Return how a section is connected.

    Parameters
    ----------
    section
        A section of NEURON's.
    """
    above = section.parentseg()
    if above is None:
        return Attachment(None, math.nan, 0)
    return Attachment(above.sec, float(above.x), int(section.orientation()))


def root_of(section: Any) -> Any:
    """Return the root of the tree that a section belongs to.

    Parameters
    ----------
    section
        A section of NEURON's.
    """
    while (above := section.parentseg()) is not None:
        section = above.sec
    return section


def cells_of(sections: Sequence[Any]) -> list[list[Any]]:
    """Return sections by the tree that they belong to, trees and sections in the order given.

    Parameters
    ----------
    sections
        NEURON's sections.
    """
    cells: dict[Any, list[Any]] = {}
    for section in sections:
        cells.setdefault(root_of(section), []).append(section)
    return list(cells.values())


# Names


def stable_names(sections: Sequence[Any]) -> list[str]:
    """Return a name for each section that is the same whenever the same model is made, and that no section of NEURON's shares.

    Addresses in memory, which Python shows for objects without a ``__repr__``, become numbers in order of
    appearance: ``<__main__.Cell object at 0x7f…>.soma`` is ``Cell[0].soma``. Objects of hoc's templates are
    numbered among those that live. Of several sections with one name each is identified by the number of its
    cell: ``cell[2].soma``; and, within a cell, by its own number: ``dend[1]``.

    Parameters
    ----------
    sections
        NEURON's sections.
    """
    from neuron import h

    every = list(h.allsec())
    named = dict(zip(every, _distinct(every, _without_addresses(every)), strict=True))
    return [named[section] for section in sections]


def object_name(made: Any) -> str:
    """Return the name of an object of NEURON's, such as ``NetStim[0]``, numbered among those of its kind that live.

    Parameters
    ----------
    made
        An object of NEURON's.
    """
    from neuron import h

    kind = made.hname().split("[")[0]
    return f"{kind}[{int(h.List(kind).index(made))}]"


def _without_addresses(sections: Sequence[Any]) -> list[str]:
    from neuron import hoc

    numbers: dict[str, dict[str, int]] = {}
    owners: dict[str, str] = {}

    def numbered(match: re.Match[str]) -> str:
        kind, at = match["kind"] or "object", match["at"] or match["other"]
        known = numbers.setdefault(kind, {})
        return f"{kind}[{known.setdefault(at, len(known))}]"

    names = []
    for section in sections:
        name, owner = section.name(), section.cell()
        if isinstance(owner, hoc.HocObject) and name.startswith(prefix := f"{owner}."):
            if prefix not in owners:
                owners[prefix] = object_name(owner)
            name = f"{owners[prefix]}.{name.removeprefix(prefix)}"
        names.append(_ADDRESS.sub(numbered, name))
    return names


def _distinct(sections: Sequence[Any], names: list[str]) -> list[str]:
    roots: dict[Any, int] = {}
    cells = [roots.setdefault(root_of(section), len(roots)) for section in sections]
    often = Counter(names)
    names = [
        f"cell[{cell}].{name}" if often[name] > 1 else name for name, cell in zip(names, cells, strict=True)
    ]
    often, taken = Counter(names), set(names)
    found = []
    for name in names:
        if often[name] > 1:
            name = next(own for at in count() if (own := f"{name}[{at}]") not in taken)
            taken.add(name)
        found.append(name)
    return found


# Distances


class SomaDistances:
    """How far places on a tree are from the surface of its soma, along the tree.

    As NEURON's ``distance`` has it, what is connected to a section between its ends is connected to the middle of a segment.

    Parameters
    ----------
    somata
        Those sections of one tree that are the soma, at least one: every place on them is 0 um away.
    """

    def __init__(self, somata: Sequence[Any]) -> None:
        self._somata = set(somata)
        # Where the path from the soma comes to a section, and how long it is there.
        self._entered = dict.fromkeys(somata, (0.0, 0.0))
        connections = {section: connection(section) for section in root_of(somata[0]).wholetree()}
        children: dict[Any, list[Any]] = {}
        for section, own in connections.items():
            if own.parent is not None:
                children.setdefault(own.parent, []).append(section)
        waiting = list(somata)
        while waiting:
            section = waiting.pop()
            own = connections[section]
            beside: list[tuple[Any, float, float]] = [
                (child, connections[child].end, _node(section, connections[child].parent_x))
                for child in children.get(section, ())
            ]
            if own.parent is not None:
                beside.append((own.parent, _node(own.parent, own.parent_x), own.end))
            for other, there, here in beside:
                if other not in self._entered:
                    self._entered[other] = (there, self.at(section, here))
                    waiting.append(other)

    def at(self, section: Any, x: float) -> float:
        """Return the distance of a place on a section in um.

        Parameters
        ----------
        section
            A section of the tree.
        x
            Relative position on it, 0 to 1.
        """
        if section in self._somata:
            return 0.0
        where, distance = self._entered[section]
        return float(distance + abs(x - where) * section.L)


def _node(section: Any, x: float) -> float:
    """Where NEURON connects what is connected at *x*: an end, or the middle of a segment."""
    return x if x in (0.0, 1.0) else (math.floor(x * section.nseg) + 0.5) / section.nseg


# Places


def borders(cells: Sequence[Sequence[Any]]) -> dict[Any, Reals]:
    """Return where the segments of sections begin and end, float64[nseg + 1, 3] in um from the 0-end, by section.

    They divide the line of a section's 3-D points into pieces of equal length. Sections without 3-D points are laid out straight
    in a plane, much as by NEURON's ``define_shape``; that itself changes diameters and moves the points of other sections.

    Parameters
    ----------
    cells
        Sections by the tree that they belong to, as of `cells_of`.
    """
    found: dict[Any, Reals] = {}
    for number, cell in enumerate(cells):
        lines = _lines(root_of(cell[0]), number * _APART)
        found |= {section: _at(lines[section], np.linspace(0.0, 1.0, section.nseg + 1)) for section in cell}
    return found


def _at(line: tuple[Reals, Reals], x: Reals) -> Reals:
    relative, points = line
    return np.column_stack([np.interp(x, relative, points[:, axis]) for axis in range(3)])


def _lines(root: Any, z: float) -> dict[Any, tuple[Reals, Reals]]:
    """Relative positions, ascending from the 0-end, and places of the points of every section of a tree."""
    lines: dict[Any, tuple[Reals, Reals]] = {}
    for section in _downwards(root):
        line = _drawn(section) if section.n3d() > 1 else None
        lines[section] = _made_up(section, lines, z) if line is None else line
    return lines


def _downwards(root: Any) -> Iterator[Any]:
    waiting = [root]
    while waiting:
        section = waiting.pop()
        yield section
        waiting += section.children()


def _drawn(section: Any) -> tuple[Reals, Reals] | None:
    count = section.n3d()
    arc = np.array([section.arc3d(at) for at in range(count)])
    if not arc[-1] > 0:
        return None
    points = np.array([(section.x3d(at), section.y3d(at), section.z3d(at)) for at in range(count)])
    relative = arc / arc[-1]
    # NEURON counts points from the end that is connected.
    if section.orientation():
        return 1.0 - relative[::-1], points[::-1]
    return relative, points


def _made_up(section: Any, lines: dict[Any, tuple[Reals, Reals]], z: float) -> tuple[Reals, Reals]:
    own = connection(section)
    start, direction = np.array([0.0, 0.0, z]), 0.0
    if own.parent is not None:
        line = lines[own.parent]
        start = _at(line, np.array([own.parent_x]))[0]
        along = line[1][-1] - line[1][0]
        along = -along if own.parent_x < 1e-5 else along
        direction = math.atan2(along[1], along[0]) + _spread(section, own)
    end = start + section.L * np.array([math.cos(direction), math.sin(direction), 0.0])
    points = np.stack([start, end])
    return np.array([0.0, 1.0]), points[::-1] if own.end else points


def _spread(section: Any, own: Attachment) -> float:
    beside = [child for child in own.parent.children() if connection(child).parent_x == own.parent_x]
    angle = beside.index(section) / (len(beside) - 1) * _SPREAD - _SPREAD / 2 if len(beside) > 1 else 0.0
    return angle + math.pi / 2 if 1e-4 < own.parent_x < 0.9999 else angle
