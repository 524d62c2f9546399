"""What is to be recorded of a network: a variable of places on some of its cells, or of their synapses."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ...lake.errors import InputError
from ...mechanisms.network.cells import Ids
from ..building.configuration import SWC_TYPES, SYNAPSE_TYPES

SOMA, SYNAPSES = "soma", "synapses"
ALL: Literal["all"] = "all"
SET, PROFILE = "set ", "profile "
SECTION, CELL = "section", "cell"
"""What values may be summed by: synapses by section, segments and synapses by cell."""
AREA = "area"
NONE = "none"
"""What is said to leave out the reports of a simulation configuration."""
ANY = -1
"""Sections of any type, among those that `section_places` returns."""
OnSection = float | Literal["all"]
"""Where on a section: a position, or all of its segments."""
_NAMED = (SET, PROFILE)
_PART = re.compile(rf"(?P<type>{'|'.join(SWC_TYPES)}|{ALL}(?=\())(?:\((?P<x>[^()]+)\))?")
_MIDDLE = 0.5
_SEEDS = 2**32


@dataclass(frozen=True)
class SynapseFilter:
    """Which synapses are recorded; an empty field means any.

    Attributes
    ----------
    mechanisms
        What the configuration calls them, such as AMPA, or NEURON's names of them.
    sources
        Populations that the edges come from.
    types
        ``excitatory``, ``inhibitory`` …
    sections
        Types of their sections, such as ``apical``.
    layers
        Names of layers, or their numbers as text.
    """

    mechanisms: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordRequest:
    """A variable that is recorded.

    Attributes
    ----------
    variable
        NEURON's range variable, or a variable of point processes. Several range variables, joined by +, are added up.
    place
        ``soma``: the middle of the soma; ``all``: every segment; types of sections, such as ``apical`` or
        ``soma(0.5)+apical(0.1)``: on each of them the place named, or else its middle, or all segments of ``apical(all)``;
        ``all(0.5)``: that place of every section; ``set NAME``: the places of a compartment set; ``synapses``: point processes at the cells' synapses; ``profile NAME``: what a profile of the configuration says.
    population
        Whose cells: a population or a node set; all populations that have sections by default.
    nodes
        Numbers of the cells in their population; all by default.
    dt
        How far frames are apart, in ms; the time step by default.
    start, stop
        First and last time in ms; all by default.
    label
        Name of its reports in the lake; made of the place and the variable by default.
    fraction, limit
        Which share of these cells is recorded, drawn at random, and how many of a population at most; see `sampled`.
    layers
        Sections are recorded only in these layers: names, or numbers as text; any by default.
    synapses
        Which synapses, where *place* is ``synapses``.
    profile
        Profile that it is of.
    configured
        Whether it is a report of the simulation configuration that the circuit was ingested with.
    summed
        ``cell``: values of all segments, or synapses, of a cell are added up; ``section``: those of a cell's synapses of one
        mechanism on one section, as MiV-Simulator does where a profile has ``reduce: true``; empty: each for itself.
    scaling
        ``area``: values of segments, but for ``i_membrane``, are multiplied by the segment's area / 100, which makes nA of
        mA/cm2 (µm2); empty: they are as NEURON has them.
    unit
        What the unit of the values is called, where the variable does not say it.
    contacts
        File of weights, as ``electrodes/CIRCUIT/FILE``, of electrodes that record the cells, each for itself.
    """

    variable: str
    place: str = SOMA
    population: str | None = None
    nodes: tuple[int, ...] | None = None
    dt: float | None = None
    start: float = -math.inf
    stop: float = math.inf
    label: str | None = None
    fraction: float | None = None
    limit: int | None = None
    layers: tuple[str, ...] = ()
    synapses: SynapseFilter = field(default_factory=SynapseFilter)
    profile: str | None = None
    configured: bool = False
    summed: str = ""
    scaling: str = ""
    unit: str | None = None
    contacts: str = ""

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that are added up, or the only one."""
        return tuple(self.variable.split("+"))

    @property
    def name(self) -> str:
        """Name of its reports in the lake."""
        return f"{self.place.removeprefix(SET)} {self.variable}" if self.label is None else self.label

    @property
    def of_synapses(self) -> bool:
        """Whether it records synapses rather than segments."""
        return self.place == SYNAPSES

    @property
    def of_profile(self) -> bool:
        """Whether it stands for what a profile says."""
        return self.place.startswith(PROFILE)

    @property
    def samples(self) -> bool:
        """Whether its cells are drawn at random."""
        return self.limit is not None or (self.fraction is not None and self.fraction < 1)

    @property
    def told(self) -> str:
        """What messages call it."""
        whose = "" if self.population is None else f"{self.population}:"
        shown = f"--record {whose}{self.place}" + ("" if self.of_profile else f":{self.variable}")
        if self.configured:
            return f"reports.{self.label} of the configuration ({shown.removeprefix('--record ')})"
        return shown if self.profile is None else f"{shown} of the profile {self.profile!r}"

    @classmethod
    def parse(cls, text: str, dt: float | None = None) -> "RecordRequest":
        """Read a request from a text: ``[WHOSE:]PLACE[:VARIABLE][@DT][,KEY=VALUE …]``.

        Such as ``soma``, ``PYR:all:i_membrane@0.1``, ``set:NAME``, ``PYR:apical(0.1)+basal,fraction=0.2``,
        ``PYR:synapses:g,mechanisms=AMPA`` or ``profile:Network default``. Keys are the attributes ``fraction``, ``limit``, ``start``,
        ``stop`` and ``layers``, ``name`` for the label, and for synapses ``mechanisms``, ``sources``, ``types``,
        ``sections``; ``sum`` and ``scale`` for what is added up; several names are joined by +.

        Parameters
        ----------
        text
            The text.
        dt
            How far frames are apart, where the text does not say it.

        Raises
        ------
        InputError
            It says something else.
        """
        head, *options = _OPTION.split(text.strip())
        body, at, step = head.partition("@")
        parts = [part.strip() for part in body.split(":")]
        population = None
        if len(parts) > 1 and not _is_place(parts[0]):
            population, parts = parts[0], parts[1:]
        for kind in _NAMED:
            if parts[0] == kind.strip() and len(parts) > 1:
                parts = [f"{kind}{parts[1]}", *parts[2:]]
        unnamed = parts[0] in [kind.strip() for kind in _NAMED]
        if unnamed or not 1 <= len(parts) <= 2 or not _is_place(parts[0]) or not all(parts):
            raise InputError(
                f"--record {text}: write [POPULATION or node set:]PLACE, then :VARIABLE and @DT if wanted; a place is soma, all, synapses, "
                f"set:NAME, profile:NAME or a type of sections: {', '.join(SWC_TYPES)}, with a position or all in brackets"
            )
        interval = _number(text, step, "an interval in ms") if at else dt
        if interval is not None and not interval > 0:
            raise InputError(f"--record {text}: an interval is above 0 ms")
        place = parts[0]
        usual = "" if place.startswith(PROFILE) else "i" if place == SYNAPSES else "v"
        if place.startswith(PROFILE) and len(parts) == 2:
            raise InputError(f"--record {text}: a profile says itself which variables it records")
        section_places(place)
        made = cls(parts[1] if len(parts) == 2 else usual, place, population, None, interval)
        for name, value in zip(options[::2], options[1::2], strict=True):
            made = _KEYS[name](made, text, value.strip())
        return made


