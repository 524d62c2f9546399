"""Signals in time: broken lines, which may jump.

Shapes are those of SONATA's inputs (BlueBrain/sonata-extension, "inputs" of a simulation; neurodamus, Apache-2.0, plays them).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


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
    """
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
    time = _steps(duration, dt)
    return _framed(delay + time, amplitude * np.sin(2e-3 * np.pi * frequency * time), delay + duration)


def noise(
    draws: Reals, mean: float, variance: float, delay: float, duration: float, dt: float = 0.5
) -> Waveform:
    """Return values that are drawn anew every *dt*, with straight lines between them.

    Parameters
    ----------
    draws
        Standard normal numbers, at least `samples` of them.
    mean, variance
        Of the values.
    delay, duration
        When it begins and how long it lasts, in ms.
    dt
        How far draws are apart, in ms.
    """
    time = _steps(duration, dt)
    return _framed(delay + time, mean + np.sqrt(variance) * draws[: len(time)], delay + duration)


def ornstein_uhlenbeck(
    draws: Reals, mean: float, deviation: float, tau: float, delay: float, duration: float, dt: float = 0.25
) -> Waveform:
    """Return an Ornstein-Uhlenbeck process that begins at its mean.

    Parameters
    ----------
    draws
        Standard normal numbers, at least `samples` of them.
    mean, deviation
        Of the process once it is stationary.
    tau
        Its time constant in ms.
    delay, duration
        When it begins and how long it lasts, in ms.
    dt
        How far points are apart, in ms.

    Notes
    -----
    The update is exact for any step: Gillespie DT (1996) Exact numerical simulation of the Ornstein-Uhlenbeck process and its
    integral. Phys Rev E 54:2084-2091.
    """
    time = _steps(duration, dt)
    kept = np.exp(-dt / tau)
    moved = deviation * np.sqrt(1 - kept * kept) * draws[: len(time)]
    value = np.zeros(len(time))
    for step in range(1, len(time)):
        value[step] = kept * value[step - 1] + moved[step]
    return _framed(delay + time, mean + value, delay + duration)


def samples(duration: float, dt: float) -> int:
    """Return how many points a signal has.

    Parameters
    ----------
    duration, dt
        How long it lasts and how far its points are apart, in ms.
    """
    return len(_steps(duration, dt))


def _steps(duration: float, dt: float) -> Reals:
    return np.arange(int(np.floor(duration / dt + 1e-9)) + 1, dtype=np.float64) * dt


def _framed(time: Reals, value: Reals, stop: float) -> Waveform:
    """A signal that begins with a jump and ends with one: its last value is held until *stop*."""
    times = np.concatenate([time[:1], time, [max(stop, time[-1])] * 2])
    return Waveform(times, np.concatenate([[0.0], value, [value[-1], 0.0]]))
