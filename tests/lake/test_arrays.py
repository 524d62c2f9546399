"""Arrays: NumPy's answers, one encoding for equal values, honest statistics, no trust in chunks."""

import math
import struct
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import zarr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurolake.lake import Lake
from neurolake.lake.data import arrays as arrays_module
from neurolake.lake.data.codecs import Codec, chunk_statistics
from neurolake.lake.data.types import BLOSC_LZ4
from neurolake.lake.digest import digest_of
from neurolake.lake.errors import CorruptObjectError, InputError, NotFoundError
from neurolake.lake.nodes.entry import Entry

CODECS: list[dict[str, Any]] = [
    dict(BLOSC_LZ4),
    {
        "name": "blosc",
        "configuration": {"cname": "zstd", "clevel": 1, "shuffle": "bitshuffle", "blocksize": 0},
    },
    {
        "name": "blosc",
        "configuration": {"cname": "lz4hc", "clevel": 9, "shuffle": "noshuffle", "blocksize": 0},
    },
    {"name": "zstd", "configuration": {"level": 3, "checksum": False}},
    {"name": "zstd", "configuration": {"level": 0, "checksum": True}},
    {"name": "gzip", "configuration": {"level": 1}},
]
DTYPES = ["f8", "f4", "f2", "i8", "u1", "i2", "bool", "c16", ">i4"]


