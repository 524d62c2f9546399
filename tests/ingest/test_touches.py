"""Touches of populations of the lake: as the shapes in space have them, computed once, told of where they cannot be."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import neurolake as nl
from neurolake.catalog.vocabulary.circuits import CIRCUITS, NODES, POINTS, SECTIONS
from neurolake.cli import app
from neurolake.lake.errors import InputError, NotFoundError


def node_table(places: list[list[float]], trees: list[str], **more: Any) -> pa.Table:
    columns = {
        "node_id": np.arange(len(places)),
        **{axis: np.array(places)[:, at].astype(float) for at, axis in enumerate("xyz")},
        "morphology": trees,
        **more,
    }
    return pa.table(columns)


@pytest.fixture
def lake(tmp_path: Path) -> str:
    """A circuit of two populations: rods of 10 µm along x, of diameter 2, and one of them turned about z."""
    store = nl.create(tmp_path / "lake")
    points = {
        "morphology": ["ball", "rod", "rod", "rod"],
        "point_id": [0, 0, 1, 2],
        "parent_id": [-1, -1, 0, 1],
        "x": [0.0, 0, 5, 10],
        "y": [0.0] * 4,
        "z": [0.0] * 4,
        "diameter": [6.0, 2, 2, 2],
        "type": [1, 3, 3, 3],
        "layer": [-1] * 4,
    }
    sections = {
        "morphology": ["ball", "rod"],
        "section_id": [0, 0],
        "parent_id": [None, None],
        "type": [1, 3],
        "points": [[0], [0, 1, 2]],
    }
    turn = {"orientation_w": [1, 1, np.sqrt(0.5)], "orientation_z": [0, 0, np.sqrt(0.5)]}
    turn |= {"orientation_x": [0.0] * 3, "orientation_y": [0.0] * 3}
    with store.transaction("cells") as transaction:
        for kind, columns in ((POINTS, points), (SECTIONS, sections)):
            transaction.write_table(kind.of(circuit="c"), pa.table(columns, kind.schema_of(columns)))
        rods = node_table([[0, 0, 0], [0, 3, 0], [8, 1, 0]], ["rod"] * 3, **turn)
        transaction.write_table(NODES.of(circuit="c", population="rods"), rods)
        balls = node_table([[7, 0, 5], [50, 0, 0]], ["ball"] * 2)
        transaction.write_table(NODES.of(circuit="c", population="balls"), balls)
        row = {"name": "c", "format": "sonata", "populations": ["balls", "rods"], "nodes": 5, "edges": 0}
        transaction.write_table(CIRCUITS.name, pa.Table.from_pylist([row], CIRCUITS.schema))
    return str(tmp_path / "lake")


def test_rods_touch_where_they_cross(lake: str) -> None:
    built = nl.build.touches(lake, "c", "rods", reach=1.5)
    rows = nl.open(lake)["edges/c/rods__rods__touches"].to_arrow()
    # Parallel ones are 3 µm apart, with surfaces at 1 µm; the turned one crosses the second, and stands on the first.
    ends = list(zip(rows["source_node_id"].to_pylist(), rows["target_node_id"].to_pylist(), strict=True))
    assert ends == [(1, 0), (2, 0), (0, 1), (2, 1), (0, 2), (1, 2)]
    assert rows["distance"].to_pylist() == pytest.approx([1, -1, 1, -2, -1, -2], abs=1e-5)
    assert rows["efferent_center_x"].to_pylist()[3] == pytest.approx(8)
    assert rows["efferent_center_y"].to_pylist()[3] == pytest.approx(3)
    assert rows["afferent_section_pos"].to_pylist()[3] == pytest.approx(0.8)
    assert rows["afferent_segment_id"].to_pylist()[3] == 1
    assert rows["afferent_segment_offset"].to_pylist()[3] == pytest.approx(3)
    assert built.edges == {"rods__rods__touches": 6}
    assert nl.open(lake).sql("select edges from circuits where name = 'c'").fetchall() == [(6,)]
    assert rows.schema.field("distance").metadata[b"unit"] == "µm".encode()


def test_two_populations_touch_in_one_direction(lake: str) -> None:
    nl.build.touches(lake, "c", "balls", "rods", reach=1.1, keep="cells")
    store = nl.open(lake)
    rows = store["edges/c/balls__rods__touches"].to_arrow()
    assert rows["source_node_id"].to_pylist() == [0]
    assert rows["target_node_id"].to_pylist() == [0]
    assert rows["distance"].to_pylist() == pytest.approx([1])
    assert rows["efferent_surface_z"].to_pylist() == pytest.approx([2])
    assert rows["efferent_section_type"].to_pylist() == [1]
    index = store["edges/c/balls__rods__touches.by_source"].to_arrow()
    assert index.to_pylist() == [{"source_node_id": 0, "target_node_id": 0, "edge_id": 0}]


def test_touches_are_computed_once_and_known_by_what_they_are_of(lake: str) -> None:
    states = [
        nl.build.touches(lake, "c", "rods", reach=reach).steps[0].state for reach in (1.5, 1.5, 0.5, 1.5)
    ]
    assert states == ["computed", "unchanged", "computed", "computed"]
    assert "build-" not in "".join(nl.open(lake).branches)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (("d", "rods"), NotFoundError, "trees in the lake"),
        (("c", "cubes"), NotFoundError, "population 'cubes'"),
    ],
)
def test_what_is_missing_is_named(
    lake: str, asked: tuple[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        nl.build.touches(lake, *asked)


def test_a_reach_below_zero_and_an_unknown_choice_are_refused(lake: str) -> None:
    with pytest.raises(InputError, match="reach is -1"):
        nl.build.touches(lake, "c", "rods", reach=-1)
    with pytest.raises(InputError, match="keep is 'some'"):
        nl.build.touches(lake, "c", "rods", keep="some")  # type: ignore[arg-type]


def test_a_cell_without_its_tree_is_named_and_nothing_is_stored(lake: str) -> None:
    store = nl.open(lake)
    with store.transaction("another") as transaction:
        transaction.write_table(NODES.of(circuit="c", population="odd"), node_table([[0, 0, 0]], ["cube"]))
    with pytest.raises(InputError, match="cell 0 has the tree 'cube'"):
        nl.build.touches(lake, "c", "odd")
    assert not any("odd__odd" in name for name in nl.open(lake))


def test_the_command_finds_touches(lake: str) -> None:
    done = CliRunner().invoke(
        app, ["build", "touches", "c", "balls", "rods", "--lake", lake, "--reach", "1.1"]
    )
    assert done.exit_code == 0, done.output
    assert "1 edges" in done.output


def test_building_a_network_again_leaves_touches_of_its_cells(tmp_path: Path) -> None:
    from neurolake.ingest.demo import write_demo_network

    configuration = write_demo_network(tmp_path / "network")
    lake = tmp_path / "lake"
    only = ["types", "positions", "distances", "trees", "nodes"]
    nl.build.network(lake, configuration, "net", only=only)
    nl.build.touches(lake, "net", "PVBC", reach=5)
    again = nl.build.network(lake, configuration, "net")
    node = "edges/net/PVBC__PVBC__touches"
    assert node in nl.open(lake) and again.commit is not None
    assert nl.build.network(lake, configuration, "net").commit is None
    assert nl.build.touches(lake, "net", "PVBC", reach=5).steps[0].state == "unchanged"
