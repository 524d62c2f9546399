"""Views that join tables of circuits of glia: what they say is what was written, part by part."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from small_glia import SmallGlia, write_small_glia

import neurolake as nl
from neurolake.catalog.attaching import attach
from neurolake.catalog.joins import JOINS


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, SmallGlia]:
    lake = nl.create(tmp_path_factory.mktemp("joins") / "lake", durable=False)
    return lake, write_small_glia(lake, "g")


def test_vessels_are_cones(written: tuple[Any, SmallGlia]) -> None:
    lake, made = written
    rows = lake.sql('select * from "glia/g.vessels" order by node_id').df()
    length = np.linalg.norm(made.segments[:, 1] - made.segments[:, 0], axis=1)
    a, b = made.diameters.T / 2
    np.testing.assert_allclose(rows["length"], length, rtol=1e-6)
    np.testing.assert_allclose(rows["area"], np.pi * (a + b) * np.hypot(length, a - b), rtol=1e-6)
    np.testing.assert_allclose(rows["volume"], np.pi / 3 * length * (a * a + a * b + b * b), rtol=1e-6)
    np.testing.assert_allclose(rows[["x", "y", "z"]], made.segments.mean(axis=1))
    np.testing.assert_allclose(rows["diameter"], a + b, rtol=1e-6)


def test_endfeet_have_their_vessel_and_surface(written: tuple[Any, SmallGlia]) -> None:
    lake, made = written
    rows = lake.sql('select * from "glia/g.endfeet" order by endfoot_id').df()
    assert rows[["astrocyte_id", "vessel_id"]].to_numpy().tolist() == made.endfeet.tolist()
    np.testing.assert_array_equal(rows["surface_area"], made.areas)
    np.testing.assert_allclose(rows[["x", "y", "z"]], made.segments[made.endfeet[:, 1]].mean(axis=1))
    assert (
        rows["vessel_type"].tolist() == np.array([2, 2, 6, 1, 1])[made.section[made.endfeet[:, 1]]].tolist()
    )
    assert rows["endfoot_compartment_length"].isna().all(), "the circuit has none"


def test_synapses_have_both_neurons_and_the_astrocyte(written: tuple[Any, SmallGlia]) -> None:
    lake, made = written
    rows = lake.sql('select * from "glia/g.tripartite" order by edge_id').df()
    synapse = made.neuroglial[:, 2]
    assert rows[["astrocyte_id", "post_id", "synapse_id"]].to_numpy().tolist() == made.neuroglial.tolist()
    assert rows["pre_id"].tolist() == made.pre[synapse].tolist()
    np.testing.assert_array_equal(rows[["x", "y", "z"]], made.synapses[synapse])


def test_synapses_know_in_how_many_domains_they_are(written: tuple[Any, SmallGlia]) -> None:
    lake, made = written
    rows = lake.sql('select * from "glia/g.synapses" order by synapse_id').df()
    assert rows["domains"].tolist() == np.bincount(made.neuroglial[:, 2], minlength=300).tolist()
    assert rows["pre_id"].tolist() == made.pre.tolist() and rows["post_id"].tolist() == made.post.tolist()
    np.testing.assert_array_equal(rows[["x", "y", "z"]], made.synapses)


def test_junctions_have_two_sides(written: tuple[Any, SmallGlia]) -> None:
    lake, made = written
    rows = lake.sql(
        'select astrocyte_id, other_id, section_id, other_section_id from "glia/g.gap_junctions"'
    ).fetchall()
    expected = [(a, b, 1, 2) for a, b in made.junctions.tolist()]
    assert sorted(rows) == sorted([*expected, *((b, a, there, here) for a, b, here, there in expected)])


def test_neurons_may_be_of_another_circuit(tmp_path: Path) -> None:
    """Parts tell where synapses are; and a view needs only what it is of."""
    lake = nl.create(tmp_path / "lake", durable=False)
    with lake.transaction("Write") as tx:
        tx.write_table(
            "edges/n/cells__cells",
            pa.table({"edge_id": [0, 1], "source_node_id": [7, 8], "target_node_id": [1, 2]}),
        )
        tx.write_table(
            "edges/g/neuroglial",
            pa.table({"edge_id": [0], "source_node_id": [5], "target_node_id": [2], "synapse_id": [1]}),
        )
    assert lake.sql('select pre_id, post_id from "glia/g.tripartite"').fetchall() == [(None, 2)]
    with lake.transaction("Tell parts") as tx:
        tx.write_table("ngv/g.parts", pa.table({"part": ["synapses"], "node": ["edges/n/cells__cells"]}))
    assert lake.sql('select pre_id, post_id from "glia/g.tripartite"').fetchall() == [(8, 2)]
    with pytest.raises(nl.QueryError, match=r"glia/g\.endfeet"):
        lake.sql('select * from "glia/g.endfeet"')


def test_a_file_for_other_clients_has_them(written: tuple[Any, SmallGlia], tmp_path: Path) -> None:
    attach(written[0].head, tmp_path / "lake.duckdb")
    with duckdb.connect(str(tmp_path / "lake.duckdb"), read_only=True) as connection:
        for join in JOINS:
            theirs = connection.execute(f'select count(*) from "{join.of("g")}"').fetchall()
            assert theirs == written[0].sql(f'select count(*) from "{join.of("g")}"').fetchall() != [(0,)]
        (said,) = connection.execute(
            "select comment from duckdb_views() where view_name = 'glia/g.vessels'"
        ).fetchall()
    assert said[0].startswith("one segment of a vessel")


def test_views_are_listed_and_give_way_to_tables(written: tuple[Any, SmallGlia], tmp_path: Path) -> None:
    listed = written[0].sql("select view_name from duckdb_views() where view_name like 'glia/%'").fetchall()
    assert {name for (name,) in listed} == {join.of("g") for join in JOINS}
    lake = nl.create(tmp_path / "lake", durable=False)
    write_small_glia(lake, "g")
    with lake.transaction("Take the name") as tx:
        tx.write_table("glia/g.endfeet", pa.table({"mine": [1]}))
    assert lake.sql('select * from "glia/g.endfeet"').fetchall() == [(1,)]


def test_tables_that_lack_columns_spoil_nothing_else(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    ends = {"edge_id": [0], "source_node_id": [1], "target_node_id": [2]}
    with lake.transaction("Write") as tx:
        tx.write_table("edges/g/gliovascular", pa.table({"mine": [1]}))
        tx.write_table("edges/g/glialglial", pa.table(ends))
        tx.write_table("ngv/g.parts", pa.table({"other": ["text"]}))
    listed = lake.sql("select view_name from duckdb_views() where view_name like 'glia/%'").fetchall()
    assert listed == [("glia/g.gap_junctions",)]
    assert lake.sql('select count(*) from "glia/g.gap_junctions"').fetchall() == [(2,)]
    with pytest.raises(nl.QueryError, match="target_node_id"):
        lake.sql('select * from "glia/g.endfeet"')
    assert lake.sql('select mine from "edges/g/gliovascular"').fetchall() == [(1,)]
    attach(lake.head, tmp_path / "lake.duckdb")


@pytest.mark.usefixtures("own_files")
def test_a_damaged_table_is_found_through_a_view(tmp_path: Path) -> None:
    """Also after the view was listed, for which tables are not read."""
    lake = nl.create(tmp_path / "lake", durable=False)
    write_small_glia(lake, "g")
    table = lake.head.tables["edges/g/glialglial"]
    (path,) = table.unverified_paths()
    data = bytearray(path.read_bytes())
    data[10] ^= 255
    path.chmod(0o644)
    path.write_bytes(bytes(data))
    snapshot = nl.open(tmp_path / "lake").head
    views = "select count(*) from duckdb_views() where view_name like 'glia/%'"
    assert snapshot.sql(views).fetchall() == [(len(JOINS),)]
    with pytest.raises(nl.CorruptObjectError):
        snapshot.sql('select * from "glia/g.gap_junctions"')