def _is_place(text: str) -> bool:
    named = any(text.startswith(kind) or text == kind.strip() for kind in _NAMED)
    return named or text in (ALL, SYNAPSES) or all(_PART.fullmatch(part) for part in text.split("+"))


def section_places(place: str) -> Mapping[int, OnSection]:
    """Return types of sections and the position on each, of a place such as ``soma(0.5)+apical``; empty for other places.

    The position is ``"all"`` where all segments are meant, as in ``apical(all)``; the type is `ANY` for ``all(0.5)``.

    Parameters
    ----------
    place
        The place of a request.

    Raises
    ------
    InputError
        A position is not within 0 and 1.
    """
    found: dict[int, OnSection] = {}
    parts = [_PART.fullmatch(part) for part in place.split("+")]
    for match in parts:
        if match is None:
            return {}
        kind = ANY if match["type"] == ALL else SWC_TYPES[match["type"]]
        if match["x"] == ALL:
            found[kind] = ALL
            continue
        x = _MIDDLE if match["x"] is None else _number(place, match["x"], "a position on a section")
        if not 0 <= x <= 1:
            raise InputError(f"--record {place}: a position on a section is within 0 and 1, not {x:g}")
        found[kind] = x
    return found


def _number(text: str, value: str, what: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"--record {text}: {value!r} is not {what}") from None


