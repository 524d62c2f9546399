"""What a script's NEURON model is and does, seen from outside; nothing of the model is changed by looking."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..trial.recording import CURRENT, Frames, MembraneCurrents, SegmentFrames
from .identity import mechanisms_digest, parameters_digest
from .loaded import checked_sections, labels_of, loaded_segments, somata_of
from .spikes import SpikeListener, SpikeOrigin, listeners
from .structure import Structure
from .tree import SomaDistances, cells_of, connection, stable_names

Reals = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
Values = dict[str, Frames]

_ELEMENT = re.compile(r"(?P<name>\w+)\[(?P<element>[0-9]+)\]")
# NEURON calls handlers of these kinds at the beginning and at the end of finitialize.
_BEGIN, _END = 3, 2
# An event at an interval that falls on the end of a step must not come after it by rounding: NEURON would leave it out at the end.
_EARLY = 1 - 1e-10
_DEAD_REFERENCE = "attempt to dereference"
_NO_THREAD = "unable to associate a PlayRecord item with a thread"
_SWITCHED_OFF = (
    f"{CURRENT} cannot be recorded, because the script switched membrane currents off in the block "
    "(CVode.use_fast_imem(False)): leave them on, or record other variables"
)
# Vectors that are recorded at an interval have events in NEURON's queue until the next finitialize.
_IN_QUEUE: list[Any] = []
_CLEANER: list[Any] = []


@dataclass(frozen=True)
class LiveModel:
    """A model in NEURON, as of a ``finitialize``.

    Attributes
    ----------
    sections, segments
        Its geometry as columns, in the order of the sections that were given; ``node_id`` numbers the cells,
        ``section_id`` the sections.
    mechanisms
        SHA-256 over the names and NMODL texts of the mechanisms in it, in hexadecimal.
    parameters
        SHA-256 over the values of all parameters of its density mechanisms, in hexadecimal.
    """

    sections: Columns
    segments: Columns
    mechanisms: str
    parameters: str


class LiveRecorder:
    """Records variables of all segments, potentials of somata and spikes of NetCons, until its block ends.

    Parameters
    ----------
    sections
        NEURON's sections; all by default.
    variables
        Range variables; an element of one that is an array as ``vext[0]``.
    dt
        Interval in ms; every step where it is None.
    netcons
        NetCons to take spikes from.

    Raises
    ------
    ModelError
        No sections, a variable that no segment has, or steps that differ from cell to cell. In the block,
        such of these as only a ``finitialize`` shows, and a section that was deleted, made or divided again
        after the block began: NEURON then refuses to initialise, and what the block raises of it becomes this
        error. At the end of the block, whatever of the model changed after ``finitialize`` and was simulated
        so.
    """

    def __init__(
        self,
        sections: Iterable[Any] | None,
        variables: Sequence[str],
        dt: float | None,
        netcons: Sequence[Any],
    ) -> None:
        from neuron import h

        self._h, self._solver = h, h.CVode()
        self._sections = checked_sections(sections)
        self._names = stable_names(self._sections)
        self._complete = sections is None
        self._before = self._structure()
        self._variables, self._dt = tuple(variables), dt
        # An interval would make CVODE take other steps, and so change what is computed: its own steps are recorded.
        self._varying = bool(self._solver.active())
        self._check_steps()
        self._model: LiveModel | None = None
        self._simulated = self._before
        self._refusal: ModelError | None = None
        self._end: tuple[float, Values] | None = None
        self._listeners: list[SpikeListener] = []
        self._currents = MembraneCurrents(self._variables)
        try:
            self._record()
            node_of = {section: node for node, cell in enumerate(self._cells) for section in cell}
            self._listeners = listeners(netcons, self._sections, node_of)
        except BaseException:
            self._currents.release()
            raise
        self._handlers = [
            h.FInitializeHandler(_BEGIN, self._begin),
            h.FInitializeHandler(_END, self._look),
        ]

    def _structure(self) -> Structure:
        return Structure(self._sections, self._names, complete=self._complete)

    def _record(self) -> None:
        h = self._h
        # Nor are frames at an interval right with several threads, where NEURON takes some in the middle of a step.
        whole = self._dt is None or self._varying or self._threads() > 1
        self._every = () if whole or self._dt is None else (self._dt * _EARLY,)
        self._cells = cells_of(self._sections)
        # NEURON looks through all Vectors for each new one: those of before go first.
        self._vectors: dict[str, list[Any]] = {}
        self._somata: list[tuple[SpikeOrigin, Any]] = []
        self._section_of = [at for at, section in enumerate(self._sections) for _ in range(section.nseg)]
        self._time = h.Vector().record(h._ref_t)
        self._references = {name: self._found(name) for name in self._variables}
        self._vectors |= {
            name: [None if own is None else h.Vector().record(own, *self._every) for own in found]
            for name, found in self._references.items()
        }
        labels = labels_of(self._sections)
        numbers = {section: at for at, section in enumerate(self._sections)}
        for node, cell in enumerate(self._cells):
            for section in somata_of(cell, labels):
                number = numbers[section]
                source = SpikeOrigin(self._names[number], node, number, 0.5)
                self._somata.append((source, h.Vector().record(section(0.5)._ref_v)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handlers.clear()
        taken = [listener.origin.name for listener in self._listeners if not listener.leave()]
        try:
            if error is None and len(self._time):
                self._finish(taken)
            elif isinstance(error, Exception):
                self._explain(error)
        finally:
            if self._every:
                _keep_until_initialised(self._h, _all(self._vectors))
            self._currents.release()

    def _finish(self, taken: Sequence[str]) -> None:
        if self._refusal is not None:
            raise self._refusal
        self._check_steps()
        if self._every and self._threads() > 1:
            raise ModelError("pc.nthread was called after finitialize: choose the number of threads before")
        self._simulated.check_simulated()
        if taken:
            raise ModelError(
                f"spikes of {taken[0]} were taken by the script after finitialize (NetCon.record): do so before, and they are "
                "recorded here as well"
            )
        if self._dt is not None and self._varying and self._h.t > self._time[-1]:
            # The last of the variable steps goes beyond the end, where NEURON interpolates but does not record.
            self._end = (
                self._h.t,
                {
                    name: np.array([np.nan if own is None else own[0] for own in found], np.float32)
                    for name, found in self._references.items()
                },
            )

    def _explain(self, error: Exception) -> None:
        """Raise what is behind an error of NEURON's, if it is known."""
        if self._refusal is not None:
            raise self._refusal from error
        if CURRENT in self._variables and (not self._solver.use_fast_imem() or _DEAD_REFERENCE in str(error)):
            raise ModelError(_SWITCHED_OFF) from error
        if _NO_THREAD in str(error):
            told = ", ".join(self._variables)
            raise ModelError(
                f"NEURON records one of the variables {told} with one thread only: use pc.nthread(1)"
            ) from error

    # What NEURON calls

    def _begin(self) -> None:
        self._refusal = None
        try:
            self._check()
            # What the block did meanwhile may have made references invalid, or others possible.
            self._record()
            for listener in self._listeners:
                listener.listen()
        except ModelError as error:
            self._refusal = error
            raise

    def _look(self) -> None:
        self._model, self._simulated = self._looked(), self._structure()

    def _check_steps(self) -> None:
        if self._solver.active() and self._solver.use_local_dt():
            raise ModelError(
                "each cell has time steps of its own (CVode.use_local_dt), which cannot be recorded on one axis of "
                "time: use_local_dt(False)"
            )
        if self._dt is not None and bool(self._solver.active()) != self._varying:
            raise ModelError("variable steps were switched on or off in the block: do so before it")
        coreneuron = sys.modules.get("neuron.coreneuron")
        if self._dt is not None and coreneuron is not None and coreneuron.enable:
            raise ModelError("CoreNEURON gives no frames at an interval: record every step, without dt")
        if CURRENT in self._variables and self._threads() > 1:
            raise ModelError(f"NEURON records {CURRENT} with one thread only: use pc.nthread(1)")

    def _threads(self) -> int:
        return int(self._h.ParallelContext().nthread())

    def _check(self) -> None:
        self._check_steps()
        if CURRENT in self._variables and not self._solver.use_fast_imem():
            raise ModelError(_SWITCHED_OFF)
        self._before.check()

    # What was recorded

    @property
    def time(self) -> Reals:
        """Times of all steps in ms, float64[n_time]; those before a restored state left out."""
        return np.array(self._time)[self._first :]

    @property
    def _first(self) -> int:
        """The first step of what was simulated: where a state was restored after finitialize, that one's sample is not."""
        steps = np.diff(np.array(self._time))
        if len(steps) < 2 or self._solver.active():
            return 0
        back = np.flatnonzero(steps <= 0)
        if len(back):
            return int(back[-1]) + 1
        # A script may make its steps larger or smaller: only the first step is certain.
        return int(steps[0] > 1.5 * max(steps[1], self._h.dt))

    @property
    def somata(self) -> list[tuple[SpikeOrigin, Reals]]:
        """Potential of each soma in mV, float64[n_time]."""
        first = self._first
        return [(source, np.array(vector)[first:]) for source, vector in self._somata]

    @property
    def n_cells(self) -> int:
        """Number of cells: of trees that sections were given of."""
        return len(self._cells)

    @property
    def spikes(self) -> list[tuple[SpikeOrigin, Reals]]:
        """Spike times in ms of the NetCons' sources."""
        return [(listener.origin, listener.times) for listener in self._listeners]

    def frames(self) -> SegmentFrames:
        """Variables of all segments.

        Raises
        ------
        ModelError
            Frames at an interval stopped, because a state was restored; or a section changed while it was simulated.
        """
        first, time = self._first, np.array(self._time)
        if self._every and self._dt is not None and len(time) and self._vectors:
            count = max((len(vector) for vector in _all(self._vectors)), default=0)
            expected = int((time[-1] - time[0]) / self._every[0]) + 1
            if first or count < expected:
                raise ModelError(
                    f"of {expected} frames every {self._dt} ms NEURON gave {count}; after SaveState.restore "
                    "call h.frecord_init(), or record every step, without dt"
                )
            time = time[0] + self._dt * np.arange(count)
        values = {}
        for name, vectors in self._vectors.items():
            values[name] = np.full((len(time), len(vectors)), np.nan, np.float32)
            for column, vector in enumerate(vectors):
                if vector is None:
                    continue
                if len(vector) != len(time):
                    raise ModelError(
                        f"section {self._name_of(column)} or its time steps changed while it was simulated: {name} has "
                        f"{len(vector)} of {len(time)} frames"
                    )
                values[name][:, column] = vector.as_numpy()
        kept = SegmentFrames(time[first:], {name: own[first:] for name, own in values.items()})
        if self._end is not None:
            end, last = self._end
            kept = SegmentFrames(
                np.append(kept.time, end),
                {name: np.vstack([own, last[name]]) for name, own in kept.values.items()},
            )
        if self._dt is None or self._every:
            return kept
        return _at_interval(kept, self._dt) if self._varying else _nearest(kept, self._dt)

    def model(self) -> LiveModel:
        """Return the model as it was at the last ``finitialize``; as it is now where there was none.

        Raises
        ------
        ModelError
            There was none, and a section is no longer what it was.
        """
        if self._model is None:
            self._check()
            self._model = self._looked()
        return self._model

    def _looked(self) -> LiveModel:
        segments = loaded_segments(self._sections)
        return LiveModel(
            self._section_columns(segments),
            segments,
            mechanisms_digest(self._sections),
            parameters_digest(self._sections),
        )

    def _name_of(self, column: int) -> str:
        return self._names[self._section_of[column]]

    def _found(self, variable: str) -> list[Any]:
        references = [reference(segment, variable) for section in self._sections for segment in section]
        if not any(own is not None for own in references):
            raise ModelError(f"no segment has a variable {variable!r}")
        return references

    def _section_columns(self, segments: Columns) -> Columns:
        number = {section: at for at, section in enumerate(self._sections)}
        connections = [connection(section) for section in self._sections]
        first = np.unique(segments["section_id"], return_index=True)[1]
        nodes, labels = segments["node_id"][first].tolist(), labels_of(self._sections)
        distances = [SomaDistances(somata_of(cell, labels)) for cell in self._cells]
        return {
            "node_id": segments["node_id"][first],
            "section_id": np.arange(len(self._sections)),
            "name": segments["name"][first],
            "label": segments["label"][first],
            "parent_id": np.array([number.get(own.parent, -1) for own in connections]),
            "parent_x": np.array([own.parent_x for own in connections]),
            "length": np.array([section.L for section in self._sections]),
            "area": np.bincount(segments["section_id"], segments["area"]),
            "n_segments": np.array([section.nseg for section in self._sections]),
            "n_points": np.array([section.n3d() for section in self._sections]),
            "soma_distance": np.array(
                [distances[node].at(own, 0.0) for own, node in zip(self._sections, nodes, strict=True)]
            ),
        }


