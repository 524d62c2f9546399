"""A circuit of a lake is what libsonata reads from its files."""

from pathlib import Path
from typing import Any

import libsonata
import numpy as np
import pyarrow as pa
import pytest

import neurolake as nl
from neurolake.query.circuits import Circuit


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Circuit, Any]:
    """A lake with a real simulation, its circuit, and libsonata's configuration of it."""
    folder = shared_data / "sonata" / "neurodamus_ringtest"
    lake = nl.create(tmp_path_factory.mktemp("circuits") / "lake", durable=False)
    nl.ingest(lake, folder / "simulation_config.json", name="ring", on_error="skip")
    return lake, nl.circuit(lake), libsonata.CircuitConfig.from_file(str(folder / "circuit_config.json"))


def test_populations_are_those_of_libsonata(real: tuple[Any, Circuit, Any]) -> None:
    _, circuit, config = real
    assert circuit.name == "ring"
    assert circuit.counts["nodes"] == {
        name: config.node_population(name).size for name in config.node_populations
    }
    assert circuit.counts["edges"] == {
        name: config.edge_population(name).size for name in config.edge_populations
    }
    for name in config.edge_populations:
        theirs = config.edge_population(name)
        everything = libsonata.Selection([(0, theirs.size)])
        ours = (
            circuit.edges[name].to_arrow(["edge_id", "source_node_id", "target_node_id"]).sort_by("edge_id")
        )
        np.testing.assert_array_equal(ours["source_node_id"], theirs.source_nodes(everything))
        np.testing.assert_array_equal(ours["target_node_id"], theirs.target_nodes(everything))
    frame = circuit.populations.set_index(["kind", "population"])["count"]
    assert frame.to_dict() == {
        (kind, name): count for kind, counts in circuit.counts.items() for name, count in counts.items()
    }


def test_node_sets_are_those_of_libsonata(real: tuple[Any, Circuit, Any], shared_data: Path) -> None:
    _, circuit, config = real
    file = next((shared_data / "sonata" / "neurodamus_ringtest").glob("node*sets*.json"))
    theirs = libsonata.NodeSets.from_file(str(file))
    assert set(circuit.node_sets) == set(theirs.names)
    for name in theirs.names:
        for population in config.node_populations:
            expected = theirs.materialize(name, config.node_population(population)).flatten()
            assert circuit.node_ids(name, population).tolist() == expected.tolist()


def test_a_circuit_says_what_it_has(real: tuple[Any, Circuit, Any]) -> None:
    lake, circuit, config = real
    for name in [*config.node_populations, *config.edge_populations]:
        assert name in repr(circuit)
    with pytest.raises(nl.NotFoundError, match="there is no population of nodes 'none'; there are: Ring"):
        circuit.nodes["none"]
    assert nl.circuit(lake.head, "ring").counts == nl.circuit(lake.url, at="main").counts == circuit.counts


def test_circuits_by_name(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    with pytest.raises(nl.NotFoundError, match="there are: none"):
        nl.circuit(lake)
    with lake.transaction("Store") as transaction:
        for name in ("a", "b"):
            transaction.write_table(f"nodes/{name}/cells", pa.table({"node_id": [0, 1]}))
        transaction.write_table(
            "edges/a/cells__cells", pa.table({"source_node_id": [0], "target_node_id": [1]})
        )
        transaction.write_table("edges/a/cells__cells.by_source", pa.table({"source_node_id": [0]}))
        transaction.write_table("spikes/a/cells", pa.table({"node_id": [0], "time": [1.0]}))
        transaction.write_array(
            "reports/a/v/cells",
            np.arange(6.0).reshape(3, 2),
            attributes={"units": "mV", "t_start": 0.0, "dt": 0.5},
        )
        transaction.write_array("reports/a/v/cells.time", np.arange(3) * 0.5)
        transaction.write_table(
            "reports/a/v/cells.nodes", pa.table({"node_id": [4, 7], "start": [0, 1], "stop": [1, 2]})
        )
        transaction.write_table(
            "reports/a/v/cells.elements", pa.table({"node_id": [4, 7], "element_id": [0, 0]})
        )
    with pytest.raises(nl.NotFoundError, match="say which circuit; there are: a, b"):
        nl.circuit(lake)
    with pytest.raises(nl.NotFoundError, match="there is no circuit 'c'; there are: a, b"):
        nl.circuit(lake, "c")
    first, second = nl.circuit(lake, "a"), nl.circuit(lake, "b")
    assert first.counts == {"nodes": {"cells": 2}, "edges": {"cells__cells": 1}}
    assert first.spikes["cells"].to_pandas()["time"].tolist() == [1.0]
    assert list(first.reports) == ["v/cells"] and first.node_sets == {} == dict(first.inputs)
    assert first.reports["v/cells"].get([7], 0.5, 1.0).data.tolist() == [[3.0], [5.0]]
    assert second.counts == {"nodes": {"cells": 2}, "edges": {}} and list(second.reports) == []