@st.composite
def written(draw: st.DrawFn) -> tuple[npt.NDArray[Any], tuple[int, ...], dict[str, Any]]:
    """Values, chunk shape and codec."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7))
    dtype = draw(st.sampled_from(DTYPES))
    values = draw(st.integers(0, 2**32).map(lambda seed: _values(seed, shape, dtype)))
    chunks = tuple(draw(st.integers(1, 5)) for _ in shape)
    return values, chunks, draw(st.sampled_from(CODECS))


def _values(seed: int, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return Lake.create(tmp_path_factory.mktemp("arrays") / "lake", durable=False)


class TestSelection:
    @given(case=written(), data=st.data())
    def test_equals_numpy(
        self,
        shared: Lake,
        case: tuple[npt.NDArray[Any], tuple[int, ...], dict[str, Any]],
        data: st.DataObject,
    ) -> None:
        values, chunks, codec = case
        array = shared.transaction("draw").write_array("a", values, chunks=chunks, codec=codec)
        assert np.array_equal(array[...], values) and array[...].shape == values.shape
        for _ in range(3):
            index = data.draw(hnp.basic_indices(values.shape))
            parts = index if isinstance(index, tuple) else (index,)
            if any(isinstance(part, slice) and (part.step or 1) < 0 for part in parts):
                continue
            expected = values[index]
            assert np.array_equal(array[index], expected)
            assert np.shape(array[index]) == expected.shape

    @pytest.mark.parametrize("codec", [None, *CODECS], ids=lambda codec: str(codec and codec["name"]))
    @pytest.mark.parametrize("threads", [1, 2])
    def test_many_chunks(
        self, lake: Lake, codec: dict[str, Any] | None, threads: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("os.cpu_count", lambda: threads)
        values = np.random.default_rng(5).random((123, 45))
        with lake.transaction("write") as tx:
            if codec is None:
                zarr.create_array(
                    tx.store, name="a", shape=values.shape, dtype="f8", chunks=(10, 7), compressors=None
                )[...] = values
            else:
                tx.write_array("a", values, chunks=(10, 7), codec=codec)
        array = lake["a"]
        assert np.array_equal(array[...], values)
        assert np.array_equal(array[17:83, 3:44], values[17:83, 3:44])
        assert np.array_equal(array.read_box([(5, 6), (0, 45)]), values[5:6])

    @settings(max_examples=40)
    @given(case=written(), data=st.data())
    def test_rows_of_a_commit_equal_numpy(
        self,
        shared: Lake,
        case: tuple[npt.NDArray[Any], tuple[int, ...], dict[str, Any]],
        data: st.DataObject,
    ) -> None:
        """In any order and number, from packs and from what lies over them, by whatever words they are asked for."""
        values, chunks, codec = case
        assume(values.ndim and values.size)
        over = min(chunks[0], 3 * len(values))
        name = f"rows/{uuid.uuid4().hex}"
        with shared.transaction("write") as tx:
            # Large enough for a pack, and chunks at the end that are not there.
            tx.write_array(name, np.repeat(values, 3, 0), chunks=chunks, codec=codec)
        with shared.transaction("write over it") as tx:
            tx.array(name)[:over] = 7
            tx.array(name).grow(chunks[0])
        array = shared.head[name]
        known = np.concatenate(
            [np.repeat(values, 3, 0), np.full((chunks[0], *values.shape[1:]), array.fill_value)]
        )
        known[:over] = 7
        assert np.array_equal(array[...], known, equal_nan=values.dtype.kind in "fc")
        rows = data.draw(st.lists(st.integers(-len(known), len(known) - 1), max_size=9))
        step = data.draw(st.integers(1, 4))
        memory = np.empty((step, *known.shape[1:]), known.dtype)
        parts = [part.copy() for part in array.row_parts(np.array(rows) % len(known), memory)]
        assert len(parts) == -(-len(rows) // step)
        asked = [array.read_rows(np.array(rows) % len(known)), *([np.concatenate(parts)] if parts else [])]
        ends = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in known.shape[1:]]
        part = tuple(slice(*each) for each in ends)
        assert np.array_equal(
            array.read_rows(np.array(rows) % len(known), within=ends),
            known[(rows, *part)],
            equal_nan=values.dtype.kind in "fc",
        )
        mask = np.isin(np.arange(len(known)), rows)
        for selection in (
            slice(None, None, step),
            (mask, ...),
            *([rows, (rows, slice(None))[: known.ndim]] if rows else []),
        ):
            assert np.array_equal(array[selection], known[selection], equal_nan=values.dtype.kind in "fc")
        for found in asked:
            assert np.array_equal(found, known[rows], equal_nan=values.dtype.kind in "fc")

    @pytest.mark.parametrize("rows", [[5], [-1], [0, 5], [[1]]])
    def test_rows_that_are_not_there(self, lake: Lake, rows: list[Any]) -> None:
        with lake.transaction("write") as tx:
            array = tx.write_array("a", np.zeros((5, 2)))
            with pytest.raises(InputError, match="does not have these rows"):
                array.read_rows(np.array(rows))
            for within in ([], [(0, 3)], [(-1, 1)], [(2, 1)], [(0, 1), (0, 1)]):
                with pytest.raises(InputError, match="has no box"):
                    array.read_rows(np.array([1]), within=within)

    def test_beyond_the_ends(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            array = tx.write_array("a", np.arange(12).reshape(3, 4), chunks=(2, 2))
            assert array[1:100, -100:2].tolist() == [[4, 5], [8, 9]]
            assert array[2:1].shape == (0, 4)
            for index in (3, -4, (0, 4), (0, 0, 0)):
                with pytest.raises(IndexError):
                    array[index]
            for box in ([(0, 3), (0, 5)], [(0, 4), (0, 4)], [(-1, 2), (0, 4)], [(0, 3)]):
                with pytest.raises(InputError, match="has no box"):
                    array.read_box(box)

    def test_selections_left_to_zarr(self, lake: Lake) -> None:
        values = np.arange(24).reshape(4, 6)
        with lake.transaction("write") as tx:
            array = tx.write_array("a", values, chunks=(2, 4))
        array = lake["a"]
        assert np.array_equal(array[::2, 1::3], values[::2, 1::3])
        assert np.array_equal(array[np.array([0, 2])], values[[0, 2]])
        assert np.array_equal(array[[1, 3]], values[[1, 3]])

    def test_missing_chunks_are_the_fill_value(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            array = tx.write_array("a", np.zeros((0, 3)))
            array.resize((5, 3))
        assert np.isnan(lake["a"][...]).all() and lake["a"][...].shape == (5, 3)

    @pytest.mark.parametrize("codec", [CODECS[0], CODECS[-1]], ids=["ours", "of zarr"])
    def test_into_memory_of_the_caller(self, lake: Lake, codec: dict[str, Any]) -> None:
        values = np.arange(60.0).reshape(12, 5)
        with lake.transaction("x") as tx:
            tx.write_array("x", values, chunks=(4, 5), codec=codec)
        array, out = lake.at("main").arrays["x"], np.full((5, 3), -1.0)
        assert array.read_box([(2, 7), (1, 4)], out) is out
        assert np.array_equal(out, values[2:7, 1:4])
        for wrong in (np.empty((5, 4)), np.empty((5, 3), np.float32), np.empty((3, 5)).T):
            with pytest.raises(InputError, match=r"out must be C-contiguous, \(5, 3\) of float64"):
                array.read_box([(2, 7), (1, 4)], wrong)

    def test_no_such_array(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.put_file("f", b"x")
            for name in ("f", "absent"):
                with pytest.raises(NotFoundError, match=f"no array '{name}'"):
                    tx.array(name)


class TestWriting:
    @given(case=written(), data=st.data())
    def test_append(
        self,
        shared: Lake,
        case: tuple[npt.NDArray[Any], tuple[int, ...], dict[str, Any]],
        data: st.DataObject,
    ) -> None:
        values, chunks, codec = case
        if not values.ndim:
            return
        cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3)))
        parts = np.split(values, cuts)
        tx = shared.transaction("append")
        tx.write_array("a", parts[0], chunks=chunks, codec=codec)
        for part in parts[1:]:
            tx.append_array("a", part)
        assert np.array_equal(tx.array("a")[...], values)

    def test_append_over_commits_is_writing_at_once(
        self, lake: Lake, new_lake: Callable[[str], Lake]
    ) -> None:
        values = np.random.default_rng(6).random((40, 3))
        with lake.transaction("write") as tx:
            tx.write_array("a", values, chunks=(4, 3))
        other = new_lake("other")
        for start in range(0, 40, 8):
            with other.transaction("append") as tx:
                rows = values[start : start + 8]
                _ = tx.append_array("a", rows) if start else tx.write_array("a", rows, chunks=(4, 3))
        assert lake["a"].digest == other["a"].digest

    def test_append_what_does_not_fit(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_array("a", np.ones((2, 3), "f4"))
            for rows in (
                np.ones((2, 4), "f4"),
                np.ones(3, "f4"),
                np.ones((2, 3), "f8"),
                np.ones((2, 3), "c8"),
            ):
                with pytest.raises(InputError, match=r"has rows of shape \(3,\) and type float32"):
                    tx.append_array("a", rows)
            tx.append_array("a", np.ones((1, 3), "f2"))
            assert tx.array("a").shape == (3, 3)

    def test_write_rows(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            array = tx.write_array("a", np.zeros((10, 4)), chunks=(4, 4))
            array.write_rows(np.ones((5, 4)), 4)
            array.write_rows(np.full((2, 4), 7, ">i4"), 1)
            for rows, first in (
                (np.ones((2, 4)), 9),
                (np.ones((2, 4)), -1),
                (np.ones((2, 3)), 0),
                (np.ones(4), 0),
            ):
                with pytest.raises(InputError, match="are no rows of 'a'"):
                    array.write_rows(rows, first)
        assert lake["a"][:, 0].tolist() == [0, 7, 7, 0, 1, 1, 1, 1, 1, 0]

    def test_overwriting_a_part_forgets_its_statistics(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            array = tx.write_array("a", np.arange(8.0), chunks=(4,))
            array[1] = 100
            assert [bool(entry.stats) for entry in array.entries().values()] == [False, True]

    def test_metadata(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_array(
                "a", np.ones((2, 3), "f4"), dimension_names=("time", "cell"), attributes={"unit": "mV"}
            )
        array = lake["a"]
        assert array.attrs["unit"] == "mV" and array.metadata.dimension_names == ("time", "cell")

    @pytest.mark.parametrize("shape", [(10,), (3, 10**6), (2, 2, 300, 300, 2), (0,), (10**7,)])
    def test_default_chunks_are_about_a_mebibyte(self, shape: tuple[int, ...]) -> None:
        chunks = arrays_module.default_chunks(shape, 8)
        assert all(1 <= chunk <= max(length, 1) for chunk, length in zip(chunks, shape, strict=True))
        size = 8 * math.prod(chunks)
        assert size <= 2**20 and (size > 2**19 or chunks == [max(length, 1) for length in shape])


def objects_of(lake: Lake) -> dict[str, bytes]:
    root = Path(lake.url)
    return {
        path.name: path.read_bytes() for room in ("packs", "objects") for path in root.rglob(f"{room}/*/*")
    }


class TestDeterminism:
    @pytest.mark.parametrize("codec", CODECS[:5], ids=lambda codec: str(codec["name"]))
    def test_equal_arrays_are_equal_bytes(
        self, new_lake: Callable[[str], Lake], codec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In fresh lakes, whatever the number of threads and their luck."""
        values = np.random.default_rng(7).normal(-65, 5, (300, 400)).round(3)
        stored, digests = [], set()
        for run, threads in enumerate((1, 2, 7, 7)):
            monkeypatch.setattr("os.cpu_count", lambda threads=threads: threads)
            lake = new_lake(str(run))
            with lake.transaction("write") as tx:
                tx.write_array("a", values, chunks=(30, 70), codec=codec)
            digests.add(lake["a"].digest)
            stored.append(objects_of(lake))
        assert len(digests) == 1
        assert stored[0].keys() == stored[1].keys() and all(found == stored[0] for found in stored)
        assert any(name.endswith(".pack") for name in stored[0])

    def test_order_of_memory_does_not_matter(self, lake: Lake) -> None:
        values = np.random.default_rng(8).random((20, 30))
        tx = lake.transaction("write")
        digests = {
            tx.write_array("a", view, chunks=(7, 8)).digest
            for view in (values, np.asfortranarray(values), values.repeat(2, 0)[::2], values.astype(">f8"))
        }
        assert len(digests) == 1

    def test_equal_chunks_are_stored_once(self, lake: Lake) -> None:
        values = np.random.default_rng(9).random(1000)
        with lake.transaction("write") as tx:
            tx.write_array("a", np.concatenate([values] * 5), chunks=(1000,))
            tx.write_array("b", values, chunks=(1000,))
        sizes = [len(data) for data in objects_of(lake).values()]
        assert max(sizes) < 8 * 1000 + 200