def _nearest(frames: SegmentFrames, dt: float) -> SegmentFrames:
    """Frames of equal steps at equal intervals, each of the nearest step, as NEURON has them."""
    time = frames.time
    at = _interval(time, dt)
    after = np.clip(np.searchsorted(time, at), 1, len(time) - 1)
    step = after - (at - time[after - 1] <= time[after] - at)
    return SegmentFrames(at, {name: own[step] for name, own in frames.values.items()})


def _interval(time: Reals, dt: float) -> Reals:
    at: Reals = time[0] + dt * np.arange(int((time[-1] - time[0]) / dt + 1e-6) + 1)
    return at


def _at_interval(frames: SegmentFrames, dt: float) -> SegmentFrames:
    """Frames of varying steps at equal intervals, linear between the steps."""
    # At one time there may be two steps: before and after an event. The later counts.
    time = frames.time
    last = np.append(time[1:] > time[:-1], True)
    at = _interval(time, dt)
    values = {}
    for name, own in frames.values.items():
        values[name] = np.empty((len(at), own.shape[1]), np.float32)
        for column in range(own.shape[1]):
            values[name][:, column] = np.interp(at, time[last], own[last, column])
    return SegmentFrames(at, values)


def reference(segment: Any, variable: str) -> Any:
    """Return NEURON's reference to a variable of a segment, or to an element of one; None where it has none.

    Parameters
    ----------
    segment
        A segment of NEURON's.
    variable
        Name of a range variable, such as ``ina``, or of an element of an array of them.

    Raises
    ------
    ModelError
        The variable is an array, and no element is named.
    """
    match = _ELEMENT.fullmatch(variable)
    name = variable if match is None else match["name"]
    found = getattr(segment, f"_ref_{name}_" if name == CURRENT else f"_ref_{name}", None)
    if found is None:
        return None
    is_array = type(found).__name__ == "RangeVar"
    if match is not None:
        with suppress(IndexError, TypeError):
            return found[int(match["element"])] if is_array else None
        return None
    if is_array:
        raise ModelError(f"variable {variable!r} is an array: name an element of it, such as {variable}[0]")
    return found


def _all(vectors: dict[str, list[Any]]) -> Iterator[Any]:
    return (vector for own in vectors.values() for vector in own if vector is not None)


def _keep_until_initialised(h: Any, vectors: Iterable[Any]) -> None:
    """Let vectors live as long as NEURON may still write to them: freed ones end the process."""
    if not _CLEANER:
        _CLEANER.append(h.FInitializeHandler(_BEGIN, _IN_QUEUE.clear))
    _IN_QUEUE.extend(vectors)
