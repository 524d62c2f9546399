"""Electric fields around cells: extracellular stimulation."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ModelError
from ..network.attached import Clamp, Timing
from ..network.cells import NetworkCell, NetworkNode
from .clamps import CurrentClamp, VoltageClamp
from .signals import Reals, Waveform

FIELD, BATTERY = "FieldPotential", "extracellular"
"""Our mechanism that has the potential of each segment, and NEURON's that puts it outside of the membrane."""
SOURCES = 4
"""How many sources there can be at once."""

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
    """

    potentials: Potentials
    waveform: Waveform


@dataclass(frozen=True, eq=False)
class FieldClamp:
    """Potentials outside of cells, by NEURON's mechanism ``extracellular``, which adds to the cells' equations.

    There can be one of these in a network, of several sources. NEURON solves such equations on one thread; ranks may share the cells.

    Attributes
    ----------
    name
        Of the input.
    sources
        At most `SOURCES`.
    """

    name: str
    sources: Sequence[FieldSource]

    @property
    def mechanisms(self) -> Sequence[str]:
        """Our mechanism of potentials."""
        return (FIELD,)

    def check(self, nodes: Mapping[int, NetworkNode], timing: Timing) -> Sequence[str]:
        """Return what hinders it: too many sources, or a waveform that is not finite.

        Parameters
        ----------
        nodes
            All cells by gid.
        timing
            When the network is simulated.
        """
        told = []
        if len(self.sources) > SOURCES:
            told.append(f"input {self.name}: {len(self.sources)} sources; there can be {SOURCES} at once")
        if not all(np.isfinite(source.waveform.value).all() for source in self.sources):
            told.append(f"input {self.name}: a waveform is not finite")
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

        own = [cells[gid] for gid in sorted(cells) if not cells[gid].artificial]
        segments = [segment for cell in own for section in cell.sections for segment in section]
        if not segments:
            return ()
        for cell in own:
            for section in cell.sections:
                section.insert(BATTERY)
                section.insert(FIELD)
        first = getattr(segments[0], FIELD)
        for number in range(SOURCES):
            first.wave(number)
        for number, source in enumerate(self.sources):
            potentials = source.potentials(own)
            if len(potentials) != len(segments) or not np.isfinite(potentials).all():
                raise ModelError(
                    f"input {self.name}: expected a finite potential for each of {len(segments)} segments, found "
                    f"{int(np.isfinite(potentials).sum())}"
                )
            # Beyond its last point the mechanism has 0, and so has the line.
            first.wave(number, h.Vector(source.waveform.time), h.Vector(source.waveform.value))
            for segment, value in zip(segments, potentials.tolist(), strict=True):
                setattr(getattr(segment, FIELD), f"phi{number}", value)
        for segment in segments:
            h.setpointer(segment._ref_e_extracellular, "ex", getattr(segment, FIELD))
        return ()


def one_thread(clamps: Iterable[Clamp]) -> list[str]:
    """Return what is wrong with clamps where there are several threads.

    NEURON solves equations with potentials outside of cells on one thread, and plays vectors to variables of others at any time
    within their step.

    Parameters
    ----------
    clamps
        All of the network.
    """
    told = []
    for clamp in clamps:
        played = isinstance(clamp, VoltageClamp) or (
            isinstance(clamp, CurrentClamp)
            and any(isinstance(current, Waveform) for current in clamp.currents.values())
        )
        if played or FIELD in clamp.mechanisms:
            told.append(
                f"input {clamp.name}: NEURON simulates fields, held potentials and currents that are no steps on one thread only; "
                "use one, and ranks (mpiexec) to share the cells"
            )
    return told
