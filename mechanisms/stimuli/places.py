"""Where on a cell something is attached."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ModelError
from ..network.cells import NetworkCell

SOMA = "soma"
_PART = re.compile(r"(?:.*\.)?([A-Za-z]+)(?:_\d+|\[\d+\])?$")


@dataclass(frozen=True)
class ClampPlace:
    """A place on a cell.

    Attributes
    ----------
    x
        Relative position on the section.
    part, index
        Part of the cell as its sections are called (soma, axon, dend, apic), and which of its sections.
    section
        Place of the section in `NetworkCell.sections`, instead of part and index.
    """

    x: float = 0.5
    part: str = SOMA
    index: int = 0
    section: int | None = None

    def of(self, cell: NetworkCell) -> Any:
        """Return NEURON's segment at this place of a cell.

        Parameters
        ----------
        cell
            The cell.

        Raises
        ------
        ModelError
            The cell has no sections, or not this one.
        """
        if cell.artificial:
            raise ModelError(f"cell {cell.gid} is a point process, to which no clamp can be attached")
        if self.section is not None:
            if not 0 <= self.section < len(cell.sections):
                raise ModelError(
                    f"cell {cell.gid} has {len(cell.sections)} sections, and so no section {self.section}"
                )
            return cell.sections[self.section](self.x)
        if self.part == SOMA and self.index == 0:
            return cell.sections[cell.soma](self.x)
        own = [section for section in cell.sections if part_of(section) == self.part]
        if not 0 <= self.index < len(own):
            raise ModelError(f"cell {cell.gid} has no section {self.part}[{self.index}]")
        return own[self.index](self.x)


def place_of(place: ClampPlace | Mapping[int, ClampPlace], cell: NetworkCell) -> Any:
    """Return NEURON's segment at the place of a cell.

    Parameters
    ----------
    place
        A place on each cell, or places by gid.
    cell
        The cell.

    Raises
    ------
    ModelError
        The cell has no such place.
    """
    return (place if isinstance(place, ClampPlace) else place[cell.gid]).of(cell)


def placed(place: ClampPlace | Mapping[int, ClampPlace]) -> Any:
    """Return a place as JSON has it.

    Parameters
    ----------
    place
        A place on each cell, or places by gid.
    """
    if isinstance(place, ClampPlace):
        return asdict(place)
    return [[gid, asdict(own)] for gid, own in sorted(place.items())]


def part_of(section: Any) -> str:
    """Return the part of the cell that a section's name says; empty where it says none.

    Parameters
    ----------
    section
        A section of NEURON: ``Cell[0].dend[3]``, ``dend_3``.
    """
    found = _PART.match(section.name())
    return "" if found is None else found[1]
