"""Parameters of a circuit for one run, and sweeps over them."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_circuit as small
from nerves import delete_all_sections

import neurolake
from neurolake import InputError
from neurolake.ingest.networks.runs import run_network
from neurolake.ingest.text.included import Configuration
from neurolake.ingest.text.weights import with_network_values


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Any]:
    delete_all_sections()
    lake = neurolake.create(tmp_path / "lake", durable=False)
    small.write_circuit(lake)
    yield lake
    delete_all_sections()


def synapses(values: dict[str, Any]) -> Any:
    found = with_network_values(Configuration.of(small.CONFIGURATION), values)
    assert found is not None
    return found.tree["Connection Generator"]["Synapses"]


def test_weights_by_target_and_source_and_any_other_path() -> None:
    before = synapses({})
    made = synapses({"weights.E.AMPA": 3.0, "weights.E.I.GABA_A": 2, "Global Parameters.celsius": 20})
    assert made["E"]["STIM"]["mechanisms"]["AMPA"] == {
        **before["E"]["STIM"]["mechanisms"]["AMPA"],
        "weight": 3.0,
    }
    assert made["E"]["I"]["mechanisms"]["GABA_A"]["weight"] == 2
    assert made["I"] == before["I"]
    assert made["E"]["STIM"]["mechanisms"]["NMDA"] == before["E"]["STIM"]["mechanisms"]["NMDA"]
    assert (
        small.CONFIGURATION["Connection Generator"]["Synapses"]["E"]["STIM"]["mechanisms"]["AMPA"]["weight"]
        == 1.0
    )
    path = "Connection Generator.Synapses.I.E.mechanisms.AMPA.tau_decay"
    assert synapses({path: 9})["I"]["E"]["mechanisms"]["AMPA"]["tau_decay"] == 9
    with pytest.raises(InputError) as error:
        synapses({"weights.E.AMPB": 1, "Global Parameters.celsus": 2, "weights.E.AMPA": 1})
    assert str(error.value) == (
        "there is no parameter 'weights.E.AMPB' to change; did you mean 'weights.E.AMPA'?; there is no parameter "
        "'Global Parameters.celsus' to change; did you mean 'Global Parameters.celsius'?"
    )
    with pytest.raises(InputError, match="no configuration"):
        with_network_values(None, {"weights.E.AMPA": 1})


def test_values_are_those_of_the_configuration_with_them(lake: Any) -> None:
    changed = with_network_values(Configuration.of(small.CONFIGURATION), {"weights.E.AMPA": 0.2})
    assert changed is not None
    small.run(lake, "a", t_stop=40.0, values={"weights.E.AMPA": 0.2}, record=["soma"], dt_record=0.5)
    small.run(lake, "b", t_stop=40.0, configuration=dict(changed.tree), record=["soma"], dt_record=0.5)
    small.run(lake, "c", t_stop=40.0, record=["soma"], dt_record=0.5)
    a, b, c = (lake[f"reports/{name}/soma v/E"][...] for name in "abc")
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_a_sweep_over_weights(lake: Any, tmp_path: Path) -> None:
    def found(node: Any) -> Any:
        return small.ball(node)

    run = partial(run_network, lake, "small", t_stop=40.0, configuration=small.CONFIGURATION, record=["soma"])
    with pytest.raises(InputError, match="names folders"):
        neurolake.sweep(partial(run, templates={"Ball": found}), {"weights.E.AMPA": [1]})
    with pytest.raises(InputError, match=r"weights\.E\.AMPB=1.*did you mean 'weights\.E\.AMPA'"):
        neurolake.sweep(run, {"weights.E.AMPB": [1]})


def test_each_combination_is_a_run_of_the_circuit(lake: Any) -> None:
    kinds = {name: {"template": "BasketCell"} for name in ("E", "I")}
    ours = {**small.CONFIGURATION, "Cell Types": {**small.CONFIGURATION["Cell Types"], **kinds}}
    run = partial(run_network, lake, "small", t_stop=40.0, configuration=ours, commit_every=20.0)
    over = {"weights.E.AMPA": [0.0, 50.0], "dt": [0.05]}
    asks = {
        "spikes": 'select count(*) from "spikes/{run}/E"',
        "done": "select t_done from network_runs where run = $run",
    }
    done = neurolake.sweep(run, over, name="gain", results=asks, processes=1)
    frame = done.frame()
    assert (done.failures, done.notices) == ([], [])
    assert frame.spikes[0] < frame.spikes[1] and frame.done.tolist() == [40.0, 40.0]
    assert frame.run[0].startswith("gain-")
    again = neurolake.sweep(run, over, name="gain", results=asks, processes=1)
    assert (again.done, again.unchanged, again.commit) == (0, 2, None)
    faster = neurolake.sweep(
        run, {**over, "Connection Generator.Connection Velocity.STIM": [100.0]}, processes=1
    )
    assert faster.done == 2
