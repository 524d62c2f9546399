"""A cell's sections in NEURON."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .compartments import detailed_labels
from .shapes import SOMA, Shape
from .sites import Branches, branches
from .spatial import Reals

Integers = NDArray[np.int64]


class Cell:
    """A cell's sections in this process's NEURON, which holds them as long as this object lives.

    NEURON simulates all cells of a process together: keep to one at a time.

    Parameters
    ----------
    shapes
        Shape of each section: name, label, parent, 3-D points.

    Attributes
    ----------
    sections
        NEURON's sections; the position of each is its ID.
    shapes
        Shape of each section as it was read: name, label, parent, 3-D points.
    branches
        The same as flat arrays: relative positions of points, lengths, path lengths to the soma.
    """

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.shapes = tuple(shapes)
        self.branches: Branches = branches(
            [shape.points for shape in shapes],
            labels=[shape.label for shape in shapes],
            parents=[shape.parent for shape in shapes],
            parent_x=[shape.parent_x for shape in shapes],
        )
        self.sections: tuple[Any, ...] = _sections(shapes)
        self._diameters = [shape.points[:, 3] for shape in shapes]
        self._kept: list[Any] = []

    def __repr__(self) -> str:
        return f"<Cell of {len(self.sections)} sections and {self.n_segments.sum()} segments>"

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each section."""
        return self.branches.labels

    @cached_property
    def detailed_labels(self) -> tuple[str, ...]:
        """Label of each section, with trunk, tuft, oblique and basal dendrites distinguished; see `compartments`."""
        return detailed_labels(self.branches)

    @property
    def soma(self) -> Any:
        """NEURON's section of the soma, the first where there are several."""
        return self.sections[self.labels.index(SOMA)]

    def of_label(self, label: str) -> list[int]:
        """Return the IDs of the sections of a label, ascending.

        Parameters
        ----------
        label
            The label.

        Raises
        ------
        ModelError
            No section has the label.
        """
        found = [section for section, own in enumerate(self.labels) if own == label]
        if not found:
            raise ModelError(
                f"no section is labelled {label!r}; there are {', '.join(dict.fromkeys(self.labels))}"
            )
        return found

    @property
    def n_segments(self) -> Integers:
        """Number of segments of each section, int64[n_sections]."""
        return np.array([section.nseg for section in self.sections], np.int64)

    @property
    def diameters(self) -> Reals:
        """Diameter of each 3-D point in um, in the order of `branches`, float64[n_points]."""
        return np.concatenate(self._diameters)

    @property
    def lengths(self) -> Reals:
        """Length of each section in um, float64[n_sections]."""
        return np.array([section.L for section in self.sections])

    @property
    def areas(self) -> Reals:
        """Membrane area of each section in um2, without that of spines, float64[n_sections]."""
        return np.array([sum(segment.area() for segment in section) for section in self.sections])

    def distance(self, section: int, x: float) -> float:
        """Return the path length in um from the soma's 0-end to a place.

        Parameters
        ----------
        section
            ID of the section.
        x
            Relative position: 0 or 1 for an end of the section, else the centre of the segment around it.
        """
        from neuron import h

        return float(h.distance(self.soma(0), self.sections[section](x)))

    def scale_diameter(self, section: int, scale: float) -> None:
        """Multiply the diameters of a section's 3-D points; the number of segments stays.

        Parameters
        ----------
        section
            ID of the section.
        scale
            Factor of the diameters.
        """
        from neuron import h

        # NEURON keeps diameters in single precision: scale what was given, not what was kept.
        self._diameters[section] = self._diameters[section] * scale
        for point, diameter in enumerate(self._diameters[section].tolist()):
            h.pt3dchange(point, diameter, sec=self.sections[section])

    def keep(self, *objects: Any) -> None:
        """Keep objects of NEURON, such as stimuli, alive as long as the cell.

        Parameters
        ----------
        *objects
            The objects.
        """
        self._kept.extend(objects)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Let go of what is kept inside ``with`` at its end: the electrodes of one experiment."""
        before = len(self._kept)
        try:
            yield
        finally:
            del self._kept[before:]


def _sections(shapes: Sequence[Shape]) -> tuple[Any, ...]:
    from neuron import h

    sections = tuple(h.Section(name=shape.name) for shape in shapes)
    for section, shape in zip(sections, shapes, strict=True):
        h.pt3dadd(*(h.Vector(column) for column in shape.points.T), sec=section)
        if shape.parent >= 0:
            section.connect(sections[shape.parent](shape.parent_x), 0.0)
    return sections
