"""A circuit of glia answers what was written: domains, endfeet, vessels, trees, gap junctions, and who is connected to whom."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from small_glia import CELLS, SCALE, SIDE, SmallGlia, centres, write_small_glia
from typer.testing import CliRunner

import neurolake as nl
from neurolake.cli import app

WIDE, THIN = SIDE * SCALE, SIDE * (SCALE - 1)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, SmallGlia]:
    lake = nl.create(tmp_path_factory.mktemp("glia") / "lake", durable=False)
    made = write_small_glia(lake, "g")
    return nl.circuit(lake, "g"), made


def pairs(frame: pd.DataFrame) -> list[tuple[int, ...]]:
    return [tuple(row) for row in frame.to_numpy(dtype=np.int64).tolist()]


class TestDomains:
    def test_a_domain_is_a_cube(self, written: tuple[Any, SmallGlia]) -> None:
        domains = written[0].astrocytes.domains
        assert len(domains) == CELLS and list(domains) == list(range(CELLS))
        one = domains[13]
        assert one.volume == pytest.approx(WIDE**3) and one.area == pytest.approx(6 * WIDE**2)
        np.testing.assert_allclose(one.centroid, [30, 30, 30], atol=1e-5)
        np.testing.assert_allclose(one.bounding_box, [[19] * 3, [41] * 3], atol=1e-5)
        assert one.neighbour_ids.tolist() == [4, 10, 12, 14, 16, 22] and not one.is_boundary
        assert domains[0].is_boundary and domains[0].scale == SCALE
        np.testing.assert_allclose(np.abs(one.face_normals).max(axis=1), 1)
        assert ((one.points[one.triangles[:, 0]] - one.centroid) * one.face_normals).sum(axis=1).min() > 0
        np.testing.assert_allclose(one.face_areas.sum(), 6 * WIDE**2, rtol=1e-6)
        middle, radius = one.inscribed_sphere
        assert radius == pytest.approx(WIDE / 2) and np.allclose(middle, 30)
        assert one.contains([[30, 30, 30], [40.9, 19.1, 30], [41.1, 30, 30]]).tolist() == [True, True, False]
        with pytest.raises(nl.NotFoundError, match="no domain of astrocyte 27; there are 0 to 26"):
            domains[27]

    def test_domains_overlap_as_cubes_do(self, written: tuple[Any, SmallGlia]) -> None:
        domains = written[0].astrocytes.domains
        found = domains.overlap()
        assert len(found) == 3 * 2 * 9, "faces between 27 cubes"
        np.testing.assert_allclose(found["volume"], WIDE**2 * THIN, rtol=1e-5)
        np.testing.assert_allclose(found["share"], THIN / WIDE, rtol=1e-5)
        assert pairs(domains.neighbours([0])[["node_id", "neighbour"]]) == [(0, 1), (0, 3), (0, 9)]
        assert len(domains.neighbours([0], walls=True)) == 6
        assert domains.sizes([2, 1])["node_id"].tolist() == [1, 2]

    def test_vessels_run_through_domains(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        found = circuit.astrocytes.domains.vessels()
        # By many points along each segment.
        t = (np.arange(4000) + 0.5) / 4000
        for cell in (0, 4, 13, 26):
            places = made.segments[:, :1] + t[:, None] * (made.segments[:, 1:] - made.segments[:, :1])
            inside = (np.abs(places - centres()[cell]) <= WIDE / 2).all(axis=2).mean(axis=1)
            length = inside * np.linalg.norm(made.segments[:, 1] - made.segments[:, 0], axis=1)
            mine = found[found["node_id"] == cell].set_index("vessel_id")["length"]
            np.testing.assert_allclose(mine.reindex(range(16)).fillna(0), length, atol=0.02)
        whole = circuit.vasculature.segments().set_index("node_id")
        first = found[(found["node_id"] == 0) & (found["vessel_id"] == 0)]
        assert first["area"].tolist() == pytest.approx([whole.loc[0, "area"]])
        assert set(circuit.astrocytes.domains.vessels([13])["node_id"]) == {13}

    def test_any_segments_are_cut(self, written: tuple[Any, SmallGlia]) -> None:
        found = written[0].astrocytes.domains.segments(
            [[-20, 10, 10], [100, 0, 0]], [[20, 10, 10], [101, 0, 0]]
        )
        mine = {(int(row.node_id), int(row.segment)): row.length for row in found.itertuples()}
        assert mine == {(0, 0): pytest.approx(21), (9, 0): pytest.approx(1)}
        with pytest.raises(nl.InputError, match="1 starts and 2 ends"):
            written[0].astrocytes.domains.segments([[0, 0, 0]], [[0, 0, 0], [1, 1, 1]])

    def test_meshes_are_written_as_stl(self, written: tuple[Any, SmallGlia], tmp_path: Path) -> None:
        mesh = written[0].astrocytes.domains.mesh([3, 1])
        assert len(mesh.triangles) == 24 and mesh.volume == pytest.approx(2 * WIDE**3)
        data = mesh.save(tmp_path / "two.stl").read_bytes()
        assert len(data) == 84 + 24 * 50 and int.from_bytes(data[80:84], "little") == 24
        records = np.frombuffer(
            data, np.dtype([("n", "<f4", 3), ("c", "<f4", (3, 3)), ("a", "<u2")]), offset=84
        )
        np.testing.assert_array_equal(records["c"], mesh.points[mesh.triangles].astype("f4"))
        np.testing.assert_allclose(np.linalg.norm(records["n"], axis=1), 1, rtol=1e-6)
        with pytest.raises(nl.InputError, match="is there already"):
            mesh.save(tmp_path / "two.stl")
        with pytest.raises(nl.InputError, match=r"end the name so"):
            mesh.save(tmp_path / "two.obj")
        with pytest.raises(nl.NotFoundError, match="no domain of astrocyte 99"):
            written[0].astrocytes.domains.mesh([0, 99])


class TestConnections:
    def test_synapses_join_neurons_and_astrocytes(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        expected = pd.DataFrame(made.neuroglial, columns=["astrocyte_id", "neuron_id", "synapse_id"])
        counts = expected.groupby(["astrocyte_id", "neuron_id"]).size().reset_index(name="synapses")
        assert pairs(circuit.astrocytes.neurons()) == pairs(counts)
        other = counts.sort_values(["neuron_id", "astrocyte_id"])[["neuron_id", "astrocyte_id", "synapses"]]
        assert pairs(circuit.neurons.astrocytes()) == pairs(other)
        some = counts[counts["astrocyte_id"].isin([3, 7])]
        assert pairs(circuit.astrocytes.neurons([7, 3])) == pairs(some)
        assert len(circuit.astrocytes.neurons([])) == 0
        rows = circuit.astrocytes.synapses([5])
        assert sorted(rows["synapse_id"]) == sorted(expected.loc[expected["astrocyte_id"] == 5, "synapse_id"])
        assert rows["pre_id"].tolist() == made.pre[rows["synapse_id"].to_numpy(int)].tolist()
        assert len(circuit.neurons.synapses([2])) == (expected["neuron_id"] == 2).sum()

    def test_endfeet_join_astrocytes_and_vessels(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        assert [each[:2] for each in pairs(circuit.astrocytes.vessels())] == sorted(
            map(tuple, made.endfeet.tolist())
        )
        cell, row = made.endfeet[4]
        assert (row, cell, 1) in pairs(circuit.vasculature.astrocytes([row]))
        assert circuit.vasculature.endfeet([row])["endfoot_id"].tolist() == [
            k for k, (_, other) in enumerate(made.endfeet.tolist()) if other == row
        ]
        assert len(circuit.astrocytes.endfeet([cell])) == (made.endfeet[:, 0] == cell).sum()

    def test_neurons_reach_vessels_over_astrocytes(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        expected: dict[tuple[int, int], int] = {}
        for (cell, neuron, _), (other, vessel) in product(
            made.neuroglial.tolist(), set(map(tuple, made.endfeet.tolist()))
        ):
            if cell == other:
                expected[neuron, vessel] = expected.get((neuron, vessel), 0) + 1
        assert pairs(circuit.neurons.vessels()) == [(*key, expected[key]) for key in sorted(expected)]
        back = {(vessel, neuron): n for (neuron, vessel), n in expected.items()}
        assert pairs(circuit.vasculature.neurons()) == [(*key, back[key]) for key in sorted(back)]

    def test_counts_are_of_all_astrocytes(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        counts = circuit.astrocytes.counts()
        assert counts["endfeet"].tolist() == np.bincount(made.endfeet[:, 0], minlength=CELLS).tolist()
        assert counts["synapses"].tolist() == np.bincount(made.neuroglial[:, 0], minlength=CELLS).tolist()
        touched = [sum(k in pair for pair in made.junctions.tolist()) for k in range(CELLS)]
        assert counts["gap_junctions"].tolist() == touched
        assert circuit.astrocytes.syncytium.degrees()["gap_junctions"].tolist() == touched


class TestSyncytium:
    def test_hops_are_the_fewest(self, written: tuple[Any, SmallGlia]) -> None:
        net = written[0].astrocytes.syncytium
        assert pairs(net.hops(4)) == [(4, 0, -1), (3, 1, 4), (2, 2, 3), (1, 3, 2), (0, 4, 1)]
        assert pairs(net.hops([4, 0], most=1)) == [(0, 0, -1), (4, 0, -1), (1, 1, 0), (3, 1, 4)]
        assert net.path(4, [0, 1, 20]).tolist() == [4, 3, 2, 1] and net.path(4, [10]).tolist() == []
        labels = net.components()["component"]
        assert labels[:5].tolist() == [0] * 5 and labels[10:13].tolist() == [10] * 3 and labels[20] == 20
        with pytest.raises(nl.InputError, match="no astrocyte 27; there are 0 to 26"):
            net.hops([27])
        with pytest.raises(nl.InputError, match="whole numbers"):
            net.hops([0.5])

    def test_hops_are_those_of_a_plain_search(self, tmp_path: Path) -> None:
        chance = np.random.default_rng(0)
        ends = chance.integers(0, 200, (230, 2))
        lake = nl.create(tmp_path / "lake", durable=False)
        with lake.transaction("Write") as tx:
            tx.write_table("nodes/g/astrocytes", pa.table({"node_id": range(200)}))
            columns = {"edge_id": range(230), "source_node_id": ends[:, 0], "target_node_id": ends[:, 1]}
            tx.write_table("edges/g/glialglial", pa.table(columns))
        net = nl.circuit(lake, "g").astrocytes.syncytium
        far, front = {7: 0}, [7]
        while front:
            at = front.pop(0)
            for a, b in [*ends.tolist(), *ends[:, ::-1].tolist()]:
                if a == at and b not in far:
                    far[b] = far[at] + 1
                    front.append(b)
        found = net.hops(7)
        assert dict(zip(found["node_id"], found["hops"], strict=True)) == far
        labels = net.components().set_index("node_id")["component"]
        assert set(labels.index[labels == labels[7]]) == set(far)

    def test_a_neuron_reaches_a_vessel_by_the_shortest_way(
        self, written: tuple[Any, SmallGlia], tmp_path: Path
    ) -> None:
        circuit, made = written
        way = circuit.neurons.path_to_vessel(0)
        assert way["part"].tolist() == ["neurons", "astrocytes", "vasculature"]
        cell, vessel = way["node_id"].tolist()[1:]
        assert [cell, vessel] in made.endfeet.tolist() and [cell, 0] in made.neuroglial[:, :2].tolist()
        with pytest.raises(nl.NotFoundError, match="no neuron 5; there are 0 to 4"):
            circuit.neurons.path_to_vessel(5)
        # Where only the end of a chain has an endfoot.
        lake = nl.create(tmp_path / "lake", durable=False)
        with lake.transaction("Write") as tx:
            tx.write_table("nodes/g/astrocytes", pa.table({"node_id": range(4)}))
            for kind, one, other, more in (
                ("neuroglial", [0], [9], {"synapse_id": [3]}),
                ("glialglial", [0, 2], [1, 1], {}),
                ("gliovascular", [77], [2], {"endfoot_id": [0]}),
            ):
                columns = {"edge_id": range(len(one)), "source_node_id": one, "target_node_id": other}
                tx.write_table(f"edges/g/{kind}", pa.table(columns | more))
        chain = nl.circuit(lake, "g").neurons.path_to_vessel(9)
        assert chain["node_id"].tolist() == [9, 0, 1, 2, 77]
        assert chain["edge_id"].tolist()[1:] == [0, 0, 1, 0]
        assert len(nl.circuit(lake, "g").neurons.path_to_vessel(8)) == 0


class TestVessels:
    def test_sections_and_graph(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        vessels = circuit.vasculature
        assert len(vessels) == 16
        sections = vessels.sections()
        assert sections["segments"].tolist() == [3, 3, 4, 3, 3]
        np.testing.assert_allclose(sections["length"], [30, 30, 40 * np.sqrt(2), 30, 30], rtol=1e-6)
        assert vessels.sections([2])["type"].tolist() == [6]
        graph = vessels.graph()
        np.testing.assert_allclose(graph.points[graph.edges], made.segments, atol=1e-5)
        np.testing.assert_allclose(graph.diameters[graph.edges], made.diameters, rtol=1e-6)
        assert np.bincount(graph.degrees).tolist() == [0, 4, 11, 2]
        near = vessels.near([[11, 11, 4], [51, 52, 56]])
        assert near["vessel_id"].tolist() == [0, 15] and near["distance"][0] == pytest.approx(1)

    def test_the_surface_is_a_mesh(self, written: tuple[Any, SmallGlia]) -> None:
        surface = written[0].vasculature.surface()
        assert surface.area == pytest.approx(24) and surface.volume == pytest.approx(8)
        np.testing.assert_array_equal(surface.bounding_box, [[-1] * 3, [1] * 3])

    def test_coverage_divides_areas(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        everything = circuit.vasculature.coverage(None).iloc[0]
        whole = circuit.vasculature.segments()["area"].sum()
        assert everything["coverage"] == pytest.approx(made.areas.sum() / whole) and everything[
            "endfeet"
        ] == len(made.areas)
        by_type = circuit.vasculature.coverage().set_index("type")
        of = np.array([2, 2, 6, 1, 1])[made.section[made.endfeet[:, 1]]]
        for kind in (1, 2, 6):
            assert by_type.loc[kind, "covered"] == pytest.approx(made.areas[of == kind].sum())
            assert by_type.loc[kind, "per_100_um"] == pytest.approx(
                100 * (of == kind).sum() / by_type.loc[kind, "length"]
            )
        assert circuit.vasculature.coverage("diameter", 1.0)["diameter"].tolist() == [3, 4, 5, 6, 7]
        with pytest.raises(
            nl.InputError, match="grouped by type, section, segment, diameter or None, not 'colour'"
        ):
            circuit.vasculature.coverage("colour")

    def test_endfeet_have_surfaces(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        assert circuit.endfeet[2].area == pytest.approx(made.areas[2], rel=1e-5)
        assert len(circuit.endfeet[len(made.areas) - 1].triangles) == 0, "it did not grow"
        assert circuit.endfeet.mesh().area == pytest.approx(made.areas.sum(), rel=1e-5)
        assert len(circuit.endfeet.targets([1, 2])) == 2
        assert circuit.endfeet.rows([3])["vessel_id"].tolist() == [made.endfeet[3, 1]]


class TestTrees:
    def test_sections_have_their_sizes(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        rows = circuit.astrocytes.sections([0])
        assert rows["type"].tolist() == [1, 3, 2, 2]
        ends = made.segments[made.endfeet[made.endfeet[:, 0] == 0, 1]].mean(axis=1) - made.somata[0]
        np.testing.assert_allclose(rows["length"], [0, 5, *np.linalg.norm(ends, axis=1)])
        np.testing.assert_allclose(rows["path_end"], rows["length"])
        np.testing.assert_allclose(rows["volume"], np.pi / 4 * rows["length"])
        assert len(circuit.astrocytes.sections()) == CELLS * 2 + len(made.endfeet)

    def test_paths_add_up_along_branches(self, tmp_path: Path) -> None:
        lake = nl.create(tmp_path / "lake", durable=False)
        places = [[0, 0, 0], [0, 0, 0], [3, 0, 0], [3, 0, 0], [3, 4, 0], [3, 4, 0], [3, 4, 9]]
        with lake.transaction("Write") as tx:
            tx.write_table(
                "nodes/g/astrocytes",
                pa.table({"node_id": [0], "x": [1.0], "y": [2.0], "z": [3.0], "morphology": ["a"]}),
            )
            tx.write_table(
                "morphologies/g.sections",
                pa.table(
                    {
                        "morphology": ["a"] * 4,
                        "section_id": range(4),
                        "parent_id": pa.array([None, 0, 1, 2], pa.int64()),
                        "type": pa.array([1, 2, 2, 2], pa.int8()),
                        "points": [[0], [1, 2], [3, 4], [5, 6]],
                    }
                ),
            )
            xyz = np.array(places, float)
            tx.write_table(
                "morphologies/g.points",
                pa.table(
                    {"morphology": ["a"] * 7, "point_id": range(7), "diameter": [2.0] * 7}
                    | {axis: xyz[:, k] for k, axis in enumerate("xyz")}
                ),
            )
        cells = nl.circuit(lake, "g").astrocytes
        assert cells.sections()["path_end"].tolist() == [0, 3, 7, 16]
        assert cells.sections()["path_begin"].tolist() == [0, 0, 3, 7]
        own, there = cells.morphology(0, frame="own"), cells.morphology(0)
        assert own[["x0", "y1", "z1"]].to_numpy().tolist() == [[0, 0, 0], [3, 4, 0], [3, 4, 9]]
        np.testing.assert_allclose(there[["x0", "y0", "z0"]], own[["x0", "y0", "z0"]] + [1, 2, 3])
        with pytest.raises(nl.InputError, match="frame is 'circuit' or 'own', not 'world'"):
            cells.morphology(0, frame="world")  # type: ignore[arg-type]
        with pytest.raises(nl.NotFoundError, match="no astrocyte 1 with a tree"):
            cells.morphology(1)

    def test_perivascular_paths_end_at_endfeet(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        found = circuit.endfeet.path_lengths()
        places = made.segments[made.endfeet[:, 1]].mean(axis=1)
        np.testing.assert_allclose(found["path_length"], found["distance"], rtol=1e-6)
        np.testing.assert_allclose(
            found["distance"], np.linalg.norm(places - made.somata[made.endfeet[:, 0]], axis=1)
        )


class TestSpace:
    def test_places_of_somata(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        cells = circuit.astrocytes
        np.testing.assert_array_equal(cells.positions(), made.somata)
        np.testing.assert_array_equal(cells.positions([4, 2]), made.somata[[2, 4]])
        pattern = cells.pattern()
        assert pattern.window.volume == pytest.approx(62**3), "of the domains"
        assert pattern.density == pytest.approx(27 / 62**3 * 1e9)
        apart = np.linalg.norm(made.somata[:, None] - made.somata, axis=2) + 1e9 * np.eye(CELLS)
        nearest = pattern.nearest()
        np.testing.assert_allclose(nearest["distance"], apart.min(axis=1))
        assert nearest["neighbour"].tolist() == apart.argmin(axis=1).tolist()
        # Places in a lattice keep a distance: fewer near pairs than random places have.
        rows = pattern.ripley([8, 30])
        assert rows["k"][0] == 0 < rows["random"][0] and rows["l"][1] == pytest.approx(30, rel=0.15)
        assert pattern.pair_correlation([0, 8, 30])["g"][0] == 0
        assert pattern.profile(20)["cells"].sum() == 27 and len(pattern.profile(20)) == 4
        assert pattern.profile([0, 20, 40, 60], "x")["cells"].tolist() == [9, 9, 9]
        assert pattern.profile([-1, 30, 61], "x")["volume"].tolist() == pytest.approx([62**3 / 2] * 2)
        mask = cells.pattern("brain_regions")
        assert mask.window.volume == 60**3 and mask.outside == 0
        with pytest.raises(nl.NotFoundError, match="has no volume 'nothing'; it has: brain_regions"):
            cells.pattern("nothing")
        with pytest.raises(nl.InputError, match="axis is 'x', 'y' or 'z', not 'w'"):
            pattern.profile(axis="w")
        with pytest.raises(nl.InputError, match="expected 'translation', 'border' or 'none'"):
            pattern.ripley([1], correction="ring")  # type: ignore[arg-type]

    def test_regions_share_what_there_is(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        found = circuit.atlas.amounts()
        assert set(found["entity"]) == {"astrocytes", "vasculature"}
        vessels = found[found["entity"] == "vasculature"].set_index("acronym")["length"]
        middle = made.segments.mean(axis=1)
        length = np.linalg.norm(made.segments[:, 1] - made.segments[:, 0], axis=1)
        for k, name in enumerate(("L1", "L2", "L3")):
            assert vessels[name] == pytest.approx(length[(middle[:, 1] // 20) == k].sum(), rel=1e-6)
        total = circuit.astrocytes.sections()["length"].sum()
        assert found.loc[found["entity"] == "astrocytes", "length"].sum() == pytest.approx(total)
        row = found[found["entity"] == "vasculature"].iloc[0]
        assert row["length_density"] == pytest.approx(row["length"] / 72_000 * 1e6)
        counted = circuit.atlas.densities(made.somata)
        assert counted["points"].tolist() == [9, 9, 9] and counted["acronym"].tolist() == ["L1", "L2", "L3"]

    def test_a_box_has_what_is_in_it(self, written: tuple[Any, SmallGlia]) -> None:
        circuit, made = written
        found = circuit.atlas.within([0, 0, 0], [30, 30, 30]).set_index("entity")
        middle = made.segments.mean(axis=1)
        assert found.loc["vasculature", "count"] == (middle <= 30).all(axis=1).sum()
        assert found.loc["somata of astrocytes", "count"] == (made.somata <= 30).all(axis=1).sum()
        covered = np.unique(made.neuroglial[:, 2])
        assert found.loc["synapses in domains", "count"] == (made.synapses[covered] <= 30).all(axis=1).sum()
        with pytest.raises(nl.InputError, match="has no volume"):
            circuit.atlas.within([0, 0, 0], [1, 0, 1])


def test_a_circuit_says_what_it_lacks(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    with lake.transaction("Write") as tx:
        tx.write_table("nodes/g/astrocytes", pa.table({"node_id": [0], "x": [0.0], "y": [0.0], "z": [0.0]}))
        tx.write_table("nodes/n/cells", pa.table({"node_id": [0]}))
    circuit = nl.circuit(lake, "g")
    assert len(circuit.astrocytes) == 1 and circuit.astrocytes.counts().columns.tolist() == ["node_id"]
    with pytest.raises(
        nl.NotFoundError, match="the circuit 'g' has no gliovascular; of glia it has: astrocytes"
    ):
        circuit.astrocytes.endfeet()
    with pytest.raises(nl.NotFoundError, match="'n' has no astrocytes; of glia it has: none"):
        _ = nl.circuit(lake, "n").astrocytes
    with pytest.raises(nl.NotFoundError, match="has no glialglial"):
        circuit.astrocytes.syncytium.hops(0)
    with pytest.raises(nl.InputError, match="has no volume"):
        circuit.astrocytes.pattern()


def test_neurons_of_another_circuit_are_counted(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    ends = {"edge_id": [0, 1], "source_node_id": [0, 1], "target_node_id": [4, 4], "synapse_id": [7, 8]}
    told = {"source_population": "astrocytes", "target_population": "cells"}
    with lake.transaction("Write") as tx:
        tx.write_table("nodes/g/astrocytes", pa.table({"node_id": [0, 1]}))
        tx.write_table("edges/g/neuroglial", pa.table(ends), attributes=told)
    circuit = nl.circuit(lake, "g")
    assert circuit.projections["neuroglial"].degrees()["edges"].tolist() == [0, 0, 0, 0, 2]
    assert repr(circuit.neurons) == "<CoveredNeurons of 'g': not in the lake>"
    with lake.transaction("Write") as tx:
        tx.write_table("nodes/n/cells", pa.table({"node_id": range(10)}))
        tx.write_table("ngv/g.parts", pa.table({"part": ["neurons"], "node": ["nodes/n/cells"]}))
    circuit = nl.circuit(lake, "g")
    assert len(circuit.projections["neuroglial"].degrees()) == len(circuit.neurons) == 10
    assert circuit.connectivity()["in_degree"].tolist() == [0.2]
    assert CliRunner().invoke(app, ["circuit", "show", "g", "--lake", str(tmp_path / "lake")]).exit_code == 0
    assert [str(check) for check in circuit.check() if not check.passed] == []


def test_a_spike_does_not_run_through_glia(written: tuple[Any, SmallGlia]) -> None:
    """Endfeet and synapses in domains are edges, and no synapses between neurons."""
    circuit, _ = written
    assert {one.name for one in circuit.projections.values() if one.chemical} == {"All"}
    assert set(circuit.reached("All", 0, 3)["population"]) == {"All"}
