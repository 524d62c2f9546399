"""Trees of cells cut into segments, and how many synapses a µm of each has."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..jit import jit

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


class SegmentDensities(NamedTuple):
    """Densities of one type of synapse on the sections of one type.

    Attributes
    ----------
    section_type, synapse_type
        As in `Density`.
    values
        Mean and standard deviation of each segment's density per µm, float64[n_segments, 2]; NaN where the
        segment has no synapses of this type.
    """

    section_type: int
    synapse_type: int
    values: Reals


def checked_tree(tree: CellTree) -> CellTree:
    """Return the tree in its documented types, if its parts belong together and its sections make trees.

    Parameters
    ----------
    tree
        The tree to check.

    Raises
    ------
    ValueError
        The tree is not consistent; the message names the section or point.
    """
    offsets = np.ascontiguousarray(tree.offsets, np.int64)
    points = np.ascontiguousarray(tree.points, np.float64)
    diameter = np.ascontiguousarray(tree.diameter, np.float64)
    layer = np.ascontiguousarray(tree.layer, np.int16)
    parent = np.ascontiguousarray(tree.parent, np.int32)
    kind = np.ascontiguousarray(tree.type, np.int16)
    n_sections, n_points = len(parent), len(points)
    if not n_sections:
        raise ValueError("the tree has no sections; expected at least one")
    for name, shape, expected in (
        ("offsets", offsets.shape, (n_sections + 1,)),
        ("points", points.shape, (n_points, 3)),
        ("diameter", diameter.shape, (n_points,)),
        ("layer", layer.shape, (n_points,)),
        ("type", kind.shape, (n_sections,)),
    ):
        if shape != expected:
            raise ValueError(f"{name} has shape {shape}; expected {expected}")
    if offsets[0] != 0 or offsets[-1] != n_points:
        raise ValueError(f"offsets run from {offsets[0]} to {offsets[-1]}; expected 0 to {n_points}")
    empty = np.flatnonzero(np.diff(offsets) < 1)
    if empty.size:
        raise ValueError(f"section {empty[0]} has no points; expected at least one")
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if bad.size:
        raise ValueError(f"point {bad[0]} is {points[bad[0]].tolist()}; expected finite coordinates")
    bad = np.flatnonzero((parent < -1) | (parent >= n_sections))
    if bad.size:
        raise ValueError(f"parent[{bad[0]}] is {parent[bad[0]]}; expected -1 or a section below {n_sections}")
    _from_roots(parent)
    return CellTree(offsets, points, diameter, layer, parent, kind)


def _from_roots(parent: NDArray[np.int32]) -> NDArray[np.int64]:
    """Sections in an order in which parents come first."""
    depth = np.zeros(len(parent), np.int64)
    at = parent.astype(np.int64)
    while (at >= 0).any():
        depth += at >= 0
        if depth.max() > len(parent):
            raise ValueError(f"section {int(depth.argmax())} is its own ancestor; expected a tree")
        at = np.where(at >= 0, parent[at], -1)
    return np.argsort(depth, kind="stable")


def point_paths(tree: CellTree) -> Reals:
    """Return the path along its section from the 0 end to each point, float64[n_points], in µm.

    Parameters
    ----------
    tree
        The tree of a cell.
    """
    steps = np.zeros(len(tree.points))
    steps[1:] = np.sqrt((np.diff(tree.points, axis=0) ** 2).sum(axis=1))
    return _paths(np.asarray(tree.offsets, np.int64), steps)


def section_lengths(tree: CellTree) -> Reals:
    """Return the length of each section, float64[n_sections], in µm: the sum of the distances between its points.

    Parameters
    ----------
    tree
        The tree of a cell.
    """
    return point_paths(tree)[np.asarray(tree.offsets)[1:] - 1]


def soma_paths(tree: CellTree) -> Reals:
    """Return the path from the middle of the root to the 0 end of each section, float64[n_sections], in µm.

    For a root it is minus half of its length, so that the path to a place in any section is the magnitude of this
    number plus the place's path along the section. A child leaves its parent at the parent's point that is nearest to
    its own first one.

    Parameters
    ----------
    tree
        The tree of a cell.
    """
    paths = point_paths(tree)
    starts = np.zeros(len(tree.parent))
    for section in _from_roots(np.asarray(tree.parent)):
        parent = tree.parent[section]
        if parent < 0:
            starts[section] = -paths[tree.offsets[section + 1] - 1] / 2
            continue
        begin, end = tree.offsets[parent], tree.offsets[parent + 1]
        away = ((tree.points[begin:end] - tree.points[tree.offsets[section]]) ** 2).sum(axis=1)
        starts[section] = abs(starts[parent] + paths[begin + int(away.argmin())])
    return starts


def segments_by_length(tree: CellTree, longest: float) -> NDArray[np.int32]:
    """Return the least number of segments per section that leaves none too long, int32[n_sections].

    Parameters
    ----------
    tree
        The tree of a cell.
    longest
        Greatest length of a segment in µm.

    Raises
    ------
    ValueError
        *longest* is not positive.
    """
    if not longest > 0:
        raise ValueError(f"longest is {longest}; expected a positive length in µm")
    return np.maximum(np.ceil(section_lengths(tree) / longest), 1).astype(np.int32)


def segments_by_lambda(
    tree: CellTree,
    fraction: float = 0.1,
    *,
    frequency: float = 100.0,
    axial_resistance: float = 35.4,
    capacitance: float = 1.0,
) -> NDArray[np.int32]:
    """Return the odd number of segments per section by NEURON's ``d_lambda`` rule, int32[n_sections].

    Parameters
    ----------
    tree
        The cell.
    fraction
        Longest segment as a fraction of the length constant at *frequency*.
    frequency
        In Hz.
    axial_resistance, capacitance
        Axial resistivity in ohm cm and capacitance in µF/cm². The defaults are NEURON's own: templates that
        ask for segments before they set their cables' properties use these.

    Raises
    ------
    ValueError
        A parameter or diameter is not positive.

    Notes
    -----
    ``int((L / (fraction lambda) + 0.9) / 2) * 2 + 1``, where L / lambda is the sum over pieces of length dx between
    points of diameters d1 and d2 of ``dx sqrt(2 / (d1 + d2)) sqrt(4 pi f R C) 1e-5``.
    """
    for name, value in (
        ("fraction", fraction),
        ("frequency", frequency),
        ("axial_resistance", axial_resistance),
        ("capacitance", capacitance),
    ):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} is {value}; expected a positive number")
    bad = np.flatnonzero(~(tree.diameter > 0))
    if bad.size:
        raise ValueError(f"diameter[{bad[0]}] is {tree.diameter[bad[0]]}; expected a positive number of µm")
    pieces = np.zeros(len(tree.points))
    steps = np.sqrt((np.diff(tree.points, axis=0) ** 2).sum(axis=1))
    pieces[1:] = steps / np.sqrt((tree.diameter[1:] + tree.diameter[:-1]) / 2)
    sums = _paths(np.asarray(tree.offsets, np.int64), pieces)[np.asarray(tree.offsets)[1:] - 1]
    constants = sums * np.sqrt(4 * np.pi * frequency * axial_resistance * capacitance) * 1e-5
    halves: NDArray[np.int32] = ((constants / fraction + 0.9) / 2).astype(np.int32)
    return halves * np.int32(2) + np.int32(1)


def tree_segments(tree: CellTree, counts: ArrayLike = 1) -> SegmentTable:
    """Cut each section into equal segments.

    Parameters
    ----------
    tree
        The tree of a cell.
    counts
        Number of segments: one for all sections, or int[n_sections].

    Raises
    ------
    ValueError
        A count is not positive, or the tree is not consistent: the message names the section.
    """
    tree = checked_tree(tree)
    n_sections = len(tree.parent)
    given = np.asarray(counts)
    if given.dtype.kind not in "iu" or given.shape not in ((), (n_sections,)):
        raise ValueError(
            f"counts are {given.dtype}{list(given.shape)}; expected an integer or one per section"
        )
    number = np.broadcast_to(given, n_sections).astype(np.int64)
    bad = np.flatnonzero(number < 1)
    if bad.size:
        raise ValueError(
            f"counts[{bad[0]}] is {number[bad[0]]}; expected a section to have at least 1 segment"
        )
    section = np.repeat(np.arange(n_sections, dtype=np.int32), number)
    place = np.arange(len(section)) - np.repeat(np.cumsum(number) - number, number)
    paths = point_paths(tree)
    lengths = paths[tree.offsets[1:] - 1][section]
    layer = np.empty(len(section), np.int16)
    _layers(tree.offsets, paths, tree.layer, section, (place + 0.5) / number[section] * lengths, layer)
    return SegmentTable(
        section=section,
        begin=place / number[section] * lengths,
        end=(place + 1) / number[section] * lengths,
        layer=layer,
        type=tree.type[section],
    )


@jit
def _paths(offsets: NDArray[np.int64], steps: Reals) -> Reals:
    """Sums of steps within each section; that of a section's first point does not count."""
    paths = np.zeros(len(steps))
    for section in range(len(offsets) - 1):
        for point in range(offsets[section] + 1, offsets[section + 1]):
            paths[point] = paths[point - 1] + steps[point]
    return paths


