"""What a simulation configuration of SONATA says of a run: times, conditions, and inputs that act on cells.

Both dialects are read: that of the Allen Institute's bmtk (BioNet, 1.1) and that of the Blue Brain Project (BlueBrain/sonata-extension).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.dataset as pds

from ...catalog.node_sets import node_set, node_sets
from ...catalog.vocabulary import circuits
from ...kernels.draws import key_word, normal, stream, uniforms
from ...lake import Snapshot
from ...lake.errors import InputError, NotFoundError
from ...mechanisms.entries import is_number
from ...mechanisms.network.attached import Clamp
from ...mechanisms.network.cells import Reals
from ...mechanisms.stimuli import signals
from ...mechanisms.stimuli.clamps import CurrentClamp, VoltageClamp
from ...mechanisms.stimuli.places import ClampPlace
from ...mechanisms.stimuli.signals import Waveform
from ..wiring.circuit import NetworkSource
from ..wiring.faults import Faults

THRESHOLD, HOLDING = "threshold_current", "holding_current"
"""Currents of a cell's own in nA, that inputs are relative to; columns of its node, with or without ``dynamics_params/``."""
CURRENTS = (
    "linear",
    "relative_linear",
    "pulse",
    "sinusoidal",
    "subthreshold",
    "hyperpolarizing",
    "noise",
    "ornstein_uhlenbeck",
    "relative_ornstein_uhlenbeck",
)
"""Modules of currents that are read."""
_RELATIVE = {"relative_linear", "subthreshold", "relative_ornstein_uhlenbeck"}


