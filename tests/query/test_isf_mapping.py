"""The dictionary does what a dict does, whatever is done to it in whatever order."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from neurolake.lake import Lake
from neurolake.query.isf import database as isf

# Keys that the In Silico Framework has, and all others: with slashes, blanks, capitals, numbers.
parts = (
    st.sampled_from(["a", "A", "b", "a b", "a/b", "a%2Fb", "zarr.json", ".."])
    | st.sampled_from([0, 1, 2.5, -3, np.float32(0.5), np.int16(1), True])
    | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
)
plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.complex_numbers(allow_nan=False)
    | st.datetimes()
    | st.dates()
    | st.timedeltas()
    | st.sampled_from([Path("a/b"), np.float32(1.5), b"bytes", (1, "2"), {3, 4}])
)
frames = st.integers(0, 3).map(
    lambda rows: pd.DataFrame({"n": np.arange(rows, dtype="i8"), "t": ["x"] * rows})
)
arrays = st.integers(0, 3).map(lambda length: np.arange(length) / 2)
values = plain | frames | arrays | st.dictionaries(parts, plain | frames | arrays, max_size=2)


def equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, pd.DataFrame):
        return one.equals(other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(item, other[key]) for key, item in one.items())
    return bool(one == other)


class Dictionaries(RuleBasedStateMachine):
    """A database and a dict, to which the same is done."""

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[Any, Any] = {}

    @initialize()
    def make(self) -> None:
        import tempfile

        # pytest's folders are of a test, and the machine runs many times in one.
        self.folder = tempfile.TemporaryDirectory()
        self.db = isf.open(Lake.create(Path(self.folder.name) / "lake", durable=False))

    @rule(key=parts, value=values)
    def assign(self, key: Any, value: Any) -> None:
        self.db[key] = self.model[key] = value

    @rule(key=parts, value=values)
    def setitem(self, key: Any, value: Any) -> None:
        self.db.setitem(key, value)
        self.model[key] = value

    @rule(pairs=st.dictionaries(parts, values, max_size=3), named=st.dictionaries(st.just("named"), plain))
    def update(self, pairs: dict[Any, Any], named: dict[str, Any]) -> None:
        commits = len(self.db._session.lake.log())
        self.db.update(pairs, **named)
        self.model.update(pairs, **named)
        assert len(self.db._session.lake.log()) <= commits + 1

    @rule(key=parts, value=values)
    def setdefault(self, key: Any, value: Any) -> None:
        assert equal(self.db.setdefault(key, value), self.model.setdefault(key, value))

    @rule(key=parts, value=values)
    def maybe_calculate(self, key: Any, value: Any) -> None:
        there = key in self.model
        calls: list[int] = []
        found = self.db.maybe_calculate(key, lambda: calls.append(1) or value)
        assert equal(found, self.model.setdefault(key, value)) and bool(calls) != there

    @rule(key=parts)
    def delete(self, key: Any) -> None:
        there = key in self.model
        try:
            del self.db[key]
        except KeyError:
            assert not there
        else:
            del self.model[key]

    @rule(key=parts, default=st.sampled_from([None, 7]))
    def pop(self, key: Any, default: Any) -> None:
        assert equal(self.db.pop(key, default), self.model.pop(key, default))

    @rule()
    def popitem(self) -> None:
        if self.model:
            key, value = self.db.popitem()
            assert equal(value, self.model.pop(key))

    @rule(key=parts)
    def get(self, key: Any) -> None:
        assert equal(self.db.get(key, None), self.model.get(key, None))
        assert (key in self.db) == (key in self.model)

    @rule(old=parts, new=parts)
    def rename(self, old: Any, new: Any) -> None:
        if old in self.model and new not in self.model:
            self.db.rename(old, new)
            self.model[new] = self.model.pop(old)

    @rule()
    def compact(self) -> None:
        self.db._session.lake.compact()

    @rule()
    def clear(self) -> None:
        self.db.clear()
        self.model.clear()

    @invariant()
    def holds_the_same(self) -> None:
        if not hasattr(self, "db"):
            return
        assert set(self.db) == set(self.db.keys()) == self.model.keys()
        assert len(self.db) == len(self.model)
        assert all(equal(value, self.model[key]) for key, value in self.db.items())
        assert len(list(self.db.values())) == len(self.model)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestDictionaries = Dictionaries.TestCase
TestDictionaries.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def test_a_database_is_a_mapping_and_equal_to_itself_alone(tmp_path: Path) -> None:
    db, other = isf.open(tmp_path / "lake"), isf.open(tmp_path / "other")
    db["s", "x"] = other["s", "x"] = np.arange(3)
    assert isinstance(db, Mapping)
    assert db == isf.open(tmp_path / "lake") and hash(db["s"]) == hash(isf.open(tmp_path / "lake")["s"])
    assert db != other and db["s"] != db and db != isf.open(tmp_path / "lake", at="main")


def test_a_sub_database_is_popped_whole(tmp_path: Path) -> None:
    db = isf.open(tmp_path / "lake")
    db["s", "x"] = 1
    db.pop("s")
    assert list(db) == []
