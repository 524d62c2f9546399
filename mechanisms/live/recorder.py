"""What a script's NEURON model is and does, seen from outside."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..trial.recording import SegmentFrames, ask_for_currents, reference
from .loaded import loaded_segments

Reals = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class LiveModel:
    """A model in NEURON.

    Attributes
    ----------
    sections, segments
        Its geometry as columns, cell by cell; ``node_id`` numbers the cells, ``section_id`` the sections that were
        given.
    mechanisms
        SHA-256 over the names and NMODL texts of the mechanisms in it, in hexadecimal.
    """

    sections: Columns
    segments: Columns
    mechanisms: str


class LiveRecorder:
    """Records variables of all segments, potentials of somata and spikes of NetCons, until its block ends.

    Parameters
    ----------
    sections
        NEURON's sections; all by default.
    variables
        Range variables.
    dt
        Interval in ms; every step where it is None.
    netcons
        NetCons to take spikes from.

    Raises
    ------
    ModelError
        No sections, or a variable that no segment has.
    """

    def __init__(
        self,
        sections: Iterable[Any] | None,
        variables: Sequence[str],
        dt: float | None,
        netcons: Sequence[Any],
    ) -> None:
        from neuron import h

        self._h = h
        given = list(h.allsec()) if sections is None else list(sections)
        if not given:
            raise ModelError("NEURON has no section to record")
        self._cells = _cells(given)
        self._sections = [section for cell in self._cells for section in cell]
        self._variables, self._every = tuple(variables), () if dt is None else (dt,)
        self._netcons = list(netcons)
        self._currents = ask_for_currents(self._variables)
        self._time = h.Vector().record(h._ref_t)
        self._frame_time = h.Vector().record(h._ref_t, *self._every)
        segments = [segment for section in self._sections for segment in section]
        self._vectors = {name: self._columns(segments, name) for name in self._variables}
        self._somata = {
            section.name(): h.Vector().record(section(0.5)._ref_v) for section in _somata(self._cells)
        }
        self._spiking = [(_source(netcon), h.Vector()) for netcon in self._netcons]
        for netcon, (_, vector) in zip(self._netcons, self._spiking, strict=True):
            netcon.record(vector)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for netcon in self._netcons:
            netcon.record()
        if not self._currents:
            self._h.CVode().use_fast_imem(False)

    @property
    def time(self) -> Reals:
        """Times of all steps in ms, float64[n_time]."""
        return np.array(self._time)

    @property
    def somata(self) -> dict[str, Reals]:
        """Potential of each soma in mV by its section's name, float64[n_time]."""
        return {name: np.array(vector) for name, vector in self._somata.items()}

    @property
    def spikes(self) -> dict[str, Reals]:
        """Spike times in ms of the NetCons' sources by their names."""
        found: dict[str, list[Reals]] = {}
        for name, vector in self._spiking:
            found.setdefault(name, []).append(np.array(vector))
        return {name: np.unique(np.concatenate(times)) for name, times in found.items()}

    def frames(self) -> SegmentFrames:
        """Variables of all segments."""
        time = np.array(self._frame_time)
        values = {}
        for name, vectors in self._vectors.items():
            values[name] = np.full((len(time), len(vectors)), np.nan, np.float32)
            for column, vector in enumerate(vectors):
                if vector is not None:
                    values[name][:, column] = vector.as_numpy()[: len(time)]
        return SegmentFrames(time, values)

    def model(self) -> LiveModel:
        """The model as it is now."""
        segments = [loaded_segments(cell) for cell in self._cells]
        offset = np.cumsum([0, *map(len, self._cells)])
        joined = {
            name: np.concatenate([own[name] for own in segments])
            for name in segments[0]
            if name != "section_id"
        }
        joined["section_id"] = np.concatenate(
            [own["section_id"] + first for own, first in zip(segments, offset[:-1], strict=True)]
        )
        joined["node_id"] = np.repeat(np.arange(len(segments)), [len(own["x"]) for own in segments])
        return LiveModel(self._section_columns(joined), joined, _digest(self._h, self._sections))

    def _columns(self, segments: Sequence[Any], variable: str) -> list[Any]:
        references = [reference(segment, variable) for segment in segments]
        if not any(own is not None for own in references):
            raise ModelError(f"no segment has a variable {variable!r}")
        return [None if own is None else self._h.Vector().record(own, *self._every) for own in references]

    def _section_columns(self, segments: Columns) -> Columns:
        number = {section: at for at, section in enumerate(self._sections)}
        above = [section.parentseg() for section in self._sections]
        first = np.unique(segments["section_id"], return_index=True)[1]
        return {
            "node_id": segments["node_id"][first],
            "section_id": np.arange(len(self._sections)),
            "name": segments["name"][first],
            "label": segments["label"][first],
            "parent_id": np.array([-1 if own is None else number.get(own.sec, -1) for own in above]),
            "parent_x": np.array([np.nan if own is None else own.x for own in above]),
            "length": np.array([section.L for section in self._sections]),
            "area": np.bincount(segments["section_id"], segments["area"]),
            "n_segments": np.array([section.nseg for section in self._sections]),
            "n_points": np.array([section.n3d() for section in self._sections]),
            "soma_distance": segments["soma_distance"][first] - segments["length"][first] / 2,
        }


def _cells(sections: Sequence[Any]) -> list[list[Any]]:
    """Sections by the tree that they belong to, both in the order given."""
    cells: dict[Any, list[Any]] = {}
    for section in sections:
        cells.setdefault(_root(section), []).append(section)
    return list(cells.values())


def _root(section: Any) -> Any:
    while (parent := section.parentseg()) is not None:
        section = parent.sec
    return section


def _somata(cells: Sequence[Sequence[Any]]) -> list[Any]:
    """The sections whose names begin with soma; the first of each cell where there are none."""
    named = [
        section for cell in cells for section in cell if section.name().rsplit(".", 1)[-1].startswith("soma")
    ]
    return named or [cell[0] for cell in cells]


def _source(netcon: Any) -> str:
    """What fires: a place on a section, or an artificial cell."""
    return str(netcon.preseg() or netcon.pre())


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
