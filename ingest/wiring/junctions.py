"""Gap junctions of a circuit, of three sources.

MiV-Simulator's have both ends in a row. Those of the Blue Brain Project are two rows, one for each side, that name each other:
``efferent_junction_id`` is the ``afferent_junction_id`` of the other one (BlueBrain/sonata-extension, "edges"; neurodamus). bmtk's have
both ends in a row, with ``is_gap_junction`` and ``syn_weight`` as the conductance of either side (bmtk 1.1, bionet).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...mechanisms.network.wiring import GapJunctions
from .circuit import NetworkProjection, NetworkSource
from .edges import EdgeRows
from .sonata_edges import SynapsePlaces, synapse_places, synapse_weights

_MICRO = 1e-3
"""Of nS, in which MiV-Simulator and the Blue Brain Project have conductances, in µS, as NEURON has them."""
_OWN, _OTHER = "afferent_junction_id", "efferent_junction_id"
_MARK = "is_gap_junction"
_YES = ("true", "1", "1.0")


def may_have_junctions(source: NetworkSource, projection: NetworkProjection) -> bool:
    """Return whether edges of a projection may be gap junctions.

    Parameters
    ----------
    source
        The circuit.
    projection
        The projection.
    """
    return projection.electrical or _MARK in source.snapshot.tables[projection.node].columns


def are_junctions(rows: EdgeRows) -> NDArray[np.bool_]:
    """Return which edges are gap junctions, bool[n].

    Parameters
    ----------
    rows
        Edges of a projection.
    """
    if rows.projection.electrical:
        return np.ones(len(rows), bool)
    marks = rows.columns.get(_MARK)
    if marks is None:
        return np.zeros(len(rows), bool)
    return np.array([str(mark).strip().lower() in _YES for mark in marks.tolist()], bool)


def gap_junctions(rows: EdgeRows) -> GapJunctions:
    """Return the gap junctions of a projection.

    Parameters
    ----------
    rows
        All edges of a projection that are gap junctions.
    """
    columns = rows.columns
    if "afferent_coupling" in columns or "efferent_coupling" in columns:
        return _of_couplings(rows)
    if _OWN in columns and _OTHER in columns:
        return _of_sides(rows)
    if "syn_weight" in columns:
        return _of_weights(rows)
    rows.faults.add(
        f"{rows.projection.node}: nothing says what its gap junctions are: expected efferent_coupling and afferent_coupling (as MiV-"
        f"Simulator has them), {_OWN}, {_OTHER} and conductance (the Blue Brain Project), or {_MARK} and syn_weight (bmtk)"
    )
    return _none(rows)


def _of_couplings(rows: EdgeRows) -> GapJunctions:
    columns = rows.columns
    needed = [
        f"{side}_{what}"
        for side in ("efferent", "afferent")
        for what in ("section_id", "section_pos", "coupling")
    ]
    if not _has(rows, needed):
        return _none(rows)
    pairs = {
        what: [columns[f"{side}_{what}"] for side in ("efferent", "afferent")]
        for what in ("section_id", "section_pos", "coupling")
    }
    return GapJunctions(
        rows.projection.name,
        np.stack([rows.source_gid, rows.target_gid], axis=1),
        np.stack(pairs["section_id"], axis=1).astype(np.int32),
        np.stack(pairs["section_pos"], axis=1).astype(np.float64),
        np.stack(pairs["coupling"], axis=1).astype(np.float64) * _MICRO,
    )


def _of_sides(rows: EdgeRows) -> GapJunctions:
    """Rows are sides; each finds the other one by its number."""
    columns = rows.columns
    if not _has(rows, ["conductance", "afferent_section_id"]) or not len(rows):
        return _none(rows)
    own, other = (columns[name].astype(np.int64) for name in (_OWN, _OTHER))
    order = np.argsort(own, kind="stable")
    if (np.diff(own[order]) == 0).any():
        at = int(order[np.argmax(np.diff(own[order]) == 0)])
        rows.faults.add(f"{rows.projection.node}: {_OWN} {int(own[at])} is that of several edges")
        return _none(rows)
    found = order[np.minimum(np.searchsorted(own[order], other), len(order) - 1)]
    paired = (own[found] == other) & (other[found] == own) & (rows.source_gid == rows.target_gid[found])
    if not paired.all():
        at = int(np.argmin(paired))
        rows.faults.add(
            f"{rows.projection.node}: edge {int(rows.numbers[at])}: there is no edge back with {_OWN} {int(other[at])} and {_OTHER} "
            f"{int(own[at])} (so are {int((~paired).sum())} of {len(rows)})"
        )
        return _none(rows)
    first = np.flatnonzero(np.arange(len(rows)) < found)
    places = synapse_places(rows, np.arange(len(rows)))
    if len(places.edge) != len(rows):
        return _none(rows)
    ends = np.stack([found[first], first], axis=1)
    return GapJunctions(
        rows.projection.name,
        rows.target_gid[ends],
        places.section[ends],
        places.position[ends],
        columns["conductance"].astype(np.float64)[ends] * _MICRO,
    )


def _of_weights(rows: EdgeRows) -> GapJunctions:
    """Rows are junctions; where only one end is said, or sections to draw from, it is so for both."""
    every = np.arange(len(rows))
    if not len(rows):
        return _none(rows)
    one = {**rows.columns, "nsyns": np.ones(len(rows), np.int64)}
    here = EdgeRows(**{**vars(rows), "columns": one})
    ends: list[SynapsePlaces] = [synapse_places(here.turned(), every, first=1), synapse_places(here, every)]
    if any(len(end.edge) != len(rows) for end in ends):
        return _none(rows)
    weights = synapse_weights(rows, every)
    return GapJunctions(
        rows.projection.name,
        np.stack([rows.source_gid, rows.target_gid], axis=1),
        np.stack([end.section for end in ends], axis=1),
        np.stack([end.position for end in ends], axis=1),
        np.stack([weights, weights], axis=1),
    )


def _has(rows: EdgeRows, needed: list[str]) -> bool:
    absent = [name for name in needed if name not in rows.columns]
    if absent:
        rows.faults.add(f"{rows.projection.node}: gap junctions need the columns {', '.join(absent)}")
    return not absent


def _none(rows: EdgeRows) -> GapJunctions:
    empty: NDArray[Any] = np.empty((0, 2))
    return GapJunctions(rows.projection.name, empty.astype(np.int64), empty.astype(np.int32), empty, empty)