def _fraction(made: RecordRequest, text: str, value: str) -> RecordRequest:
    share = _number(text, value, "a fraction")
    if not 0 <= share <= 1:
        raise InputError(f"--record {text}: a fraction is within 0 and 1, not {share:g}")
    return replace(made, fraction=share)


def _limit(made: RecordRequest, text: str, value: str) -> RecordRequest:
    if not value.isdecimal() or not int(value):
        raise InputError(f"--record {text}: a limit is a number of cells from 1 on, not {value!r}")
    return replace(made, limit=int(value))


def _time(name: str) -> Callable[[RecordRequest, str, str], RecordRequest]:
    def read(made: RecordRequest, text: str, value: str) -> RecordRequest:
        time = _number(text, value, "a time in ms")
        return replace(made, start=time) if name == "start" else replace(made, stop=time)

    return read


def _label(made: RecordRequest, text: str, value: str) -> RecordRequest:
    if not value or "/" in value:
        raise InputError(f"--record {text}: a name of reports is a text without '/'")
    return replace(made, label=value)


def _names(name: str) -> Callable[[RecordRequest, str, str], RecordRequest]:
    known = {"types": SYNAPSE_TYPES, "sections": SWC_TYPES}.get(name)

    def read(made: RecordRequest, text: str, value: str) -> RecordRequest:
        names = tuple(part.strip() for part in value.split("+"))
        wrong = [each for each in names if not each or (known is not None and each not in known)]
        if wrong:
            raise InputError(
                f"--record {text}: {name} has no {wrong[0]!r}; known are: {', '.join(known or ('names joined by +',))}"
            )
        if name == "layers" and section_places(made.place):
            return replace(made, layers=names)
        if not made.of_synapses:
            raise InputError(
                f"--record {text}: {name} chooses among {'sections of types or ' * (name == 'layers')}synapses, and the place is {made.place}"
            )
        change: dict[str, Any] = {name: names}
        return replace(made, synapses=replace(made.synapses, **change))

    return read


def _sum(made: RecordRequest, text: str, value: str) -> RecordRequest:
    known = (SECTION, CELL) if made.of_synapses else (CELL,)
    if value not in known or made.of_profile:
        raise InputError(f"--record {text}: sum has no {value!r} here; known are: {', '.join(known)}")
    return replace(made, summed=value)


def _scale(made: RecordRequest, text: str, value: str) -> RecordRequest:
    if value != AREA or made.of_synapses or made.of_profile:
        raise InputError(f"--record {text}: scale is {AREA}, of variables of segments")
    return replace(made, scaling=value)


_KEYS: Mapping[str, Callable[[RecordRequest, str, str], RecordRequest]] = {
    "fraction": _fraction,
    "limit": _limit,
    **{name: _time(name) for name in ("start", "stop")},
    "name": _label,
    **{name: _names(name) for name in ("layers", "mechanisms", "sources", "types", "sections")},
    "sum": _sum,
    "scale": _scale,
}
_OPTION = re.compile(rf"\s*,\s*({'|'.join(_KEYS)})\s*=")


def sampled(
    request: RecordRequest, gids: Sequence[Ids], seed: int, *, one_more: bool = False
) -> Sequence[Ids]:
    """Return the cells of a request that are recorded: some of those that it names, drawn as MiV-Simulator draws them.

    One stream of NumPy's `RandomState` of the seed goes through the populations, and through the gids of each: a cell is
    recorded where its number is the fraction at most, until there are as many of its population as the limit says
    (MiV-Simulator 0.3, network.py). So the choice depends on nothing but the cells and the seed.

    Parameters
    ----------
    request
        The request.
    gids
        Gids of the cells that it names, int64 and ascending, by population, in the order of the populations' names.
    seed
        The seed.
    one_more
        Whether one cell more than the limit is recorded, as MiV-Simulator does.
    """
    if not request.samples:
        return gids
    draw = np.random.RandomState(seed % _SEEDS)
    share = 1.0 if request.fraction is None else request.fraction
    most = None if request.limit is None else request.limit + one_more
    found = []
    for own in gids:
        chosen = []
        for gid in own.tolist():
            if draw.uniform() <= share:
                chosen.append(gid)
            if most is not None and len(chosen) >= most:
                break
        found.append(np.array(chosen, np.int64))
    return found
