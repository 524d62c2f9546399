"""A network under construction: what every step is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...kernels.network.weighting import Weighting
from ...lake.errors import InputError
from .blocks import Workers
from .configuration import NetworkConfiguration
from .steps import Build


@dataclass(frozen=True)
class Construction:
    """A network under construction.

    Parameters
    ----------
    build
        Where the results of steps go, and come from.
    network
        What is built.
    circuit
        Its name in the lake.
    seed
        Of all random numbers.
    workers
        The processes that do the work.
    weightings
        Functions of the user's that rules name.
    tell
        Called with what users should know of the result.
    """

    build: Build
    network: NetworkConfiguration
    circuit: str
    seed: int
    workers: Workers
    weightings: Mapping[str, Weighting]
    tell: Callable[[str], None]

    def seed_of(self, step: str) -> int:
        """Return the seed of a step, for which the configuration has an offset.

        Parameters
        ----------
        step
            Name of the step.

        Raises
        ------
        InputError
            A number is out of range.
        """
        offset = self.network.seeds[step]
        if not 0 <= self.seed < 2**31 or not 0 <= offset < 2**32:
            raise InputError(
                f"a seed is from 0 to 2**31 - 1 and its offset from 0 to 2**32 - 1, not {self.seed} and {offset}"
            )
        return (self.seed << 32) + offset