@jit
def _layers(
    offsets: NDArray[np.int64],
    paths: Reals,
    point_layer: NDArray[np.int16],
    section: NDArray[np.int32],
    middle: Reals,
    layer: NDArray[np.int16],
) -> None:
    """Layer of the point nearest to the middle of each segment; of the earlier one of two."""
    for i in range(len(section)):
        first, last = offsets[section[i]], offsets[section[i] + 1] - 1
        point = first
        while point < last and paths[point] < middle[i]:
            point += 1
        if point > first and not abs(paths[point] - middle[i]) < abs(paths[point - 1] - middle[i]):
            point -= 1
        layer[i] = point_layer[point]


def segment_densities(
    segments: SegmentTable, densities: Sequence[Density], values: Literal["layer", "last"] = "layer"
) -> list[SegmentDensities]:
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
        Section types in the order in which the lines first name them, synapse types likewise within each.

    Raises
    ------
    ValueError
        A mean or standard deviation is negative or not finite, or a line is there twice.
    """
    if values not in ("layer", "last"):
        raise ValueError(f"values is {values!r}; expected 'layer' or 'last'")
    lines: dict[int, dict[int, dict[int | None, tuple[float, float]]]] = {}
    for line in densities:
        if not (0 <= line.mean < np.inf and 0 <= line.sd < np.inf):
            raise ValueError(
                f"{line}: expected a mean and a standard deviation that are finite and not negative"
            )
        layers = lines.setdefault(line.section_type, {}).setdefault(line.synapse_type, {})
        if line.layer in layers:
            raise ValueError(f"{line} is there twice; expected one line for each section, synapse and layer")
        layers[line.layer] = line.mean, line.sd
    result = []
    for section_type, by_synapse in lines.items():
        for synapse_type, layers in by_synapse.items():
            table = np.full((len(segments.section), 2), np.nan)
            here = segments.type == section_type
            if None in layers:
                table[here] = layers[None]
            for layer, value in layers.items():
                if layer is not None:
                    table[here & (segments.layer == layer) & (segments.layer >= 0)] = value
            if values == "last":
                table[~np.isnan(table[:, 0])] = list(layers.values())[-1]
            table[(table == 0).all(axis=1)] = np.nan
            result.append(SegmentDensities(section_type, synapse_type, table))
    return result
