"""Clamps: currents and potentials that are imposed on cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..network.attached import Timing
from ..network.cells import NetworkCell, NetworkNode
from .places import ClampPlace, place_of, placed
from .signals import Reals, Signal, Waveform, digest_of_values

OWN = "SourceCurrent"
"""Our mechanism of a current that counts as one of the membrane."""
CONDUCTANCES = {True: "ElectrodeConductance", False: "SourceConductance"}
"""Our mechanisms of a conductance of an electrode, and of the membrane."""
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
        Where on each cell, or by gid.
    electrode
        Whether an electrode injects it; else it counts as a current of the membrane.
    """

    name: str
    currents: Mapping[int, Signal | tuple[float, float, float]]
    place: ClampPlace | Mapping[int, ClampPlace] = field(default_factory=ClampPlace)
    electrode: bool = True

    @property
    def mechanisms(self) -> Sequence[str]:
        """Point processes that it needs, besides NEURON's own."""
        return () if self.electrode else (OWN,)

    @property
    def identity(self) -> str:
        """What decides what it does, as a digest."""
        numbers = [
            [gid, list(told) if isinstance(told, tuple) else told.identity]
            for gid, told in sorted(self.currents.items())
        ]
        return digest_of_values([type(self).__name__, numbers, placed(self.place), self.electrode])

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
        steps = [gid for gid, current in self.currents.items() if isinstance(current, tuple)]
        endless = [gid for gid in steps if not np.isfinite(self.currents[gid]).all()]  # type: ignore[arg-type]
        if endless:
            told.append(f"input {self.name}: the current of cell {endless[0]} is not finite")
        signals = {gid: each for gid, each in self.currents.items() if not isinstance(each, tuple)}
        return [*told, *_faults(self.name, signals)]

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
            clamp = getattr(h, "IClamp" if self.electrode else OWN)(place_of(self.place, cells[gid]))
            if not isinstance(current, tuple):
                setattr(clamp, _DELAY[self.electrode], 0.0)
                clamp.dur, clamp.amp = _FOREVER, 0.0
                held += played(clamp, clamp._ref_amp, current.waveform)
            else:
                delay, clamp.dur, clamp.amp = current
                setattr(clamp, _DELAY[self.electrode], delay)
            held.append(clamp)
        return held


_DELAY = {True: "delay", False: "del"}


@dataclass(frozen=True, eq=False)
class ConductanceClamp:
    """A conductance at one place of each of some cells.

    Attributes
    ----------
    name
        Of the input.
    conductances
        In µS by gid.
    reversal
        The potential that it draws the cell to, in mV.
    place
        Where on each cell, or by gid.
    electrode
        Whether it is that of an electrode; else its current counts as one of the membrane.
    """

    name: str
    conductances: Mapping[int, Signal]
    reversal: float = 0.0
    place: ClampPlace | Mapping[int, ClampPlace] = field(default_factory=ClampPlace)
    electrode: bool = True

    @property
    def mechanisms(self) -> Sequence[str]:
        """Our point process."""
        return (CONDUCTANCES[self.electrode],)

    @property
    def identity(self) -> str:
        """What decides what it does, as a digest."""
        signals = [[gid, each.identity] for gid, each in sorted(self.conductances.items())]
        settings = [self.reversal, placed(self.place), self.electrode]
        return digest_of_values([type(self).__name__, signals, settings])

    def check(self, nodes: Mapping[int, NetworkNode], timing: Timing) -> Sequence[str]:
        """Return what hinders it: cells that are not there, and numbers that make no signal.

        Parameters
        ----------
        nodes
            All cells by gid.
        timing
            When the network is simulated.
        """
        told = _unknown(self.name, self.conductances, nodes)
        if not np.isfinite(self.reversal):
            told.append(f"input {self.name}: the reversal potential is not finite")
        return [*told, *_faults(self.name, self.conductances)]

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
        for gid in sorted(self.conductances.keys() & cells.keys()):
            clamp = getattr(h, CONDUCTANCES[self.electrode])(place_of(self.place, cells[gid]))
            clamp.e = self.reversal
            held += [clamp, *played(clamp, clamp._ref_g, self.conductances[gid].waveform)]
        return held


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

    @property
    def identity(self) -> str:
        """What decides what it does, as a digest."""
        settings = [list(map(list, self.levels)), self.delay, self.resistance, placed(self.place)]
        return digest_of_values([type(self).__name__, sorted(self.gids), settings])

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

        edges = self.delay + np.cumsum([0.0, *(duration for duration, _ in self.levels)])
        levels = [level for _, level in self.levels]
        # Lines that jump at the edges, twice at the same time.
        time = np.repeat(edges, 2)
        level = np.array([levels[0], *np.repeat(levels, 2), levels[-1]])
        series = np.array([_OPEN, *[self.resistance] * (2 * len(levels)), _OPEN])
        held: list[Any] = []
        for gid in sorted(set(self.gids) & cells.keys()):
            clamp = h.SEClamp(self.place.of(cells[gid]))
            clamp.dur1, clamp.amp1, clamp.rs = _FOREVER, levels[0], self.resistance
            held += [
                clamp,
                *_play(clamp, clamp._ref_amp1, time, level),
                *_play(clamp, clamp._ref_rs, time, series),
            ]
        return held


def played(process: Any, variable: Any, waveform: Waveform) -> list[Any]:
    """Play a signal to a variable of a point process; return what has to live as long.

    Parameters
    ----------
    process
        The point process.
    variable
        NEURON's reference of its variable.
    waveform
        The signal; 0 before and after.
    """
    time, value = waveform.time, waveform.value
    return _play(
        process, variable, np.concatenate([time[:1], time, time[-1:]]), np.concatenate([[0.0], value, [0.0]])
    )


def _play(process: Any, variable: Any, time: Reals, value: Reals) -> list[Any]:
    """Play a broken line, whose first value holds before it and whose last one after it."""
    from neuron import h

    # A last point for ever after: beyond its vectors, NEURON goes on with their last line.
    values, times = h.Vector([*value, value[-1]]), h.Vector([*time, _FOREVER])
    # Told that the line jumps nowhere, NEURON looks for its place at each step, on the thread of the process. Where it knows of
    # jumps, it sends itself events, the first of them to the first thread (VecPlayContinuous::play_init), which then changes what
    # another one reads at any time within its step.
    jumps = h.Vector()
    values.play(process, variable, times, jumps)
    return [values, times, jumps]


def _faults(name: str, signals: Mapping[int, Signal]) -> list[str]:
    """What is wrong with signals: of the first cell, for those of an input are alike."""
    for gid, signal in signals.items():
        if signal.faults:
            return [f"input {name}, cell {gid}: {told}" for told in signal.faults]
    return []


def _unknown(name: str, gids: Mapping[int, Any], nodes: Mapping[int, NetworkNode]) -> list[str]:
    strangers = sorted(gids.keys() - nodes.keys())
    if not strangers:
        return []
    return [
        f"input {name}: there are no cells {', '.join(map(str, strangers[:5]))} ({len(strangers)} in all)"
    ]
