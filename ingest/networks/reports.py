"""Reports of a simulation configuration of SONATA, as requests of what a run records.

Semantics are those of BlueBrain/sonata-extension ("reports" of a simulation), as neurodamus has them, and of bmtk (BioNet, 1.1).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...catalog.node_sets import known_sets
from ...lake.errors import InputError
from ...mechanisms.entries import is_number
from ...mechanisms.trial.recording import CURRENT
from ..records.requests import ALL, AREA, CELL, NONE, SET, SOMA, SYNAPSES, RecordRequest, SynapseFilter
from ..wiring.circuit import NetworkSource
from ..wiring.faults import Faults
from ..wiring.rules import nodes_of
from .known import KnownMechanisms
from .planning import NetworkOptions
from .sonata import SonataSimulation

SECTIONS = {
    "all": ALL,
    "soma": "soma",
    "somatic": "soma",
    "axon": "axon",
    "axonal": "axon",
    "dend": "basal",
    "basal": "basal",
    "apic": "apical",
    "apical": "apical",
}
"""Words for sections, and what requests call these."""
MEMBRANE = ("membrane_report", "multimeter", "multimeter_report")
"""Modules of bmtk that report variables of segments."""
_CENTER = "center"
_EVERY_CELL = ("all", "biophysical")
_TOLERANCE = 1e-6


class _LeftOutError(Exception):
    """A report is of a kind that is not recorded."""


def sonata_records(
    source: NetworkSource,
    simulation: SonataSimulation,
    known: KnownMechanisms,
    options: NetworkOptions,
    faults: Faults,
    notices: list[str],
) -> list[RecordRequest]:
    """Return what the enabled reports of a simulation record, under their names.

    Parameters
    ----------
    source
        The circuit.
    simulation
        Its configuration.
    known
        Mechanisms that NEURON has.
    options
        How the circuit is simulated.
    faults
        What is wrong is added to it.
    notices
        Reports that are left out are added to it.
    """
    found: list[RecordRequest] = []
    for name, told in (simulation.content.get("reports") or {}).items():
        what = f"reports.{name} of the configuration"
        if not isinstance(told, Mapping):
            faults.add(f"{what} is {told!r:.80}, expected an object")
            continue
        if not told.get("enabled", True):
            continue
        entry = ReportEntry(source, simulation, name, told, known, options)
        try:
            found += entry.requests()
            notices += [f"{what}: {said}" for said in entry.notices()]
        except InputError as error:
            faults.add(f"{what}: {error}; or leave out all of its reports with --record {NONE}")
        except _LeftOutError as error:
            notices.append(f"{what} is left out: {error}")
    return found


@dataclass(frozen=True)
class ReportEntry:
    """A report of a configuration; what is wrong with it is raised as an `InputError`.

    Attributes
    ----------
    source
        The circuit.
    simulation
        The configuration.
    name
        Of the report.
    told
        What the configuration says of it.
    known
        Mechanisms that NEURON has.
    options
        How the circuit is simulated.
    """

    source: NetworkSource
    simulation: SonataSimulation
    name: str
    told: Mapping[str, Any]
    known: KnownMechanisms
    options: NetworkOptions

    @property
    def step(self) -> float:
        """The time step in ms."""
        return self.options.dt

    @property
    def end(self) -> float:
        """The end of the run in ms."""
        return self.options.t_stop

    def requests(self) -> Iterator[RecordRequest]:
        """Yield what it records: a request for each of its variables, and for each population if its cells are a rule.

        Raises
        ------
        InputError
            Something in it cannot be understood.
        """
        if "module" in self.told:
            made = list(self._of_bmtk())
        elif "type" in self.told:
            made = [self._typed()]
        else:
            raise InputError("it says neither type nor module")
        for one in made:
            yield from self._of_cells(replace(one, configured=True, unit=self._unit()))

    def notices(self) -> Iterator[str]:
        """Yield what is odd about it and harmless."""
        asked = self._number("dt")
        if asked is not None and asked < self.step:
            yield f"its dt of {asked:g} ms is below the time step, {self.step:g} ms, which is taken"
        begin, end = self._number("start_time") or 0.0, self._number("end_time")
        if end is not None and end <= begin < self.end and "module" not in self.told:
            yield f"it ends at {end:g} ms, where it begins, so it records nothing"
        if begin >= self.end:
            yield f"it begins at {self.told['start_time']:g} ms, after the end of the run"

    def _typed(self) -> RecordRequest:
        """A report of the Blue Brain Project's dialect. Its last frame is before its end."""
        kind = self.told["type"]
        if kind not in ("compartment", "compartment_set", "synapse", "summation", "lfp"):
            raise _LeftOutError(f"type {kind!r} is not recorded")
        dt = self._interval()
        start = self._number("start_time") or 0.0
        end = min(self._number("end_time", math.inf) or 0.0, self.end)
        if end < start < self.end:
            raise InputError(f"it ends at {end:g} ms, before it starts at {start:g} ms")
        every = dt or self.step
        stop = start + (math.ceil((end - start) / every - _TOLERANCE) - 1) * every
        common = RecordRequest("", dt=dt, start=start, stop=stop, label=self.name)
        if kind == "lfp":
            return replace(common, variable=CURRENT, place=ALL, contacts=self._contacts())
        variables = [part.strip() for part in self._text("variable_name").split(",")]
        if len(variables) != 1 and kind != "summation":
            raise InputError(f"variable_name is {self.told['variable_name']!r}, expected one variable")
        mechanism, dot, own = variables[0].partition(".")
        if kind == "compartment_set":
            if "cells" in self.told:
                raise InputError("it has both cells and compartment_set")
            place = f"{SET}{self._text('compartment_set')}"
            return replace(common, variable=self._of_segments(variables[0]), place=place)
        section = self._section(self.told.get("sections", SOMA))
        compartments = self.told.get("compartments", _CENTER if section == SOMA else ALL)
        if compartments not in (_CENTER, ALL):
            raise InputError(f"compartments is {compartments!r}; there are {_CENTER} and {ALL}")
        if kind == "synapse":
            if compartments == _CENTER and section != SOMA:
                raise _LeftOutError("synapses in the middle of sections alone are not recorded")
            if not dot:
                mechanism, own = (mechanism, "i") if mechanism in self.known.processes else ("", mechanism)
            chosen = SynapseFilter(
                (mechanism,) if mechanism else (), sections=() if section == ALL else (section,)
            )
            return replace(common, variable=own, place=SYNAPSES, synapses=chosen)
        if kind == "summation":
            return self._summation(common, variables, section, compartments)
        place = _place(section, compartments)
        return replace(common, variable=self._of_segments(variables[0]), place=place)

    def _contacts(self) -> str:
        """What the lake calls its file of weights: the report's own, or else that of the run, where it stood before."""
        run = self.simulation.content.get("run") or {}
        named = self.told.get("electrodes_file") or run.get("electrodes_file")
        if not isinstance(named, str) or not named:
            raise InputError(f"electrodes_file is {named!r}, expected the name of a file of weights")
        try:
            return self.simulation.weights(named)
        except InputError as error:
            raise InputError(f"electrodes_file: {error}") from error

    def _summation(
        self, common: RecordRequest, variables: Sequence[str], section: str, compartments: str
    ) -> RecordRequest:
        """A sum of variables: over all of a cell where its sections are the soma, else of each place."""
        scaling = self.told.get("scaling", AREA)
        if scaling not in (AREA, NONE):
            raise InputError(f"scaling is {scaling!r}; there are {AREA} and {NONE}")
        split = [variable.partition(".") for variable in variables]
        processes = [mechanism for mechanism, _, _ in split if mechanism in self.known.processes]
        if not processes:
            place = ALL if section == SOMA else _place(section, compartments)
            made = replace(common, variable="+".join(map(self._of_segments, variables)), place=place)
            return replace(
                made, summed=CELL if section == SOMA else "", scaling=AREA if scaling == AREA else ""
            )
        clamps = set(processes) & {"IClamp", "SEClamp"}
        own = {name or "i" for _, _, name in split}
        if clamps or len(processes) < len(split) or len(own) > 1 or section != SOMA:
            what = (
                f"of {clamps.pop()}" if clamps else "of synapses with anything else, or for each compartment,"
            )
            raise _LeftOutError(f"a summation {what} is not recorded")
        return replace(
            common, variable=own.pop(), place=SYNAPSES, synapses=SynapseFilter(tuple(processes)), summed=CELL
        )

    def _of_segments(self, variable: str) -> str:
        """NEURON's name of a range variable: ``pas.i``, and ``pas`` as well, is ``i_pas``."""
        mechanism, dot, own = variable.partition(".")
        density = mechanism in self.known.names - self.known.processes
        return f"{own or 'i'}_{mechanism}" if dot or density else variable

    def _of_bmtk(self) -> Iterator[RecordRequest]:
        """A report of bmtk's dialect: all segments of its sections. bmtk has the value after a step under the time before it."""
        module = self.told["module"]
        if module == "extracellular":
            raise _LeftOutError("module extracellular is recorded by --lfp, of electrodes")
        if module not in MEMBRANE:
            raise _LeftOutError(f"module {module!r} is not recorded; there is {MEMBRANE[0]}")
        if self.told.get("transform"):
            raise _LeftOutError("a transform of a variable is not recorded")
        if "gids" in self.told:
            raise InputError("gids are not supported; say cells")
        variables = self.told.get("variable_name")
        variables = variables if isinstance(variables, list) else [self._text("variable_name")]
        sections = self.told.get("sections", ALL)
        parts = [self._section(part) for part in (sections if isinstance(sections, list) else [sections])]
        place = ALL if not parts or ALL in parts else "+".join(_place(part, ALL) for part in parts)
        dt, start, stop = (
            self._interval(),
            self._number("start_time", 0.0),
            self._number("end_time", math.inf),
        )
        for variable in variables:
            label = self.name if len(variables) == 1 else f"{self.name} {variable}"
            made = RecordRequest(str(variable), place, dt=dt, label=label)
            yield replace(made, start=start or 0.0, stop=math.inf if stop is None else stop)

    def _of_cells(self, request: RecordRequest) -> Iterator[RecordRequest]:
        """The request for its cells."""
        default = "biophysical" if "module" in self.told else self.simulation.content.get("node_set", "all")
        cells = self.told.get("cells", default)
        if request.place.startswith(SET):
            yield request
        elif isinstance(cells, Mapping):
            found = {name: nodes_of(self.source, cells, name) for name in self.source.populations}
            for name, numbers in found.items():
                if len(numbers):
                    yield replace(request, population=name, nodes=tuple(numbers.tolist()))
            if not any(map(len, found.values())):
                raise InputError(f"no cell is among its cells, {cells!r:.80}")
        elif isinstance(cells, list) and all(isinstance(each, int) for each in cells):
            yield replace(request, nodes=tuple(cells))
        elif isinstance(cells, str):
            every = cells in _EVERY_CELL and cells not in self._known_sets()
            yield replace(request, population=None if every else cells)
        else:
            raise InputError(f"cells is {cells!r:.80}, expected a node set, a population, a rule or numbers")

    def _known_sets(self) -> Mapping[str, Any]:
        return {**known_sets(self.source.snapshot, self.source.circuit), **self.source.populations}

    def _section(self, word: Any) -> str:
        found = SECTIONS.get(word.lower()) if isinstance(word, str) else None
        if found is None:
            raise InputError(f"sections has {word!r}; there are {', '.join(SECTIONS)}")
        return found

    def _interval(self) -> float | None:
        """How far frames are apart in ms: what it says, a time step at least; None where it says nothing."""
        dt = self._number("dt")
        if dt is None:
            return self.options.probe_dt
        dt = max(self.step, dt)
        if abs(round(dt / self.step) * self.step - dt) > _TOLERANCE * dt:
            raise InputError(f"dt of {dt:g} ms is no multiple of the time step, {self.step:g} ms")
        return dt

    def _number(self, key: str, default: float | None = None) -> float | None:
        value = self.told.get(key, default)
        if value is None or value is default:
            return default
        if not is_number(value):
            raise InputError(f"{key} is {value!r}, expected a number")
        return float(value)

    def _text(self, key: str) -> str:
        value = self.told.get(key)
        if not isinstance(value, str) or not value:
            raise InputError(f"{key} is {value!r}, expected a name")
        return value

    def _unit(self) -> str | None:
        unit = self.told.get("unit", self.told.get("units"))
        return unit if isinstance(unit, str) else None


def _place(section: str, compartments: str) -> str:
    """What a request calls the middle, or all segments, of some sections."""
    if compartments == ALL:
        return ALL if section == ALL else f"{section}(all)"
    return f"{ALL}(0.5)" if section == ALL else section
