"""Inputs of a simulation configuration that act on cells: currents, conductances, held potentials and fields.

Semantics are those of bmtk (BioNet, 1.1) and of BlueBrain/sonata-extension ("inputs" of a simulation), as neurodamus has them.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...lake.errors import InputError
from ...mechanisms.network.attached import Clamp
from ...mechanisms.stimuli import signals
from ...mechanisms.stimuli.clamps import ConductanceClamp, CurrentClamp, VoltageClamp
from ...mechanisms.stimuli.noise import ColouredNoise, DrawnSignal, ShotNoise, WhiteNoise
from ...mechanisms.stimuli.places import ClampPlace
from ...mechanisms.stimuli.signals import Signal
from ..wiring.circuit import NetworkSource
from ..wiring.faults import Faults
from .currents import NWB, nwb_sweep
from .entries import HOLDING, RESISTANCE, THRESHOLD, InputEntry
from .sonata import SonataSimulation, is_spikes
from .uniform import uniform_field
from .xstim import xstim_field

NOISE = (
    "shot_noise",
    "absolute_shot_noise",
    "relative_shot_noise",
    "ornstein_uhlenbeck",
    "relative_ornstein_uhlenbeck",
)
"""Modules of noise, which may be currents or conductances."""
CURRENTS = (
    "linear",
    "relative_linear",
    "pulse",
    "sinusoidal",
    "subthreshold",
    "hyperpolarizing",
    "noise",
    *NOISE,
)
"""Modules of signals."""
_DT = {"sinusoidal": 0.025, "noise": 0.5}

Node = tuple[str, int]


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
        if (wanted is not None and name not in wanted) or is_spikes(told):
            continue
        try:
            made += _clamps(InputEntry(source, simulation, name, told, seed))
        except (InputError, ValueError) as wrong:
            faults.add(f"input {name}: {wrong}")
    return made


def identities(clamps: Sequence[Clamp]) -> list[list[str]]:
    """Return what decides what clamps do: the name and the digest of each.

    Parameters
    ----------
    clamps
        What acts on cells from outside.

    Raises
    ------
    InputError
        A clamp does not say it.
    """
    for clamp in clamps:
        if not hasattr(clamp, "identity"):
            raise InputError(
                f"the clamp {clamp.name!r} is a {type(clamp).__name__}, which has no property identity: a digest of what decides "
                "what it does, by which runs are told apart"
            )
    return [[clamp.name, clamp.identity] for clamp in clamps]


def _clamps(entry: InputEntry) -> Iterator[Clamp]:
    module = entry.module
    if module == "xstim":
        yield xstim_field(entry)
    elif module == "spatially_uniform_e_field":
        yield uniform_field(entry)
    elif module == "iclamp" and "file" in entry.told:
        yield CurrentClamp(entry.name, dict.fromkeys(entry.cells(), _from_file(entry)), _place(entry))
    elif module == "iclamp":
        yield from _steps(entry)
    elif module == "seclamp":
        yield _held(entry)
    elif module in CURRENTS:
        yield from _signals(entry)
    else:
        known = ", ".join(("IClamp", "SEClamp", "xstim", "spatially_uniform_e_field", *CURRENTS))
        raise InputError(f"module {entry.told.get('module')!r} is not supported; there are {known}")


def _place(entry: InputEntry) -> ClampPlace:
    return ClampPlace(
        x=entry.number("section_dist", 0.5),
        part=str(entry.told.get("section_name", "soma")),
        index=int(entry.number("section_index", 0)),
    )


def _steps(entry: InputEntry) -> Iterator[Clamp]:
    """bmtk's IClamp, of one step or several."""
    amplitudes, delays, durations = (entry.numbers(key) for key in ("amp", "delay", "duration"))
    if len({len(amplitudes), len(delays), len(durations)}) != 1:
        raise InputError("expected as many delays and durations as amplitudes")
    cells, place = entry.cells(), _place(entry)
    for step in zip(delays, durations, amplitudes, strict=True):
        yield CurrentClamp(entry.name, dict.fromkeys(cells, step), place)


def _from_file(entry: InputEntry) -> Signal:
    """bmtk's IClamp of a file: each current holds until the next one, and the last one as long as the first."""
    if entry.told.get("input_type") in NWB or str(entry.told["file"]).lower().endswith(".nwb"):
        return nwb_sweep(entry)
    names = [
        str(entry.told.get(key, usual))
        for key, usual in (("timestamps_column", "timestamps"), ("amplitudes_column", "amps"))
    ]
    table = entry.table("file", str(entry.told.get("separator", " ")), (names[0], names[1]))
    time, level = table[names[0]], table[names[1]]
    apart = np.diff(time)
    if len(time) < 2 or (apart <= 0).any() or not np.allclose(apart, apart[0]):
        raise InputError(f"{entry.told['file']}: expected two times or more, as far apart as each other")
    return signals.stairs(np.append(time, time[-1] + apart[0]), level)


