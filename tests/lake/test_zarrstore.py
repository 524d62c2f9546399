"""The Zarr view: zarr-python's own suite for stores, then what zarr-python does with ours."""

import itertools
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zarr
from zarr.core.buffer import Buffer, cpu, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore
from zarr.testing.store import StoreTests

from neurolake.lake import Lake
from neurolake.lake.data.zarrstore import ZarrStore
from neurolake.lake.drafts import Drafts
from neurolake.lake.errors import CorruptObjectError, InputError, ProcessBoundError, ReadOnlyError
from neurolake.lake.nodes.entries import OVERLAY_SIZE
from neurolake.lake.objects.store import ObjectStore, ObjectWriter


class TestZarrsOwnSuite(StoreTests[ZarrStore, cpu.Buffer]):
    store_cls = ZarrStore
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self, lake: Lake) -> dict[str, Any]:
        objects = ObjectStore(lake.storage)
        return {
            "objects": objects,
            "tree": Drafts({}, lambda ref: {}),
            "writer": ObjectWriter(lake.storage),
        }

    async def set(self, store: ZarrStore, key: str, value: Buffer) -> None:
        store._put(key, value.to_bytes())

    async def get(self, store: ZarrStore, key: str) -> Buffer:
        data = store.value(key)
        assert data is not None
        return self.buffer_cls.from_bytes(data)

    def test_store_repr(self, store: ZarrStore) -> None:
        assert repr(store) == f"ZarrStore({str(store)!r})"

    def test_store_supports_writes(self, store: ZarrStore) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: ZarrStore) -> None:
        assert store.supports_listing

    async def test_serializable_store(self, store: ZarrStore) -> None:
        # Writes into a copy would be lost, silently; only snapshots travel (TestPickle).
        with pytest.raises(
            ProcessBoundError, match=r"another process.*send the store of a snapshot .lake\.head\.store"
        ):
            pickle.dumps(store)


def stored(lake: Lake, name: str) -> Any:
    """The array *name* as zarr-python alone sees it."""
    return zarr.open_array(lake.head.store, path=name, mode="r")


def content(store: Any) -> dict[str, bytes]:
    """Everything in a store, by key."""

    async def gather() -> dict[str, bytes]:
        keys = [key async for key in store.list()]
        found = {key: await store.get(key, default_buffer_prototype()) for key in keys}
        return {key: buffer.to_bytes() for key, buffer in found.items()}

    return sync(gather())


def listed(store: ZarrStore, folder: str) -> list[str]:
    async def gather() -> list[str]:
        return [child async for child in store.list_dir(folder)]

    return sync(gather())


class TestPickle:
    def test_snapshot_travels(self, lake: Lake) -> None:
        values = np.random.default_rng(0).random((40, 30))
        with lake.transaction("write") as tx:
            tx.write_array("run/v", values, chunks=(7, 30))
        store = lake.head.store
        copy = pickle.loads(pickle.dumps(store))
        assert copy == store and hash(copy) == hash(store) and copy.read_only
        assert np.array_equal(zarr.open_array(copy, path="run/v")[:], values)

    def test_copy_reads_shards(self, lake: Lake) -> None:
        values = np.arange(OVERLAY_SIZE + 10)
        with lake.transaction("write") as tx:
            tx.write_array("v", values, chunks=(1,))
        store = Lake.open(lake.url).head.store
        assert store.tree["v"].entries.shards
        assert np.array_equal(zarr.open_array(pickle.loads(pickle.dumps(store)), path="v")[:], values)

    def test_other_content_is_unequal(self, lake: Lake) -> None:
        before = lake.head.store
        with lake.transaction("write") as tx:
            tx.put_file("note", b"x")
        assert lake.head.store != before
        assert before != "store"


