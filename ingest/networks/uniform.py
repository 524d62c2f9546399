"""Electric fields of SONATA that are the same everywhere: ``spatially_uniform_e_field``.

Semantics are those of BlueBrain/sonata-extension ("inputs" of a simulation) and neurodamus: the gradient of the potential is the field,
with its sign; it is 0 at the soma's centre; a field swings as a cosine, and its amplitude rises for ``ramp_up_time``, stays for
``duration`` and falls for ``ramp_down_time``.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from ...lake.errors import InputError
from ...mechanisms.entries import is_number
from ...mechanisms.stimuli.signals import Reals, Waveform
from ..lfp.stimulation import UniformField
from .entries import InputEntry
from .sonata import DT

_AXES = ("Ex", "Ey", "Ez")
_MOST = 2e7
"""Points of a waveform."""


def uniform_field(entry: InputEntry) -> UniformField:
    """Return the field of an input: the sum of all that it lists.

    Parameters
    ----------
    entry
        The input.

    Raises
    ------
    InputError
        Something is wrong with it.
    """
    return UniformField(entry.name, tuple(_fields(entry)), frozenset(entry.cells()))


def _fields(entry: InputEntry) -> Iterator[tuple[tuple[float, float, float], Waveform]]:
    listed = entry.told.get("fields")
    if not isinstance(listed, list) or not listed or not all(isinstance(each, Mapping) for each in listed):
        raise InputError(f"fields is {listed!r:.80}, expected a list of objects with {', '.join(_AXES)}")
    begin = entry.number("delay")
    lengths = [
        entry.number("ramp_up_time", 0.0),
        entry.number("duration"),
        entry.number("ramp_down_time", 0.0),
    ]
    if min(begin, *lengths) < 0:
        raise InputError("delay, duration, ramp_up_time and ramp_down_time are times of 0 or more")
    dt = entry.simulation.number("run", "dt") or DT
    corners = begin + np.cumsum([0.0, *lengths])
    for number, told in enumerate(listed):
        values = {}
        for key, default in (*((axis, None) for axis in _AXES), ("frequency", 0.0), ("phase", 0.0)):
            value = told.get(key, default)
            if value is None or not is_number(value):
                raise InputError(f"fields[{number}].{key} is {value!r}, expected a number")
            values[key] = float(value)
        frequency = values["frequency"]
        if not 0 <= frequency < 500.0 / dt:
            raise InputError(
                f"fields[{number}].frequency is {frequency:g} Hz, expected 0 or more and less than {500.0 / dt:g} Hz, half of a time step's"
            )
        strength = values["Ex"], values["Ey"], values["Ez"]
        yield strength, _cosine(frequency, values["phase"], corners, dt)


def _cosine(frequency: float, phase: float, corners: Reals, dt: float) -> Waveform:
    """A cosine from its begin on, with an amplitude that rises, stays 1 and falls: a line straight between half steps."""
    begin, end = corners[0], corners[-1]
    time = np.unique(corners)
    if frequency:
        if 2 * (end - begin) / dt > _MOST:
            raise InputError(f"duration: {end - begin:g} ms are more than {_MOST:g} half steps of {dt:g} ms")
        # Fields are those of the middles of steps.
        halves = np.arange(np.ceil(2 * begin / dt), np.floor(2 * end / dt) + 1) * dt / 2
        time = np.unique(np.concatenate([corners, halves[(halves > begin) & (halves < end)]]))
    places = np.unique(corners)
    # Where a ramp takes no time, its two corners are one, and there the field is whole.
    amplitude = np.interp(time, places, np.isin(places, corners[1:3]).astype(np.float64))
    value = amplitude * np.cos(2e-3 * np.pi * frequency * (time - begin) + phase)
    return Waveform(np.concatenate([[begin], time, [end]]), np.concatenate([[0.0], value, [0.0]]))
