"""Electric fields around cells: extracellular stimulation."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from ..errors import ModelError
from ..network.attached import Clamp, Timing
from ..network.cells import NetworkCell, NetworkNode
from .signals import Reals, Waveform, digest_of_values

FIELD, BATTERY = "FieldPotential", "extracellular"
"""Our mechanism that has the potential of each segment, and NEURON's that puts it outside of the membrane."""
SOURCES = 4
"""How many different waveforms there can be at once."""

Potentials = Callable[[Sequence[NetworkCell]], Reals]
"""Potential in mV per unit of the waveform outside of all segments of some cells, cell by cell, section by section, float64[n]."""


@dataclass(frozen=True, eq=False)
class FieldSource:
    """Something around cells that makes a potential, such as a contact with a current: where, and when.

    Attributes
    ----------
    potentials
        What it makes of a unit of the waveform.
    waveform
        When, in that unit.
    cells
        Gids of the cells around which it is; None for all.
    decided_by
        What decides the potentials, for the identity of runs; by default the code of the function, and what it holds.
    """

    potentials: Potentials
    waveform: Waveform
    cells: frozenset[int] | None = None
    decided_by: str | None = None

    @property
    def identity(self) -> str:
        """What decides the field, as a digest."""
        from ...kernels.compiled import code_digest

        decided_by = code_digest(self.potentials) if self.decided_by is None else self.decided_by
        cells = None if self.cells is None else sorted(self.cells)
        return digest_of_values([decided_by, self.waveform.identity, cells])


class ClampField(Clamp, Protocol):
    """A clamp that is a field."""

    @property
    def sources(self) -> Sequence[FieldSource]:
        """What makes it."""


@dataclass(frozen=True, eq=False)
class FieldClamp:
    """Potentials outside of cells, by NEURON's mechanism ``extracellular``, which adds to the cells' equations.

    NEURON solves such equations on one thread; ranks may share the cells. Several fields of a network are put together by `grouped`.

    Attributes
    ----------
    name
        Of the input.
    sources
        What makes the potentials, with at most `SOURCES` different waveforms.
    """

    name: str
    sources: Sequence[FieldSource]

    @property
    def mechanisms(self) -> Sequence[str]:
        """Our mechanism of potentials."""
        return (FIELD,)

    @property
    def identity(self) -> str:
        """What decides what it does, as a digest."""
        return digest_of_values([type(self).__name__, [source.identity for source in self.sources]])

    def check(self, nodes: Mapping[int, NetworkNode], timing: Timing) -> Sequence[str]:
        """Return what hinders it: too many waveforms, or one that is not finite.

        Parameters
        ----------
        nodes
            All cells by gid.
        timing
            When the network is simulated.
        """
        told = []
        count = len({source.waveform.identity for source in self.sources})
        if count > SOURCES:
            told.append(f"input {self.name}: {count} waveforms; there can be {SOURCES} at once")
        for fault in dict.fromkeys(fault for source in self.sources for fault in source.waveform.faults):
            told.append(f"input {self.name}: of a waveform, {fault}")
        return told

    def attach(self, cells: Mapping[int, NetworkCell], timing: Timing) -> Any:
        """Put the potentials outside of the cells that are there.

        Parameters
        ----------
        cells
            The cells of this rank, by gid.
        timing
            When the network is simulated.

        Raises
        ------
        ModelError
            Potentials are not of as many segments as the cells have, or not finite.
        """
        from neuron import h

        everywhere = any(source.cells is None for source in self.sources)
        around = frozenset().union(*(source.cells or () for source in self.sources))
        own = [
            cells[gid] for gid in sorted(cells) if not cells[gid].artificial and (everywhere or gid in around)
        ]
        if not own:
            return ()
        for cell in own:
            for section in cell.sections:
                section.insert(BATTERY)
                section.insert(FIELD)
        segments = {cell.gid: [segment for section in cell.sections for segment in section] for cell in own}
        first = getattr(segments[own[0].gid][0], FIELD)
        for number in range(SOURCES):
            first.wave(number)
        # Sources of one waveform add up, and are one to NEURON.
        waves: dict[str, Waveform] = {}
        strengths: dict[str, dict[int, Reals]] = {}
        for source in self.sources:
            key = source.waveform.identity
            waves[key] = source.waveform
            sums = strengths.setdefault(key, {cell.gid: np.zeros(len(segments[cell.gid])) for cell in own})
            chosen = [cell for cell in own if source.cells is None or cell.gid in source.cells]
            for gid, values in zip(
                (cell.gid for cell in chosen), self._potentials(source, chosen, segments), strict=True
            ):
                sums[gid] += values
        for number, (key, wave) in enumerate(waves.items()):
            # Beyond its last point the mechanism has 0, and so has the line.
            first.wave(number, h.Vector(wave.time), h.Vector(wave.value))
            for gid, values in strengths[key].items():
                for segment, value in zip(segments[gid], values.tolist(), strict=True):
                    setattr(getattr(segment, FIELD), f"phi{number}", value)
        for listed in segments.values():
            for segment in listed:
                h.setpointer(segment._ref_e_extracellular, "ex", getattr(segment, FIELD))
        return ()

    def _potentials(
        self, source: FieldSource, cells: Sequence[NetworkCell], segments: Mapping[int, Sequence[Any]]
    ) -> list[Reals]:
        """What a source makes around cells, of each."""
        counts = [len(segments[cell.gid]) for cell in cells]
        potentials = source.potentials(cells) if cells else np.empty(0)
        if len(potentials) != sum(counts) or not np.isfinite(potentials).all():
            raise ModelError(
                f"input {self.name}: expected a finite potential for each of {sum(counts)} segments, found "
                f"{int(np.isfinite(potentials).sum())}"
            )
        return np.split(potentials, np.cumsum(counts)[:-1])[: len(cells)]


