"""Noise that acts on cells: each signal is a function of a seed, the input and the cell, wherever it is drawn."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .signals import Reals, Waveform, digest_of_values, framed, steps

WHITE = "noise"
"""What draws of noise are for; the same for all kinds, so that inputs of one name differ in their statistics alone."""


@dataclass(frozen=True)
class DrawnSignal:
    """A signal that is drawn when it is needed: of millions of cells, each rank draws those of its own.

    Attributes
    ----------
    seed
        Key of what is random.
    name
        Of the input.
    cell
        Number of the cell; the same for cells that are to have the same noise.
    delay, duration
        When it begins and how long it lasts, in ms.
    dt
        How far points of the broken line are apart, in ms.
    lowest
        Smaller values are raised to this: 0 for conductances.
    """

    seed: int
    name: str
    cell: int
    delay: float
    duration: float
    dt: float
    lowest: float

    @property
    def common(self) -> dict[str, Any]:
        """Seed, input, cell and times by name, for signals of other kinds that have the same."""
        return {name: getattr(self, name) for name in DrawnSignal.__dataclass_fields__}

    @property
    def identity(self) -> str:
        """What decides the signal, as a digest."""
        return digest_of_values([type(self).__name__, asdict(self)])

    @property
    def waveform(self) -> Waveform:
        """The signal."""
        time = steps(self.duration, self.dt)
        value = np.maximum(self.path(len(time)), self.lowest)
        return framed(self.delay + time, value, self.delay + self.duration)

    @property
    def faults(self) -> Sequence[str]:
        """What is wrong with its numbers, each in a sentence."""
        told = []
        if not (self.dt > 0 and self.duration >= 0):
            told.append(
                f"a dt of {self.dt:g} ms and a duration of {self.duration:g} ms: expected more than 0"
            )
        if not 0 <= self.seed < 2**64:
            told.append(f"the seed {self.seed} is not from 0 to 2**64 - 1")
        return told

    def path(self, n: int) -> Reals:
        """Return the values, float64[n].

        Parameters
        ----------
        n
            How many.
        """
        raise NotImplementedError

    def normals(self, n: int) -> Reals:
        """Return standard normal numbers of the cell, float64[n].

        Parameters
        ----------
        n
            How many.
        """
        from ...kernels.traces.noise import normals

        return normals(n, seed=self.seed, purpose=WHITE, population=self.name, cell=self.cell)


@dataclass(frozen=True)
class WhiteNoise(DrawnSignal):
    """Values that are drawn anew every *dt*, with straight lines between them.

    Attributes
    ----------
    mean, variance
        Of the values.
    """

    mean: float
    variance: float

    @property
    def faults(self) -> Sequence[str]:
        """What is wrong with its numbers."""
        told = [] if self.variance >= 0 else [f"a variance of {self.variance:g}: expected 0 or more"]
        return [*super().faults, *told]

    def path(self, n: int) -> Reals:
        """Return the values, float64[n].

        Parameters
        ----------
        n
            How many.
        """
        found: Reals = self.mean + np.sqrt(self.variance) * self.normals(n)
        return found


@dataclass(frozen=True)
class ColouredNoise(DrawnSignal):
    """An Ornstein-Uhlenbeck process that begins at its mean.

    Attributes
    ----------
    mean, deviation
        Of the process once it is stationary.
    tau
        Its time constant in ms; of 0, values are drawn anew every *dt*.
    """

    mean: float
    deviation: float
    tau: float

    @property
    def faults(self) -> Sequence[str]:
        """What is wrong with its numbers."""
        told = list(super().faults)
        if not self.deviation > 0:
            told.append(f"a standard deviation of {self.deviation:g}: expected more than 0")
        if not self.tau >= 0:
            told.append(f"a time constant of {self.tau:g} ms: expected 0 or more")
        return told

    def path(self, n: int) -> Reals:
        """Return the values, float64[n].

        Parameters
        ----------
        n
            How many.
        """
        from ...kernels.traces.noise import ornstein_uhlenbeck_path

        kept = np.exp(-self.dt / self.tau) if self.tau > 0 else 0.0
        moved: Reals = ornstein_uhlenbeck_path(self.normals(n), self.deviation, float(kept))
        return self.mean + moved


@dataclass(frozen=True)
class ShotNoise(DrawnSignal):
    """Shots that come at random, each a difference of two exponentials; nothing comes before the signal begins.

    Attributes
    ----------
    rate
        Shots in a second, in Hz.
    mean, variance
        Of their peaks, which are drawn from a gamma distribution; shots of a negative mean go down.
    rise, decay
        Time constants in ms.
    """

    rate: float
    mean: float
    variance: float
    rise: float
    decay: float

    @classmethod
    def of_moments(
        cls, base: DrawnSignal, mean: float, deviation: float, skew: float, rise: float, decay: float
    ) -> "ShotNoise":
        """Return the shot noise of a mean and a standard deviation.

        Parameters
        ----------
        base
            Seed, input, cell and times.
        mean, deviation
            Of the signal once it is stationary.
        skew
            How skewed it is, from 0 (equal shots) to 1 (excluded); see `shots_of`.
        rise, decay
            Time constants in ms.

        Raises
        ------
        ValueError
            There is no such noise.
        """
        from ...kernels.traces.noise import shots_of

        if not (mean > 0 and deviation > 0):
            raise ValueError(f"mean {mean:g}, standard deviation {deviation:g}: shots have both above 0")
        if not 0 <= skew < 1:
            raise ValueError(f"relative_skew {skew:g}: expected 0 or more and less than 1")
        if not 0 < rise < decay:
            raise ValueError(_rise_and_decay(rise, decay))
        shots = shots_of(mean, deviation, skew, rise, decay)
        return cls(**base.common, **shots._asdict())

    @property
    def faults(self) -> Sequence[str]:
        """What is wrong with its numbers."""
        told = list(super().faults)
        if not 0 < self.rise < self.decay:
            told.append(_rise_and_decay(self.rise, self.decay))
        if self.mean == 0 or not self.variance >= 0 or not self.rate >= 0:
            told.append(
                f"a rate of {self.rate:g} Hz and peaks of mean {self.mean:g} and variance {self.variance:g}: expected a mean that is "
                "not 0, and nothing negative else"
            )
        return told

    def path(self, n: int) -> Reals:
        """Return the values, float64[n].

        Parameters
        ----------
        n
            How many.
        """
        from ...kernels.traces.noise import Shots, shot_noise_path

        if self.rate == 0:
            return np.zeros(n)
        shots = Shots(self.rate, abs(self.mean), self.variance, self.rise, self.decay)
        path = shot_noise_path(shots, n, self.dt, seed=self.seed, population=self.name, cell=self.cell)
        return path if self.mean > 0 else -path


def _rise_and_decay(rise: float, decay: float) -> str:
    return f"a rise_time of {rise:g} ms and a decay_time of {decay:g} ms: expected the rise to be shorter, and above 0"
