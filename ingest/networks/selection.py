"""Which cells of a circuit are simulated."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ...lake.errors import InputError
from ...mechanisms.network.cells import Ids
from .circuit import NetworkSource

Chosen = Mapping[str, Sequence[int] | None]
"""Numbers of cells by population; None means all of a population."""

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


def parse_cells(texts: Sequence[str]) -> dict[str, Sequence[int] | None]:
    """Read cells from texts such as ``PYR``, ``PYR:12`` or ``PYR:0-3,7``.

    Parameters
    ----------
    texts
        What was given.

    Raises
    ------
    InputError
        One says something else.
    """
    found: dict[str, Sequence[int] | None] = {}
    for text in texts:
        population, colon, numbers = text.partition(":")
        if not population or (colon and not numbers):
            raise InputError(f"--cells {text}: write POPULATION, POPULATION:3 or POPULATION:0-3,7")
        if not colon:
            found[population] = None
            continue
        chosen = list(found.get(population) or ())
        for part in numbers.split(","):
            match = _RANGE.fullmatch(part.strip())
            if match is None:
                raise InputError(f"--cells {text}: {part!r} is neither a number nor a range such as 0-3")
            first = int(match[1])
            chosen += range(first, int(match[2] or first) + 1)
        found[population] = sorted(set(chosen))
    return found


def chosen_cells(source: NetworkSource, cells: Chosen | None) -> dict[str, Ids]:
    """Return the numbers of the cells that are simulated, int64 by population.

    Parameters
    ----------
    source
        The circuit.
    cells
        Which; all by default.

    Raises
    ------
    InputError
        A population or a cell is not there.
    """
    everything = {name: np.arange(len(each)) for name, each in source.populations.items()}
    if cells is None:
        return everything
    found: dict[str, Ids] = {}
    for population, numbers in cells.items():
        if population not in everything:
            raise InputError(
                f"there is no population {population!r} in {source.circuit}; it has {', '.join(everything)}"
            )
        own = everything[population]
        wanted = own if numbers is None else np.unique(np.asarray(numbers, np.int64))
        if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < len(own):
            raise InputError(
                f"{population} has {len(own)} cells, numbered from 0; there is no cell {int(wanted[-1])}"
            )
        found[population] = wanted
    return found