@dataclass(frozen=True, eq=False)
class FieldGroup:
    """Several fields of a network, which add up.

    Attributes
    ----------
    fields
        The fields.
    """

    fields: Sequence[ClampField]

    @property
    def name(self) -> str:
        """Names of all."""
        return " and ".join(field.name for field in self.fields)

    @property
    def mechanisms(self) -> Sequence[str]:
        """Our mechanism of potentials."""
        return (FIELD,)

    @property
    def identity(self) -> str:
        """What decides what they do, as a digest."""
        return digest_of_values([[field.name, field.identity] for field in self.fields])

    def check(self, nodes: Mapping[int, NetworkNode], timing: Timing) -> Sequence[str]:
        """Return what hinders them, each and together.

        Parameters
        ----------
        nodes
            All cells by gid.
        timing
            When the network is simulated.
        """
        told = [fault for field in self.fields for fault in field.check(nodes, timing)]
        return told or self._together().check(nodes, timing)

    def attach(self, cells: Mapping[int, NetworkCell], timing: Timing) -> Any:
        """Put the potentials outside of the cells that are there.

        Parameters
        ----------
        cells
            The cells of this rank, by gid.
        timing
            When the network is simulated.

        Raises
        ------
        ModelError
            Potentials are not of as many segments as the cells have, or not finite.
        """
        return self._together().attach(cells, timing)

    def _together(self) -> FieldClamp:
        return FieldClamp(self.name, [source for field in self.fields for source in field.sources])


def grouped(clamps: Iterable[Clamp]) -> list[Clamp]:
    """Return clamps with the fields among them as one, because a segment has one potential outside.

    Parameters
    ----------
    clamps
        All of a network.
    """
    every = list(clamps)
    fields = [clamp for clamp in every if FIELD in clamp.mechanisms]
    if len(fields) < 2:
        return every
    others = [clamp for clamp in every if FIELD not in clamp.mechanisms]
    return [*others, FieldGroup(cast("list[ClampField]", fields))]


def one_thread(clamps: Iterable[Clamp]) -> list[str]:
    """Return what is wrong with clamps where there are several threads: NEURON solves fields on one.

    With potentials outside of cells, NEURON solves its equations by another method (``use_sparse13``), which threads cannot
    share (``nrn_rhs`` ends the process then).

    Parameters
    ----------
    clamps
        All of the network.
    """
    return [
        f"input {clamp.name}: NEURON simulates fields on one thread only; use one, and ranks (mpiexec) to share the cells"
        for clamp in clamps
        if FIELD in clamp.mechanisms
    ]
