"""History expires or is left behind by a copy, garbage goes, tables are compacted: what stays is what the model holds, and it can be merged.

Three branches append rows and change a file of their own each, and are merged into each other. A commit that is gone
says so; no other is.
"""

import os
import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from lake_contents import age, contents, rows

from neurolake.lake import Commit, Lake, transaction
from neurolake.lake.errors import ConflictError, ExpiredError, NotFoundError

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
BRANCHES = st.sampled_from(["main", "side", "other"])
State = tuple[Counter[int], dict[str, tuple[int, bytes]]]
"""Rows; by name, when a file was written and what it holds. A file has one writer, so the later one follows the earlier."""


def holds(lake: Lake, ref: str, state: State) -> bool:
    """Whether these rows and files are there."""
    found = contents(lake.at(ref))
    rows_there = Counter(row["x"] for row in found.pop("t"))
    return rows_there == state[0] and found == {name: content for name, (_, content) in state[1].items()}


class ExpiryMachine(RuleBasedStateMachine):
    """`states` is what each commit holds; `gone` are those that may have expired."""

    commits = Bundle("commits")

    @initialize(target=commits)
    def create(self) -> str:
        self.patch = pytest.MonkeyPatch()
        # Trees are stored whole often, so that short histories expire.
        self.patch.setattr(transaction, "FOLD_AFTER", 3)
        self.folder = Path(tempfile.mkdtemp())
        self.lake = Lake.create(self.folder / "lake", durable=False)
        self.value = 0
        self.states: dict[str, State] = {}
        self.times: dict[str, datetime] = {}
        self.gone: set[str] = set()
        self.since = datetime.min.replace(tzinfo=UTC)
        self.compacted = False
        with self.lake.transaction("begin") as tx:
            tx.write_table("t", rows(0))
        assert tx.committed is not None
        self.branches: dict[str, str] = {}
        self.written = {"main": "main"}
        self.tags: dict[str, str] = {}
        return self.known("main", tx.committed, (Counter([0]), {}))

    def known(self, branch: str, record: Commit, state: State) -> str:
        self.states[record.id], self.times[record.id] = state, record.time
        self.branches[branch] = record.id
        return record.id

    @rule(target=commits, branch=BRANCHES, size=st.sampled_from([0, 600]), count=st.integers(1, 5))
    def commit(self, branch: str, size: int, count: int) -> str:
        branch = self.existing(branch)
        for _ in range(count):
            self.value += 1
            added, files = self.states[self.branches[branch]]
            content = b"%d" % (self.value % 3) + bytes(size)
            with self.lake.transaction("commit", branch=branch) as tx:
                tx.append_table("t", rows(self.value))
                tx.put_file(self.written[branch], content)
            assert tx.committed is not None
            files = {**files, self.written[branch]: (self.value, content)}
            self.known(branch, tx.committed, (added + Counter([self.value]), files))
        return self.branches[branch]

    def existing(self, branch: str) -> str:
        return branch if branch in self.branches else "main"

    @rule(name=BRANCHES, of=BRANCHES)
    def branch(self, name: str, of: str) -> None:
        if name not in self.branches:
            of = self.existing(of)
            self.lake.branches.create(name, of)
            self.branches[name] = self.branches[of]
            self.written[name] = f"{name} {len(self.written)} {self.value}"

    @rule(name=BRANCHES)
    def delete_branch(self, name: str) -> None:
        if name in self.branches and name != "main":
            self.lake.branches.delete(name)
            del self.branches[name]

    @rule(name=st.sampled_from(["v1", "v2"]), commit=commits)
    def tag(self, name: str, commit: str) -> None:
        if name in self.tags:
            self.lake.tags.delete(name)
            del self.tags[name]
        elif commit not in self.gone:
            self.lake.tags.create(name, commit)
            self.tags[name] = commit

    @rule(target=commits, source=BRANCHES, into=BRANCHES)
    def merge(self, source: str, into: str) -> str:
        source, into = self.existing(source), self.existing(into)
        ours, theirs = (self.states[self.branches[name]] for name in (into, source))
        try:
            record = self.lake.merge(source, into=into)
        except ConflictError as error:
            # Whoever joins files puts them in the place of all; then nobody knows where what is appended belongs.
            assert error.nodes == ("t",) and self.compacted
            return self.branches[into]
        if record is None:
            return self.branches[into]
        files = {
            name: max(side[name] for side in (ours[1], theirs[1]) if name in side)
            for name in ours[1] | theirs[1]
        }
        return self.known(into, record, (ours[0] | theirs[0], files))

    @rule()
    def abandon(self) -> None:
        """Write what later commits write again, and give it up."""
        tx = self.lake.transaction("abandoned")
        tx.append_table("t", rows(self.value + 1))
        tx.put_file("main", b"%d" % (self.value % 3) + bytes(600))
        tx.writer.flush()

    @rule(commit=commits, now=st.booleans())
    def expire(self, commit: str, now: bool) -> None:
        time = datetime.now(UTC) if now else self.times[commit]
        self.lake.expire(time)
        self.expired(time)

    def expired(self, time: datetime) -> None:
        # What only a tag kept goes with the first expiry after the tag, whatever time that is told.
        self.since = max(self.since, time)
        kept = {*self.branches.values(), *self.tags.values()}
        self.gone |= {each for each, made in self.times.items() if made < self.since and each not in kept}

    @rule(commit=commits, now=st.booleans())
    def go_on_in_a_copy(self, commit: str, now: bool) -> None:
        """With the history since a time, which what follows takes for all that there was."""
        time = datetime.now(UTC) if now else self.times[commit]
        self.lake = self.lake.copy_to(self.folder / "copy", history=time)
        shutil.rmtree(self.folder / "lake")
        (self.folder / "copy").rename(self.folder / "lake")
        self.reopen()
        self.expired(time)

    @rule(days=st.sampled_from([0, 7]))
    def collect(self, days: int) -> None:
        self.lake.collect_garbage(grace=timedelta(days))
        assert not self.lake.verify(threads=1).damages

    @rule()
    def time_passes(self) -> None:
        age(self.lake, timedelta(8))

    @rule(target=commits)
    def compact(self) -> str:
        self.compacted = True
        for record in self.lake.compact().commits:
            self.known("main", record, self.states[self.branches["main"]])
        return self.branches["main"]

    @rule()
    def reopen(self) -> None:
        self.lake = Lake.open(self.folder / "lake", durable=False, verification="always")

    @rule(commit=commits)
    def look_back(self, commit: str) -> None:
        try:
            assert holds(self.lake, commit, self.states[commit])
        except (ExpiredError, NotFoundError) as error:
            assert commit in self.gone and "expired" in str(error)

    @invariant()
    def names_are_the_model(self) -> None:
        assert {name: record.id for name, record in self.lake.branches.items()} == self.branches
        assert {name: record.id for name, record in self.lake.tags.items()} == self.tags
        for name, commit in (self.branches | self.tags).items():
            assert holds(self.lake, name, self.states[commit])

    def teardown(self) -> None:
        self.patch.undo()
        assert not Lake.open(self.folder / "lake").verify(threads=1).damages
        shutil.rmtree(self.folder, ignore_errors=True)


TestExpiry = ExpiryMachine.TestCase
TestExpiry.settings = settings(
    max_examples=400 if DEEP else 25, stateful_step_count=50 if DEEP else 25, deadline=None
)
