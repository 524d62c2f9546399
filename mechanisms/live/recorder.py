"""What a script's NEURON model is and does, seen from outside; nothing of the model is changed by looking."""

import hashlib
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
from ..trial.recording import CURRENT, SegmentFrames, ask_for_currents
from .loaded import checked_sections, labels_of, loaded_segments, somata_of
from .tree import SomaDistances, cells_of, connection, stable_names

Reals = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

_ELEMENT = re.compile(r"(?P<name>\w+)\[(?P<element>[0-9]+)\]")
# NEURON calls handlers of these kinds at the beginning and at the end of finitialize.
_BEGIN, _END = 3, 2
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


@dataclass(frozen=True)
class SpikeOrigin:
    """What fires.

    Attributes
    ----------
    name
        The same in every process, and no other source's.
    node_id, section_id, x
        Where it is on the model; None for what is not on a recorded section.
    """

    name: str
    node_id: int | None = None
    section_id: int | None = None
    x: float | None = None


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
        No sections, a variable that no segment has, or steps that differ from cell to cell. In the block, such of
        these as only a ``finitialize`` shows, and a section that was deleted, made or divided anew after the block
        began: NEURON then refuses to initialise, and what the block raises of it becomes this error.
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
        self._all = sections is None
        self._sections = checked_sections(sections)
        self._names = stable_names(self._sections)
        self._counts = [section.nseg for section in self._sections]
        self._cells = cells_of(self._sections)
        self._variables, self._dt = tuple(variables), dt
        # An interval would make CVODE take other steps, and so change what is computed: its own steps are recorded.
        self._varying = bool(self._solver.active())
        self._every = () if dt is None or self._varying else (dt,)
        self._check_steps()
        self._asked = CURRENT in self._variables and not ask_for_currents(self._variables)
        try:
            self._record(list(netcons))
        except BaseException:
            self._leave()
            raise
        self._model: LiveModel | None = None
        self._refusal: ModelError | None = None
        self._handlers = [
            h.FInitializeHandler(_BEGIN, self._begin),
            h.FInitializeHandler(_END, self._look),
        ]

    def _record(self, netcons: Sequence[Any]) -> None:
        h = self._h
        self._time = h.Vector().record(h._ref_t)
        self._frame_time = h.Vector().record(h._ref_t, *self._every)
        self._vectors = {name: self._columns(name) for name in self._variables}
        labels = labels_of(self._sections)
        numbers = {section: at for at, section in enumerate(self._sections)}
        self._somata: list[tuple[SpikeOrigin, Any]] = []
        for node, cell in enumerate(self._cells):
            for section in somata_of(cell, labels):
                number = numbers[section]
                source = SpikeOrigin(self._names[number], node, number, 0.5)
                self._somata.append((source, h.Vector().record(section(0.5)._ref_v)))
        node_of = {section: node for node, cell in enumerate(self._cells) for section in cell}
        self._spiking: list[tuple[SpikeOrigin, list[float]]] = []
        self._watched: list[Any] = []
        known: set[str] = set()
        for netcon in netcons:
            source = self._source(netcon, numbers, node_of)
            if source.name in known:
                continue
            known.add(source.name)
            times: list[float] = []
            # A source writes into one Vector only, which may be the script's; a call is beside that.
            netcon.record(lambda times=times: times.append(h.t))
            self._spiking.append((source, times))
            self._watched.append(netcon)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handlers.clear()
        for netcon in self._watched:
            with suppress(RuntimeError, ReferenceError):
                netcon.record("")
        self._leave()
        if self._every:
            _keep_until_initialised(self._h, [self._frame_time, *_all(self._vectors)])
        if error is not None and self._refusal is not None:
            raise self._refusal from error

    def _leave(self) -> None:
        if self._asked:
            self._solver.use_fast_imem(False)

    # What NEURON calls

    def _begin(self) -> None:
        for _, times in self._spiking:
            times.clear()
        self._refusal = None
        try:
            self._check()
        except ModelError as error:
            self._refusal = error
            raise

    def _look(self) -> None:
        self._model = self._looked()

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

    def _check(self) -> None:
        self._check_steps()
        if CURRENT in self._variables and not self._solver.use_fast_imem():
            raise ModelError(
                f"{CURRENT} cannot be recorded, because the script switched membrane currents off in the block "
                "(CVode.use_fast_imem(False)): leave them on, or record other variables"
            )
        for section, name, count in zip(self._sections, self._names, self._counts, strict=True):
            try:
                now = section.nseg
            except ReferenceError:
                raise ModelError(f"section {name} was deleted in the block: record what is left") from None
            if now != count:
                raise ModelError(
                    f"section {name} has {now} segments and had {count} when the block began: set nseg before"
                )
        if self._all:
            known = set(self._sections)
            new = [section for section in self._h.allsec() if section not in known]
            if new:
                raise ModelError(
                    f"section {stable_names(new)[0]} was made in the block: make the model before it"
                )

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
        # A script may make its steps larger or smaller: only the way from the first sample to the second tells.
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
        return [(source, np.unique(np.array(times, np.float64))) for source, times in self._spiking]

    def frames(self) -> SegmentFrames:
        """Variables of all segments.

        Raises
        ------
        ModelError
            Frames at an interval stopped, because a state was restored; or a section changed while it was simulated.
        """
        first = 0 if self._every else self._first
        time = np.array(self._frame_time)
        if self._every and self._dt is not None and len(self._time):
            steps = self.time
            expected = int((steps[-1] - time[0]) / self._dt + 1e-6) + 1 if len(time) else 1
            if self._first or len(time) < expected:
                raise ModelError(
                    f"of {expected} frames every {self._dt} ms NEURON gave {len(time)}; after SaveState.restore "
                    "call h.frecord_init(), or record every step, without dt"
                )
        values = {}
        for name, vectors in self._vectors.items():
            values[name] = np.full((len(time), len(vectors)), np.nan, np.float32)
            for column, vector in enumerate(vectors):
                if vector is None:
                    continue
                if len(vector) != len(time):
                    raise ModelError(
                        f"section {self._name_of(column)} changed while it was simulated: {name} has {len(vector)} of "
                        f"{len(time)} frames"
                    )
                values[name][:, column] = vector.as_numpy()
        kept = SegmentFrames(time[first:], {name: own[first:] for name, own in values.items()})
        return kept if self._dt is None or not self._varying else _at_interval(kept, self._dt)

    def model(self) -> LiveModel:
        """The model as it was at the last ``finitialize``; as it is now where there was none.

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
            _digest(self._h, self._sections),
            _parameters(self._h, self._sections),
        )

    def _name_of(self, column: int) -> str:
        return self._names[int(np.searchsorted(np.cumsum(self._counts), column, side="right"))]

    def _columns(self, variable: str) -> list[Any]:
        references = [reference(segment, variable) for section in self._sections for segment in section]
        if not any(own is not None for own in references):
            raise ModelError(f"no segment has a variable {variable!r}")
        return [None if own is None else self._h.Vector().record(own, *self._every) for own in references]

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

    def _source(self, netcon: Any, numbers: dict[Any, int], node_of: dict[Any, int]) -> SpikeOrigin:
        segment = netcon.preseg()
        if segment is None:
            cell = netcon.pre()
            return SpikeOrigin(
                stable_name(str(cell)) if cell is not None else f"source of {stable_name(str(netcon))}"
            )
        number = numbers.get(segment.sec)
        if number is None:
            return SpikeOrigin(f"{stable_names([segment.sec])[0]}({segment.x:g})")
        return SpikeOrigin(
            f"{self._names[number]}({segment.x:g})", node_of[segment.sec], number, float(segment.x)
        )


def _at_interval(frames: SegmentFrames, dt: float) -> SegmentFrames:
    """Frames of varying steps at equal intervals, linear between the steps."""
    # At one time there may be two steps: before and after an event. The later counts.
    time = frames.time
    last = np.append(time[1:] > time[:-1], True)
    at = time[0] + dt * np.arange(int((time[-1] - time[0]) / dt + 1e-6) + 1)
    values = {}
    for name, own in frames.values.items():
        values[name] = np.empty((len(at), own.shape[1]), np.float32)
        for column in range(own.shape[1]):
            values[name][:, column] = np.interp(at, time[last], own[last, column])
    return SegmentFrames(at, values)


def stable_name(text: str) -> str:
    """Return the text without addresses of Python objects."""
    return re.sub(r" object at 0x[0-9a-f]+", "", text)


def reference(segment: Any, variable: str) -> Any:
    """Return NEURON's reference to a variable of a segment, or to an element of one; None where it has none.

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


