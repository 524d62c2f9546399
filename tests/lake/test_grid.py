"""Chunk grids: numbers, coordinates and keys of chunks."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolake.lake.nodes.grid import Grid

AXIS = st.tuples(st.integers(0, 9), st.integers(1, 4))


@st.composite
def grids(draw: st.DrawFn, low: int = 0) -> Grid:
    axes = draw(st.lists(AXIS, min_size=low, max_size=4))
    separator, prefix = draw(st.sampled_from(["/", "."])), draw(st.sampled_from(["c", ""]))
    return Grid(tuple(shape for shape, _ in axes), tuple(chunk for _, chunk in axes), separator, prefix)


@given(grids())
def test_numbers_are_c_order(grid: Grid) -> None:
    every = list(itertools.product(*map(range, grid.counts)))
    assert len(grid) == len(every)
    for number, at in enumerate(every):
        assert grid.number(at) == number
        assert grid.coordinates(number) == at
        assert grid.parse(grid.key(number)) == number


@given(grids(low=1), st.integers(0, 5))
def test_growing_along_the_first_axis_keeps_numbers(grid: Grid, more: int) -> None:
    grown = Grid((grid.shape[0] + more, *grid.shape[1:]), grid.chunks)
    for at in itertools.product(*map(range, grid.counts)):
        assert grown.number(at) == grid.number(at)


@given(grids(), st.data())
def test_overlapping(grid: Grid, data: st.DataObject) -> None:
    box = [tuple(sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2)))) for n in grid.shape]
    touched = np.zeros(grid.shape, bool)
    touched[tuple(slice(*part) for part in box)] = True
    expected = []
    for at in itertools.product(*map(range, grid.counts)):
        chunk = touched[tuple(slice(i * c, (i + 1) * c) for i, c in zip(at, grid.chunks, strict=True))]
        expected += [at] if chunk.any() else []
    assert grid.overlapping(box) == expected


@given(grids())
def test_extents_cover_the_array(grid: Grid) -> None:
    parts = [np.prod(grid.extent(at)) for at in itertools.product(*map(range, grid.counts))]
    assert sum(parts) == np.prod(grid.shape)


@pytest.mark.parametrize(
    ("grid", "keys"),
    [
        (
            Grid((4, 6), (2, 2)),
            [
                "c",
                "c/0",
                "c/0/3",
                "c/0/0/0",
                "c/00/0",
                "c/-1/0",
                "c/a/0",
                "d/0/0",
                "c.0.0",
                "zarr.json",
                "c/²/0",
            ],
        ),
        (Grid((4, 6), (2, 2), ".", ""), ["0", "0.3", "0/0", "0.0.0", "00.0"]),
        (Grid((), ()), ["c/0", "d", "0", ""]),
        (Grid((), (), ".", ""), ["", "c", "1", "00"]),
        (Grid((4, 0), (2, 2)), ["c/0/0"]),
    ],
)
def test_no_keys_of_this_grid(grid: Grid, keys: list[str]) -> None:
    assert [grid.parse(key) for key in keys] == [None] * len(keys)


def test_keys_without_axes() -> None:
    assert Grid((), ()).parse("c") == 0 and Grid((), ()).key(0) == "c"
    assert Grid((), (), ".", "").parse("0") == 0 and Grid((), (), ".", "").key(0) == "0"


def meta(**changes: Any) -> dict[str, Any]:
    return {
        "shape": [4],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
        "chunk_key_encoding": {"name": "default"},
        **changes,
    }


def test_from_metadata() -> None:
    assert Grid.of(meta()) == Grid((4,), (2,), "/", "c")
    assert Grid.of(meta(chunk_key_encoding={"name": "v2"})) == Grid((4,), (2,), ".", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [-1]},
        {"shape": ["4"]},
        {"shape": [4, 4]},
        {"shape": [4.0]},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0]}}},
        {"chunk_grid": {"name": "rectilinear", "configuration": {"chunk_shape": [2]}}},
        {"chunk_key_encoding": {"name": "other"}},
        {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": None}}},
        {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": ""}}},
    ],
)
def test_metadata_that_makes_no_grid(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot make|is not supported"):
        Grid.of(meta(**changes))
