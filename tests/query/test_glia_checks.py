"""Checks of glia: a circuit that fits together passes, and each planted fault fails its check with its rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from small_glia import write_small_glia
from typer.testing import CliRunner

import neurolake as nl
from neurolake.cli import app
from neurolake.lake.nodes.content import attributes


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    lake = nl.create(tmp_path / "lake", durable=False)
    write_small_glia(lake, "g")
    return lake


def test_a_whole_circuit_passes(lake: Any) -> None:
    found = nl.circuit(lake, "g").check()
    assert [str(check) for check in found if not check.passed] == []
    assert len(found) == len({check.name for check in found}) > 25


def write(lake: Any, table: str, rows: pd.DataFrame) -> None:
    told = attributes(lake.head.tree[table])
    with lake.transaction("Plant a fault") as tx:
        tx.write_table(table, pa.Table.from_pandas(rows, preserve_index=False), attributes=told)


def set_value(table: str, column: str, row: int, value: Any) -> Callable[[Any], None]:
    def change(lake: Any) -> None:
        rows = lake[table].to_pandas()
        rows.loc[row, column] = value
        write(lake, table, rows)

    return change


def drop_rows(table: str, chosen: Callable[[pd.DataFrame], Any]) -> Callable[[Any], None]:
    def change(lake: Any) -> None:
        rows = lake[table].to_pandas()
        write(lake, table, rows[chosen(rows)])

    return change


def add_row(table: str, **values: Any) -> Callable[[Any], None]:
    def change(lake: Any) -> None:
        rows = lake[table].to_pandas()
        more = rows.iloc[[-1]].assign(**values)
        write(lake, table, pd.concat([rows, more]))

    return change


def move_surface(lake: Any) -> None:
    name = "meshes/g/endfeet.points"
    points = lake[name][...]
    points[3:6] += 100
    with lake.transaction("Plant a fault") as tx:
        tx.write_array(name, points)


EDGES = "edges/g/"
FAULTS: list[tuple[str, Callable[[Any], None], str, dict[str, Any]]] = [
    (
        "no domain",
        drop_rows("domains/g/astrocytes", lambda rows: rows["node_id"] != 4),
        "astrocytes have a domain with faces",
        {"node_id": 4},
    ),
    (
        "an empty domain",
        set_value("domains/g/astrocytes", "faces", 4, 0),
        "astrocytes have a domain with faces",
        {"node_id": 4},
    ),
    (
        "a domain of nobody",
        add_row("domains/g/astrocytes", node_id=40),
        "domains are of astrocytes that there are",
        {"node_id": 40},
    ),
    (
        "a tree of another name",
        set_value("nodes/g/astrocytes", "morphology", 3, "GLIA_0000000000009"),
        "trees of astrocytes are named for their number",
        {"node_id": 3, "morphology": "GLIA_0000000000009"},
    ),
    (
        "a tree that is not used",
        set_value("nodes/g/astrocytes", "morphology", 3, None),
        "trees are of cells that there are",
        {"morphology": "GLIA_0000000000003"},
    ),
    (
        "a tree that is not there",
        set_value("nodes/g/astrocytes", "morphology", 3, "GLIA_0000000000099"),
        "trees of astrocytes are there",
        {"node_id": 3},
    ),
    (
        "an endfoot of another number",
        set_value(EDGES + "gliovascular", "endfoot_id", 2, 7),
        "endfeet are numbered as their edges",
        {"edge_id": 2, "endfoot_id": 7},
    ),
    (
        "an endfoot without a surface",
        drop_rows("meshes/g/endfeet", lambda rows: rows["endfoot_id"] != 5),
        "endfeet have an entry among the surfaces",
        {"endfoot_id": 5},
    ),
    (
        "a surface of no endfoot",
        add_row("meshes/g/endfeet", endfoot_id=50),
        "surfaces are of endfeet that there are",
        {"endfoot_id": 50},
    ),
    (
        "an endfoot on another section",
        set_value(EDGES + "gliovascular", "vasculature_section_id", 0, 4),
        "endfeet tell section and segment of their vessel",
        {"edge_id": 0, "vasculature_section_id": 4, "section_id": 0},
    ),
    (
        "an endfoot beside its tree",
        set_value(EDGES + "gliovascular", "endfoot_surface_x", 1, 11.5),
        "endfeet are at a point of their astrocyte's tree",
        {"endfoot_id": 1, "astrocyte_id": 0},
    ),
    (
        "an endfoot on a perisynaptic section",
        set_value(EDGES + "gliovascular", "astrocyte_section_id", 1, 0),
        "endfeet are at the end of a perivascular section",
        {"endfoot_id": 1, "section_id": 1, "type": 3},
    ),
    (
        "a surface far away",
        move_surface,
        "surfaces of endfeet are within 5 µm of their place",
        {"endfoot_id": 1},
    ),
    (
        "an endfoot of no astrocyte",
        set_value(EDGES + "gliovascular", "target_node_id", 13, 27),
        "edges of gliovascular end at cells that there are",
        {"target_node_id": 27},
    ),
    (
        "an endfoot on no vessel",
        set_value(EDGES + "gliovascular", "source_node_id", 0, 16),
        "edges of gliovascular begin at cells that there are",
        {"source_node_id": 16},
    ),
    (
        "a synapse of no neuron",
        set_value(EDGES + "neuroglial", "target_node_id", 0, 5),
        "synapses in domains are of neurons that there are",
        {"edge_id": 0, "target_node_id": 5},
    ),
    (
        "a synapse that is not there",
        set_value(EDGES + "neuroglial", "synapse_id", 0, 300),
        "synapses in domains are there",
        {"edge_id": 0, "synapse_id": 300},
    ),
    (
        "a gap junction of no astrocyte",
        set_value(EDGES + "glialglial", "source_node_id", 0, -1),
        "edges of glialglial begin at cells that there are",
        {"source_node_id": -1},
    ),
    (
        "a point of vessels in two places",
        set_value("nodes/g/vasculature", "start_x", 1, 12.0),
        "points of vessels are in one place",
        {"point_id": 1, "places": 2},
    ),
    (
        "a neighbour that is not there",
        set_value("domains/g/astrocytes.faces", "neighbour", 0, 27),
        "neighbours of domains are astrocytes or walls",
        {"node_id": 0, "face": 0, "neighbour": 27},
    ),
    (
        "a neighbour on one side",
        set_value("domains/g/astrocytes.faces", "neighbour", 1, -1),
        "domains are neighbours of their neighbours",
        {"node_id": 9, "neighbour": 0},
    ),
]


@pytest.mark.parametrize(
    ("plant", "name", "row"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_fault_fails_its_check(
    lake: Any, plant: Callable[[Any], None], name: str, row: dict[str, Any]
) -> None:
    plant(lake)
    check = next(each for each in nl.circuit(lake, "g").check() if each.name == name)
    assert not check.passed and check.failing >= 1
    assert any(
        all(found[key] == value for key, value in row.items()) for found in check.rows.to_dict("records")
    )


def test_a_synapse_twice_and_of_another_neuron(lake: Any) -> None:
    rows = lake["edges/g/neuroglial"].to_pandas()
    same = rows[rows["source_node_id"] == rows["source_node_id"][0]].index[:2]
    rows.loc[same[1], "synapse_id"] = rows.loc[same[0], "synapse_id"]
    write(lake, "edges/g/neuroglial", rows)
    failed = {check.name: check for check in nl.circuit(lake, "g").check() if not check.passed}
    twice = failed["astrocytes have each synapse once"]
    assert twice.failing == 1 and twice.rows["times"].tolist() == [2]


def test_places_along_sections_are_compared(lake: Any) -> None:
    """Half of the perisynaptic section of each astrocyte, whose middle is (1.5, 2, 0) from the soma."""
    rows = lake["edges/g/neuroglial"].to_pandas()
    somata = nl.circuit(lake, "g").astrocytes.positions()
    there = somata[rows["source_node_id"]] + [1.5, 2, 0]
    rows = rows.assign(
        astrocyte_section_id=np.zeros(len(rows), "u4"),
        astrocyte_segment_id=np.zeros(len(rows), "u4"),
        astrocyte_segment_offset=np.full(len(rows), 2.5, "f4"),
        **{f"astrocyte_center_{axis}": there[:, k].astype("f4") for k, axis in enumerate("xyz")},
    )

    def failed() -> list[dict[str, Any]]:
        write(lake, "edges/g/neuroglial", rows)
        name = "places along sections are those told in space"
        (check,) = [each for each in nl.circuit(lake, "g").check() if each.name == name]
        return check.rows.to_dict("records")

    assert failed() == []
    rows.loc[3, "astrocyte_center_y"] += 0.01
    rows.loc[8, "astrocyte_segment_id"] = 4
    assert sorted(row["edge_id"] for row in failed()) == [3, 8]


def test_the_command_tells_what_fails(lake: Any) -> None:
    where = str(lake.url)
    assert CliRunner().invoke(app, ["circuit", "check", "g", "--lake", where]).exit_code == 0
    set_value(EDGES + "gliovascular", "endfoot_id", 2, 7)(lake)
    told = CliRunner().invoke(app, ["circuit", "check", "g", "--lake", where])
    assert told.exit_code == 3
    assert "FAIL  endfeet are numbered as their edges: 1 rows, such as" in told.output
