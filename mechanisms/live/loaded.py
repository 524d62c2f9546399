"""Segments of whatever model is loaded in NEURON, however it was built."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

_LABELS = {
    "soma": "Soma",
    "axon": "Axon",
    "dend": "Dendrite",
    "apic": "ApicalDendrite",
    "ais": "AIS",
    "myelin": "Myelin",
}


def loaded_segments(
    sections: Iterable[Any] | None = None, *, labels: Mapping[str, str] | None = None
) -> dict[str, NDArray[Any]]:
    """Places and sizes of the segments of NEURON's sections, one row each.

    Segments divide a section's line of 3-D points into pieces of equal length; each goes straight from start to end.
    Without 3-D points NEURON makes some (``define_shape``).

    Parameters
    ----------
    sections
        NEURON's sections, in the order that gives them their IDs; all by default.
    labels
        Label by what a section's name begins with (after its cell's); by default ``soma``, ``axon``, ``dend``, ``apic``,
        ``ais`` and ``myelin`` are known, and all others are Dendrite.

    Returns
    -------
    dict[str, NDArray]
        `section_id`, `segment_id`, `name` and `label` of the section, `x` (relative position of the centre),
        `start_x` … `end_z` (um), `diameter` (um), `length` (um), `area` (um2), `soma_distance` (um: path length from the
        0-end of the first section whose label is Soma, or else of the first section).

    Raises
    ------
    ModelError
        NEURON has no section.
    """
    from neuron import h

    chosen = list(h.allsec()) if sections is None else list(sections)
    if not chosen:
        raise ModelError("NEURON has no section")
    if any(section.n3d() < 2 for section in chosen):
        h.define_shape()
    known = [_label(section, labels or _LABELS) for section in chosen]
    root = chosen[known.index("Soma")] if "Soma" in known else chosen[0]
    counts = np.array([section.nseg for section in chosen])
    segments = [segment for section in chosen for segment in section]
    ends = [_ends(section) for section in chosen]
    start, end = np.concatenate([own[:-1] for own in ends]), np.concatenate([own[1:] for own in ends])
    return {
        "section_id": np.repeat(np.arange(len(chosen)), counts),
        "segment_id": np.concatenate([np.arange(count) for count in counts.tolist()]),
        "name": np.repeat(np.array([section.name() for section in chosen], object), counts),
        "label": np.repeat(np.array(known, object), counts),
        "x": np.array([segment.x for segment in segments]),
        **{f"start_{axis}": start[:, i] for i, axis in enumerate("xyz")},
        **{f"end_{axis}": end[:, i] for i, axis in enumerate("xyz")},
        "diameter": np.array([segment.diam for segment in segments]),
        "length": np.repeat([section.L / section.nseg for section in chosen], counts),
        "area": np.array([segment.area() for segment in segments]),
        "soma_distance": np.array([h.distance(root(0), segment) for segment in segments]),
    }


def _label(section: Any, labels: Mapping[str, str]) -> str:
    own = section.name().rsplit(".", 1)[-1].lower()
    return next((label for start, label in labels.items() if own.startswith(start.lower())), "Dendrite")


def _ends(section: Any) -> NDArray[np.float64]:
    """Borders of the segments of a section from its 0-end, float64[nseg + 1, 3]."""
    path = np.array([section.arc3d(i) for i in range(section.n3d())])
    points = np.array([(section.x3d(i), section.y3d(i), section.z3d(i)) for i in range(section.n3d())])
    at = np.linspace(0.0, path[-1], section.nseg + 1)
    ends = np.column_stack([np.interp(at, path, points[:, axis]) for axis in range(3)])
    # 3-D points count from the end that is attached to the parent.
    return ends[::-1] if section.orientation() else ends