def _held(entry: InputEntry) -> Clamp:
    if "voltage" not in entry.told:
        durations, levels = entry.numbers("durations"), entry.numbers("amps")
        if len(durations) != len(levels):
            raise InputError(f"{len(durations)} durations and {len(levels)} amps, expected as many")
        resistance = entry.numbers("rs")[0] if "rs" in entry.told else 1.0
        pairs = list(zip(durations, levels, strict=True))
        return VoltageClamp(entry.name, list(entry.cells()), pairs, resistance=resistance)
    level, resistance = entry.number("voltage"), entry.number("series_resistance", 0.01)
    if entry.told.get("duration_levels") or entry.told.get("voltage_levels"):
        raise InputError(
            "duration_levels and voltage_levels are not supported; write an input for each level"
        )
    pairs = [(entry.number("duration"), level)]
    return VoltageClamp(entry.name, list(entry.cells()), pairs, entry.number("delay"), resistance)


def _signals(entry: InputEntry) -> Iterator[Clamp]:
    """A signal for each cell, or for each place of a compartment set: cells that have several get several clamps."""
    conductance = entry.told.get("input_type") == "conductance"
    if conductance and entry.module not in NOISE:
        raise InputError(
            f"module {entry.told.get('module')!r} of input_type 'conductance' is not supported; {', '.join(NOISE)} are"
        )
    sets = entry.compartments()
    if sets is None:
        places: list[tuple[ClampPlace | Mapping[int, ClampPlace], dict[int, Node]]] = [
            (ClampPlace(), entry.cells())
        ]
    else:
        places = []
        for at in range(max(map(len, sets.values()))):
            own = {gid: listed[at] for gid, listed in sets.items() if at < len(listed)}
            where = {gid: ClampPlace(x, section=section) for gid, (_, section, x) in own.items()}
            places.append((where, {gid: node for gid, (node, *_) in own.items()}))
    for place, cells in places:
        made = {gid: _signal(entry, gid, node, conductance) for gid, node in cells.items()}
        if conductance:
            reversal = entry.number("reversal", 0.0)
            yield ConductanceClamp(entry.name, made, reversal, place, entry.electrode)
        else:
            yield CurrentClamp(entry.name, made, place, entry.electrode)


def _signal(entry: InputEntry, gid: int, node: Node, conductance: bool) -> Signal:
    module, number = entry.module, entry.number
    delay, duration = number("delay"), number("duration")

    def relative(key: str) -> float:
        """Of a percentage: of the threshold current in nA, or of the input conductance in µS."""
        unit = 1.0 / entry.own(node, RESISTANCE) if conductance else entry.own(node, THRESHOLD)
        return number(key) / 100.0 * unit

    if module == "linear":
        first = number("amp_start")
        return signals.ramp(first, number("amp_end", first), delay, duration)
    if module == "relative_linear":
        first = relative("percent_start")
        last = relative("percent_end") if "percent_end" in entry.told else first
        return signals.ramp(first, last, delay, duration)
    if module == "subthreshold":
        level = (100.0 - number("percent_less")) / 100.0 * entry.own(node, THRESHOLD)
        return signals.ramp(level, level, delay, duration)
    if module == "hyperpolarizing":
        level = entry.own(node, HOLDING)
        return signals.ramp(level, level, delay, duration)
    if module == "pulse":
        return signals.pulses(number("amp_start"), number("width"), number("frequency"), delay, duration)
    dt = number("dt", _DT.get(module, 0.25))
    if module == "sinusoidal":
        return signals.sinusoid(number("amp_start"), number("frequency"), delay, duration, dt)
    own = entry.told.get("random_seed")
    # A seed of its own correlates cells, as SONATA wants it.
    seed, cell = (entry.seed, gid) if own is None else (int(number("random_seed")), 0)
    base = DrawnSignal(seed, entry.name, cell, delay, duration, dt, 0.0 if conductance else -np.inf)
    common = base.common
    if module == "noise":
        if "mean" in entry.told:
            return WhiteNoise(**common, mean=number("mean"), variance=number("variance"))
        # Of a mean relative to the threshold, the variance is relative to it, too.
        return WhiteNoise(**common, mean=relative("mean_percent"), variance=relative("variance"))
    if module == "ornstein_uhlenbeck":
        return ColouredNoise(**common, mean=number("mean"), deviation=number("sigma"), tau=number("tau"))
    if module == "relative_ornstein_uhlenbeck":
        mean, deviation = relative("mean_percent"), relative("sd_percent")
        return ColouredNoise(**common, mean=mean, deviation=deviation, tau=number("tau"))
    rise, decay = number("rise_time"), number("decay_time")
    if module == "shot_noise":
        mean, variance, rate = number("amp_mean"), number("amp_var"), number("rate")
        return ShotNoise(**common, rate=rate, mean=mean, variance=variance, rise=rise, decay=decay)
    if module == "absolute_shot_noise":
        mean, deviation = number("mean"), number("sigma")
    else:
        mean, deviation = relative("mean_percent"), relative("sd_percent")
    return ShotNoise.of_moments(base, mean, deviation, number("relative_skew", 0.5), rise, decay)
