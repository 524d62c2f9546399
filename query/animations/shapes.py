"""Cells in space: the segments of a run, what was recorded of all of them, and where synapses are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...catalog.schema import literal
from ...catalog.vocabulary import reports as circuit_reports
from ...catalog.vocabulary.runs import LFP, NETWORK_LFP, REPORT, SECTIONS, SEGMENTS
from ...catalog.vocabulary.trials import RECORDING_SITES, SYNAPSE_ACTIVATION, TRIALS
from ...lake.errors import InputError, NotFoundError
from ..base import Snapshot
from ..circuits.reports import Report, report, report_names
from ..trials.parameters import trial_id
from ..trials.voltages import sites_of

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
    """A variable of segments: the name of its array, the number of the trial in its run (empty in networks), and the variable."""

    node: str
    trial: str
    variable: str


@dataclass(frozen=True)
class RecordedSite:
    """A place on a cell where voltage was recorded: the site, what to call it in few words, and where it is, x, y and z in µm."""

    site: str
    label: str
    place: tuple[float, float, float]


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
    """Return what was recorded of segments in trials of a run, or in a network run of one of its populations.

    Parameters
    ----------
    snapshot
        The commit to read.
    run
        Name of the run, or ``RUN/POPULATION``; where segments were made of a circuit's trees, the name of the population.
    """
    begin = f"{REPORT.folder}{run}/"
    pattern = re.compile(re.escape(begin) + r"(?P<trial>[^/]+)/(?P<variable>[^/.]+(?:\[\d+\])?)")
    arrays = (name for name, node in snapshot.tree.items() if node.kind == "array" and name.startswith(begin))
    found = [
        SegmentRecording(name, match["trial"], match["variable"])
        for name in arrays
        if (match := pattern.fullmatch(name))
    ]
    return found or [*_of_population(snapshot, run)]


def _of_population(snapshot: Snapshot, run: str) -> Iterator[SegmentRecording]:
    circuit, _, population = run.rpartition("/")
    for name in report_names(snapshot):
        parts = circuit_reports.REPORT.parts(name)
        if parts and parts["population"] == population and parts["circuit"] == (circuit or parts["circuit"]):
            yield SegmentRecording(name, "", parts["report"])


def potentials(snapshot: Snapshot, run: str) -> list[str]:
    """Return the arrays of what contacts recorded in a run.

    Parameters
    ----------
    snapshot
        The commit to read.
    run
        As of `recorded`.
    """
    kinds = ((LFP, run), (NETWORK_LFP, run.split("/")[0]))
    return [
        name
        for name, node in snapshot.tree.items()
        if node.kind == "array"
        and "." not in name.rsplit("/", 1)[-1]
        and any((parts := kind.parts(name)) and parts["run"] == of for kind, of in kinds)
    ]


def sites(snapshot: Snapshot, cell: Capsules) -> list[RecordedSite]:
    """Return the sites of a lake's voltages that are on a cell.

    Parameters
    ----------
    snapshot
        The commit to read.
    cell
        The cell.
    """
    if RECORDING_SITES.name not in snapshot.tables:
        return []
    known = set(sites_of(snapshot))
    rows = snapshot.tables[RECORDING_SITES.name].to_arrow(["site", "section_id", "soma_distance"])
    found = []
    for row in rows.to_pylist():
        section = row["section_id"]
        on = np.flatnonzero(
            cell.label == cell.labels.index("Soma")
            if section is None and "Soma" in cell.labels
            else cell.section_id == section
        )
        if row["site"] in known and len(on):
            at = on[np.argmin(np.abs(cell.soma_distance[on] - (row["soma_distance"] or 0.0)))]
            short = (
                row["site"]
                if len(row["site"]) < 20
                else f"section {section}, {cell.soma_distance[at]:.0f} µm"
            )
            found.append(
                RecordedSite(row["site"], short, tuple(((cell.start[at] + cell.end[at]) / 2).tolist()))
            )
    return found


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
    return np.asarray(part.data, np.float32), part.times, str(found.array.attrs.get("units") or "")


def joined(snapshot: Snapshot, run: str, cell: Capsules) -> npt.NDArray[np.int64]:
    """Return which segments are next to each other on a cell: those of a section, and its first with where the section begins on its parent, int64[pair, 2].

    Parameters
    ----------
    snapshot
        The commit to read.
    run
        Name of the run.
    cell
        The cells of the run.
    """
    same = cell.section_id[1:] == cell.section_id[:-1]
    same &= cell.node_id[1:] == cell.node_id[:-1]
    inside = np.flatnonzero(same)
    pairs = [np.stack([inside, inside + 1], axis=1)]
    name = SECTIONS.of(run=run)
    if name in snapshot.tables:
        begins = np.flatnonzero(np.append(True, ~same))
        ends = np.append(begins[1:], len(cell.section_id))
        keys = zip(cell.node_id[begins].tolist(), cell.section_id[begins].tolist(), strict=True)
        spans = dict(zip(keys, zip(begins.tolist(), ends.tolist(), strict=True), strict=True))
        rows = snapshot.tables[name].to_arrow(["node_id", "section_id", "parent_id", "parent_x"])
        found = []
        for row in rows.to_pylist():
            own, parent = (spans.get((row["node_id"], row[key])) for key in ("section_id", "parent_id"))
            if own is not None and parent is not None:
                first, last = parent
                at = first + int((row["parent_x"] or 0.0) * (last - first))
                found.append((min(at, last - 1), own[0]))
        pairs.append(np.array(found, np.int64).reshape(-1, 2))
    return np.concatenate(pairs).astype(np.int64)


def extremes(values: Singles) -> tuple[float, float]:
    """Return the least and greatest finite value; (inf, -inf) where there is none.

    Parameters
    ----------
    values
        Values of any shape, float32.
    """
    # The least of values with a NaN is NaN: without one, no copy of the finite values is needed.
    low, high = float(values.min()), float(values.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (float("inf"), float("-inf"))


def shaded(values: Singles, low: float, high: float) -> npt.NDArray[np.uint8]:
    """Return values as bytes, uint8 of the same shape: 0 is *low*, 254 is *high*, 255 is no number.

    Parameters
    ----------
    values
        Values, float32[frame, element].
    low, high
        What the ends mean; what is beyond is at the end.
    """
    scale = np.float32(254 / (high - low) if high > low else 0.0)
    found = np.empty(values.shape, np.uint8)
    # A block of frames at a time, so that no copy in float32 is as large as the values.
    for first in range(0, len(values), 64):
        with np.errstate(invalid="ignore"):
            part = (values[first : first + 64] - np.float32(low)) * scale
        wrong = ~np.isfinite(part)
        np.rint(part, out=part)
        np.clip(part, 0, 254, out=part)
        part[wrong] = 255
        found[first : first + 64] = part
    return found


def on_segments(snapshot: Snapshot, node: str, cell: Capsules) -> npt.NDArray[np.int64] | None:
    """Return the column of a report for each segment of cells, int64[segment], -1 for none; None where columns are the segments in order.

    Columns are those of `frames`: node by node. Where a report has one column of a section, it stands for its middle segment.

    Parameters
    ----------
    snapshot
        The commit to read.
    node
        Name of the report.
    cell
        The cells.
    """
    found = report(snapshot, node)
    nodes, sections = _columns(found)
    if np.array_equal(nodes, cell.node_id) and np.array_equal(sections, cell.section_id):
        return None
    columns = np.full(len(cell.node_id), -1, np.int64)
    keys = [
        (ids.astype(np.int64) << 32) + part
        for ids, part in ((cell.node_id, cell.section_id), (nodes, sections))
    ]
    order, reported = (np.argsort(key, kind="stable") for key in keys)
    key, column = keys[0][order], keys[1][reported]
    for one in np.unique(column).tolist():
        segments = order[slice(*np.searchsorted(key, [one, one + 1]))]
        there = reported[slice(*np.searchsorted(column, [one, one + 1]))]
        if len(there) == len(segments):
            columns[segments] = there
        elif len(segments):
            at = ((np.arange(len(there)) + 0.5) * len(segments) / len(there)).astype(np.int64)
            columns[segments[at]] = there
    return columns


def _columns(found: Report) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Node and section of each column of `frames`."""
    part = found.get(None, found.t_start, found.t_start)
    return part.ids[:, 0], part.ids[:, 1]


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
