# ruff: noqa: RUF001
"""Any name by any door: refused by the one rule, with nothing changed, or read back by every reader.

The model is what should be there: for each name a kind and values. Which names are refused it knows from docs/format.md,
in words of its own. Doors: transactions, the Zarr store by zarr-python, by its keys and by xarray, merge, cherry-pick,
revert, push and pull. Readers: the lake, SQL, dask, Zarr and xarray.
"""

import os
import re
import shutil
import tempfile
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xarray as xr
import zarr
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore

import neurolake as nl
from neurolake.lake import Transaction
from neurolake.lake.errors import ConflictError, InputError, NodeNameError

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"

Content = tuple[str, Any]
Model = dict[str, Content]

# Names that are parts of each other, keys of Zarr, equal without case, words of SQL, tables of the catalog, addresses, times, patterns,
# what shells, paths and prompts take for something else, and what no name may be.
PARTS = """v V v.x v.y c c.0 c0 C 0 0.0 1 00 . .. zarr.json .zarray .zattrs .zgroup .zmetadata zarr
trials Trials nodes columns runs files refs select table order main memory system temp information_schema pg_catalog trace
é e\u0301 É ß ss SS ẞ σ ς Σ İ i\u0307 ı I i \u212a k \u00b5V \u03bcV 🧠 \u202ev \ufeffv
<P_object_at_0x7f3a>.soma 0x7f3a deadbeef 2026-11-20 main~1 ~1 HEAD
* ? [0] % %41 $x {v} 'v' "v" `v` ;v --v #v @v &v v=1 v:1 s3: C: NUL con -v _v None nan true
__init__ __array__ attrs""".split()  # noqa: SIM905
BAD = ["", ".", "..", "a\\b", "a\x00", "a\n", "\ud800", "x" * 201]
parts = st.one_of(
    st.sampled_from(PARTS),
    st.sampled_from(PARTS),
    st.sampled_from([" ", "v v", " v", "v ", "x" * 200, "v\u2028w"]),
    st.text(max_size=4),
    st.sampled_from(BAD),
)
names = st.lists(parts, min_size=1, max_size=3).map("/".join)


def badly_written(name: str) -> bool:
    """What no node may be called, wherever."""
    return len(name) > 1000 or any(
        part in ("", ".", "..")
        or len(part) > 200
        or any(letter == "\\" or unicodedata.category(letter) in ("Cc", "Cs") for letter in part)
        for part in name.split("/")
    )


def means_two_things(model: Model) -> bool:
    """Whether a name is a key of an array above it, or of Zarr's metadata, or the name of another table to SQL."""
    tables = [
        unicodedata.normalize("NFC", name).casefold() for name, (kind, _) in model.items() if kind == "table"
    ]
    below = [
        (above, name[len(above) + 1 :].split("/")[0])
        for above, (kind, _) in model.items()
        if kind == "array"
        for name in model
        if name.startswith(f"{above}/")
    ]
    key = re.compile(r"c|c\..*|[0-9.]+|zarr\.json|\.z(array|attrs|group)", re.DOTALL)
    zarrs = [name for name, (kind, _) in model.items() if kind in ("array", "group")]
    metadata = [
        "" if name == "zarr.json" else name.removesuffix("zarr.json")
        for name, (kind, _) in model.items()
        if kind == "file" and name.split("/")[-1] == "zarr.json"
    ]
    return (
        len(set(tables)) < len(tables)
        or any(key.fullmatch(part) for _, part in below)
        or any("zarr.json" in name.split("/") for name in zarrs)
        or any(f"{name}/".startswith(folder) or not folder for folder in metadata for name in zarrs)
    )


def folders(name: str) -> Iterator[str]:
    above = name.split("/")[:-1]
    yield "/"
    yield from ("/".join(above[:length]) for length in range(1, len(above) + 1))