class TestArrays:
    @pytest.mark.parametrize("shape", [(), (0,), (5,), (0, 3), (3, 0), (4, 5, 3), (2, 3, 2, 3)])
    @pytest.mark.parametrize(
        "dtype", ["bool", "int8", "uint16", "int64", "uint64", "float16", "float32", "complex128"]
    )
    def test_round_trip(self, lake: Lake, shape: tuple[int, ...], dtype: str) -> None:
        values = np.random.default_rng(1).integers(0, 2, shape).astype(dtype)
        with lake.transaction("write") as tx:
            array = zarr.create_array(tx.store, name="a", shape=shape, dtype=dtype, chunks=(2,) * len(shape))
            array[...] = values
        read = stored(lake, "a")
        assert read.dtype == dtype and read.shape == shape
        assert np.array_equal(read[...], values)
        assert np.array_equal(lake["a"][...], values)

    @pytest.mark.parametrize(
        "values",
        [
            np.array(["a", "", "µV", "long " * 50], dtype=np.dtypes.StringDType()),
            np.array(["1952-08-28", "NaT", "2026-11-20"], "datetime64[s]"),
            np.array([1, -5, 7], "timedelta64[ms]"),
            np.array([b"ab", b"c", b""], "S2"),
            np.array(["ab", "ü", ""], "U3"),
            np.array([1.5, 2.5], ">f8"),
        ],
        ids=["strings", "datetime", "timedelta", "bytes", "text", "big-endian"],
    )
    @pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
    def test_other_dtypes(self, lake: Lake, values: Any) -> None:
        with lake.transaction("write") as tx:
            array = zarr.create_array(tx.store, name="a", shape=values.shape, dtype=values.dtype, chunks=(2,))
            array[...] = values
            tx.write_array("b", values, chunks=(2,))
        for name in ("a", "b"):
            read = lake[name][...]
            same = read == values if values.dtype.kind != "M" else (read == values) | np.isnat(values)
            assert same.all()

    @pytest.mark.parametrize(
        "encoding",
        [("default", "/"), ("default", "."), ("v2", "."), ("v2", "/")],
        ids=lambda encoding: "".join(encoding),
    )
    @pytest.mark.parametrize("ndim", [0, 1, 3])
    def test_chunk_keys(self, lake: Lake, encoding: tuple[str, str], ndim: int) -> None:
        name, separator = encoding
        values = np.arange(5**ndim).reshape((5,) * ndim)
        kwargs: dict[str, Any] = {
            "shape": values.shape,
            "dtype": values.dtype,
            "chunks": (2,) * ndim,
            "chunk_key_encoding": {"name": name, "separator": separator},
            "fill_value": -1,
        }
        memory = MemoryStore()
        with lake.transaction("write") as tx:
            for store in (tx.store, memory):
                zarr.create_array(store, name="a", **kwargs)[...] = values
        assert np.array_equal(lake["a"][...], values)
        ours, theirs = content(lake.head.store), content(memory)
        assert {key: ours[key] for key in theirs if "zarr.json" not in key} == {
            key: value for key, value in theirs.items() if "zarr.json" not in key
        }
        assert ours.keys() == theirs.keys()

    def test_sharding_codec(self, lake: Lake) -> None:
        values = np.random.default_rng(2).random((50, 40))
        with lake.transaction("write") as tx:
            array = zarr.create_array(
                tx.store, name="a", shape=values.shape, dtype="f8", chunks=(5, 10), shards=(20, 20)
            )
            array[...] = values
            array[3:7, 8:13] = -1
        values[3:7, 8:13] = -1
        read = stored(lake, "a")
        assert np.array_equal(read[22:27, 9:31], values[22:27, 9:31])
        assert np.array_equal(read[...], values)
        assert np.array_equal(lake["a"][22:27, 9:31], values[22:27, 9:31])
        assert len(lake["a"].entries()) == 6

    def test_array_at_the_root(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            zarr.create_array(tx.store, shape=(6,), dtype="i4", chunks=(4,))[:] = np.arange(6)
        assert list(lake) == ["/"]
        assert zarr.open_array(lake.head.store, mode="r")[:].tolist() == [0, 1, 2, 3, 4, 5]
        assert listed(lake.head.store, "") == ["c", "zarr.json"]

    def test_overwrite_leaves_nothing_of_the_old(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            zarr.create_array(tx.store, name="a", shape=(6,), dtype="i4", chunks=(2,))[:] = 1
            zarr.create_array(
                tx.store, name="a", shape=(3, 3), dtype="i4", chunks=(2, 2), overwrite=True, fill_value=0
            )
        assert lake["a"][...].tolist() == [[0] * 3] * 3
        assert not lake["a"].entries()


class TestResize:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ((6, 6), (9, 6)),
            ((6, 6), (3, 6)),
            ((6, 6), (6, 9)),
            ((6, 6), (6, 3)),
            ((5, 7), (8, 4)),
            ((5, 7), (3, 11)),
            ((5, 7), (0, 7)),
            ((5, 7), (5, 0)),
            ((0, 0), (5, 5)),
            ((5, 7), (1, 1)),
        ],
    )
    def test_as_zarr_in_memory(self, lake: Lake, old: tuple[int, int], new: tuple[int, int]) -> None:
        values = np.arange(np.prod(old)).reshape(old)
        kwargs: dict[str, Any] = {"shape": old, "dtype": "i8", "chunks": (2, 3), "fill_value": -7}
        theirs = zarr.create_array(MemoryStore(), **kwargs)
        theirs[...] = values
        with lake.transaction("write") as tx:
            zarr.create_array(tx.store, name="a", **kwargs)[...] = values
        for shape in (new, (9, 12), old):
            theirs.resize(shape)
            with lake.transaction("resize") as tx:
                tx.array("a").resize(shape)
            assert np.array_equal(lake["a"][...], theirs[...])
            assert np.array_equal(stored(lake, "a")[...], theirs[...])

    def test_growth_renumbers_shards(self, lake: Lake) -> None:
        shape = (40, 50)
        values = np.arange(2000).reshape(shape)
        with lake.transaction("write") as tx:
            tx.write_array("a", values, chunks=(1, 1))
        with lake.transaction("grow") as tx:
            tx.array("a").resize((40, 51))
        reopened = Lake.open(lake.url)
        assert np.array_equal(reopened["a"][:, :50], values)
        assert not reopened["a"][:, 50:].any()

    @pytest.mark.parametrize("shape", [(7,), (12,)])
    def test_cut_chunks_lose_their_statistics(self, lake: Lake, shape: tuple[int]) -> None:
        """They speak of what the chunk showed before; a chunk that shows the same as before keeps them."""
        with lake.transaction("write") as tx:
            tx.write_array("a", np.arange(1, 11), chunks=(4,))
        with lake.transaction("resize") as tx:
            tx.array("a").resize(shape)
        known = {at: bool(entry.stats) for at, entry in lake["a"].entries().items()}
        assert known == ({0: True, 1: False} if shape == (7,) else {0: True, 1: True, 2: False})

    def test_renumbered_chunks_keep_statistics_unless_cut(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_array("a", np.arange(20.0).reshape(4, 5), chunks=(2, 3))
        with lake.transaction("resize") as tx:
            tx.array("a").resize((4, 8))
        entries = lake["a"].entries()
        assert {at: bool(entry.stats) for at, entry in entries.items()} == {
            0: True,
            1: False,
            3: True,
            4: False,
        }


class TestGroups:
    def test_hierarchy(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            root = zarr.create_group(tx.store, attributes={"title": "demo"})
            inner = root.create_group("cells/L5", attributes={"count": 2})
            inner.create_array("v", shape=(3,), dtype="f4")[:] = [1, 2, 3]
        group = zarr.open_group(lake.head.store, mode="r")
        assert group.attrs["title"] == "demo"
        assert group["cells/L5"].attrs["count"] == 2
        assert group["cells/L5/v"][:].tolist() == [1, 2, 3]
        assert {path for path, _ in group.members(max_depth=None)} == {"cells", "cells/L5", "cells/L5/v"}
        assert sorted(lake) == ["/", "cells", "cells/L5", "cells/L5/v"]

    def test_folders_of_arrays_are_groups(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_array("run/soma/v", [1.0, 2.0])
            tx.write_array("other", [3])
        store = lake.head.store
        group = zarr.open_group(store, mode="r")
        assert sorted(group) == ["other", "run"]
        assert group["run/soma/v"][0] == 1.0
        assert [name for name, _ in group["run"].members(max_depth=None)] == ["soma", "soma/v"]
        keys = set(content(store))
        assert {"zarr.json", "run/zarr.json", "run/soma/zarr.json", "run/soma/v/zarr.json"} <= keys
        for key, value in content(store).items():
            assert sync(store.exists(key)) and sync(store.getsize(key)) == len(value)
        assert not sync(store.exists("absent/zarr.json"))

    def test_delete(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            for name in ("g/a", "g/b", "h"):
                tx.write_array(name, [1, 2, 3])
            tx.put_file("g/note", b"n")
        with lake.transaction("delete") as tx:
            del zarr.open_group(tx.store, mode="r+")["g"]
        assert list(lake) == ["h"]
        with lake.transaction("delete a key") as tx:
            sync(tx.store.delete("h/zarr.json"))
        assert list(lake) == []

    def test_delete_chunks(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            zarr.create_array(tx.store, name="a", shape=(4, 4), dtype="i4", chunks=(2, 2), fill_value=9)[
                ...
            ] = 1
        with lake.transaction("delete") as tx:
            sync(tx.store.delete_dir("a/c/0"))
        assert lake["a"][...].tolist() == [[9] * 4] * 2 + [[1] * 4] * 2

    def test_list_dir_inside_an_array(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_array("g/a", np.ones((4, 4)), chunks=(2, 2))
        store = lake.head.store
        assert listed(store, "g") == ["a", "zarr.json"]
        assert listed(store, "g/a") == ["c", "zarr.json"]
        assert listed(store, "g/a/c/") == ["0", "1"]
        assert listed(store, "g/a/c/1") == ["0", "1"]

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    def test_keys_copied_in_any_order(self, lake: Lake, order: tuple[int, ...]) -> None:
        """Tools that copy stores key by key need not know that metadata comes first."""
        memory = MemoryStore()
        zarr.create_array(memory, name="a", shape=(4,), dtype="i4", chunks=(2,))[:] = [1, 2, 3, 4]
        source = {key: value for key, value in content(memory).items() if key != "zarr.json"}
        keys = sorted(source)
        assert len(keys) == 3
        with lake.transaction("copy") as tx:
            for index in order:
                tx.store.set_sync(keys[index], cpu.Buffer.from_bytes(source[keys[index]]))
        assert list(lake) == ["a"]
        assert lake["a"][:].tolist() == [1, 2, 3, 4]


def as_consolidated(store: Any, path: str = "") -> Any:
    """What a store has in one document of all that stands below a group."""
    metadata = zarr.open_group(store, path=path, mode="r").metadata
    return metadata.consolidated_metadata and metadata.consolidated_metadata.to_dict()


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
class TestConsolidatedMetadata:
    """A copy that goes stale elsewhere; here it is put together from what there is."""

    def consolidated(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_array("v", [4, 5])
            tx.write_array("deep/down/w", [[1.0, 2.0]])
            zarr.open_group(tx.store, mode="a").create_group("g", attributes={"b": 1, "a": 2})
            zarr.consolidate_metadata(tx.store)

    def test_as_zarr_makes_it(self, lake: Lake) -> None:
        self.consolidated(lake)
        with lake.transaction("inner") as tx:
            zarr.consolidate_metadata(tx.store, path="deep")
        memory = MemoryStore()
        for key, value in content(lake.head.store).items():
            sync(memory.set(key, cpu.Buffer.from_bytes(value)))
        for path in ("", "deep"):
            # Each group keeps that it has it; one below another one is told with nothing below, as Zarr does.
            ours = as_consolidated(lake.head.store, path)
            zarr.consolidate_metadata(memory, path=path)
            assert ours == as_consolidated(memory, path) and ours["metadata"]
        assert as_consolidated(lake.head.store, "deep/down") is None
        assert zarr.open_consolidated(lake.head.store, mode="r")["deep/down/w"][0, 1] == 2.0

    def test_never_stale(self, lake: Lake) -> None:
        self.consolidated(lake)
        with lake.transaction("append, add and delete") as tx:
            tx.append_array("v", [6])
            tx.write_array("new/x", [7])
            tx.write_array("v/below", [8])
            tx.write_table("t", pa.table({"x": [1]}))
            tx.delete("deep/down/w")
        group = zarr.open_consolidated(lake.head.store, mode="r")
        assert group["v"][:].tolist() == [4, 5, 6] and group["new/x"][0] == 7
        assert {name for name, _ in group.members(max_depth=None)} == {"v", "g", "new", "new/x"}
        assert as_consolidated(lake.at("main~1").store)["metadata"].keys() == {
            *("v", "g", "deep", "deep/down", "deep/down/w")
        }

    def test_in_lakes_from_before(self, lake: Lake) -> None:
        self.consolidated(lake)
        with lake.transaction("as it was stored") as tx:
            root = tx.drafts.edit("/")
            assert root is not None
            stale = {"gone": {"node_type": "group", "zarr_format": 3, "attributes": {}}}
            root.meta = {
                **root.meta,
                "consolidated_metadata": {**dict(root.meta["consolidated_metadata"]), "metadata": stale},
            }
        assert "gone" not in as_consolidated(lake.head.store)["metadata"]

    def test_two_writers_do_not_meet_in_it(self, lake: Lake) -> None:
        self.consolidated(lake)
        with lake.transaction("one") as tx:
            tx.append_array("v", [6])
            zarr.consolidate_metadata(tx.store)
            with lake.transaction("other") as other:
                other.write_array("new", [7])
                zarr.consolidate_metadata(other.store)
        assert {"v", "new"} < as_consolidated(lake.head.store)["metadata"].keys()
        assert zarr.open_consolidated(lake.head.store, mode="r")["v"].shape == (3,)


class TestFiles:
    def test_unknown_keys_are_files(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            sync(tx.store.set("notes/readme.txt", cpu.Buffer.from_bytes(b"hello")))
        assert lake["notes/readme.txt"] == b"hello"
        assert content(lake.head.store) == {"notes/readme.txt": b"hello"}

    @pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
    def test_zarr_v2_is_kept_as_files(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            zarr.create_array(tx.store, name="old", shape=(5,), dtype="f8", chunks=(2,), zarr_format=2)[:] = 3
        assert zarr.open_array(lake.head.store, path="old", mode="r", zarr_format=2)[:].tolist() == [3.0] * 5

    def test_tables_are_not_of_zarr(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_table("t", pa.table({"x": [1]}))
            tx.write_array("g/v", [1])
            tx.write_table("g/t", pa.table({"x": [2]}))
        with lake.transaction("try") as tx:
            store = tx.store
            assert store.value("t") is None and not sync(store.exists("t"))
            assert not any(key.endswith("t") for key in content(store))
            sync(store.delete("t"))
            with pytest.raises(InputError, match="'t' is a table"):
                sync(store.set("t", cpu.Buffer.from_bytes(b"x")))
            with pytest.raises(InputError, match="'t' is a table"):
                zarr.create_array(store, name="t", shape=(1,), dtype="i4")
            sync(store.delete_dir("g"))
        assert sorted(lake) == ["g/t", "t"]

    def test_a_name_is_of_one_kind(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_array("a", [1])
            tx.put_file("f", b"x")
            with pytest.raises(InputError, match="'a' is an array"):
                sync(tx.store.set("a", cpu.Buffer.from_bytes(b"x")))
            with pytest.raises(InputError, match="'f' is a file"):
                zarr.create_group(tx.store, path="f")
            with pytest.raises(InputError, match=r"a/zarr\.json: not the metadata"):
                sync(tx.store.set("a/zarr.json", cpu.Buffer.from_bytes(b"x")))

    def test_half_characters_in_metadata(self, lake: Lake) -> None:
        """JSON can write them, UTF-8 cannot."""
        with (
            lake.transaction("none") as tx,
            pytest.raises(InputError, match=r"g/zarr\.json: metadata must be JSON in UTF-8"),
        ):
            zarr.create_group(tx.store, path="g", attributes={"key": "\ud800"})
        assert "g" not in lake

    def test_errors(self, lake: Lake) -> None:
        store = lake.head.store
        with pytest.raises(ReadOnlyError, match="open a transaction"):
            store.with_read_only(False)
        with pytest.raises(ReadOnlyError, match="open a transaction"):
            _ = store.drafts
        with lake.transaction("none") as tx:
            with pytest.raises(TypeError, match="a value is a zarr Buffer, not bytes"):
                sync(tx.store.set("x", b"raw"))
            for key in ("../x", "a//b", "a/./b", "a\\b", "a/\x00"):
                with pytest.raises(InputError):
                    sync(tx.store.set(key, cpu.Buffer.from_bytes(b"x")))
                with pytest.raises(InputError):
                    sync(tx.store.set(f"{key}/zarr.json", cpu.Buffer.from_bytes(json.dumps(GROUP).encode())))

    @pytest.mark.parametrize(
        "write",
        [
            lambda array: array.__setitem__(0, 1),
            lambda array: array.resize((9,)),
            lambda array: array.append(np.array([1])),
            lambda array: array.attrs.update({"unit": "mV"}),
        ],
        ids=["set", "resize", "append", "attributes"],
    )
    def test_what_is_committed_stays(self, lake: Lake, write: Any) -> None:
        with lake.transaction("write") as tx:
            tx.write_array("a", [5, 6])
        for array in (lake["a"], zarr.open_array(lake.head.store, path="a")):
            with pytest.raises(
                ReadOnlyError, match="does not support writing: a snapshot cannot be written; open"
            ):
                write(array)
        assert lake["a"][:].tolist() == [5, 6] and not dict(lake["a"].attrs)

    def test_damage_is_an_error_in_zarr_too(self, tmp_path: Path) -> None:
        lake = Lake.create(tmp_path / "damaged", durable=False)
        with lake.transaction("write") as tx:
            tx.write_array("a", np.random.default_rng(3).random(1000))
        (pack,) = (tmp_path / "damaged").glob("packs/*/*.pack")
        data = bytearray(pack.read_bytes())
        data[100] ^= 1
        pack.write_bytes(data)
        with pytest.raises(CorruptObjectError, match=re.escape(pack.name)):
            stored(Lake.open(lake.url), "a")[:]


GROUP = {"zarr_format": 3, "node_type": "group", "attributes": {}}


def test_transaction_reads_its_own_writes(lake: Lake) -> None:
    """Also what waits in a pack that is not closed yet, and through the read-modify-write of a part."""
    values = np.random.default_rng(4).random((100, 100))
    with lake.transaction("write") as tx:
        array = tx.write_array("a", values, chunks=(30, 30))
        assert np.array_equal(array[...], values)
        array[5:50, 10] = 0
        values[5:50, 10] = 0
        assert np.array_equal(tx.array("a")[...], values)
    assert np.array_equal(lake["a"][...], values)
