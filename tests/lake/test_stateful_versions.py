"""Transactions, branches, tags, merges, reverts, picks, garbage and compaction against a model of sets.

The model knows nothing of digests or trees. A state is what is there: files by name, how often which row was
appended to the table, which slab to the array, what the fixed chunks hold. What a commit did is the difference of
two states; merging, reverting and picking add differences up. Where a change cannot be added, the lake must refuse.
Garbage collection and compaction change nothing that can be seen.
"""

import os
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from lake_contents import age, contents, rows

from neurolake.lake import Commit, Lake, Transaction
from neurolake.lake.errors import ConflictError, InputError

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
BRANCHES = st.sampled_from(["main", "one", "two"])
NAMES = st.sampled_from(["f", "g", "h"])
SIZES = st.sampled_from([0, 600])
CHUNKS = 3
REWRITING = ("Revert", "Compact")


def content(value: int, size: int) -> bytes:
    """What a file holds: large content stands in a pack, which is garbage when nobody commits it."""
    return b"%d" % value + bytes(size)


@dataclass(frozen=True)
class State:
    """What a commit holds."""

    files: dict[str, bytes] = field(default_factory=dict)
    rows: Counter[int] = field(default_factory=Counter)
    slabs: Counter[int] = field(default_factory=Counter)
    chunks: tuple[int, ...] = (0,) * CHUNKS

    def parts(self) -> dict[tuple[str, Any], Any]:
        """Everything that only one side may change."""
        return {("file", name): value for name, value in self.files.items()} | {
            ("chunk", at): value for at, value in enumerate(self.chunks)
        }


def merged(base: State, ours: State, theirs: State) -> State | None:
    """What *ours* holds after *theirs* did what it did since *base*; None where both changed one part."""
    before, here, there = base.parts(), ours.parts(), theirs.parts()
    result = dict(here)
    for key in before.keys() | here.keys() | there.keys():
        old, mine, other = before.get(key), here.get(key), there.get(key)
        if other in (old, mine):
            continue
        if mine != old:
            return None
        result[key] = other
    rows, slabs = Counter(ours.rows), Counter(ours.slabs)
    for total, was, now in ((rows, base.rows, theirs.rows), (slabs, base.slabs, theirs.slabs)):
        total.update(now)
        total.subtract(was)
    return State(
        {name: value for (kind, name), value in result.items() if kind == "file" and value is not None},
        # What is there already does not come twice, and what is gone is not taken away.
        Counter(set(+rows)),
        Counter(set(+slabs)),
        tuple(result["chunk", at] for at in range(CHUNKS)),
    )


def held(lake: Lake, ref: str) -> State:
    """What the lake holds there; each row and slab of the model has a value of its own."""
    found = contents(lake.at(ref))
    values = found.pop("a")
    assert values[0::2] == values[1::2]
    return State(
        {name: value for name, value in found.items() if name != "t"},
        Counter(row["x"] for row in found["t"] if row["x"] >= 0),
        Counter(values[2 * CHUNKS :: 2]),
        tuple(values[0 : 2 * CHUNKS : 2]),
    )


