"""Circuits of any source as files of NeuroH5, and circuits of NeuroH5 in the verbs that other circuits have."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from neuroh5_files import (
    contents,
    read_network,
    tree,
    write_attribute,
    write_network,
    write_trees,
    write_types,
)
from sonata_files import write_edges, write_nodes, write_spikes

import neurolake as nl
from neurolake.ingest.demo import write_demo_network
from neurolake.ingest.neuroh5.export import export_neuroh5
from neurolake.ingest.neuroh5.ingest import ingest_neuroh5
from neurolake.ingest.sonata.export import export_sonata
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.lake.errors import InputError, NotFoundError


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    """A lake with the network of eight files."""
    (tmp_path / "files").mkdir()
    made = nl.create(tmp_path / "lake", durable=False)
    ingest_neuroh5(made, write_network(tmp_path / "files"), name="net")
    return made


def collapsed(lake: Any, folder: Path, name: str) -> dict[str, Any]:
    """What the reader of the specification finds in the files of a circuit, by file."""
    export_neuroh5(lake.head, folder, name=name, dialect="collapsed")
    return {path.name: read_network(path) for path in sorted(folder.iterdir())}


# Collapsed files


def test_collapsed_files_say_the_same(lake: Any, tmp_path: Path) -> None:
    """Every cell has the values that it had in the eight files, and every edge too."""
    found = collapsed(lake, tmp_path / "out", "net")
    assert [*found] == ["cells.h5", "connections.h5", "gap_junctions.h5", "input_spikes.h5", "results.h5"]
    cells = {key: values for file in found.values() for key, values in file["cells"].items()}
    before: dict[Any, Any] = {}
    for path in (tmp_path / "files").iterdir():
        for (population, namespace, name), values in read_network(path)["cells"].items():
            before[population, namespace.replace("Generated ", ""), name] = values
    assert cells.keys() == before.keys()
    for key, values in before.items():
        # Cells without a value have no row where there are rows for values only.
        assert {cell: told for cell, told in cells[key].items() if told} == {
            cell: told for cell, told in values.items() if told
        }, key
    for file, old in (("connections.h5", "connections.h5"), ("gap_junctions.h5", "gaps.h5")):
        edges = read_network(tmp_path / "files" / old)["edges"]
        assert found[file]["edges"].keys() == edges.keys()
        for pair, told in edges.items():
            told = sorted(told, key=lambda edge: (edge["target"], edge["edge"]))
            assert [{**edge, "edge": 0} for edge in found[file]["edges"][pair]] == [
                {**edge, "edge": 0} for edge in told
            ]
    assert found["cells.h5"]["gids"] == {"STIM": 0, "INT": 4, "PYR": 7}
    assert found["gap_junctions.h5"]["valid"] == {("INT", "INT")}


def test_collapsed_files_come_in_again(lake: Any, tmp_path: Path) -> None:
    """What a lake holds of them is what it was exported from."""
    export_neuroh5(lake.head, tmp_path / "out", name="net", dialect="collapsed")
    ingest_neuroh5(lake, tmp_path / "out", name="two")
    ingest_neuroh5(lake, tmp_path / "out", name="two")
    export_neuroh5(lake.head, tmp_path / "again", name="two", dialect="collapsed")
    for path in (tmp_path / "out").iterdir():
        assert contents(tmp_path / "again" / path.name) == contents(path)
    for name in lake.head.tables:
        if "/net" in name and name.startswith(
            ("nodes", "synapses", "spikes", "inputs", "features", "morph", "circuits/")
        ):
            other = lake.head.tables[name.replace("/net", "/two", 1)].to_arrow()
            assert other.equals(lake.head.tables[name].to_arrow()), name


def test_readers_find_the_last_destination(lake: Any, tmp_path: Path) -> None:
    """They read as many pointers as the last of the block pointers says, and an edge needs two of them."""
    export_neuroh5(lake.head, tmp_path / "out", name="net", dialect="collapsed")
    with h5py.File(tmp_path / "out/connections.h5") as file:
        edges = file["Projections/PYR/STIM/Edges"]
        blocks, pointers = edges["Destination Block Pointer"][()], edges["Destination Pointer"][()]
        assert edges["Destination Block Index"][()].tolist() == [0, 3] and blocks.tolist() == [0, 1, 4]
        assert blocks[-1] == len(pointers) == 4
        valid = file["H5Types/Valid population projections"].id.get_type()
        assert valid.committed() and file["H5Types/Population projections"].id.equal(valid)


def test_trees_share_their_indexes(lake: Any, tmp_path: Path) -> None:
    export_neuroh5(lake.head, tmp_path / "out", name="net", dialect="collapsed")
    with h5py.File(tmp_path / "out/cells.h5") as file:
        trees = file["Populations/PYR/Trees"]
        same = [trees[f"{name}/Cell Index"] for name in trees if isinstance(trees[name], h5py.Group)]
        assert len(same) == 10 and all(one == trees["Cell Index"] for one in same)
        assert trees["Radius/Attribute Pointer"] == trees["X Coordinate/Attribute Pointer"]
        assert (
            trees["Section/Section Pointer"]
            == trees["Section/Attribute Pointer"]
            != trees["Radius/Attribute Pointer"]
        )
        assert trees["Section/Attribute Value"].dtype == np.uint16


# Circuits of other sources


@pytest.fixture
def sonata(tmp_path: Path) -> Any:
    """A lake with a SONATA circuit of two populations."""
    folder = tmp_path / "sonata"
    folder.mkdir()
    write_nodes(folder / "nodes.h5", 3, x=np.array([1.5, 2.5, 3.5]), mtype=[b"a", b"b", b"c"])
    write_nodes(folder / "nodes.h5", 2, population="input", rate=np.array([5.0, 6.0], "f4"))
    write_edges(
        folder / "edges.h5",
        [1, 0, 1],
        [2, 0, 2],
        population="input__cells",
        nodes=None,
        delay=np.array([0.5, 1.0, 1.5]),
        afferent_section_id=np.array([0, 7, 3], "u4"),
    )
    write_spikes(folder / "spikes.h5", [2, 0, 2], [1.0, 2.0, 3.0])
    config = {
        "networks": {"nodes": [{"nodes_file": "nodes.h5"}], "edges": [{"edges_file": "edges.h5"}]},
        "run": {"tstop": 5.0, "dt": 0.1},
        "output": {"output_dir": ".", "spikes_file": "spikes.h5"},
    }
    (folder / "simulation_config.json").write_text(json.dumps(config))
    lake = nl.create(tmp_path / "sonata_lake", durable=False)
    ingest_sonata(lake, folder, name="ring")
    return lake


def test_a_sonata_circuit_becomes_neuroh5(sonata: Any, tmp_path: Path) -> None:
    found = collapsed(sonata, tmp_path / "out", "ring")
    cells = {key: values for file in found.values() for key, values in file["cells"].items()}
    assert found["cells.h5"]["gids"] == {"cells": 0, "input": 3}
    assert cells["cells", "Coordinates", "X Coordinate"] == {0: [1.5], 1: [2.5], 2: [3.5]}
    assert cells["input", "Attributes", "rate"] == {0: [5.0], 1: [6.0]}
    assert cells["cells", "Spike Events", "t"] == {0: [2.0], 1: [], 2: [1.0, 3.0]}
    edges = found["connections.h5"]["edges"]["input", "cells"]
    assert [(edge["source"], edge["target"]) for edge in edges] == [(0, 0), (1, 2), (1, 2)]
    assert [edge["Attributes/delay"] for edge in edges] == [1.0, 0.5, 1.5]
    assert [edge["Location/Destination section"] for edge in edges] == [7, 0, 3]
    assert found["connections.h5"]["valid"] == {("input", "cells")}
    ingest_neuroh5(sonata, tmp_path / "out", name="back")
    back = sonata.head.tables["edges/back/input__cells"].to_arrow().to_pydict()
    assert back["Attributes.delay"] == [1.0, 0.5, 1.5] and back["afferent_section_id"] == [7, 0, 3]
    assert sonata.head.tables["nodes/back/cells"].to_arrow(["x"])["x"].to_pylist() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize("sorted_by", [["target_node_id"], []])
def test_edges_of_several_files(tmp_path: Path, sorted_by: list[str]) -> None:
    """Tables that lie in several files come out whole, whether they say that they are sorted or are not."""
    lake = nl.create(tmp_path / "lake", durable=False)
    targets = [[0, 0, 1], [1, 1, 4], [4, 5, 5]]
    told = {"source_population": "cells", "target_population": "cells"}
    with lake.transaction("edges") as transaction:
        transaction.write_table("nodes/a/cells", pa.table({"node_id": range(6)}))
        for at, part in enumerate(targets):
            rows = {
                "edge_id": range(3 * at, 3 * at + 3),
                "source_node_id": [at, 1, 2],
                "target_node_id": part,
            }
            rows["weight"] = pa.array([at, None, 0.5], pa.float32())
            transaction.append_table(
                "edges/a/cells__cells", pa.table(rows), sorted_by=sorted_by, attributes=told
            )
    assert len(lake.head.tables["edges/a/cells__cells"].files) == 3
    (edges,) = collapsed(lake, tmp_path / "out", "a")["connections.h5"]["edges"].values()
    assert [edge["target"] for edge in edges] == [cell for part in targets for cell in part]
    assert [edge["source"] for edge in edges] == [0, 1, 2, 1, 1, 2, 2, 1, 2]
    assert np.array_equal(
        [edge["Attributes/weight"] for edge in edges], [0, np.nan, 0.5, 1, np.nan, 0.5, 2, np.nan, 0.5], True
    )


def test_what_neuroh5_cannot_say(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)

    def refused(match: str) -> None:
        with pytest.raises(InputError, match=match):
            export_neuroh5(lake.head, tmp_path / "out", name="a")
        assert not (tmp_path / "out").exists()

    with pytest.raises(NotFoundError, match="there is no circuit"):
        export_neuroh5(lake.head, tmp_path / "out", name="a")
    nodes = pa.table({"node_id": [0, 1], "level": pa.array([2**40, 1], pa.int64())})
    with lake.transaction("nodes") as transaction:
        transaction.write_table("nodes/a/cells", nodes)
    refused(
        "/Populations/cells/Attributes/level.* is 1099511627776, and NeuroH5 has -2147483648 to 2147483647"
    )
    with lake.transaction("edges") as transaction:
        transaction.write_table("nodes/a/cells", nodes.select(["node_id"]))
        edges = pa.table({"edge_id": [0], "source_node_id": [0], "target_node_id": [1]})
        transaction.write_table("edges/a/odd", edges)
    refused("edges/a/odd does not tell which populations")
    with lake.transaction("spikes") as transaction:
        transaction.delete("edges/a/odd")
        transaction.write_table("spikes/a/cells", pa.table({"node_id": [0], "time": [1.0], "trial": [256]}))
    refused("Trial Index.* is 256, and NeuroH5 has 0 to 255")
    with lake.transaction("gaps") as transaction:
        transaction.delete("spikes/a/cells")
        edges = pa.table(
            {"edge_id": [0], "source_node_id": [0], "target_node_id": [1], "n": pa.nulls(1, pa.int32())}
        )
        transaction.write_table("edges/a/cells__cells", edges)
    refused("edges/a/cells__cells: some rows have no n, which NeuroH5 cannot say")
    with pytest.raises(InputError, match="dialect is one of"):
        export_neuroh5(lake.head, tmp_path / "out", name="a", dialect="other")


def test_trees_are_of_16_bits(tmp_path: Path) -> None:
    """A tree of 70,000 points has points that NeuroH5 cannot number."""
    size = 70_000
    long = tree()
    long |= {axis: np.arange(size, dtype="f4") for axis in "xyz"} | {"radius": np.ones(size, "f4")}
    long |= {"layer": np.zeros(size, "i1"), "type": np.ones(size, "i1"), "parent": np.arange(size) - 1}
    long |= {"sections": [[*range(2)], [0, *range(1, 65_535)]], "links": [(0, 1)]}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write_types(file)
        long |= {key: value[:65_535] for key, value in long.items() if key not in ("sections", "links")}
        write_trees(file, "PYR", [0], [long])
    lake = nl.create(tmp_path / "lake", durable=False)
    ingest_neuroh5(lake, tmp_path / "a.h5", name="a")
    points, sections = (
        lake.head.tables[f"morphologies/a.{part}"].to_arrow() for part in ("points", "sections")
    )
    more = pa.concat_tables([points, points.slice(0, 10)])
    ids = pa.array(np.arange(len(more)))
    more = more.set_column(1, points.schema.field("point_id"), ids)
    lists = [*sections["points"].to_pylist()]
    lists[1] += [*range(65_535, len(more))]
    with lake.transaction("longer") as transaction:
        transaction.write_table("morphologies/a.points", more)
        column = pa.array(lists, pa.list_(pa.int32()))
        at = sections.schema.get_field_index("points")
        transaction.write_table("morphologies/a.sections", sections.set_column(at, "points", column))
    with pytest.raises(
        InputError, match=r"/Populations/PYR/Trees/Section.* is 65545, and NeuroH5 has 0 to 65535"
    ):
        export_neuroh5(lake.head, tmp_path / "out", name="a", dialect="collapsed")


def test_a_built_network_becomes_neuroh5_and_comes_back(tmp_path: Path) -> None:
    """Cells, trees, synapses, edges and inputs are those that were built, number for number."""
    lake = nl.create(tmp_path / "lake", durable=False)
    nl.build.network(lake, write_demo_network(tmp_path / "files").parent / "network.yaml", "built")
    export_neuroh5(lake.head, tmp_path / "out", name="built")
    ingest_neuroh5(lake, tmp_path / "out", name="back")
    compared = 0
    for name in lake.head.tables:
        if "/built" in name and name.startswith(
            ("nodes", "synapses", "edges", "inputs", "morphologies", "circuits/")
        ):
            one = lake.head.tables[name].to_arrow()
            other = lake.head.tables[name.replace("/built", "/back", 1)].to_arrow()
            # Text, such as templates, is more than NeuroH5 can say; numbers of layers are features there.
            columns = [column for column in one.column_names if column in other.column_names]
            assert set(one.column_names) - set(columns) <= {"layer", "model_template"}, name
            for column in columns:
                assert one[column].to_pylist() == other[column].to_pylist(), (name, column)
                compared += 1
    assert compared > 100


# Other verbs


def test_a_network_opens_in_libsonata(lake: Any, tmp_path: Path) -> None:
    libsonata = pytest.importorskip("libsonata")
    export_sonata(lake.head, tmp_path / "sonata", runs=["net"], dialect="libsonata")
    config = libsonata.CircuitConfig.from_file(tmp_path / "sonata/circuit_config.json")
    assert config.node_populations == {"STIM", "PYR", "INT"}
    nodes = config.node_population("PYR")
    assert nodes.size == 5 and {"x", "y", "z", "gid", "morphology"} <= nodes.attribute_names
    edges = config.edge_population("STIM__PYR")
    read = read_network(tmp_path / "files/connections.h5")["edges"]["STIM", "PYR"]
    assert (edges.source, edges.target, edges.size) == ("STIM", "PYR", len(read))
    everything = edges.select_all()
    assert edges.get_attribute("synapse_id", everything).tolist() == [
        edge["Synapses/syn_id"] for edge in read
    ]
    assert [edges.source_node(n) for n in range(6)] == [edge["source"] for edge in read]
    afferent = edges.afferent_edges([3])
    assert sorted(edges.source_nodes(afferent).tolist()) == [0, 1]
    spikes = libsonata.SpikeReader(tmp_path / "sonata/spikes.h5")["INT"].get_dict()
    assert len(spikes["timestamps"]) == 10
    # libsonata refuses times below 0; the recording begins at -2 ms.
    report = libsonata.ElementReportReader(tmp_path / "sonata/reports/Intracellular soma v.h5")["INT"]
    assert report.times == pytest.approx((0.0, 3.0, 0.1))
    whole = nl.circuit(lake, "net").reports["Intracellular soma v/INT"].get().data
    assert np.array_equal(report.get().data, whole[20:])
    simulation = libsonata.SimulationConfig.from_file(tmp_path / "sonata/simulation_config.json")
    assert simulation.report("Intracellular soma v").start_time == 0.0


def test_questions(lake: Any) -> None:
    circuit = nl.circuit(lake, "net")
    assert circuit.counts["nodes"] == {"INT": 3, "PYR": 5, "STIM": 4}
    assert circuit.counts["edges"]["STIM__PYR"] == 6 and [*circuit.inputs] == ["Input Spikes A Diag/STIM"]
    depth = lake.head.tables["nodes/net/PYR"].to_arrow(["z"])["z"].to_numpy()
    assert circuit.node_ids({"z": {"$gt": 0.0}}, "PYR").tolist() == np.flatnonzero(depth > 0).tolist()
    assert circuit.node_ids({"population": "INT", "node_id": [0, 2]}, "INT").tolist() == [0, 2]
    with pytest.raises(InputError, match=r"the rule that was given.*, layer: nodes of PYR have node_id, gid"):
        circuit.node_ids({"layer": 2}, "PYR")
    per_layer = lake.sql(
        'select layer, count(*) from "synapses/net/PYR" group by layer order by layer'
    ).fetchall()
    assert sum(count for _, count in per_layer) == 15
    joined = lake.sql(
        'select count(*) from "edges/net/STIM__PYR" e join "synapses/net/PYR" s '
        "on s.node_id = e.target_node_id and s.synapse_id = e.synapse_id"
    ).fetchall()
    assert joined == [(4,)]


def test_times_that_sonata_cannot_say(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "r.h5", "w") as file:
        write_types(file)
        for name in "tv":
            path = f"Populations/INT/Intracellular soma/{name}"
            write_attribute(file, path, [0, 1], [[0.0, 0.1, 0.5]] * 2, "<f4")
    lake = nl.create(tmp_path / "lake", durable=False)
    ingest_neuroh5(lake, tmp_path / "r.h5", name="net")
    with pytest.raises(InputError, match="not equally far apart, which SONATA cannot say"):
        export_sonata(lake.head, tmp_path / "out", runs=["net"], dialect="libsonata")


def test_segments_from_trees(lake: Any) -> None:
    """Segments of a cell's tree lie where its node is; a section's number is that of the tree."""
    from neurolake.ingest.lfp.segments import place_segments

    made = place_segments(lake, "nodes/net/PYR", segment_length=1e6)
    assert made.nodes == ["segments/PYR"]
    found = lake.head.tables["segments/PYR"].to_arrow().to_pylist()
    assert [row["node_id"] for row in found] == [cell for cell in range(5) for _ in range(3)]
    nodes = lake.head.tables["nodes/net/PYR"].to_arrow().to_pylist()
    one, node = tree(1), nodes[4]
    points = np.stack([one[axis] for axis in "xyz"], axis=1).astype(float)
    moved = points - points[:2].mean(axis=0) + [node[axis] for axis in "xyz"]
    soma, basal, apical = found[12:]
    assert [row["label"] for row in (soma, basal, apical)] == ["Soma", "Dendrite", "ApicalDendrite"]
    for row, section in ((basal, 1), (apical, 2)):
        own = moved[one["sections"][section]]
        assert [row[f"start_{axis}"] for axis in "xyz"] == pytest.approx(own[0])
        assert [row[f"end_{axis}"] for axis in "xyz"] == pytest.approx(own[-1])
        assert row["length"] == pytest.approx(np.linalg.norm(np.diff(own, axis=0), axis=1).sum())
    # Cells without a tree have no segments; coefficients take them as they take any.
    place_segments(lake, "nodes/net/INT")
    assert set(lake.head.tables["segments/INT"].to_arrow(["node_id"])["node_id"].to_pylist()) == {0, 2}
    coefficients = lake.head.lfp.coefficients("segments/PYR", [[0.0, 0.0, 500.0]], "line")
    assert np.asarray(coefficients).shape == (1, 15) and np.isfinite(np.asarray(coefficients)).all()


def test_segments_need_trees(lake: Any, sonata: Any) -> None:
    from neurolake.ingest.lfp.segments import place_segments

    with sonata.transaction("shapes") as transaction:
        nodes = pa.table({"node_id": [0], "morphology": ["a"]})
        transaction.write_table("nodes/ring/shaped", nodes)
    with pytest.raises(InputError, match=r"no 'morphologies/ring.points': give the folder"):
        place_segments(sonata, "nodes/ring/shaped")
    with lake.transaction("shapes") as transaction:
        transaction.write_table("nodes/net/OTHER", nodes)
    with pytest.raises(
        InputError, match=r"node 0 has morphology 'a', which is not in 'morphologies/net.points'"
    ):
        place_segments(lake, "nodes/net/OTHER")
