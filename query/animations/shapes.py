"""Cells in space: the segments of a run, what was recorded of all of them, and where synapses are."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...catalog.schema import literal
from ...catalog.vocabulary.runs import REPORT, SEGMENTS
from ...catalog.vocabulary.trials import SYNAPSE_ACTIVATION, TRIALS
from ...lake.errors import InputError, NotFoundError
from ..base import Snapshot
from ..circuits.reports import report
from ..trials.parameters import trial_id

Singles = npt.NDArray[np.float32]

MOST_ACTIVATIONS = 500_000
"""Of one trial that are read."""


@dataclass(frozen=True, eq=False)
class Capsules:
    """The segments of a cell, or of several, as capsules.

    Attributes
    ----------
    start, end
        Ends of the axis of each, in µm, float32[segment, 3].
    diameter, soma_distance
        In µm, float32[segment].
    node_id, section_id
        The cell and the section that it is of, int32[segment].
    label
        Number of its label in *labels*, int32[segment].
    labels
        Such as ``Soma``, ``Dendrite``.
    """

    start: Singles
    end: Singles
    diameter: Singles
    soma_distance: Singles
    node_id: npt.NDArray[np.int32]
    section_id: npt.NDArray[np.int32]
    label: npt.NDArray[np.int32]
    labels: tuple[str, ...]

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it but the names of the labels, by name."""
        return {name: value for name, value in vars(self).items() if name != "labels"}


@dataclass(frozen=True)
class SegmentRecording:
    """A variable of all segments in a trial: the name of its array, the number of the trial in its run, and the variable."""

    node: str
    trial: str
    variable: str


@dataclass(frozen=True, eq=False)
class ActivatedSynapses:
    """Synapses that were activated in a trial, in order of time.

    Attributes
    ----------
    time
        In ms, float32[activation].
    section_id
        Section that the synapse is on, int32[activation].
    soma_distance
        In µm, float32[activation].
    kind
        Number of its cell type in *kinds*, int32[activation].
    kinds
        Presynaptic cell types.
    """

    time: Singles
    section_id: npt.NDArray[np.int32]
    soma_distance: Singles
    kind: npt.NDArray[np.int32]
    kinds: tuple[str, ...]


def runs_with_segments(snapshot: Snapshot) -> list[str]:
    """Return the runs whose cells have a shape.

    Parameters
    ----------
    snapshot
        The commit to read.
    """
    folder = SEGMENTS.folder
    return [name.removeprefix(folder) for name in snapshot.tables if name.startswith(folder)]


def run_of(snapshot: Snapshot, trial: int | str) -> tuple[int, str, int]:
    """Return a trial's number in the lake, its run, and its number in the run.

    Parameters
    ----------
    snapshot
        The commit to read.
    trial
        trial_id or sim_trial_index.

    Raises
    ------
    NotFoundError
        There is no such trial.
    """
    number = trial_id(snapshot, trial)
    query = f"select run, trial_number from {TRIALS.name} where trial_id = {number}"  # noqa: S608
    ((run, inside),) = snapshot.sql(query).fetchall()
    return number, run, inside


def capsules(snapshot: Snapshot, run: str) -> Capsules:
    """Return the segments of the cells of a run.

    Parameters
    ----------
    snapshot
        The commit to read.
    run
        Name of the run.

    Raises
    ------
    NotFoundError
        The run has no segments.
    """
    name = SEGMENTS.of(run=run)
    if name not in snapshot.tables:
        raise NotFoundError(
            f"run {run!r} has no segments in commit {snapshot.commit.id[:12]}; runs of neurolake have (neurolake run, rerun, nl.record)"
        )
    rows = snapshot.tables[name].to_arrow()
    labels = rows["label"].fill_null("unknown").combine_chunks().dictionary_encode()

    def column(part: str, kind: Any = np.float32) -> npt.NDArray[Any]:
        return np.asarray(rows[part], kind)

    start, end = (np.stack([column(f"{side}_{axis}") for axis in "xyz"], axis=1) for side in ("start", "end"))
    return Capsules(
        start,
        end,
        column("diameter"),
        column("soma_distance"),
        column("node_id", np.int32),
        column("section_id", np.int32),
        np.asarray(labels.indices, np.int32),
        tuple(labels.dictionary.to_pylist()),
    )


