"""A lake against a model that is a dictionary: whatever is done in whatever order, they agree."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from neurolake.lake import Array, Lake, Table, Transaction
from neurolake.lake.nodes.node import tree_digest

NAMES = st.sampled_from(["a", "b", "run/1/v", "run/1", "ü"])
VALUES = st.lists(st.integers(-5, 5), max_size=7)
Model = dict[str, tuple[str, Any]]


def plain(value: Any) -> tuple[str, Any]:
    match value:
        case Array():
            return "array", value[...].tolist()
        case Table():
            return "table", value.to_arrow()["x"].to_pylist()
        case _:
            return "file", value


class LakeMachine(RuleBasedStateMachine):
    """`work` is what the open transaction should hold, `committed` what each commit should."""

    @initialize()
    def create(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.lake = Lake.create(self.folder / "lake", durable=False)
        self.work: Model = {}
        self.committed: dict[str, Model] = {self.lake.head.commit.id: {}}
        self.tx: Transaction = self.lake.transaction("begin")

    @rule(name=NAMES, values=VALUES, chunk=st.integers(1, 3))
    def write_array(self, name: str, values: list[int], chunk: int) -> None:
        self.tx.write_array(name, np.array(values, "i8"), chunks=(chunk,))
        self.work[name] = "array", values

    @rule(name=NAMES, values=VALUES)
    def append_array(self, name: str, values: list[int]) -> None:
        kind, before = self.work.get(name, ("", []))
        if kind == "array":
            self.tx.append_array(name, np.array(values, "i8"))
            self.work[name] = kind, before + values

    @rule(name=NAMES, start=st.integers(0, 6), value=st.integers(-5, 5))
    def overwrite_part(self, name: str, start: int, value: int) -> None:
        kind, before = self.work.get(name, ("", []))
        if kind == "array":
            self.tx.array(name)[start : start + 2] = value
            end = min(start + 2, len(before))
            self.work[name] = kind, [*before[:start], *[value] * max(end - start, 0), *before[start + 2 :]]

    @rule(name=NAMES, values=VALUES)
    def append_table(self, name: str, values: list[int]) -> None:
        kind, before = self.work.get(name, ("table", []))
        if kind == "table":
            self.tx.append_table(name, pa.table({"x": pa.array(values, pa.int64())}))
            self.work[name] = kind, before + values

    @rule(name=NAMES, size=st.sampled_from([0, 5, 600]), fill=st.integers(0, 3))
    def put_file(self, name: str, size: int, fill: int) -> None:
        self.tx.put_file(name, bytes([fill]) * size)
        self.work[name] = "file", bytes([fill]) * size

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if name in self.work:
            self.tx.delete(name)
            del self.work[name]

    @rule()
    def commit(self) -> None:
        record = self.tx.commit()
        newest = self.lake.head.commit
        assert record is None or record == newest
        assert (record is None) == (newest.id in self.committed)
        self.committed[newest.id] = dict(self.work)

    @precondition(lambda self: self.committed)
    @rule()
    def abandon(self) -> None:
        self.tx = self.lake.transaction("begin again")
        self.work = dict(self.committed[self.lake.head.commit.id])

    @rule()
    def reopen(self) -> None:
        self.commit()
        self.lake = Lake.open(self.folder / "lake", durable=False, verification="always")
        self.abandon()

    @rule(data=st.data())
    def another_writer(self, data: st.DataObject) -> None:
        """Commits something of its own meanwhile: it commutes with all that we do."""
        content = data.draw(st.binary(max_size=3))
        with Lake.open(self.folder / "lake", durable=False).transaction("other") as tx:
            tx.put_file("other", content)
        if tx.committed is not None:
            before = self.committed[tx.committed.parents[0].id]
            self.committed[tx.committed.id] = {**before, "other": ("file", content)}
            self.work["other"] = "file", content

    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        commit = data.draw(st.sampled_from(sorted(self.committed)))
        snapshot = self.lake.at(commit)
        assert {name: plain(value) for name, value in snapshot.items()} == self.committed[commit]
        assert tree_digest(snapshot.tree) == snapshot.commit.snapshot

    @invariant()
    def head_is_the_model(self) -> None:
        head = self.lake.head
        assert {name: plain(value) for name, value in head.items()} == self.committed[head.commit.id]
        assert len(self.lake.log()) == len(self.committed)

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


TestLake = LakeMachine.TestCase
TestLake.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
