"""Segments of whatever model is loaded in NEURON, however it was built."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .tree import SomaDistances, borders, cells_of, root_of, stable_names

SOMA = "Soma"
_LABELS = {
    "soma": SOMA,
    "axon": "Axon",
    "dend": "Dendrite",
    "apic": "ApicalDendrite",
    "ais": "AIS",
    "myelin": "Myelin",
}


def loaded_segments(
    sections: Iterable[Any] | None = None, *, labels: Mapping[str, str] | None = None
) -> dict[str, NDArray[Any]]:
    """Return places and sizes of the segments of NEURON's sections, one row each; the model stays as it is.

    Segments divide a section's line of 3-D points into pieces of equal length; each goes straight from start to end.
    Sections without 3-D points are laid out straight in a plane, much as by NEURON's ``define_shape``, which is not called,
    because it changes diameters.

    Parameters
    ----------
    sections
        NEURON's sections, in the order of their IDs; all by default.
    labels
        Label by what a section's name (after its cell's) begins with, or else contains, in any case; by default ``soma``, ``axon``, ``dend``,
        ``apic``, ``ais`` and ``myelin`` are known, and all others are Dendrite.

    Returns
    -------
    dict[str, NDArray]
        `node_id` (number of the cell: of the tree), `section_id`, `segment_id`, `name` and `label` of the section, `x` (relative
        position of the centre), `start_x` … `end_z` (um), `diameter` (um), `length` (um), `area` (um2), `soma_distance` (um:
        path length from the soma's surface to the centre, 0 on the soma; the soma are the sections of that label, or else the
        first section of the cell towards its root).

    Raises
    ------
    ModelError
        NEURON has no section, or what was given are no sections.
    """
    chosen = checked_sections(sections)
    cells = cells_of(chosen)
    node = {section: number for number, cell in enumerate(cells) for section in cell}
    known = labels_of(chosen, labels or _LABELS)
    distances = {number: SomaDistances(somata_of(cell, known)) for number, cell in enumerate(cells)}
    counts = np.array([section.nseg for section in chosen])
    segments = [segment for section in chosen for segment in section]
    placed = borders(cells)
    ends = [placed[section] for section in chosen]
    start, end = np.concatenate([own[:-1] for own in ends]), np.concatenate([own[1:] for own in ends])
    return {
        "node_id": np.repeat([node[section] for section in chosen], counts),
        "section_id": np.repeat(np.arange(len(chosen)), counts),
        "segment_id": np.concatenate([np.arange(count) for count in counts.tolist()]),
        "name": np.repeat(np.array(stable_names(chosen), object), counts),
        "label": np.repeat(np.array([known[section] for section in chosen], object), counts),
        "x": np.array([segment.x for segment in segments]),
        **{f"start_{axis}": start[:, i] for i, axis in enumerate("xyz")},
        **{f"end_{axis}": end[:, i] for i, axis in enumerate("xyz")},
        "diameter": np.array([segment.diam for segment in segments]),
        "length": np.repeat([section.L / section.nseg for section in chosen], counts),
        "area": np.array([segment.area() for segment in segments]),
        "soma_distance": np.array([distances[node[own.sec]].at(own.sec, own.x) for own in segments]),
    }


def checked_sections(sections: Iterable[Any] | None) -> list[Any]:
    """Return the sections to use: NEURON's own by default, one alone as a list of one.

    Parameters
    ----------
    sections
        NEURON's sections, or one of them; None for all that NEURON has.

    Raises
    ------
    ModelError
        There are none, one is there twice, or something is no section.
    """
    from neuron import h
    from neuron import nrn as types

    one_section = isinstance(sections, types.Section)
    chosen = [sections] if one_section else list(h.allsec() if sections is None else sections)
    for one in chosen:
        if not isinstance(one, types.Section):
            raise ModelError(f"{one!r} is no section of NEURON, but of type {type(one).__name__}")
    if not chosen:
        raise ModelError("NEURON has no section" if sections is None else "no sections were given")
    if len(set(chosen)) < len(chosen):
        twice: Any = next(one for at, one in enumerate(chosen) if one in chosen[:at])
        raise ModelError(f"section {twice.name()} was given twice")
    return chosen


def labels_of(sections: Sequence[Any], labels: Mapping[str, str] = _LABELS) -> dict[Any, str]:
    """Return the label of each section by its name.

    Parameters
    ----------
    sections
        NEURON's sections.
    labels
        Label by what a section's name (after its cell's) begins with, or else contains, in any case.
    """
    return {section: _label(section, labels) for section in sections}


def somata_of(cell: Sequence[Any], labels: Mapping[Any, str]) -> list[Any]:
    """Return the sections of a cell that are its soma: those of that label, or else the one nearest to the root.

    Parameters
    ----------
    cell
        Sections of one tree.
    labels
        Label of each section.
    """
    named = [section for section in cell if labels[section] == SOMA]
    if named:
        return named
    root = root_of(cell[0])
    return [root] if root in cell else [min(cell, key=_depth)]


def _depth(section: Any) -> int:
    depth = 0
    while (above := section.parentseg()) is not None:
        section, depth = above.sec, depth + 1
    return depth


def _label(section: Any, labels: Mapping[str, str]) -> str:
    own = section.name().rsplit(".", 1)[-1].lower()
    # Reconstructions are called after the cell as well: marcel_dend_0. The beginning of a name counts first.
    for fits in (own.startswith, own.__contains__):
        for part, label in labels.items():
            if fits(part.lower()):
                return label
    return "Dendrite"