def recorded(snapshot: Snapshot, run: str) -> list[SegmentRecording]:
    """Return what was recorded of all segments in trials of a run.

    Parameters
    ----------
    snapshot
        The commit to read.
    run
        Name of the run.
    """
    begin = f"{REPORT.folder}{run}/"
    pattern = re.compile(re.escape(begin) + r"(?P<trial>[^/]+)/(?P<variable>[^/.]+(?:\[\d+\])?)")
    arrays = (name for name, node in snapshot.tree.items() if node.kind == "array" and name.startswith(begin))
    return [
        SegmentRecording(name, match["trial"], match["variable"])
        for name in arrays
        if (match := pattern.fullmatch(name))
    ]


def frames(
    snapshot: Snapshot, node: str, window: tuple[float, float] | None, most: int
) -> tuple[Singles, npt.NDArray[np.float64], str]:
    """Return values of a report, ``[frame, element]``, their times in ms, and their unit: every how-manieth frame, so that there are at most *most*.

    Parameters
    ----------
    snapshot
        The commit to read.
    node
        Name of the report.
    window
        Begin and end in ms; all times by default.
    most
        How many frames at most.

    Raises
    ------
    NotFoundError
        There is no such report.
    InputError
        No frame lies in the window.
    """
    found = report(snapshot, node)
    last = found.t_start + (found.array.shape[0] - 1) * found.dt
    begin, end = window or (found.t_start, last)
    inside = min(end, last) - max(begin, found.t_start)
    count = max(1, int(inside / found.dt + 1e-9) + 1)
    part = found.get(None, begin, end, -(-count // most))
    return np.asarray(part.data, np.float32), part.times, str(found.array.attrs.get("units", ""))


def activations(snapshot: Snapshot, trial: int, kinds: tuple[str, ...] = ()) -> ActivatedSynapses:
    """Return the synapses that were activated in a trial.

    Parameters
    ----------
    snapshot
        The commit to read.
    trial
        trial_id.
    kinds
        Presynaptic cell types; all by default.

    Raises
    ------
    NotFoundError
        The lake has no activations.
    """
    if SYNAPSE_ACTIVATION.name not in snapshot.tables:
        raise NotFoundError("the lake holds no synapse activations")
    where = f" and cell_type in ({', '.join(map(literal, kinds))})" if kinds else ""
    query = (
        f'select cell_type, "time", section_id, soma_distance from {SYNAPSE_ACTIVATION.name} '  # noqa: S608
        f'where trial_id = {trial}{where} order by "time" limit {MOST_ACTIVATIONS}'
    )
    found = snapshot.sql(query).to_arrow_table()
    names = found["cell_type"].combine_chunks().dictionary_encode()
    return ActivatedSynapses(
        np.asarray(found["time"], np.float32),
        np.asarray(found["section_id"], np.int32),
        np.asarray(found["soma_distance"], np.float32),
        np.asarray(names.indices, np.int32),
        tuple(names.dictionary.to_pylist()),
    )


def places(cell: Capsules, found: ActivatedSynapses) -> Singles:
    """Return where synapses are: on the segment of their section whose distance from the soma is nearest theirs, float32[activation, 3] in µm.

    Parameters
    ----------
    cell
        The cell.
    found
        Its synapses.

    Raises
    ------
    InputError
        A synapse is on a section that the cell does not have.
    """
    order = np.lexsort((cell.soma_distance, cell.section_id))
    section = cell.section_id[order]
    first = np.searchsorted(section, found.section_id, "left")
    last = np.searchsorted(section, found.section_id, "right")
    if len(lost := np.flatnonzero(first == last)):
        raise InputError(f"a synapse is on section {found.section_id[lost[0]]}, which the cell does not have")
    # Sections are far apart when the distances of one are added to its number times more than any distance.
    span = float(cell.soma_distance.max()) + 1.0
    key = section * span + cell.soma_distance[order]
    wanted = found.section_id * span + np.clip(found.soma_distance, 0, span - 1.0)
    above = np.clip(np.searchsorted(key, wanted), first, last - 1)
    below = np.clip(above - 1, first, last - 1)
    nearer = np.abs(key[below] - wanted) <= np.abs(key[above] - wanted)
    chosen = order[np.where(nearer, below, above)]
    return np.asarray((cell.start[chosen] + cell.end[chosen]) / 2, np.float32)
