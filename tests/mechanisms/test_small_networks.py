"""Networks by the engine against the same networks written by hand in plain NEURON: spikes equal to the bit."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from under_mpi import run_python

from neurolake.mechanisms.network.placement import balance, spread

SCRIPT = Path(__file__).parents[1] / "helpers" / "small_networks.py"
NETWORKS = ("ring", "coupled", "mixed")
WAYS = [(1, 1), (2, 1), (1, 2), (2, 2)]


@cache
def by_hand(network: str) -> tuple[str, ...]:
    found = tuple(run_python([SCRIPT, "plain", network]))
    assert len(found) > 60
    return found


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("threads", "ranks"), WAYS)
def test_spikes_are_those_of_plain_neuron(network: str, threads: int, ranks: int) -> None:
    assert tuple(run_python([SCRIPT, "engine", network, str(threads)], ranks)) == by_hand(network)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("network", NETWORKS[1:])
@pytest.mark.parametrize(("threads", "ranks"), [(1, 1), (2, 1), (2, 2)])
def test_a_second_process_goes_on_from_a_state(
    network: str, threads: int, ranks: int, tmp_path: Path
) -> None:
    """The first process ends in the middle, the second one makes the network again and restores its state."""
    arguments = [SCRIPT, "engine", network, str(threads), tmp_path / "state"]
    before = run_python(arguments, ranks)
    after = run_python(arguments, ranks)
    assert before
    assert after
    assert (*before, *after) == by_hand(network)


def test_the_costliest_cells_are_spread_first() -> None:
    costs = [1.0, 7.0, 3.0, 3.0, 6.0, 2.0]
    places = spread(costs, 2)
    loads = np.bincount(places, costs)
    assert sorted(loads.tolist()) == [11.0, 11.0]
    assert balance(costs, places, 2) == 1.0
    assert spread([5.0, 5.0, 5.0], 3).tolist() == [0, 1, 2]
    assert spread([], 4).tolist() == []
