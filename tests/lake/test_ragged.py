"""Ragged data: what goes in comes out, by thing, by range and in parts, and offsets that are none are told."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake import Lake
from neurolake.lake.data.ragged import Ragged, fault_of, read_ragged, write_ragged
from neurolake.lake.errors import InputError, MalformedError

NODES = ("values", "values.offsets")
NAMES = (("element", "axis"), ("bound",))


def pieces_of(sizes: list[int]) -> list[np.ndarray]:
    every = np.arange(sum(sizes) * 3, dtype=np.float32).reshape(-1, 3)
    return np.split(every, np.cumsum(sizes)[:-1])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.data())
def test_pieces_come_back_in_any_order(sizes: list[int], data: st.DataObject) -> None:
    pieces = pieces_of(sizes)
    ragged = Ragged.of(pieces)
    assert len(ragged) == len(sizes) and ragged.sizes.tolist() == sizes
    order = np.array(data.draw(st.lists(st.integers(0, len(sizes) - 1), max_size=6)), np.int64)
    taken = ragged.take(order)
    for at, thing in enumerate(order):
        assert np.array_equal(taken[at], pieces[thing]) and np.array_equal(ragged[int(thing)], pieces[thing])
    assert np.array_equal(ragged.owners, np.repeat(np.arange(len(sizes)), sizes))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=3, max_size=6))
def test_a_lake_gives_back_what_was_written_in_parts(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    pieces = pieces_of(sizes)
    lake = Lake.create(tmp_path_factory.mktemp("lake") / "lake")
    with lake.transaction("ragged") as transaction:
        parts = (Ragged.of(pieces[:2]), Ragged.of(pieces[2:]))
        write_ragged(transaction, NODES, parts, dimension_names=NAMES, attributes={"units": "µm"})
    whole, some = read_ragged(lake.head.arrays, NODES), read_ragged(lake.head.arrays, NODES, (1, 3))
    assert lake["values"].attrs["units"] == "µm" and lake["values.offsets"].dtype == np.int64
    assert [piece.tolist() for piece in whole] == [piece.tolist() for piece in pieces]
    assert [piece.tolist() for piece in some] == [piece.tolist() for piece in pieces[1:3]]
    with pytest.raises(InputError, match="no range"):
        read_ragged(lake.head.arrays, NODES, (2, len(sizes) + 1))


@pytest.mark.parametrize(
    ("offsets", "said"),
    [
        ([0, 3, 2, 4], "offset 2 at position 2"),
        ([1, 4], "from 1 to 4"),
        ([0, 5], "expected 0 to 4"),
        ([], "at least one"),
        ([[0, 4]], "shape"),
        ([0.0, 4.0], "float64"),
    ],
)
def test_offsets_that_are_none(tmp_path: Path, offsets: list[int], said: str) -> None:
    values, given_offsets = np.zeros(4), np.array(offsets)
    assert said in (fault_of(given_offsets, 4) or "")
    with pytest.raises(InputError, match=said):
        Ragged(values, given_offsets)


def test_offsets_of_a_lake_that_are_none(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    with lake.transaction("damage") as transaction:
        transaction.write_array(NODES[0], np.zeros((4, 3)))
        transaction.write_array(NODES[1], np.array([0, 3, 2, 9]))
    with pytest.raises(MalformedError, match="offsets 0 to 9 of 4 values"):
        read_ragged(lake.head.arrays, NODES)
    with pytest.raises(MalformedError, match="is less than"):
        read_ragged(lake.head.arrays, NODES, (0, 2))
