"""What is wrong with a network that is to be run: collected from all parts and ranks, and told at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...lake.errors import InputError

_SHOWN = 20


@dataclass
class Faults:
    """Sentences that say what is wrong, each once, in the order in which they were found."""

    found: dict[str, None] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def add(self, *sentences: str) -> None:
        """Add sentences.

        Parameters
        ----------
        sentences
            What is wrong, with the object and what to do.
        """
        self.found.update(dict.fromkeys(sentences))

    def check(self, circuit: str, others: Iterable[Iterable[str]] = ()) -> None:
        """Raise what was found, here and on other ranks.

        Parameters
        ----------
        circuit
            Name of the circuit.
        others
            Sentences of other ranks.

        Raises
        ------
        InputError
            There are faults; tells all of them.
        """
        for sentences in others:
            self.add(*sentences)
        if not self.found:
            return
        told = list(self.found)
        more = [f"… and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else []
        lines = "\n  ".join([*told[:_SHOWN], *more])
        raise InputError(f"the network {circuit} cannot be run ({len(told)} faults):\n  {lines}")