@dataclass(frozen=True)
class Edit:
    """One change of one node by one door."""

    door: str
    name: str
    values: tuple[int, ...]

    def is_no_metadata(self) -> bool:
        """Whether it writes a file where Zarr would look for metadata."""
        return self.door == "file" and self.name.split("/")[-1] == "zarr.json"

    def done(self, model: Model) -> Model | None:
        """The model afterwards; None where there is nothing to do."""
        old = model.get(self.name)
        match self.door:
            case "append":
                if old is None or old[0] not in ("array", "table"):
                    return None
                return {**model, self.name: (old[0], [*old[1], *self.values])}
            case "delete":
                return None if old is None else {n: each for n, each in model.items() if n != self.name}
            case "file":
                return {**model, self.name: ("file", bytes(self.values))}
            case "table" | "array":
                return {**model, self.name: (self.door, list(self.values))}
            case "group":
                # As an array: only where nothing stands in the way, for Zarr itself overwrites and deletes what is below.
                return None if old else {**model, self.name: ("group", {"n": len(self.values)})}
            case _ if old:
                return None
            case "xarray" if (group := self.name.rpartition("/")[0] or "/") in model:
                # It gives the group the attributes of the dataset, which has none.
                return {**model, group: (model[group][0], {}), self.name: ("array", list(self.values))}
            case _:
                return {**model, self.name: ("array", list(self.values))}

    def do(self, tx: Transaction) -> None:
        """Make the change."""
        values, dimension = np.array(self.values, "i8"), [f"{self.name.rpartition('/')[2]}-axis"]
        node = tx.drafts.get(self.name)
        match self.door:
            case "append" if node is not None and node.kind == "array":
                tx.append_array(self.name, values)
            case "append":
                tx.append_table(self.name, pa.table({"x": values}))
            case "delete":
                tx.delete(self.name)
            case "file":
                tx.put_file(self.name, bytes(self.values))
            case "table":
                tx.write_table(self.name, pa.table({"x": values}))
            case "array":
                tx.write_array(self.name, values, chunks=(2,), dimension_names=dimension)
            case "group":
                zarr.create_group(tx.store, path=self.name, attributes={"n": len(values)})
            case "zarr":
                made = zarr.create_array(
                    *(tx.store,),
                    name=self.name,
                    shape=values.shape,
                    dtype="i8",
                    chunks=(2,),
                    dimension_names=dimension,
                )
                made[...] = values
            case "keys":
                for key, value in zarr_keys(values, dimension):
                    tx.store.set_sync(
                        f"{self.name}/{key}", default_buffer_prototype().buffer.from_bytes(value)
                    )
            case "xarray":
                group, _, last = self.name.rpartition("/")
                variable = xr.Dataset({last: (dimension, values)})
                variable.to_zarr(tx.store, group=group or None, mode="a", zarr_format=3, consolidated=False)


def zarr_keys(values: Any, dimension: list[str]) -> list[tuple[str, bytes]]:
    """Keys and values by which Zarr stores an array: chunks first, as some tools copy them."""
    store = MemoryStore()
    zarr.create_array(store, shape=values.shape, dtype="i8", chunks=(2,), dimension_names=dimension)[...] = (
        values
    )
    return sorted((key, value.to_bytes()) for key, value in store._store_dict.items())


TWINS: tuple[Callable[[str], str], ...] = (
    str,
    *(str.swapcase, str.upper, str.casefold),
    *(partial(unicodedata.normalize, form) for form in ("NFC", "NFD")),
)
BELOW = [
    "{name}/c",
    "{name}/x",
    "{name}/0",
    "{name}/c.1",
    "{name}.x",
    "{name}/zarr.json",
    "{folder}/zarr.json",
]
BY_ZARR = ("group", "zarr", "xarray")
DOORS = st.sampled_from(["table", "table", "array", "array", "file", "keys", "append", "delete", *BY_ZARR])
VALUES = st.lists(st.integers(0, 255), min_size=1, max_size=5).map(tuple)
LIMITS = (
    {"max_examples": 300, "stateful_step_count": 40}
    if DEEP
    else {"max_examples": 20, "stateful_step_count": 12}
)