class VersionsMachine(RuleBasedStateMachine):
    """`states` is what each commit holds, `branches` and `tags` which commit they mean."""

    commits = Bundle("commits")

    @initialize(target=commits)
    def create(self) -> str:
        self.folder = Path(tempfile.mkdtemp())
        self.lake = Lake.create(self.folder / "lake", durable=False)
        self.value = 0
        self.states: dict[str, State] = {}
        self.parents: dict[str, tuple[str, ...]] = {}
        with self.lake.transaction("begin") as tx:
            tx.write_array("a", np.zeros(2 * CHUNKS, "i8"), chunks=(2,))
            tx.write_table("t", rows(-1))
        assert tx.committed is not None
        self.branches = {"main": self.known(tx.committed, State())}
        self.tags: dict[str, str] = {}
        self.held: Transaction | None = None
        self.deleted = False
        return tx.committed.id

    def known(self, record: Commit, state: State) -> str:
        self.states[record.id] = state
        self.parents[record.id] = tuple(parent.id for parent in record.parents)
        return record.id

    def next_value(self) -> int:
        self.value += 1
        return self.value

    def before(self, commit: str) -> set[str]:
        found: set[str] = set()
        ahead = [commit]
        while ahead:
            each = ahead.pop()
            if each not in found:
                found.add(each)
                ahead += self.parents.get(each, ())
        return found

    @rule(target=commits, branch=BRANCHES, data=st.data())
    def commit(self, branch: str, data: st.DataObject) -> str:
        if branch not in self.branches:
            branch = "main"
        old = self.states[self.branches[branch]]
        files, added, slabs, chunks = dict(old.files), Counter(old.rows), Counter(old.slabs), list(old.chunks)
        with self.lake.transaction("commit", branch=branch) as tx:
            for kind in data.draw(
                st.lists(st.sampled_from(["file", "delete", "row", "slab", "chunk"]), min_size=1, max_size=3)
            ):
                value = self.next_value()
                name = data.draw(NAMES)
                if kind == "file":
                    files[name] = content(value, data.draw(SIZES))
                    tx.put_file(name, files[name])
                elif kind == "delete" and name in files:
                    del files[name]
                    tx.delete(name)
                elif kind == "row":
                    added[value] += 1
                    tx.append_table("t", rows(value))
                elif kind == "slab":
                    slabs[value] += 1
                    tx.append_array("a", np.array([value, value]))
                elif kind == "chunk":
                    at = data.draw(st.integers(0, CHUNKS - 1))
                    chunks[at] = value
                    tx.array("a")[2 * at : 2 * at + 2] = value
        if tx.committed is None:
            return self.branches[branch]
        self.branches[branch] = self.known(tx.committed, State(files, added, slabs, tuple(chunks)))
        return tx.committed.id

    @rule(name=st.sampled_from(["one", "two"]), commit=commits)
    def branch(self, name: str, commit: str) -> None:
        if name in self.branches:
            try:
                self.lake.branches.move(name, commit)
            except InputError:
                assert self.branches[name] not in self.before(commit)
                self.lake.branches.move(name, commit, force=True)
            else:
                assert self.branches[name] in self.before(commit)
        else:
            self.lake.branches.create(name, commit[:20])
        self.branches[name] = commit

    @precondition(lambda self: len(self.branches) > 1)
    @rule(data=st.data())
    def delete_branch(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.branches.keys() - {"main"})))
        self.lake.branches.delete(name)
        del self.branches[name]

    @rule(name=st.sampled_from(["v1", "v2"]), commit=commits)
    def tag(self, name: str, commit: str) -> None:
        if name in self.tags:
            self.lake.tags.delete(name)
            del self.tags[name]
        else:
            self.lake.tags.create(name, commit)
            self.tags[name] = commit

    @rule(target=commits, into=BRANCHES, theirs=commits)
    def merge(self, into: str, theirs: str) -> str:
        into = into if into in self.branches else "main"
        ours = self.branches[into]
        mine, others = self.before(ours), self.before(theirs)
        common = mine & others
        bases = common - {parent for each in common for parent in self.parents.get(each, ())}
        try:
            record = self.lake.merge(theirs, into=into)
        except ConflictError as error:
            assert error.nodes and self.lake.at(into).commit.id == ours
            assert mine - others and others - mine
            picked = any("picked" in str(self.lake.at(each).commit.provenance) for each in mine ^ others)
            if len(bases) == 1 and not picked and not self.rewritten(mine ^ others):
                assert self.expected(next(iter(bases)), ours, theirs) is None
            return ours
        if theirs in mine:
            assert record is None
            return ours
        assert record is not None
        self.branches[into] = record.id
        if ours in others:
            assert record.id == theirs
            return theirs
        assert [parent.id for parent in record.parents] == [ours, theirs]
        state = held(self.lake, record.id)
        if len(bases) == 1 and not self.rewritten(mine ^ others) and not self.picked(mine ^ others):
            assert state == self.expected(next(iter(bases)), ours, theirs)
        # Whatever was picked, reverted or merged crosswise: no row comes twice, none from nowhere.
        either = (self.states[ours], self.states[theirs])
        for total, sides in (
            (state.rows, [s.rows for s in either]),
            (state.slabs, [s.slabs for s in either]),
        ):
            assert all(total[each] <= max(side[each] for side in sides) for each in total)
        return self.known(record, state)

    def expected(self, base: str, ours: str, theirs: str) -> State | None:
        return merged(self.states[base], self.states[ours], self.states[theirs])

    def rewritten(self, commits: set[str]) -> bool:
        return any(self.lake.at(each).commit.message.startswith(REWRITING) for each in commits)

    def picked(self, commits: set[str]) -> bool:
        return any("picked" in self.lake.at(each).commit.provenance.get("notes", {}) for each in commits)

    @rule(target=commits, branch=BRANCHES, commit=commits, undo=st.booleans())
    def revert_or_pick(self, branch: str, commit: str, undo: bool) -> str:
        branch = branch if branch in self.branches else "main"
        ours, parent = self.branches[branch], self.parents[commit][0]
        if parent not in self.states:
            return ours
        old, new = (commit, parent) if undo else (parent, commit)
        try:
            record = (self.lake.revert if undo else self.lake.cherry_pick)(commit, branch=branch)
        except ConflictError as error:
            assert error.nodes and self.lake.at(branch).commit.id == ours
            return ours
        wanted = self.expected(old, ours, new)
        state = held(self.lake, branch)
        assert wanted is not None
        assert state == wanted
        if record is None:
            assert state == self.states[ours]
            return ours
        self.branches[branch] = self.known(record, state)
        return record.id

    @rule()
    def abandon(self) -> None:
        """Write what the next commit may write again, and give it up."""
        tx = self.lake.transaction("abandoned")
        tx.append_table("t", rows(self.value + 1))
        tx.put_file("f", content(self.value + 1, 600))
        tx.writer.flush()

    @precondition(lambda self: self.held is None)
    @rule()
    def hold(self) -> None:
        """Write, and commit some time later."""
        self.held, self.deleted = self.lake.transaction("held"), False
        self.held.append_table("t", rows(self.next_value()))
        self.held_value = self.value
        self.held.writer.flush()

    @precondition(lambda self: self.held is not None)
    @rule(target=commits)
    def commit_held(self) -> str:
        assert self.held is not None
        tx, ours, self.held = self.held, self.branches["main"], None
        try:
            record = tx.commit()
        except ConflictError as error:
            assert error.nodes == ("t",)
            assert self.deleted or "longer than the grace period" not in str(error)
            return ours
        assert record is not None
        old = self.states[ours]
        state = replace(old, rows=old.rows + Counter([self.held_value]))
        self.branches["main"] = self.known(record, state)
        return record.id

    @rule(days=st.sampled_from([0, 7]))
    def collect(self, days: int) -> None:
        self.deleted |= bool(self.lake.collect_garbage(grace=timedelta(days)).deleted)
        assert not self.lake.verify(threads=1).damages

    @rule()
    def time_passes(self) -> None:
        age(self.lake, timedelta(8))

    @rule(target=commits, branch=BRANCHES)
    def compact(self, branch: str) -> str:
        branch = branch if branch in self.branches else "main"
        for record in self.lake.compact(branch=branch).commits:
            self.branches[branch] = self.known(record, self.states[self.branches[branch]])
        return self.branches[branch]

    @rule()
    def reopen(self) -> None:
        self.lake = Lake.open(self.folder / "lake", durable=False, verification="always")

    @rule(commit=commits)
    def look_back(self, commit: str) -> None:
        assert held(self.lake, commit[:16]) == self.states[commit]
        assert {record.id for record in self.lake.log(commit)} - self.before(commit) == set()

    @invariant()
    def names_are_the_model(self) -> None:
        assert {name: record.id for name, record in self.lake.branches.items()} == self.branches
        assert {name: record.id for name, record in self.lake.tags.items()} == self.tags
        for name, commit in self.branches.items():
            assert held(self.lake, name) == self.states[commit]

    def teardown(self) -> None:
        assert not Lake.open(self.folder / "lake").verify(threads=1).damages
        shutil.rmtree(self.folder, ignore_errors=True)


TestVersions = VersionsMachine.TestCase
TestVersions.settings = settings(
    max_examples=400 if DEEP else 25, stateful_step_count=50 if DEEP else 25, deadline=None
)
