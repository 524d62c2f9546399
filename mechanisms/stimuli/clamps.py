"""Clamps: currents and potentials that are imposed on cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..network.attached import Timing
from ..network.cells import NetworkCell, NetworkNode
from .places import ClampPlace
from .signals import Waveform

OWN = "SourceCurrent"
"""Our mechanism of a current that counts as one of the membrane."""
_FOREVER, _OPEN = 1e9, 1e9


@dataclass(frozen=True, eq=False)
class CurrentClamp:
    """A current at one place of each of some cells.

    Attributes
    ----------
    name
        Of the input.
    currents
        In nA by gid: a signal, or a step as (delay, duration, amplitude), which NEURON's IClamp makes.
    place
        Where on each cell.
    electrode
        Whether an electrode injects it; else it counts as a current of the membrane.
    """

    name: str
    currents: Mapping[int, Waveform | tuple[float, float, float]]
    place: ClampPlace = field(default_factory=ClampPlace)
    electrode: bool = True

    @property
    def mechanisms(self) -> Sequence[str]:
        """Point processes that it needs, besides NEURON's own."""
        return () if self.electrode else (OWN,)

    def check(self, nodes: Mapping[int, NetworkNode], timing: Timing) -> Sequence[str]:
        """Return what hinders it: cells that are not there, and numbers that are not finite.

        Parameters
        ----------
        nodes
            All cells by gid.
        timing
            When the network is simulated.
        """
        told = _unknown(self.name, self.currents, nodes)
        for gid, current in self.currents.items():
            numbers = current.value if isinstance(current, Waveform) else np.array(current)
            if not np.isfinite(numbers).all():
                told.append(f"input {self.name}: the current of cell {gid} is not finite")
                break
        return told

    def attach(self, cells: Mapping[int, NetworkCell], timing: Timing) -> Any:
        """Attach it to those of its cells that are there.

        Parameters
        ----------
        cells
            The cells of this rank, by gid.
        timing
            When the network is simulated.

        Raises
        ------
        ModelError
            A cell has no such place.
        """
        from neuron import h

        held: list[Any] = []
        for gid in sorted(self.currents.keys() & cells.keys()):
            current = self.currents[gid]
            clamp = getattr(h, "IClamp" if self.electrode else OWN)(self.place.of(cells[gid]))
            if isinstance(current, Waveform):
                setattr(clamp, _DELAY[self.electrode], 0.0)
                clamp.dur, clamp.amp = _FOREVER, 0.0
                # A last point for ever after: beyond its vectors, NEURON goes on with their last line.
                value, time = h.Vector([*current.value, 0.0]), h.Vector([*current.time, _FOREVER])
                value.play(clamp, clamp._ref_amp, time, 1)
                held += [value, time]
            else:
                delay, clamp.dur, clamp.amp = current
                setattr(clamp, _DELAY[self.electrode], delay)
            held.append(clamp)
        return held


_DELAY = {True: "delay", False: "del"}


@dataclass(frozen=True, eq=False)
class VoltageClamp:
    """Potentials that cells are held at, one after another, through a resistance.

    Attributes
    ----------
    name
        Of the input.
    gids
        The cells.
    levels
        How long in ms, and at which potential in mV.
    delay
        When the first begins, in ms; before it and after the last, the cell is free.
    resistance
        In series, in MOhm.
    place
        Where on each cell.
    """

    name: str
    gids: Sequence[int]
    levels: Sequence[tuple[float, float]]
    delay: float = 0.0
    resistance: float = 0.01
    place: ClampPlace = field(default_factory=ClampPlace)

    @property
    def mechanisms(self) -> Sequence[str]:
        """None besides NEURON's own."""
        return ()

    def check(self, nodes: Mapping[int, NetworkNode], timing: Timing) -> Sequence[str]:
        """Return what hinders it: cells that are not there, no resistance, or no levels.

        Parameters
        ----------
        nodes
            All cells by gid.
        timing
            When the network is simulated.
        """
        told = _unknown(self.name, dict.fromkeys(self.gids), nodes)
        if not self.resistance > 0:
            told.append(
                f"input {self.name}: the series resistance is {self.resistance:g}, expected more than 0"
            )
        if not self.levels or any(duration <= 0 for duration, _ in self.levels):
            told.append(f"input {self.name}: expected durations above 0, and one potential for each")
        return told

    def attach(self, cells: Mapping[int, NetworkCell], timing: Timing) -> Any:
        """Attach it to those of its cells that are there.

        Parameters
        ----------
        cells
            The cells of this rank, by gid.
        timing
            When the network is simulated.

        Raises
        ------
        ModelError
            A cell has no such place.
        """
        from neuron import h

        begins = self.delay + np.cumsum([0.0, *(duration for duration, _ in self.levels)])
        levels = [level for _, level in self.levels]
        held: list[Any] = []
        for gid in sorted(set(self.gids) & cells.keys()):
            clamp = h.SEClamp(self.place.of(cells[gid]))
            clamp.dur1, clamp.amp1, clamp.rs = _FOREVER, levels[0], self.resistance
            held.append(clamp)
            for variable, values in (
                (clamp._ref_amp1, [levels[0], *levels, levels[-1]]),
                (clamp._ref_rs, [_OPEN, *[self.resistance] * len(levels), _OPEN]),
            ):
                played, time = h.Vector(values), h.Vector([0.0, *begins])
                if self.delay == 0:
                    played.remove(0)
                    time.remove(0)
                played.play(clamp, variable, time)
                held += [played, time]
        return held


def _unknown(name: str, gids: Mapping[int, Any], nodes: Mapping[int, NetworkNode]) -> list[str]:
    strangers = sorted(gids.keys() - nodes.keys())
    if not strangers:
        return []
    return [
        f"input {name}: there are no cells {', '.join(map(str, strangers[:5]))} ({len(strangers)} in all)"
    ]
