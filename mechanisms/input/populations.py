"""Presynaptic populations: how their cells fire and what their synapses do, read from network parameters.

The parameters, their names and defaults are those of the In Silico Framework's network.param. How each way of
firing is drawn says `activity`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from ..entries import ParameterEntry, is_number

Bin = tuple[float, float, float]

SURE = 64.0
"""Hazard of a bin in which a cell fires for certain: above any number that `draws.exponential` returns."""


class Firing(IntEnum):
    """A way of firing; the numbers and bins (begin, width, value) that it takes are in brackets."""

    TRAIN = 0
    """Renewal process [interval, noise, start, count or -1]."""
    PSTH = 1
    """At most one spike per bin [bins: hazard -log(1 - probability)]."""
    NORMAL = 2
    """One spike [fraction of cells, mean, standard deviation]."""
    UNIFORM = 3
    """One spike [fraction, begin, width]."""
    LOGNORMAL = 4
    """One spike [fraction, begin, mu, sigma]."""
    ABSOLUTE = 5
    """A given number of cells per bin [bins: cells]."""
    RATES = 6
    """Poisson process [bins: rate in Hz]."""
    MODULATED = 7
    """Poisson process [first rate, mean rate, modulation, frequency, bin, offset, mean and SD of the phase;
    the SD is -1 for phases that are uniform on a circle]."""


@dataclass(frozen=True)
class SpikeSource:
    """One way in which the cells of a population fire.

    Attributes
    ----------
    firing
        The way.
    purpose
        ``spiketrain`` or ``pointcell``: part of the name of its stream of random numbers.
    numbers, bins
        What `Firing` says.
    """

    firing: Firing
    purpose: str
    numbers: tuple[float, ...] = ()
    bins: tuple[Bin, ...] = ()


@dataclass(frozen=True)
class Receptor:
    """A point process at each synapse of a population.

    Attributes
    ----------
    mechanism
        Its name in NEURON.
    weights
        Weights of the connection, as many as the mechanism takes.
    lognormal
        Whether each synapse draws its weights: mean w, standard deviation w ** 2.
    delay, threshold
        Of the connection, in ms and mV.
    parameters
        Values of its RANGE variables.
    """

    mechanism: str
    weights: tuple[float, ...]
    lognormal: bool = False
    delay: float = 0.0
    threshold: float = 0.0
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Population:
    """Presynaptic cells of one type in one column.

    Attributes
    ----------
    name
        ``<cell type>_<column>``.
    cells
        Number of cells.
    sources
        How they fire; a cell's spikes are those of all sources together.
    release
        Probability that a synapse passes a spike on; 1 where the synapse itself decides (``dynamic``).
    receptors
        What a synapse is made of.
    """

    name: str
    cells: int
    sources: tuple[SpikeSource, ...]
    release: float
    receptors: tuple[Receptor, ...]


MODIFIERS = "network_modify_functions"


def read_populations(parameters: Mapping[str, Any], path: str | Path | None = None) -> dict[str, Population]:
    """Populations of a network parameter tree (with its key ``network``), by name.

    Parameters
    ----------
    parameters
        What ``network.param`` holds.
    path
        Its name, for messages.

    Raises
    ------
    ModelError
        A parameter that is missing, of the wrong kind or out of range, or a way of firing that is not known.
    """
    network = ParameterEntry(parameters, "", path).entry("network")
    return {name: _population(name, network.entry(name)) for name in network.tree if name != MODIFIERS}


def _population(name: str, entry: ParameterEntry) -> Population:
    synapses = entry.entry("synapses")
    return Population(
        name=name,
        cells=int(entry.number("cellNr", low=0, high=2**31, whole=True)),
        sources=_sources(entry),
        release=_release(synapses),
        receptors=_receptors(synapses),
    )


def _release(synapses: ParameterEntry) -> float:
    if synapses.tree.get("releaseProb") == "dynamic":
        return 1.0
    return synapses.number("releaseProb", 1.0, low=0, high=1)


def _receptors(synapses: ParameterEntry) -> tuple[Receptor, ...]:
    receptors = synapses.entry("receptors")
    return tuple(_receptor(name, receptors.entry(name)) for name in receptors.tree)


def _receptor(name: str, entry: ParameterEntry) -> Receptor:
    weight = entry.value("weight")
    weights = (float(weight),) if is_number(weight) else tuple(entry.numbers("weight"))
    spread = entry.tree.get("weightDistribution")
    if spread not in (None, "lognormal"):
        raise entry.error(f"{spread!r}, expected 'lognormal'", "weightDistribution")
    if spread == "lognormal" and min(weights) <= 0:
        raise entry.error("weights of a lognormal distribution are above 0", "weight")
    parameters = entry.entry("parameter") if "parameter" in entry.tree else ParameterEntry({})
    return Receptor(
        mechanism=name,
        weights=weights,
        lognormal=spread == "lognormal",
        delay=entry.number("delay", 0.0, low=0),
        threshold=entry.number("threshold", 0.0),
        parameters={key: parameters.number(key) for key in parameters.tree},
    )


def _sources(entry: ParameterEntry) -> tuple[SpikeSource, ...]:
    """The sources of ``celltype``: its name with the parameters beside it, or a dictionary of several."""
    kind = entry.value("celltype")
    if isinstance(kind, str):
        return (_source(kind, entry, "celltype"),)
    several = entry.entry("celltype")
    return tuple(_source(name, several.entry(name), "") for name in several.tree)


def _source(kind: str, entry: ParameterEntry, key: str) -> SpikeSource:
    if kind == "spiketrain":
        return _train(entry)
    if kind == "pointcell":
        return _point_cell(entry)
    raise entry.error(f"{kind!r}, expected 'spiketrain' or 'pointcell'", key)


def _train(entry: ParameterEntry) -> SpikeSource:
    numbers = (
        entry.positive("interval"),
        entry.number("noise", 1.0, low=0, high=1),
        entry.number("start", 0.0),
        entry.number("nspikes", -1.0, whole=True),
    )
    return SpikeSource(Firing.TRAIN, "spiketrain", numbers)


def _point_cell(entry: ParameterEntry) -> SpikeSource:
    name = entry.value("distribution")
    if not isinstance(name, str) or name not in _DISTRIBUTIONS:
        raise entry.error(f"{name!r}, expected one of {', '.join(_DISTRIBUTIONS)}", "distribution")
    return _DISTRIBUTIONS[name](entry)


def _psth(entry: ParameterEntry) -> SpikeSource:
    bins = _intervals(entry, "probabilities", entry.number("offset"), high=1.0)
    hazards = tuple((at, width, SURE if p == 1 else -math.log1p(-p)) for at, width, p in bins)
    return SpikeSource(Firing.PSTH, "pointcell", bins=hazards)


def _normal(entry: ParameterEntry) -> SpikeSource:
    mean = entry.number("offset") + entry.number("spikeT")
    return SpikeSource(
        Firing.NORMAL, "pointcell", (_fraction(entry), mean, entry.number("spikeWidth", low=0))
    )


def _uniform(entry: ParameterEntry) -> SpikeSource:
    numbers = _fraction(entry), entry.number("offset"), entry.number("window", low=0)
    return SpikeSource(Firing.UNIFORM, "pointcell", numbers)


def _lognormal(entry: ParameterEntry) -> SpikeSource:
    numbers = _fraction(entry), entry.number("offset"), entry.number("mu"), entry.number("sigma", low=0)
    return SpikeSource(Firing.LOGNORMAL, "pointcell", numbers)


def _fraction(entry: ParameterEntry) -> float:
    return entry.number("activeFrac", low=0, high=1)


def _absolute(entry: ParameterEntry) -> SpikeSource:
    bins = _intervals(entry, "number_active_synapses", entry.number("offset"), high=2**31)
    if any(value != int(value) for _, _, value in bins):
        raise entry.error("expected whole numbers", "number_active_synapses")
    return SpikeSource(Firing.ABSOLUTE, "pointcell", bins=bins)


def _rates(entry: ParameterEntry) -> SpikeSource:
    # The framework reads an offset here and does not add it: intervals are times of the trial.
    return SpikeSource(Firing.RATES, "pointcell", bins=_intervals(entry, "rates", 0.0))


def _rates_between_edges(entry: ParameterEntry) -> SpikeSource:
    edges, rates = entry.numbers("bins"), entry.numbers("rates", low=0)
    if len(edges) != len(rates) + 1:
        raise entry.error(f"{len(edges)} edges and {len(rates)} rates, expected one edge more", "bins")
    pairs = list(zip(edges[:-1], edges[1:], rates, strict=True))
    if any(end < begin for begin, end, _ in pairs):
        raise entry.error("edges do not ascend", "bins")
    return SpikeSource(Firing.RATES, "pointcell", bins=tuple((a, b - a, rate) for a, b, rate in pairs))


def _modulated(entry: ParameterEntry) -> SpikeSource:
    numbers = (
        entry.number("rate_before_t_offset", low=0),
        entry.number("mean_rate", low=0),
        entry.number("max_modulation", low=-1, high=1),
        entry.number("modulation_frequency", low=0),
        entry.positive("bin_size"),
        entry.number("offset", low=0),
        *_phases(entry),
    )
    return SpikeSource(Firing.MODULATED, "pointcell", numbers)


def _phases(entry: ParameterEntry) -> tuple[float, float]:
    match entry.value("phase_distribution"):
        case "uniform":
            return 0.0, -1.0
        case "normal":
            return entry.number("mean_phase"), entry.number("std_phase", low=0)
        case "none" | None:
            return 0.0, 0.0
        case other:
            raise entry.error(f"{other!r}, expected 'uniform', 'normal' or 'none'", "phase_distribution")


def _intervals(
    entry: ParameterEntry, values: str, offset: float, *, high: float = math.inf
) -> tuple[Bin, ...]:
    """Bins of ``intervals`` with a value from 0 to *high* each, moved by *offset*."""
    intervals, numbers = entry.value("intervals"), entry.numbers(values, low=0, high=high)
    if not isinstance(intervals, list | tuple) or len(intervals) != len(numbers):
        raise entry.error(f"expected a (begin, end) for each of the {len(numbers)} {values}", "intervals")
    for interval in intervals:
        pair = isinstance(interval, list | tuple) and len(interval) == 2 and all(map(is_number, interval))
        if not pair or interval[1] < interval[0]:
            raise entry.error(f"{interval!r} in the list, expected (begin, end)", "intervals")
    return tuple(
        (offset + begin, float(end - begin), value)
        for (begin, end), value in zip(intervals, numbers, strict=True)
    )


_DISTRIBUTIONS: dict[str, Callable[[ParameterEntry], SpikeSource]] = {
    "PSTH": _psth,
    "normal": _normal,
    "uniform": _uniform,
    "lognormal": _lognormal,
    "PSTH_absolute_number": _absolute,
    "PSTH_poissontrain": _rates,
    "PSTH_poissontrain_v2": _rates_between_edges,
    "poissontrain_modulated": _modulated,
}
