"""Who simulates what: cells over ranks and threads, the costliest first."""

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def spread(costs: Sequence[float] | NDArray[np.float64], places: int) -> NDArray[np.int64]:
    """Return the place of each cell, int64[n_cells]: the costliest first, each to the place that has least so far.

    This is the rule "longest processing time first" (Graham, SIAM J. Appl. Math. 17, 1969), which is within 4/3 of the best
    there is. Of equal cells the one with the lower number is first, so that the answer depends on nothing else.

    Parameters
    ----------
    costs
        Of each cell, in any unit.
    places
        How many ranks or threads there are, at least one.
    """
    values = np.asarray(costs, np.float64)
    found = np.zeros(len(values), np.int64)
    loads = [(0.0, place) for place in range(places)]
    for cell in np.argsort(-values, kind="stable").tolist():
        load, place = heapq.heappop(loads)
        found[cell] = place
        heapq.heappush(loads, (load + float(values[cell]), place))
    return found


def balance(costs: Sequence[float] | NDArray[np.float64], places: NDArray[np.int64], n: int) -> float:
    """Return the mean load of all places over the highest: 1 where all have the same.

    Parameters
    ----------
    costs
        Of each cell, in any unit.
    places
        Place of each cell, int64[n_cells].
    n
        How many places there are.
    """
    loads = np.bincount(places, np.asarray(costs, np.float64), minlength=n)
    return float(loads.mean() / loads.max()) if loads.max() > 0 else 1.0
