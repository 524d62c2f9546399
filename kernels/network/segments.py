"""Trees of cells cut into segments, and how many synapses a µm of each has."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]


class CellTree(NamedTuple):
    """Sections of one cell, in the order of their numbers.

    Attributes
    ----------
    offsets
        Section s has the points ``offsets[s]`` to ``offsets[s + 1]``, at least one, from its 0 end to its 1 end:
        int64[n_sections + 1]. A child's first point is the place where it leaves its parent.
    points
        x, y, z relative to the soma, in µm: float64[n_points, 3].
    diameter
        float64[n_points], in µm.
    layer
        Layer of each point, int16[n_points]; -1 where there is none.
    parent
        Section that a section leaves, int32[n_sections]; -1 for a root.
    type
        SWC type of each section, int16[n_sections].
    """

    offsets: NDArray[np.int64]
    points: Reals
    diameter: Reals
    layer: NDArray[np.int16]
    parent: NDArray[np.int32]
    type: NDArray[np.int16]


class SegmentTable(NamedTuple):
    """Segments of one tree, section by section.

    Attributes
    ----------
    section
        int32[n].
    begin, end
        Path along the section at which the segment begins and ends, float64[n], in µm.
    layer
        Layer of the point nearest to the segment's middle along the section, int16[n].
    type
        SWC type of the section, int16[n].
    """

    section: NDArray[np.int32]
    begin: Reals
    end: Reals
    layer: NDArray[np.int16]
    type: NDArray[np.int16]


class Density(NamedTuple):
    """One line of a configuration of synapse densities.

    Attributes
    ----------
    section_type
        SWC type of the sections.
    synapse_type
        Code of the type of synapse: 0 excitatory, 1 inhibitory in MiV.
    layer
        Layer of the segments; None for those whose layer has no line of its own.
    mean, sd
        Of the normal distribution of a segment's density, truncated to positive numbers, per µm. (MiV's key for
        the standard deviation is ``variance``.)
    """

    section_type: int
    synapse_type: int
    layer: int | None
    mean: float
    sd: float


def section_lengths(tree: CellTree) -> Reals:
    """Length of each section, float64[n_sections], in µm: the sum of the distances between its points."""
    raise NotImplementedError


def segments_by_length(tree: CellTree, longest: float) -> NDArray[np.int32]:
    """The least number of segments per section, int32[n_sections], that leaves none longer than *longest* µm.

    Raises
    ------
    ValueError
        *longest* is not positive.
    """
    raise NotImplementedError


def segments_by_lambda(
    tree: CellTree,
    fraction: float = 0.1,
    *,
    frequency: float = 100.0,
    axial_resistance: float = 35.4,
    capacitance: float = 1.0,
) -> NDArray[np.int32]:
    """The odd number of segments per section that NEURON's ``d_lambda`` rule gives, int32[n_sections].

    Parameters
    ----------
    tree
        The cell.
    fraction
        Longest segment as a fraction of the length constant at *frequency*.
    frequency
        In Hz.
    axial_resistance, capacitance
        In ohm cm and µF/cm². The defaults are NEURON's own: templates that ask for segments before they set
        their cables' properties use these.

    Raises
    ------
    ValueError
        A parameter is not positive.
    """
    raise NotImplementedError


def tree_segments(tree: CellTree, counts: ArrayLike = 1) -> SegmentTable:
    """Cut each section into as many equal segments as *counts* says: one number, or int[n_sections].

    Raises
    ------
    ValueError
        A count is not positive, or the tree is not consistent: the message names the section.
    """
    raise NotImplementedError


def segment_densities(
    segments: SegmentTable, densities: Sequence[Density], values: Literal["layer", "last"] = "layer"
) -> list[tuple[int, int, Reals]]:
    """Mean and standard deviation of each segment's density, for each section type and type of synapse.

    Parameters
    ----------
    segments
        Of one tree.
    densities
        Lines in the order of the configuration.
    values
        ``"layer"``: those of the line for the segment's layer. ``"last"``: in the same segments those of the last
        line of this section and synapse type, whatever its layer, as MiV-Simulator has it.

    Returns
    -------
    list
        (section type, synapse type, float64[n_segments, 2]), section types in the order in which the lines first
        name them, synapse types likewise within each. A segment without synapses has NaN.

    Raises
    ------
    ValueError
        A mean or standard deviation is negative or not finite, both are zero, or a line is there twice.
    """
    raise NotImplementedError
