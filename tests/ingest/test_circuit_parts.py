"""Parts of circuits of all sources: trees by content, edges by source, and rows that are read in any order."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from neuroh5_files import tree, write_attribute, write_trees, write_types

import neurolake as nl
from neurolake.ingest.circuits.edges import write_by_source
from neurolake.ingest.circuits.registry import put_circuit
from neurolake.ingest.circuits.swc import swc_of
from neurolake.ingest.circuits.trees import PARTS, SIZES, Forest, TreeError
from neurolake.ingest.hdf5.reading import opened
from neurolake.ingest.neuroh5 import cells
from neurolake.ingest.neuroh5.cells import blocks, read_attribute
from neurolake.ingest.neuroh5.trees import read_trees


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return nl.create(tmp_path / "lake", durable=False)


def forest(tmp_path: Path, trees: list[Any]) -> Forest:
    with h5py.File(tmp_path / "forest.h5", "w") as file:
        write_types(file, {"A": (0, len(trees))}, [])
        write_trees(file, "A", range(len(trees)), trees)
    with opened(tmp_path / "forest.h5") as source:
        found = read_trees(source, source.file["Populations/A/Trees"], len(trees), "error")
        return found.read(np.arange(len(trees)))


def equal(one: Forest, other: Forest) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in (*PARTS, *SIZES))


def test_trees_are_named_by_their_content(tmp_path: Path) -> None:
    """Equal trees have one name, wherever they stand; a tree that differs in one bit has another."""
    found = forest(tmp_path, [tree(1), tree(1), tree(2, 9), tree(1)])
    names = found.digests()
    assert names == [names[0], names[0], names[2], names[0]] and names[0] != names[2]
    assert found.changes().tolist() == [True, False, True, True]
    order = np.array([2, 0, 3, 1])
    assert found.take(order).digests() == [names[at] for at in order]
    for part in PARTS:
        values = getattr(found, part).copy()
        values.view(np.uint8)[0] ^= 1
        other = replace(found, **{part: values})
        assert other.changes()[1] and other.digests()[0] != names[0] and other.digests()[1:] == names[1:]


def test_trees_are_rows_and_rows_are_trees(tmp_path: Path) -> None:
    found = forest(tmp_path, [tree(seed, 1 + seed) for seed in range(6)])
    names = [f"{number}" for number in range(6)]
    points, sections = found.tables(names)
    back, told = Forest.of_tables(points, sections)
    assert told == names and equal(back, found)
    assert equal(Forest.joined([found.take(np.arange(2)), found.take(np.arange(2, 6))]), found)
    empty = found.take(np.arange(0))
    empty.check()
    assert empty.digests() == [] and equal(Forest.of_tables(*empty.tables([]))[0], empty)


def test_a_tree_needs_points(tmp_path: Path) -> None:
    found = forest(tmp_path, [tree(1), tree(2)])
    with pytest.raises(TreeError, match="x of tree 1: it has no points"):
        replace(found, points=np.array([10, 0])).check()


def test_trees_as_swc(tmp_path: Path) -> None:
    """Every number comes back, and parents come first whatever the order of the points."""
    found = forest(tmp_path, [tree(4)])
    rows = np.loadtxt(swc_of(found).decode().splitlines())
    assert rows[:, 0].tolist() == [*range(1, 11)] and rows[:, 1].tolist() == found.type.tolist()
    for column, values in enumerate((found.x, found.y, found.z, found.diameter / 2), 2):
        assert np.array_equal(rows[:, column].astype(np.float32), values)
    assert rows[:, 6].tolist() == np.where(found.parent < 0, -1, found.parent + 1).tolist()
    turned = replace(
        found,
        parent=np.where(found.parent < 0, -1, 9 - found.parent)[::-1].astype(np.int32),
        **{name: getattr(found, name)[::-1] for name in ("x", "y", "z", "diameter", "type", "layer")},
    )
    back = np.loadtxt(swc_of(turned).decode().splitlines())
    assert (back[1:, 6] < back[1:, 0]).all() and back[0, 6] == -1
    assert sorted(map(tuple, back[:, 1:6].tolist())) == sorted(map(tuple, rows[:, 1:6].tolist()))


@pytest.mark.parametrize("held", [1, 5, 1000])
def test_edges_by_source_in_parts(lake: Any, held: int) -> None:
    """However few edges are held at a time, the table is the same."""
    draw = np.random.default_rng(4)
    source, target = draw.integers(0, 9, 60), np.sort(draw.integers(0, 7, 60))
    edge = np.arange(60)

    def ends() -> Iterator[Any]:
        for low in range(0, 60, 7):
            yield tuple(values[low : low + 7] for values in (source, target, edge))

    with lake.transaction("edges") as transaction:
        write_by_source(transaction, "edges/a/b", ends, held=held)
    table = lake.head.tables["edges/a/b.by_source"]
    assert table.sorted_by == ["source_node_id"]
    found = [tuple(row.values()) for row in table.to_arrow().to_pylist()]
    assert found == sorted(zip(source.tolist(), target.tolist(), edge.tolist(), strict=True))


def test_blocks_hold_all_rows_and_no_more_than_they_may() -> None:
    sizes = np.array([0, 3, 3, 9, 0, 1, 2, 0])
    found = [*blocks(sizes, 4)]
    assert [row for part in found for row in range(part.start, part.stop)] == [*range(8)]
    assert all(sizes[part].sum() <= 4 or part.stop - part.start == 1 for part in found)
    assert [*blocks(sizes[:0])] == []


@pytest.mark.parametrize("whole", [0, 2**20])
def test_rows_are_read_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: int) -> None:
    monkeypatch.setattr(cells, "WHOLE_BYTES", whole)
    draw = np.random.default_rng(5)
    rows = [draw.integers(0, 99, size) for size in draw.integers(0, 6, 40)]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write_attribute(file, "attribute", draw.permutation(40), rows, "i2")
    with opened(tmp_path / "a.h5") as source:
        one = read_attribute(source, source.file["attribute"], 40)
        for wanted in (
            np.arange(40),
            np.arange(40)[::-1],
            draw.permutation(40),
            np.array([39, 0]),
            np.array([3, 30, 4, 31, 20]),
            np.array([], np.int64),
        ):
            expected = [value for row in wanted for value in rows[row].tolist()]
            assert one.read(wanted).tolist() == expected


def test_a_circuit_has_one_row(lake: Any) -> None:
    for edges in (1, 2):
        with lake.transaction("circuit") as transaction:
            transaction.write_table("nodes/a/cells", pa.table({"node_id": [0, 1]}))
            transaction.write_table("edges/a/cells__cells", pa.table({"edge_id": [0] * edges}))
            transaction.write_table("edges/a/cells__cells.by_source", pa.table({"edge_id": [0] * edges}))
            put_circuit(transaction, "a", "network", seed=7)
    (row,) = lake.head.tables["circuits"].to_arrow().to_pylist()
    assert row == {
        "name": "a",
        "format": "network",
        "configuration": None,
        "seed": 7,
        "populations": ["cells"],
        "nodes": 2,
        "edges": 2,
    }