@dataclass(frozen=True)
class SonataSimulation:
    """A simulation configuration that a circuit was ingested with.

    Attributes
    ----------
    content
        The configuration, as JSON has it.
    """

    content: Mapping[str, Any]

    @classmethod
    def of(cls, snapshot: Snapshot, circuit: str) -> "SonataSimulation | None":
        """Return the configuration of a circuit; None if it was ingested without one.

        Parameters
        ----------
        snapshot
            The commit.
        circuit
            Name of the circuit.
        """
        name = circuits.FILES.of(circuit=circuit)
        if name not in snapshot.tables:
            return None
        rows = snapshot.tables[name].to_arrow(where=pds.field("kind") == "simulation").to_pylist()
        nodes = [row["node"] for row in rows if row["node"] is not None]
        return cls(json.loads(snapshot.files[nodes[0]])) if nodes else None

    def number(self, section: str, key: str) -> float | None:
        """Return a number of a section, ``run`` or ``conditions``; None if it is not said.

        Parameters
        ----------
        section, key
            Where it stands.
        """
        value = (self.content.get(section) or {}).get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def inputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Inputs by name."""
        found = self.content.get("inputs") or {}
        return {name: told for name, told in found.items() if isinstance(told, Mapping)}

    def spike_inputs(self, names: Sequence[str] | None) -> Sequence[str] | None:
        """Return those of some inputs that are spikes, or that the configuration does not know; None for all.

        Parameters
        ----------
        names
            Names of inputs; None for all.
        """
        if names is None:
            return None
        return [name for name in names if name not in self.inputs or _is_spikes(self.inputs[name])]


def _is_spikes(told: Mapping[str, Any]) -> bool:
    module = str(told.get("module", "")).lower()
    return told.get("input_type") == "spikes" or module in ("synapse_replay", "sonata", "csv", "nwb")


def sonata_clamps(
    source: NetworkSource,
    simulation: SonataSimulation,
    wanted: Sequence[str] | None,
    seed: int,
    faults: Faults,
) -> list[Clamp]:
    """Return what the inputs of a simulation do to cells, but for spikes, which are tables of the lake.

    Parameters
    ----------
    source
        The circuit.
    simulation
        Its configuration.
    wanted
        Names of inputs; all by default.
    seed
        Of noise.
    faults
        What is wrong is added to it.
    """
    made: list[Clamp] = []
    for name, told in simulation.inputs.items():
        if wanted is not None and name not in wanted:
            continue
        if _is_spikes(told):
            continue
        try:
            made += _Entry(source, name, told, seed).clamps(str(told.get("module", "")).lower())
        except _WrongError as wrong:
            faults.add(f"input {name}: {wrong}")
    return made


class _WrongError(Exception):
    """What is wrong with an input."""


@dataclass(frozen=True)
class _Entry:
    """An input of a configuration."""

    source: NetworkSource
    name: str
    told: Mapping[str, Any]
    seed: int

    def clamps(self, module: str) -> Iterator[Clamp]:
        cells = self._cells()
        if module == "iclamp":
            yield from self._steps(cells)
        elif module == "seclamp" and "voltage" not in self.told:
            durations, levels = self._list("durations"), self._list("amps")
            if len(durations) != len(levels):
                raise _WrongError(f"{len(durations)} durations and {len(levels)} amps, expected as many")
            resistance = self._list("rs")[0] if "rs" in self.told else 1.0
            pairs = list(zip(durations, levels, strict=True))
            yield VoltageClamp(self.name, list(cells), pairs, resistance=resistance)
        elif module == "seclamp":
            level, resistance = self._number("voltage"), self._number("series_resistance", 0.01)
            levels_ = [(self._number("duration"), level)]
            yield VoltageClamp(self.name, list(cells), levels_, self._number("delay"), resistance)
        elif module in CURRENTS:
            if self.told.get("input_type") == "conductance":
                raise _WrongError(
                    f"module {module!r} of input_type 'conductance' is not supported; currents are"
                )
            currents = {gid: self._signal(module, gid, node) for gid, node in cells.items()}
            electrode = bool(self.told.get("represents_physical_electrode", False))
            yield CurrentClamp(self.name, currents, electrode=electrode)
        else:
            known = ", ".join(("IClamp", "SEClamp", *CURRENTS))
            raise _WrongError(f"module {self.told.get('module')!r} is not supported; there are {known}")

    def _steps(self, cells: Mapping[int, tuple[str, int]]) -> Iterator[Clamp]:
        """bmtk's IClamp, of one step or several."""
        amplitudes, delays, durations = (self._list(key) for key in ("amp", "delay", "duration"))
        if len({len(amplitudes), len(delays), len(durations)}) != 1:
            raise _WrongError("expected as many delays and durations as amplitudes")
        place = ClampPlace(
            x=self._number("section_dist", 0.5),
            part=str(self.told.get("section_name", "soma")),
            index=int(self._number("section_index", 0)),
        )
        for step in zip(delays, durations, amplitudes, strict=True):
            yield CurrentClamp(self.name, dict.fromkeys(cells, step), place)

    def _signal(self, module: str, gid: int, node: tuple[str, int]) -> Waveform:
        delay, duration = self._number("delay"), self._number("duration")
        unit = (
            self._own(node, THRESHOLD) / 100.0 if module in _RELATIVE or "mean_percent" in self.told else 1.0
        )
        if module in ("linear", "relative_linear"):
            start, end = ("amp_start", "amp_end") if module == "linear" else ("percent_start", "percent_end")
            first = self._number(start)
            return signals.ramp(first * unit, self._number(end, first) * unit, delay, duration)
        if module == "subthreshold":
            level = (100.0 - self._number("percent_less")) * unit
            return signals.ramp(level, level, delay, duration)
        if module == "hyperpolarizing":
            level = self._own(node, HOLDING)
            return signals.ramp(level, level, delay, duration)
        if module == "pulse":
            amplitude, width = self._number("amp_start"), self._number("width")
            return signals.pulses(amplitude, width, self._number("frequency"), delay, duration)
        if module == "sinusoidal":
            amplitude, dt = self._number("amp_start"), self._number("dt", 0.025)
            return signals.sinusoid(amplitude, self._number("frequency"), delay, duration, dt)
        mean = (self._number("mean") if "mean" in self.told else self._number("mean_percent")) * unit
        if module == "noise":
            # Of a mean relative to the threshold, the variance is relative to it, too.
            variance, dt = (
                self._number("variance") * (unit if "mean" not in self.told else 1.0),
                self._number("dt", 0.5),
            )
            return signals.noise(self._normals(gid, duration, dt), mean, variance, delay, duration, dt)
        deviation = (self._number("sigma") if "sigma" in self.told else self._number("sd_percent")) * unit
        dt = self._number("dt", 0.25)
        draws = self._normals(gid, duration, dt)
        return signals.ornstein_uhlenbeck(draws, mean, deviation, self._number("tau"), delay, duration, dt)

    def _normals(self, gid: int, duration: float, dt: float) -> Reals:
        own = self.told.get("random_seed")
        # A seed of its own correlates cells, as SONATA wants it.
        seed, cell = (self.seed, gid) if own is None else (int(own), 0)
        key, purpose = key_word(seed, "seed"), stream("noise", self.name)
        found = [
            normal(*uniforms(key, np.uint64(0), purpose, cell, at))
            for at in range(signals.samples(duration, dt))
        ]
        return np.array(found)

    def _own(self, node: tuple[str, int], name: str) -> float:
        columns = self.source.populations[node[0]].columns
        for column in (f"dynamics_params/{name}", f"@dynamics:{name}", name):
            if column in columns:
                return float(columns[column][node[1]])
        raise _WrongError(f"cells of {node[0]} have no {name}, to which it is relative")

    def _cells(self) -> dict[int, tuple[str, int]]:
        """Population and number of the cells that it acts on, by gid; those that only send spikes are none."""
        rule = self.told.get("node_set", "all")
        listed = self.told.get("gids", self.told.get("node_ids"))
        found = {}
        for name, population in self.source.populations.items():
            kinds = population.columns.get("model_type")
            for node in self._of(rule, name).tolist():
                if kinds is None or kinds[node] != "virtual":
                    found[int(population.gid[node])] = (name, int(node))
        if isinstance(listed, list):
            found = {gid: node for gid, node in found.items() if gid in set(listed)}
        if not found:
            raise _WrongError(f"no cells are in its node_set {rule!r}")
        return found

    def _of(self, rule: Any, population: str) -> Any:
        everything = np.arange(len(self.source.populations[population]))
        if rule in ("all", None):
            return everything
        try:
            known = node_sets(self.source.snapshot, self.source.circuit)
        except NotFoundError:
            known = {}
        if isinstance(rule, str) and rule not in known and rule in self.source.populations:
            return everything if rule == population else everything[:0]
        if isinstance(rule, list):
            return everything[np.isin(everything, rule)]
        try:
            return node_set(self.source.snapshot, self.source.circuit, rule, population)
        except (NotFoundError, InputError) as error:
            raise _WrongError(str(error)) from error

    def _number(self, key: str, default: float | None = None) -> float:
        value = self.told.get(key, default)
        if value is None or not is_number(value):
            raise _WrongError(f"{key} is {value!r}, expected a number")
        return float(value)

    def _list(self, key: str) -> list[float]:
        value = self.told.get(key)
        values = value if isinstance(value, list) else [value]
        if not values or not all(is_number(each) for each in values):
            raise _WrongError(f"{key} is {value!r}, expected a number or a list of numbers")
        return [float(each) for each in values if each is not None]