def _digest(h: Any, sections: Sequence[Any]) -> str:
    segments = [segment for section in sections for segment in section]
    names = {mechanism.name() for segment in segments for mechanism in segment}
    names |= {own.hname().split("[")[0] for segment in segments for own in segment.point_processes()}
    texts = _texts(h)
    digest = hashlib.sha256()
    for name in sorted(names):
        for part in (name, texts.get(name, "")):
            digest.update(len(part.encode()).to_bytes(8, "little") + part.encode())
    return digest.hexdigest()


def _texts(h: Any) -> dict[str, str]:
    """The NMODL text of every mechanism in this process, as NEURON keeps it."""
    found, name = {}, h.ref("")
    for kind in (0, 1):
        mechanisms = h.MechanismType(kind)
        for number in range(int(mechanisms.count())):
            mechanisms.select(number)
            mechanisms.selected(name)
            found[name[0]] = mechanisms.code() or ""
    return found


def _parameters(h: Any, sections: Sequence[Any]) -> str:
    """A digest of what the density mechanisms, axial resistance and capacitance were set to, segment by segment."""
    names: dict[str, list[str]] = {}
    digest = hashlib.sha256()
    for section in sections:
        digest.update(np.float64(section.Ra).tobytes())
        for segment in section:
            values = [segment.cm]
            for mechanism in segment:
                kind = mechanism.name()
                if kind not in names:
                    names[kind] = list(_parameter_names(h, kind))
                    digest.update(kind.encode())
                for name in names[kind]:
                    own = getattr(segment, name)
                    values += list(own) if type(own).__name__ == "RangeVar" else [own]
            digest.update(np.array(values, np.float64).tobytes())
    return digest.hexdigest()


def _parameter_names(h: Any, mechanism: str) -> Iterator[str]:
    """Range variables of a mechanism that are parameters, not states."""
    standard, name = h.MechanismStandard(mechanism, 1), h.ref("")
    for number in range(int(standard.count())):
        standard.name(name, number)
        yield name[0]