class TestStatistics:
    def test_of_chunks(self, lake: Lake) -> None:
        values = np.array([1.0, 2.0, np.nan, 4.0, np.nan, np.nan, np.inf, 1.0, -3.0])
        with lake.transaction("write") as tx:
            tx.write_array("a", values, chunks=(2,))
        found = [dict(entry.stats) for _, entry in sorted(Lake.open(lake.url)["a"].entries().items())]
        assert found == [
            {"min": 1.0, "max": 2.0, "mean": 1.5, "nan": 0},
            {"min": 4.0, "max": 4.0, "mean": 4.0, "nan": 1},
            {"nan": 2},
            {"nan": 0},
            {"min": -3.0, "max": -3.0, "mean": -3.0, "nan": 0},
        ]

    @pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
    @given(data=st.data())
    def test_bounds_hold(self, dtype: str, data: st.DataObject) -> None:
        values = data.draw(hnp.arrays(dtype, st.integers(0, 20)))
        found = chunk_statistics(values)
        assert found.get("nan", 0) == np.isnan(values).sum()
        if "min" in found:
            known = values[~np.isnan(values)].astype("f8")
            assert found["min"] == known.min() and found["max"] == known.max()
            assert all(map(math.isfinite, found.values()))

    @pytest.mark.parametrize(
        "values", [np.array([True]), np.array(["a"]), np.array([1j]), np.array([], "f8")]
    )
    def test_unknown(self, values: npt.NDArray[Any]) -> None:
        assert chunk_statistics(values) == {}

    def test_large_integers(self) -> None:
        found = chunk_statistics(np.array([-(2**63), 2**63 - 1]))
        assert found["min"] <= -(2**63) and found["max"] >= 2**63 - 1


