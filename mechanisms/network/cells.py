"""What a cell of a network is: the tree that it is made of, what its template is told, and what the template returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

Reals = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TreeShape:
    """One distinct tree, as columns; cells of equal shape share it.

    Attributes
    ----------
    name
        Key of the tree in the lake.
    x, y, z, diameter
        Of each point, float64[n_points], in µm. Places are those of the tree, not of the cell.
    layer, type
        Number of the layer (-1 if unknown) and SWC type of each point, int8[n_points].
    parent
        Number of the point that each hangs on, int32[n_points]; -1 at the root.
    sections
        Points of each section from its 0-end to its 1-end, in the order of `section_id`. A branch may begin with a point
        of its parent.
    source, destination
        Sections that hang together, parent and child, int32[n_links], in the order that the source lists them.
    location
        Where the child hangs: the position of a point among those of the parent's section, int32[n_links].
    """

    name: str
    x: Reals
    y: Reals
    z: Reals
    diameter: Reals
    layer: NDArray[np.int8]
    type: NDArray[np.int8]
    parent: NDArray[np.int32]
    sections: Sequence[NDArray[np.int32]]
    source: NDArray[np.int32]
    destination: NDArray[np.int32]
    location: NDArray[np.int32]

    @property
    def section_types(self) -> NDArray[np.int8]:
        """SWC type of each section: that of its last point, int8[n_sections]."""
        return self.type[[points[-1] for points in self.sections]]

    @property
    def length(self) -> float:
        """Sum of the lengths of all sections, in µm."""
        total = 0.0
        for points in self.sections:
            places = np.stack([self.x[points], self.y[points], self.z[points]])
            total += float(np.sqrt((np.diff(places) ** 2).sum(axis=0)).sum())
        return total

    @classmethod
    def of(
        cls,
        name: str,
        points: Mapping[str, NDArray[Any]],
        sections: Sequence[NDArray[np.int32]],
        links: tuple[NDArray[np.int32], NDArray[np.int32]],
    ) -> "TreeShape":
        """Return the shape of a tree; where its sections hang is found from its points.

        Parameters
        ----------
        name
            Key of the tree.
        points
            Columns ``x``, ``y``, ``z``, ``diameter`` (µm), ``layer``, ``type`` and ``parent``, each of all points.
        sections
            Points of each section, int32 arrays.
        links
            Parent and child of each link, int32[n_links].

        Raises
        ------
        ModelError
            A section hangs on no point of its parent.
        """
        parent = np.ascontiguousarray(points["parent"], np.int32)
        location = np.empty(len(links[0]), np.int32)
        for at, (above, below) in enumerate(zip(links[0].tolist(), links[1].tolist(), strict=True)):
            first = int(sections[below][0])
            # NeuroH5's rule: a point that both have, or else the parent of the child's first one.
            for point in (first, int(parent[first])):
                found = np.flatnonzero(sections[above] == point)
                if len(found):
                    location[at] = found[0]
                    break
            else:
                raise ModelError(
                    f"tree {name}: section {below} hangs on section {above}, but on none of its points"
                )
        x, y, z, diameter = (
            np.ascontiguousarray(points[key], np.float64) for key in ("x", "y", "z", "diameter")
        )
        layer, kind = (np.ascontiguousarray(points[key], np.int8) for key in ("layer", "type"))
        return cls(
            name=name,
            x=x,
            y=y,
            z=z,
            diameter=diameter,
            layer=layer,
            type=kind,
            parent=parent,
            sections=sections,
            source=np.ascontiguousarray(links[0], np.int32),
            destination=np.ascontiguousarray(links[1], np.int32),
            location=location,
        )


@dataclass(frozen=True, eq=False)
class NetworkNode:
    """A cell that is to be made: what its template is told.

    Attributes
    ----------
    gid
        Its number among the cells of all populations.
    population, node_id
        Its population, and its number in that.
    shape
        Its tree; None for a cell without one.
    position
        Place of the soma in µm: x, y, z; zeros where it is unknown.
    attributes
        What the lake says of the node besides: columns of its row in ``nodes/N/P`` by name, such as rotation angles and
        ``dynamics_params``.
    """

    gid: int
    population: str
    node_id: int
    shape: TreeShape | None = None
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Detector:
    """Where a cell's spikes are seen: a voltage crosses a threshold upwards.

    Attributes
    ----------
    section
        Place of the section in `NetworkCell.sections`.
    x
        Relative position on it.
    threshold
        In mV.
    """

    section: int = 0
    x: float = 0.5
    threshold: float = -20.0


@dataclass(frozen=True, eq=False)
class NetworkCell:
    """A cell in this process's NEURON, as a template returns it.

    Attributes
    ----------
    gid
        As of the node.
    sections
        NEURON's sections in the order of the tree's `section_id`, so that synapses, reports and clamps find theirs; more
        sections may follow, such as an axon of the template's own. Empty for a cell without sections.
    detector
        Where spikes are seen; None for a cell without sections, which sends its own events.
    process
        The artificial cell or point process that is the cell (IntFire1, VecStim …); None for one with sections. It sends
        the cell's spikes, and is what connections to the cell end at.
    held
        Whatever has to live as long as the cell: hoc objects, sections that hold a point process, vectors.
    soma
        Place of the soma in `sections`.
    """

    gid: int
    sections: Sequence[Any] = ()
    detector: Detector | None = None
    process: Any = None
    held: Any = None
    soma: int = 0

    @property
    def artificial(self) -> bool:
        """Whether it is a point process rather than sections."""
        return self.process is not None
