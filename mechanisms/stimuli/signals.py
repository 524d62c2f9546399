"""Signals in time: broken lines, which may jump.

Shapes are those of SONATA's inputs (BlueBrain/sonata-extension, "inputs" of a simulation; neurodamus, Apache-2.0, plays them).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


class Signal(Protocol):
    """Something that has a waveform: a broken line, or noise that is drawn when it is needed."""

    @property
    def identity(self) -> str:
        """What decides the signal, as a digest."""

    @property
    def waveform(self) -> "Waveform":
        """The signal."""

    @property
    def faults(self) -> Sequence[str]:
        """What is wrong with its numbers, each in a sentence."""


@dataclass(frozen=True, eq=False)
class Waveform:
    """A broken line: values at times, straight between them, 0 before the first and after the last.

    Attributes
    ----------
    time
        In ms, ascending; where the signal jumps, twice the same.
    value
        At these times, float64[n].
    """

    time: Reals
    value: Reals

    def __len__(self) -> int:
        return len(self.time)

    @property
    def waveform(self) -> "Waveform":
        """Itself, as other signals have one."""
        return self

    @property
    def identity(self) -> str:
        """What decides the signal, as a digest."""
        return digest_of_values(["Waveform", self.time, self.value])

    @property
    def faults(self) -> Sequence[str]:
        """What is wrong with its numbers: that they are not finite, or times that do not ascend."""
        if not (np.isfinite(self.time).all() and np.isfinite(self.value).all()):
            return ["the signal is not finite"]
        return [] if (np.diff(self.time) >= 0).all() else ["the times of the signal do not ascend"]

    def at(self, time: Reals) -> Reals:
        """Return the signal at some times, float64[n]; where it jumps, what comes after.

        Parameters
        ----------
        time
            In ms, float64[n].
        """
        after = np.searchsorted(self.time, time, side="right")
        low = np.clip(after - 1, 0, len(self) - 1)
        high = np.clip(after, 0, len(self) - 1)
        width = self.time[high] - self.time[low]
        share = np.divide(time - self.time[low], width, out=np.zeros(len(time)), where=width > 0)
        found = self.value[low] + share * (self.value[high] - self.value[low])
        return np.where((after == 0) | (time > self.time[-1]), 0.0, found)

    def scaled(self, factor: float) -> "Waveform":
        """Return the signal times a factor.

        Parameters
        ----------
        factor
            The factor.
        """
        return Waveform(self.time, self.value * factor)


def ramp(start: float, end: float, delay: float, duration: float) -> Waveform:
    """Return a line from one value to another, and 0 before and after.

    Parameters
    ----------
    start, end
        First and last value.
    delay, duration
        When it begins and how long it lasts, in ms.
    """
    stop = delay + duration
    return Waveform(np.array([delay, delay, stop, stop]), np.array([0.0, start, end, 0.0]))


def pulses(amplitude: float, width: float, frequency: float, delay: float, duration: float) -> Waveform:
    """Return rectangles that begin a period after each other; the last one ends with the signal.

    Those as long as the period are one.

    Parameters
    ----------
    amplitude
        Their height.
    width
        How long each lasts, in ms.
    frequency
        How many begin in a second, in Hz.
    delay, duration
        When the first begins and how long the signal lasts, in ms.

    Raises
    ------
    ValueError
        The frequency is not above 0.
    """
    if not frequency > 0:
        raise ValueError(f"frequency is {frequency:g} Hz, expected more than 0")
    period = 1000.0 / frequency
    if width >= period:
        return ramp(amplitude, amplitude, delay, duration)
    begins = delay + period * np.arange(int(np.ceil(duration / period - 1e-9)))
    ends = np.minimum(begins + width, delay + duration)
    time = np.stack([begins, begins, ends, ends], axis=1).ravel()
    return Waveform(time, np.tile([0.0, amplitude, amplitude, 0.0], len(begins)))


def sinusoid(
    amplitude: float, frequency: float, delay: float, duration: float, dt: float = 0.025
) -> Waveform:
    """Return a sine that begins at its zero.

    Parameters
    ----------
    amplitude
        Its highest value.
    frequency
        In Hz.
    delay, duration
        When it begins and how long it lasts, in ms.
    dt
        How far points of the broken line are apart, in ms.
    """
    time = steps(duration, dt)
    return framed(delay + time, amplitude * np.sin(2e-3 * np.pi * frequency * time), delay + duration)


_SHAPES: Mapping[str, tuple[Callable[..., Waveform], tuple[str, ...]]] = {
    "step": (
        lambda amplitude, delay, duration: ramp(amplitude, amplitude, delay, duration),
        ("amplitude", "delay", "duration"),
    ),
    "ramp": (ramp, ("start", "end", "delay", "duration")),
    "pulses": (pulses, ("amplitude", "width", "frequency", "delay", "duration")),
    "sine": (sinusoid, ("amplitude", "frequency", "delay", "duration")),
}


def parse_signal(text: str) -> Waveform:
    """Return the signal that a text says: a shape, a colon, and its numbers, as ``pulses:amplitude=2,width=0.2,frequency=130,delay=5,duration=50``.

    Shapes are ``step`` (amplitude), ``ramp`` (start, end), ``pulses`` (amplitude, width, frequency) and ``sine`` (amplitude,
    frequency), each with delay and duration. Times are in ms, frequencies in Hz.

    Parameters
    ----------
    text
        The text.

    Raises
    ------
    ValueError
        It says no signal; tells what is expected.
    """
    shape, _, rest = text.partition(":")
    if shape not in _SHAPES:
        raise ValueError(f"there is no shape {shape!r}; there are {', '.join(_SHAPES)}")
    make, names = _SHAPES[shape]
    told: dict[str, float] = {}
    for part in rest.split(",") if rest else ():
        name, _, value = part.partition("=")
        try:
            told[name.strip()] = float(value)
        except ValueError:
            raise ValueError(f"{part!r}: expected NAME=NUMBER") from None
    if set(told) != set(names):
        example = ",".join(f"{name}=…" for name in names)
        raise ValueError(f"a {shape} is said as {shape}:{example}, not {text!r}")
    found = make(**told)
    if found.faults or not found.value.any():
        raise ValueError(f"{text}: {found.faults[0] if found.faults else 'it is 0 everywhere'}")
    return found


def steps(duration: float, dt: float) -> Reals:
    """Return the times of the points of a signal in ms, float64[n], from 0 on.

    Parameters
    ----------
    duration, dt
        How long it lasts and how far its points are apart, in ms.

    Raises
    ------
    ValueError
        The points are not apart, or it lasts less than nothing.
    """
    if not dt > 0 or not duration >= 0:
        raise ValueError(f"dt is {dt:g} ms and duration {duration:g} ms, expected more than 0, and 0 or more")
    return np.arange(int(np.floor(duration / dt + 1e-9)) + 1, dtype=np.float64) * dt


def framed(time: Reals, value: Reals, stop: float) -> Waveform:
    """Return a signal that begins with a jump and ends with one: its last value is held until *stop*.

    Parameters
    ----------
    time, value
        Of its points, float64[n].
    stop
        When it ends, in ms.
    """
    times = np.concatenate([time[:1], time, [max(stop, time[-1])] * 2])
    return Waveform(times, np.concatenate([[0.0], value, [value[-1], 0.0]]))


def stairs(edges: Reals, level: Reals) -> Waveform:
    """Return levels that hold from one edge to the next, and 0 before the first and after the last.

    Parameters
    ----------
    edges
        In ms, float64[n + 1], ascending.
    level
        float64[n].
    """
    new = np.concatenate([[True], np.diff(level) != 0])
    # Edges between equal levels are none.
    own = np.append(edges[:-1][new], edges[-1])
    return Waveform(np.repeat(own, 2), np.concatenate([[0.0], np.repeat(level[new], 2), [0.0]]))


def digest_of_values(values: Any) -> str:
    """Return a digest of what JSON has, and of arrays.

    Parameters
    ----------
    values
        Numbers, text, lists, mappings, arrays.
    """
    return blake2b(json.dumps(values, sort_keys=True, default=_plain).encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        values = np.ascontiguousarray(value)
        return [str(values.dtype), list(values.shape), blake2b(values.tobytes(), digest_size=16).hexdigest()]
    return value.item()
