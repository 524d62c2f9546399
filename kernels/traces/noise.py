"""Noise: numbers and paths that are a function of a seed, a purpose and a cell."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..draws import exponential, key_word, normal, stream, uniforms
from ..jit import jit

Reals = NDArray[np.float64]


def normals(n: int, *, seed: int, purpose: str, population: str, cell: int) -> Reals:
    """Return standard normal numbers of one cell, float64[n].

    Parameters
    ----------
    n
        How many.
    seed
        Seed of the run.
    purpose, population
        What the numbers are for, as of `stream`.
    cell
        Number of the cell.
    """
    return _normals(_key(seed, purpose, population), n, cell)


@jit
def _normals(key: NDArray[np.uint64], n: int, cell: int) -> Reals:
    found = np.empty(n)
    for at in range(n):
        one, other = uniforms(key[0], np.uint64(0), key[1], cell, at)
        found[at] = normal(one, other)
    return found


def poisson_times(rate: float, stop: float, *, seed: int, purpose: str, population: str, cell: int) -> Reals:
    """Return the times of a Poisson process from 0 on, ascending, float64[n] in ms.

    Parameters
    ----------
    rate
        Events in a second, in Hz; of 0, there are none.
    stop
        Until when, in ms.
    seed
        Seed of the run.
    purpose, population
        What the numbers are for, as of `stream`.
    cell
        Number of the cell, or of what else has such events.
    """
    if rate <= 0:
        return np.empty(0)
    return _poisson(_key(seed, purpose, population), cell, rate / 1000.0, stop)


@jit
def _poisson(key: NDArray[np.uint64], cell: int, rate: float, stop: float) -> Reals:
    n, time = 0, 0.0
    while True:
        one, _spare = uniforms(key[0], np.uint64(0), key[1], cell, n)
        time += exponential(one) / rate
        if time >= stop:
            break
        n += 1
    found = np.empty(n)
    time = 0.0
    for at in range(n):
        one, _spare = uniforms(key[0], np.uint64(0), key[1], cell, at)
        time += exponential(one) / rate
        found[at] = time
    return found


@jit
def ornstein_uhlenbeck_path(draws: Reals, deviation: float, kept: float) -> Reals:
    """Return an Ornstein-Uhlenbeck process of mean 0 that begins at 0, float64[n].

    Parameters
    ----------
    draws
        Standard normal numbers, float64[n]; the first is not used.
    deviation
        Of the process once it is stationary.
    kept
        Correlation of two successive values, exp(-dt / tau).

    Notes
    -----
    The update is exact for any step: Gillespie DT (1996) Exact numerical simulation of the Ornstein-Uhlenbeck process and its
    integral. Phys Rev E 54:2084-2091.
    """
    value = np.zeros(len(draws))
    strength = deviation * math.sqrt(1.0 - kept * kept)
    for step in range(1, len(draws)):
        value[step] = kept * value[step - 1] + strength * draws[step]
    return value


class Shots(NamedTuple):
    """A Poisson process of shots, each a difference of two exponentials with a peak that is drawn from a gamma distribution.

    Attributes
    ----------
    rate
        Shots in a second, in Hz.
    mean, variance
        Of the peaks.
    rise, decay
        Time constants in ms; *rise* < *decay*.
    """

    rate: float
    mean: float
    variance: float
    rise: float
    decay: float

    @property
    def peak(self) -> float:
        """Peak of exp(-t / decay) - exp(-t / rise)."""
        at = math.log(self.decay / self.rise) / (1.0 / self.rise - 1.0 / self.decay)
        return math.exp(-at / self.decay) - math.exp(-at / self.rise)

    @property
    def moments(self) -> tuple[float, float, float]:
        """Mean, standard deviation and skewness of their sum once it is stationary (Campbell's theorem; Rice 1944)."""
        one, two, three = _integrals(self.rise, self.decay)
        per_ms, shape = self.rate / 1000.0, self.mean * self.mean / self.variance
        second = self.mean * self.mean + self.variance
        # Third moment of a gamma distribution.
        third = self.mean**3 * (1.0 + 1.0 / shape) * (1.0 + 2.0 / shape)
        deviation = math.sqrt(per_ms * second * two)
        return per_ms * self.mean * one, deviation, per_ms * third * three / deviation**3


def shots_of(mean: float, deviation: float, skew: float, rise: float, decay: float) -> Shots:
    """Return the shots whose sum has a mean and a standard deviation.

    Parameters
    ----------
    mean, deviation
        Of the sum; above 0.
    skew
        How far its skewness is from the least possible one, of equal shots (0), to twice that (1, excluded), where shots
        would be infinitely many.
    rise, decay
        Time constants in ms; *rise* < *decay*.

    Notes
    -----
    By the first three cumulants of shot noise: Rice SO (1944) Mathematical analysis of random noise. Bell System Technical
    Journal 23:282-332.
    """
    one, two, _three = _integrals(rise, decay)
    # Cumulants are rate E[a] one, rate E[a^2] two, rate E[a^3] three; of a gamma distribution of shape k and scale s,
    # E[a^2] / E[a] = (k + 1) s and E[a^3] / E[a^2] = (k + 2) s. Equal shots have the least skewness: k is infinite, and both
    # quotients are the peak; the second one rises with the skewness.
    equal = deviation * deviation * one / (mean * two)
    peak = (1.0 - skew) * equal
    return Shots(1000.0 * mean / (peak * one), peak, peak * skew * equal, rise, decay)


def _integrals(rise: float, decay: float) -> tuple[float, float, float]:
    """Integrals of a shot of peak 1, of its square and of its cube, in ms."""
    peak = Shots(0.0, 0.0, 0.0, rise, decay).peak
    one = decay - rise
    two = decay / 2.0 + rise / 2.0 - 2.0 / (1.0 / decay + 1.0 / rise)
    three = decay / 3.0 - rise / 3.0 - 3.0 / (2.0 / decay + 1.0 / rise) + 3.0 / (1.0 / decay + 2.0 / rise)
    return one / peak, two / peak**2, three / peak**3


def shot_noise_path(shots: Shots, n: int, dt: float, *, seed: int, population: str, cell: int) -> Reals:
    """Return the sum of shots that come from time 0 on, every *dt*, float64[n]; it begins at 0.

    Shots begin at times of their own, not at those of the path.

    Parameters
    ----------
    shots
        The shots. A variance of 0 makes all of them alike.
    n
        How many values.
    dt
        How far they are apart, in ms.
    seed
        Seed of the run.
    population
        What the numbers are for besides shot noise, such as the name of an input.
    cell
        Number of the cell.
    """
    shape = shots.mean * shots.mean / shots.variance if shots.variance > 0 else math.inf
    times, peaks = (_key(seed, purpose, population) for purpose in ("shot times", "shot peaks"))
    path = _shot_noise(times, peaks, cell, n, dt, shots.rate / 1000.0, shape, shots.rise, shots.decay)
    scaled: Reals = path * (shots.mean / shots.peak)
    return scaled


@jit
def _shot_noise(
    times: NDArray[np.uint64],
    peaks: NDArray[np.uint64],
    cell: int,
    n: int,
    dt: float,
    rate: float,
    shape: float,
    rise: float,
    decay: float,
) -> Reals:
    value = np.zeros(n)
    slow, fast = 0.0, 0.0
    slower, faster = math.exp(-dt / decay), math.exp(-dt / rise)
    shot, drawn = 0, 0
    one, _spare = uniforms(times[0], np.uint64(0), times[1], cell, shot)
    due = exponential(one) / rate
    for step in range(1, n):
        now = step * dt
        slow, fast = slow * slower, fast * faster
        while due <= now:
            size, drawn = _gamma(shape, peaks, cell, drawn)
            slow += size * math.exp((due - now) / decay)
            fast += size * math.exp((due - now) / rise)
            shot += 1
            one, _spare = uniforms(times[0], np.uint64(0), times[1], cell, shot)
            due += exponential(one) / rate
        value[step] = slow - fast
    return value


@jit
def _gamma(shape: float, key: NDArray[np.uint64], cell: int, drawn: int) -> tuple[float, int]:
    """A number of the gamma distribution of mean 1 (Marsaglia & Tsang 2000, doi:10.1145/358407.358414)."""
    if math.isinf(shape):
        return 1.0, drawn
    raised, power = shape, 1.0
    if shape < 1.0:
        one, _spare = uniforms(key[0], np.uint64(0), key[1], cell, drawn)
        drawn += 1
        raised, power = shape + 1.0, one ** (1.0 / shape)
    d = raised - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        one, other = uniforms(key[0], np.uint64(0), key[1], cell, drawn)
        number, _spare = uniforms(key[0], np.uint64(0), key[1], cell, drawn + 1)
        drawn += 2
        x = normal(one, other)
        v = (1.0 + c * x) ** 3
        if v > 0.0 and math.log(number) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
            return d * v * power / shape, drawn


def _key(seed: int, purpose: str, population: str) -> NDArray[np.uint64]:
    return np.array([key_word(seed, "seed"), stream(purpose, population)], np.uint64)