class TestHostileChunks:
    """Bytes whose digest is right, but which are no chunk of that array."""

    def tampered(self, lake: Lake, codec: dict[str, Any] | None, change: Callable[[bytes], bytes]) -> Any:
        values = np.random.default_rng(10).random(64)
        tx = lake.transaction("write")
        if codec is None:
            array = zarr.create_array(
                tx.store, name="a", shape=(64,), dtype="f8", chunks=(64,), compressors=None
            )
            array[:] = values
        else:
            tx.write_array("a", values, codec=codec)
        draft = tx.drafts.edit("a")
        assert draft is not None
        entry = draft.get(0)
        assert entry is not None
        data = change(lake.objects.read(entry.digest, entry.size, entry.place))
        digest = digest_of(data)
        draft.changes[0] = Entry(digest, len(data), tx.writer.add(data, digest))
        tx.commit()
        return lake["a"]

    @pytest.mark.parametrize("codec", [None, *CODECS[:5]], ids=lambda codec: str(codec and codec["name"]))
    @pytest.mark.parametrize(
        "change",
        [
            lambda data: b"",
            lambda data: data[:5],
            lambda data: data[:-1],
            lambda data: bytes(len(data)),
            lambda data: b"\xff" * 40,
        ],
        ids=["empty", "short", "cut", "zeros", "ones"],
    )
    def test_not_a_chunk(
        self, lake: Lake, codec: dict[str, Any] | None, change: Callable[[bytes], bytes]
    ) -> None:
        if codec is None and change(b"x" * 512) == bytes(512):
            pytest.skip("zeros are a chunk where nothing is encoded")
        array = self.tampered(lake, codec, change)
        with pytest.raises(CorruptObjectError, match="does not decode"):
            array[...]
        with pytest.raises(CorruptObjectError, match="does not decode"):
            array[3:5]

    @pytest.mark.parametrize("size", [0, 1, 511, 513, 2**31 - 1, 2**32 - 1])
    def test_blosc_header_lies(self, lake: Lake, size: int) -> None:
        array = self.tampered(lake, CODECS[0], lambda data: data[:4] + struct.pack("<I", size) + data[8:])
        with pytest.raises(CorruptObjectError, match="does not decode"):
            array[...]

    @pytest.mark.parametrize("at", range(16))
    def test_blosc_header_damaged(self, lake: Lake, at: int) -> None:
        """Whatever its header says, a chunk is decoded within its own bytes and size, or refused."""
        for bit in range(8):
            array = self.tampered(
                lake,
                CODECS[0],
                lambda data, bit=bit: data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :],
            )
            try:
                assert array[...].shape == (64,)
            except CorruptObjectError as error:
                assert "does not decode" in str(error)

    def test_zstd_of_another_size(self, lake: Lake) -> None:
        import numcodecs.zstd

        for count in (0, 511, 513, 100_000):
            array = self.tampered(
                lake, CODECS[3], lambda data, count=count: numcodecs.zstd.compress(bytes(count), 1)
            )
            with pytest.raises(CorruptObjectError, match="does not decode"):
                array[...]


@pytest.mark.parametrize("count", [1, 2, 255, 256, 65791, 65792])
def test_zstd_frames_of_any_size(count: int) -> None:
    """With and without the size in the header: streams do not tell it."""
    values = np.arange(count).astype("u1")
    stream = pa.BufferOutputStream()
    with pa.CompressedOutputStream(stream, "zstd") as file:
        file.write(values.tobytes())
    codec = Codec("zstd", {"level": 1})
    for data in (codec.encode(values), bytes(stream.getvalue())):
        out, longer = np.full(count, 7, "u1"), np.zeros(count + 1, "u1")
        codec.decode_into(data, out)
        assert np.array_equal(out, values)
        with pytest.raises(CorruptObjectError, match="does not decode"):
            codec.decode_into(data, longer)


def test_codecs_of_others_are_left_to_zarr() -> None:
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    big = {"name": "bytes", "configuration": {"endian": "big"}}
    assert Codec.of({"codecs": [little]}) == Codec(None, {})
    for codecs in (
        [big],
        [{"name": "transpose"}, little],
        [little, {"name": "numcodecs.lz4"}],
        [little, *CODECS[:1], {"name": "crc32c"}],
    ):
        assert Codec.of({"codecs": codecs}) is None