class NamesMachine(RuleBasedStateMachine):
    """`model` is what the main branch holds, `states` what commits hold."""

    @initialize()
    def create(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.lake = nl.create(self.folder / "lake", durable=False)
        self.model: Model = {}
        self.states = {self.lake.head.commit.id: self.model}
        self.other = self.lake.copy_to(self.folder / "other")

    def drawn(self, data: st.DataObject, model: Model) -> Edit:
        door = data.draw(DOORS, label="door")
        aim = data.draw(st.sampled_from(["new", "known", "twin", "below"]), label="aim") if model else "new"
        if door in ("append", "delete") and model:
            aim = "known"
        name = data.draw(names if aim == "new" else st.sampled_from(sorted(model)), label="name")
        if aim == "twin":
            door = "table"
            name = data.draw(st.sampled_from(TWINS))(name)
        elif aim == "below":
            name = data.draw(st.sampled_from(BELOW)).format(name=name, folder=name.rpartition("/")[0] or name)
        if door in BY_ZARR:
            # As zarr-python reads a path.
            name = "/".join(filter(None, name.replace("\\", "/").split("/"))) or "v"
        return Edit(door, name, data.draw(VALUES, label="values"))

    def edited(self, edits: list[Edit], model: Model, branch: str = "main", lake: Any = None) -> Model:
        """The model after one commit of these edits, or as it was where they are refused."""
        lake = self.lake if lake is None else lake
        tip, states = lake.at(branch).commit.id, [model]
        try:
            with lake.transaction("edit", branch=branch) as tx:
                for edit in edits:
                    after = edit.done(states[-1])
                    if after is None:
                        continue
                    states.append(after)
                    with warnings.catch_warnings():
                        # Of zarr-python, about files between arrays.
                        warnings.simplefilter("ignore")
                        edit.do(tx)
                    # Zarr makes groups of the folders above; where these have been none, they are now.
                    groups = {
                        n: ("group", {}) for n in folders(edit.name) if n in tx.drafts and n not in after
                    }
                    states[-1] = {**after, **groups}
        except ValueError as error:
            by_lake = isinstance(error, InputError)
            refused = any(badly_written(edit.name) or edit.is_no_metadata() for edit in edits)
            refused |= any(map(means_two_things, states))
            # Zarr and xarray refuse some names before they get here, and what is in the way of a group.
            theirs = any(edit.door in BY_ZARR for edit in edits)
            assert refused or theirs, error
            assert by_lake or theirs, error
            assert lake.at(branch).commit.id == tip
            return model
        after = self.states[lake.at(branch).commit.id] = states[-1]
        assert not means_two_things(after) and not any(map(badly_written, after.keys() - {"/"}))
        return after

    def committed(self, after: Model) -> None:
        self.model = self.states[self.lake.head.commit.id] = after
        self.read()

    @rule(data=st.data(), count=st.integers(1, 3))
    def commit(self, data: st.DataObject, count: int) -> None:
        edits: list[Edit] = []
        seen = self.model
        for _ in range(count):
            edits.append(self.drawn(data, seen))
            seen = edits[-1].done(seen) or seen
        self.committed(self.edited(edits, self.model))

    @rule(data=st.data(), pick=st.booleans())
    def meet(self, data: st.DataObject, pick: bool) -> None:
        """Two branches change a node each; one is merged into the other, or its commit picked."""
        self.lake.branches.create("side", "main")
        ours = self.edited([self.drawn(data, self.model)], self.model)
        theirs = self.edited([self.drawn(data, self.model)], self.model, "side")
        tip = self.lake.head.commit.id
        try:
            if pick and theirs != self.model:
                self.lake.cherry_pick("side")
            else:
                self.lake.merge("side")
            after = self.together(ours, theirs)
        except (ConflictError, NodeNameError) as error:
            together = self.together(ours, theirs)
            assert together is None or means_two_things(together) == isinstance(error, NodeNameError)
            assert self.lake.head.commit.id == tip
            after = ours
        assert after is not None
        self.lake.branches.delete("side")
        self.committed(after)

    def together(self, ours: Model, theirs: Model) -> Model | None:
        """What both sides did to the model; None where they changed one node differently."""
        changed = [
            {name for name in self.model.keys() | side.keys() if self.model.get(name) != side.get(name)}
            for side in (ours, theirs)
        ]
        for name in changed[0] & changed[1]:
            old, here, there = (side.get(name, ("", None)) for side in (self.model, ours, theirs))
            if here == there:
                continue
            # Appends commute.
            appended = old[0] in ("array", "table") and old[0] == here[0] == there[0]
            if not appended or any(side[1][: len(old[1])] != old[1] for side in (here, there)):
                return None
            theirs = {**theirs, name: (old[0], [*here[1], *there[1][len(old[1]) :]])}
        gone = {name for name in changed[1] if name not in theirs}
        return {
            name: each
            for name, each in {**ours, **{n: theirs[n] for n in changed[1] - gone}}.items()
            if name not in gone
        }

    @rule()
    def revert(self) -> None:
        parents = [self.states.get(each.id) for each in self.lake.head.commit.parents]
        if len(parents) == 1 and parents[0] is not None:
            self.lake.revert("main")
            self.committed(parents[0])

    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        """Push to the other lake, commit there and here, pull back."""
        self.lake.push(self.other)
        ours = self.edited([self.drawn(data, self.model)], self.model)
        theirs = self.edited([self.drawn(data, self.model)], self.model, lake=self.other)
        tip = self.lake.head.commit.id
        try:
            self.lake.pull(self.other)
            after = self.together(ours, theirs)
        except (ConflictError, NodeNameError) as error:
            after = self.together(ours, theirs)
            assert after is None or means_two_things(after) == isinstance(error, NodeNameError)
            assert self.lake.head.commit.id == tip
            # It goes on from what is here.
            shutil.rmtree(self.folder / "other")
            self.other = self.lake.copy_to(self.folder / "other")
            after = ours
        assert after is not None
        self.committed(after)

    @rule()
    def reopen(self) -> None:
        self.lake = nl.open(self.folder / "lake", durable=False)
        self.read()

    def read(self) -> None:
        """Ask every reader."""
        head = self.lake.head
        assert set(head) == self.model.keys()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, (kind, value) in self.model.items():
                getattr(self, f"read_{kind}")(head, name, value)

    def read_file(self, head: Any, name: str, value: bytes) -> None:
        assert head[name] == value == head.files[name]
        found = sync(head.store.get(name, default_buffer_prototype()))
        assert found is not None and found.to_bytes() == value

    def read_table(self, head: Any, name: str, value: list[int]) -> None:
        assert head[name].to_arrow()["x"].to_pylist() == value
        quoted = name.replace('"', '""')
        # Files are read side by side: SQL promises no order.
        assert sorted(head.sql(f'select x from "{quoted}"').fetchall()) == [(each,) for each in sorted(value)]
        text = name.replace("'", "''")
        assert "parquet_files" in map(str.lower, head.tables) or head.sql(
            f"select sum(rows) from parquet_files where \"table\" = '{text}'"
        ).fetchall() == [(len(value),)]
        assert head[name].dask().x.compute().tolist() == value

    def read_group(self, head: Any, name: str, value: Mapping[str, Any]) -> None:
        assert dict(zarr.open_group(head.store, path=name, mode="r").attrs) == value

    def read_array(self, head: Any, name: str, value: list[int]) -> None:
        array = head[name]
        assert array[...].tolist() == value
        assert array.dask().compute().tolist() == value
        assert zarr.open_array(head.store, path=name, mode="r")[...].tolist() == value
        assert head.xarray(name).values.tolist() == value
        if any(self.model.get(above, ("", None))[0] == "array" for above in folders(name)):
            return
        folder, _, last = name.rpartition("/")
        dataset = xr.open_zarr(head.store, group=folder or None, consolidated=False, chunks=None)
        assert dataset[last].values.tolist() == value
        group = zarr.open_group(head.store, mode="r")
        assert group[name][...].tolist() == value and name in dict(group.members(max_depth=None))

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            found = nl.open(self.folder / "lake").verify(threads=1)
            assert not found.damages and not found.collisions
            shutil.rmtree(self.folder, ignore_errors=True)


TestNames = NamesMachine.TestCase
TestNames.settings = settings(
    **LIMITS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # A failure is told as it was found in the short run: making it small takes minutes.
    phases=tuple(Phase) if DEEP else (Phase.explicit, Phase.generate),
)
