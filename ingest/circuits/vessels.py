"""Blood vessels: segments as nodes, the graph of their points, and sections as vascpy has them, each from the other.

The rules are those of vascpy (Blue Brain Project): sections repeat the point at which they branch, points closer than a thousandth of a
micrometre are one, and a section's children are those that begin where it ends.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary.glia import VASCULATURE, VESSEL_LINKS, VESSEL_POINTS, VESSEL_SECTIONS
from .trees import Ids, starts_of, within

DECIMALS = 3
_ENDS = ("start", "end")
_PLACE = ("x", "y", "z", "diameter")


class VesselError(ValueError):
    """Vessels that are none.

    Parameters
    ----------
    part
        Dataset or column at fault.
    reason
        What is wrong with it.
    """

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part}: {reason}")
        self.part, self.reason = part, reason


@dataclass(frozen=True, eq=False)
class SectionMorphology:
    """Vessels as sections.

    Attributes
    ----------
    points
        x, y, z and diameter in µm, section after section, float32[point, 4].
    structure
        First point and type of each section, [section, 2].
    connectivity
        Pairs of a section and one that begins where it ends, [pair, 2].
    """

    points: NDArray[Any]
    structure: NDArray[Any]
    connectivity: NDArray[Any]

    def check(self) -> None:
        """Look whether these are sections of points.

        Raises
        ------
        VesselError
            They are not.
        """
        finite = np.isfinite(self.points).all(axis=1)
        if not finite.all():
            raise VesselError("points", f"point {int(np.argmin(finite))} is no place")
        first = np.append(self.structure[:, 0].astype(np.int64), len(self.points))
        sizes = np.diff(first)
        if first[0] != 0 or (sizes < 2).any():
            at = 0 if first[0] else int(np.argmax(sizes < 2))
            raise VesselError(
                "structure",
                f"section {at} begins at point {first[at]}; sections follow each other from 0 to {len(self.points)} and have two points",
            )
        kinds = self.structure[:, 1]
        if (kinds > np.iinfo(np.int32).max).any():
            raise VesselError("structure", f"type {kinds.max()} of a section")
        wrong = ((self.connectivity < 0) | (self.connectivity >= len(self.structure))).any(axis=1)
        if wrong.any():
            pair = self.connectivity[int(np.argmax(wrong))].tolist()
            raise VesselError("connectivity", f"sections {pair} of {len(self.structure)}")


def point_segments(
    points: NDArray[Any],
    ends: NDArray[Any],
    kinds: NDArray[Any],
    sections: NDArray[Any],
    numbers: NDArray[Any],
) -> pa.Table:
    """Return the edges of a graph of points as rows of `VASCULATURE`.

    Parameters
    ----------
    points
        x, y, z and diameter in µm, float32[point, 4].
    ends
        Points that each edge goes from and to, [edge, 2].
    kinds, sections, numbers
        Type, section, and number on its section of each edge.

    Raises
    ------
    VesselError
        An edge ends at a point that there is not.
    """
    wrong = ((ends < 0) | (ends >= len(points))).any(axis=1)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise VesselError(
            "edges", f"edge {at} goes from {ends[at, 0]} to {ends[at, 1]} of {len(points)} points"
        )
    ends = ends.astype(np.int64)
    columns: dict[str, Any] = {"node_id": np.arange(len(ends)), "node_type_id": np.full(len(ends), -1)}
    for at, end in enumerate(_ENDS):
        columns |= {f"{end}_{name}": points[ends[:, at], axis] for axis, name in enumerate(_PLACE)}
        columns[f"{end}_node"] = ends[:, at]
    columns |= {"type": kinds, "section_id": sections, "segment_id": numbers}
    columns["model_type"] = pa.repeat(pa.scalar("vasculature"), len(ends))
    names = [name for name in VASCULATURE.schema.names if name in columns]
    return pa.table([columns[name] for name in names], names=names).cast(VASCULATURE.schema_of(names))


def segments_of(morphology: SectionMorphology) -> pa.Table:
    """Return sections as rows of `VASCULATURE`, a segment a row, points numbered as they come.

    Parameters
    ----------
    morphology
        The sections, checked.
    """
    first = morphology.structure[:, 0].astype(np.int64)
    sizes = np.diff(np.append(first, len(morphology.points)))
    rounded = morphology.points[:, :3].round(DECIMALS)
    _, kept, same = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(kept)
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    of_point = number[same.reshape(-1)]
    owner = np.repeat(np.arange(len(sizes)), sizes - 1)
    begin = within(sizes - 1) + first[owner]
    ends = np.stack([of_point[begin], of_point[begin + 1]], axis=1)
    return point_segments(
        morphology.points[kept[order]].astype(np.float32, copy=False),
        ends,
        morphology.structure[:, 1].astype(np.int32)[owner],
        owner,
        within(sizes - 1),
    )


def _grouped(segments: pa.Table) -> tuple[Ids, Ids, Ids]:
    """Rows of the segments by section; first of these, and number of segments, of each section as they come."""
    sections = segments["section_id"].to_numpy().astype(np.int64)
    _, kept, same = np.unique(sections, return_index=True, return_inverse=True)
    rank = np.empty(len(kept), np.int64)
    rank[np.argsort(kept)] = np.arange(len(kept))
    of_row = rank[same.reshape(-1)] if len(sections) else np.empty(0, np.int64)
    order = np.argsort(of_row, kind="stable")
    counts = np.bincount(of_row, minlength=len(kept))
    return order, starts_of(counts), counts


def sections_of(segments: pa.Table) -> SectionMorphology:
    """Return segments as sections, in the order in which sections come.

    Parameters
    ----------
    segments
        Rows of `VASCULATURE`.

    Raises
    ------
    VesselError
        The segments of a section do not follow each other.
    """
    order, first, counts = _grouped(segments)
    rows = segments.take(pa.array(order))
    start, end = (rows[f"{name}_node"].to_numpy().astype(np.int64) for name in _ENDS)
    joined = start[1:] == end[:-1]
    joined[first[1:] - 1] = True
    if not joined.all():
        at = int(np.argmin(joined)) + 1
        raise VesselError(
            "section_id", f"segment {order[at]} does not begin where the one before it on its section ends"
        )
    places = {
        name: np.stack([rows[f"{name}_{part}"].to_numpy().astype(np.float32) for part in _PLACE], axis=1)
        for name in _ENDS
    }
    begins = starts_of(counts + 1)
    points = np.empty((len(order) + len(counts), 4), np.float32)
    points[begins] = places["start"][first]
    points[np.delete(np.arange(len(points)), begins)] = places["end"]
    kinds = rows["type"].to_numpy()[first]
    structure = np.stack([begins, kinds], axis=1).astype(np.uint64)
    parents, children = _links(start[first], end[first + counts - 1])
    return SectionMorphology(points, structure, np.stack([parents, children], axis=1))


def _links(start: Ids, end: Ids) -> tuple[Ids, Ids]:
    """Pairs of a section and another that begins where it ends."""
    order = np.argsort(start, kind="stable")
    low, high = (np.searchsorted(start[order], end, side) for side in ("left", "right"))
    parents = np.repeat(np.arange(len(end)), high - low)
    children = order[within(high - low) + np.repeat(low, high - low)]
    others = parents != children
    return parents[others], children[others]


def graph_tables(segments: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return the graph of segments: rows of `VESSEL_POINTS`, `VESSEL_SECTIONS` and `VESSEL_LINKS`.

    Parameters
    ----------
    segments
        Rows of `VASCULATURE`.

    Raises
    ------
    VesselError
        Points are not numbered 0, 1, 2 …, each with a segment.
    """
    start, end = (segments[f"{name}_node"].to_numpy() for name in _ENDS)
    both = np.concatenate([start, end])
    most = int(both.max(initial=0))
    if most >= max(2 * len(segments), 1) or int(both.min(initial=0)) < 0:
        raise VesselError("start_node, end_node", f"point {most} of {len(segments)} segments")
    start, end = start.astype(np.int64), end.astype(np.int64)
    seen = np.zeros(most + 1 if len(segments) else 0, bool)
    seen[start], seen[end] = True, True
    if not seen.all():
        raise VesselError(
            "start_node, end_node", f"no segment has point {int(np.argmin(seen))} of {most + 1}"
        )
    points: dict[str, Any] = {"point_id": np.arange(len(seen))}
    for name in _PLACE:
        values = np.empty(len(seen), np.float32)
        # As vascpy: what a segment says of its end comes after what one says of its start.
        values[start] = segments[f"start_{name}"].to_numpy()
        values[end] = segments[f"end_{name}"].to_numpy()
        points[name] = values
    order, first, counts = _grouped(segments)
    length, area, volume = (
        np.add.reduceat(each[order], first) if len(first) else each for each in _cones(segments)
    )
    begin, stop = start[order][first], end[order][first + counts - 1]
    ids = segments["section_id"].to_numpy().astype(np.int64)[order][first]
    sections = {
        "section_id": ids,
        "type": segments["type"].to_numpy().astype(np.int32)[order][first],
        "start_node": begin,
        "end_node": stop,
        "segments": counts,
        "length": length,
        "area": area,
        "volume": volume,
    }
    parents, children = _links(begin, stop)
    links = {"parent_id": ids[parents], "child_id": ids[children]}
    return (
        pa.table(points, VESSEL_POINTS.schema),
        pa.table(sections, VESSEL_SECTIONS.schema).sort_by("section_id"),
        pa.table(links, VESSEL_LINKS.schema),
    )


def _cones(segments: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Length, mantle and volume of segments, which are truncated cones."""
    ends = {
        name: np.stack([segments[f"{name}_{axis}"].to_numpy().astype(np.float64) for axis in "xyz"], axis=1)
        for name in _ENDS
    }
    thin, thick = (segments[f"{name}_diameter"].to_numpy().astype(np.float64) / 2 for name in _ENDS)
    length = np.linalg.norm(ends["end"] - ends["start"], axis=1)
    area = np.pi * (thin + thick) * np.hypot(length, thin - thick)
    volume = np.pi * length * (thin**2 + thin * thick + thick**2) / 3
    return length, area, volume
