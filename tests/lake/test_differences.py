"""The codec of differences: all bits come back, whoever reads; damage is an error, and never takes memory."""

import contextlib
import itertools
import pickle
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import google_crc32c
import numcodecs.blosc
import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
import zarr
from docs_decoder import decoder_of_the_docs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from zarr.storage import MemoryStore

from neurolake.lake import Lake
from neurolake.lake.data import differences
from neurolake.lake.data.codecs import Codec
from neurolake.lake.data.differences import configuration
from neurolake.lake.data.zarrcodec import Differences
from neurolake.lake.errors import InputError, MalformedError

KINDS = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
ANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def chunks(draw: st.DrawFn) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """Any bit patterns, smooth values and decimals, of any type and shape, and a codec for them."""
    kind = np.dtype(draw(st.sampled_from(KINDS)))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=draw(st.sampled_from([4, 40]))))
    size = int(np.prod(shape))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    match draw(st.sampled_from(["bits", "smooth", "decimals", "one bit pattern"])):
        case "bits":
            values = np.frombuffer(random.bytes(size * kind.itemsize), kind)
        case "smooth":
            values = _of_kind(np.cumsum(np.cumsum(random.normal(size=size))), kind)
        case "decimals":
            values = _of_kind(np.round(random.normal(size=size) * 100, 3), kind)
            if kind == np.float64 and size > 100:
                values[random.integers(size)] = draw(st.sampled_from([-0.0, np.nan, np.inf, 1 / 3]))
        case _:
            values = np.frombuffer(
                draw(st.binary(min_size=kind.itemsize, max_size=kind.itemsize)) * size, kind
            )
    axis = draw(st.integers(0, max(len(shape) - 1, 0)))
    codec = configuration(axis, draw(st.sampled_from(["lz4", "zstd"])), draw(st.integers(0, 9)))
    return values.reshape(shape).copy(), codec


def _of_kind(values: npt.NDArray[Any], kind: np.dtype[Any]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):
        return values.astype("i8" if kind.kind in "iu" else kind).astype(kind)


class TestRoundTrip:
    @ANY
    @given(case=chunks())
    def test_every_bit_comes_back(self, case: tuple[npt.NDArray[Any], dict[str, Any]]) -> None:
        values, named = case
        codec, back = Codec.named(named), np.empty_like(values)
        data = codec.encode(values)
        codec.check_size(data, values.nbytes)
        codec.decode_into(data, back)
        assert back.tobytes() == values.tobytes()
        assert codec.encode(values) == data, "equal values have equal bytes"

    @ANY
    @given(case=chunks())
    def test_by_the_decoder_of_the_docs(self, case: tuple[npt.NDArray[Any], dict[str, Any]]) -> None:
        values, named = case
        data = Codec.named(named).encode(values)
        axis = named["configuration"]["axis"]
        assert decoder_of_the_docs()(data, values.shape, values.dtype, axis).tobytes() == values.tobytes()

    @ANY
    @given(case=chunks())
    def test_by_numpy_before_there_are_kernels(self, case: tuple[npt.NDArray[Any], dict[str, Any]]) -> None:
        values, named = case
        parts = differences._taken_apart(Codec.named(named).encode(values))
        words = np.frombuffer(numcodecs.blosc.decompress(parts.frame), f"u{values.itemsize}")
        plain, fast = words.copy(), words.copy()
        if parts.order:
            from neurolake.kernels.coding import summed

            differences._sum_plainly(plain, parts.order, reals=values.dtype.kind == "f")
            summed(fast, parts.order, reals=values.dtype.kind == "f")
        assert plain.tobytes() == fast.tobytes()

    @ANY
    @given(case=chunks(), changes=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=2))
    def test_at_once_and_by_parts(
        self, case: tuple[npt.NDArray[Any], dict[str, Any]], changes: list[tuple[int, int]]
    ) -> None:
        """One call of a kernel takes what the other way takes, and gives the same bits; nothing else."""
        values, named = case
        data = bytearray(Codec.named(named).encode(values))
        for at, byte in changes:
            data[at % len(data)] = byte
        one, other = (np.zeros(values.size, f"u{values.itemsize}") for _ in range(2))
        at_once = differences._decoded_at_once(data, one, reals=values.dtype.kind == "f")
        try:
            differences._decode_by_parts(bytes(data), other, values.dtype)
        except (ValueError, RuntimeError):
            assert not at_once and changes
        else:
            assert at_once and one.tobytes() == other.tobytes()

    def test_without_the_function_of_blosc(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where its library does not show it, chunks are decoded in more calls."""
        assert differences._blosc_function() is not None, "numcodecs' library shows it on Linux"
        values, back = np.cumsum(np.arange(1000.0)), np.empty(1000)
        data = Codec.named(configuration(0)).encode(values)
        with monkeypatch.context() as patch:
            patch.setattr(differences, "_decode_by_parts", None)
            Codec.named(configuration(0)).decode_into(data, back)
        assert np.array_equal(back, values)
        monkeypatch.setattr(differences, "_blosc_function", lambda: None)
        back[:] = 0
        Codec.named(configuration(0)).decode_into(data, back)
        assert np.array_equal(back, values)

    @ANY
    @given(case=chunks(), data=st.data())
    def test_parts_of_arrays(
        self, shared: Lake, case: tuple[npt.NDArray[Any], dict[str, Any]], data: st.DataObject
    ) -> None:
        values, named = case
        sides = tuple(data.draw(st.integers(1, 5)) for _ in values.shape)
        array = shared.transaction("draw").write_array("a", values, chunks=sides, codec=named)
        assert array[...].tobytes() == values.tobytes()
        box = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in values.shape]
        part = values[tuple(slice(*each) for each in box)]
        assert array.read_box([(a, b) for a, b in box]).tobytes() == np.ascontiguousarray(part).tobytes()

    def test_decimals_are_smaller(self) -> None:
        random = np.random.default_rng(1)
        time = np.arange(12_000) * 0.025
        volts = -65 + 3 * np.sin(time / 7) + np.cumsum(random.normal(size=12_000)) * 1e-5
        printed = np.array([f"{v:.12g}" for v in volts], float)
        codec = Codec.named(configuration(0))
        data = codec.encode(printed)
        assert data[1] == 11, "10 places"
        assert len(data) < 0.75 * len(codec.encode(volts))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return Lake.create(tmp_path_factory.mktemp("differences") / "lake", durable=False)


class TestReaders:
    VALUES = np.cumsum(np.random.default_rng(0).normal(size=(6, 500)), 1)

    @pytest.mark.parametrize("axis", [0, 1])
    def test_zarr_writes_what_the_lake_reads(self, tmp_path: Path, axis: int) -> None:
        lake = Lake.create(tmp_path / "lake")
        with lake.transaction("by Zarr") as tx:
            zarr.create_array(
                tx.store,
                name="a",
                shape=(6, 500),
                dtype="f8",
                chunks=(4, 300),
                serializer=Differences(axis),
                fill_value=np.nan,
                compressors=None,
            )[...] = self.VALUES
            ours = tx.write_array("b", self.VALUES, chunks=(4, 300), codec=configuration(axis))
        assert np.array_equal(lake["a"][...], self.VALUES) and lake["a"]._codec is not None
        assert [e.digest for e in lake["a"].entries().values()] == [e.digest for e in ours.entries().values()]
        theirs = zarr.open_array(lake.head.store, path="b", mode="r")
        assert np.array_equal(theirs[::2, 7::3], self.VALUES[::2, 7::3])

    def test_within_shards_and_below_a_checksum(self, tmp_path: Path) -> None:
        lake = Lake.create(tmp_path / "lake")
        with lake.transaction("by Zarr") as tx:
            zarr.create_array(
                tx.store,
                name="a",
                shape=(6, 500),
                dtype="f8",
                chunks=(2, 50),
                shards=(4, 100),
                serializer=Differences(1),
                compressors=[zarr.codecs.Crc32cCodec()],
            )[...] = self.VALUES
        assert np.array_equal(lake["a"][1:5, 30:333], self.VALUES[1:5, 30:333])

    def test_a_copy_elsewhere_is_read_by_the_entry_point(self, tmp_path: Path) -> None:
        """What a program with zarr-python does that has neurolake installed, but never imports it."""
        lake = Lake.create(tmp_path / "lake")
        with lake.transaction("a") as tx:
            tx.write_array("a", self.VALUES, chunks=(4, 300), codec=configuration(1))
        source, target = lake.head.store, tmp_path / "plain"
        for key in ("zarr.json", *(f"c/{i}/{j}" for i, j in itertools.product(range(2), range(2)))):
            file = target / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(source.value(f"a/{key}") or b"")
        entry = re.search(r'"neurolake.differences" = "(\S+):(\w+)"', _project())
        assert entry is not None, "pyproject.toml has the entry point"
        code = (
            "import zarr, zarr.registry, importlib, sys\n"
            f"zarr.registry.register_codec('{differences.NAME}', getattr(importlib.import_module('{entry[1]}'), '{entry[2]}'))\n"
            f"print(zarr.open_array(r'{target}', mode='r')[...].sum())"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert float(done.stdout) == self.VALUES.sum()

    def test_xarray_and_another_process(self, tmp_path: Path) -> None:
        """As docs/zarr.md says; a snapshot's store is sent to the process as dask sends it to workers."""
        lake, axis = Lake.create(tmp_path / "lake"), np.arange(500) * 0.025
        runs = xr.Dataset({"v": (("trial", "time"), self.VALUES)}, coords={"time": axis})
        with lake.transaction("by xarray") as tx:
            coding = {"v": {"serializer": Differences(axis=1), "compressors": None, "chunks": (2, 500)}}
            runs.to_zarr(tx.store, group="runs", consolidated=False, encoding=coding)
        with lake.transaction("append") as tx:
            runs.isel(trial=slice(2)).to_zarr(tx.store, group="runs", append_dim="trial", consolidated=False)
        assert np.array_equal(lake["runs/v"][6:], self.VALUES[:2]) and _names(lake["runs/v"]) == {
            differences.NAME
        }
        again = xr.open_zarr(lake.head.store, group="runs", consolidated=False)
        assert np.array_equal(again["v"][:6], self.VALUES)
        sent = tmp_path / "store.pickle"
        sent.write_bytes(pickle.dumps(lake.head.store))
        code = (
            "import pickle, sys, zarr\nstore = pickle.load(open(sys.argv[1], 'rb'))\n"
            "print(zarr.open_array(store, path='runs/v', mode='r')[:6].sum())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(sent)], capture_output=True, text=True, check=True
        )
        assert float(done.stdout) == self.VALUES.sum()

    def test_what_it_does_not_take(self, lake: Lake) -> None:
        tx = lake.transaction("no")
        for values in (np.zeros(3, bool), np.zeros(3, "c16"), np.zeros(3, "M8[s]")):
            with pytest.raises(InputError, match="takes integers and reals"):
                tx.write_array("a", values, codec=configuration(0))
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"axis": 1}, "configured by"),
            ({"axis": 1, "cname": "lz4", "clevel": 5}, "axis is 1"),
            ({"axis": 0, "cname": "snappy", "clevel": 5}, "cname is 'snappy'"),
            ({"axis": 0, "cname": "lz4", "clevel": 10}, "clevel is 10"),
        ]
        for settings_, message in wrong:
            with pytest.raises(InputError, match=message):
                tx.write_array("a", np.zeros(3), codec={"name": differences.NAME, "configuration": settings_})


def _project() -> str:
    return (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")


class TestDamage:
    @ANY
    @given(case=chunks(), data=st.data())
    def test_is_an_error(self, case: tuple[npt.NDArray[Any], dict[str, Any]], data: st.DataObject) -> None:
        """Where no digest is, as in a copy of Zarr's own."""
        values, named = case
        array = zarr.create_array(
            MemoryStore(),
            shape=values.shape,
            dtype=values.dtype,
            chunks=values.shape,
            serializer=Differences.from_dict(named),
            compressors=None,
            fill_value=0,
            config={"write_empty_chunks": True},
        )
        array[...] = values
        store: Any = array.store
        (key,) = (key for key in store._store_dict if key.startswith("c"))
        good = store._store_dict[key].to_bytes()
        bad = bytearray(good)
        match data.draw(st.sampled_from(["bits", "cut", "more"])):
            case "bits":
                bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
            case "cut":
                del bad[data.draw(st.integers(1, len(bad) - 1)) :]
            case _:
                bad += data.draw(st.binary(min_size=1, max_size=20))
        store._store_dict[key] = type(store._store_dict[key]).from_bytes(bytes(bad))
        with pytest.raises(ValueError):
            array[...]

    @ANY
    @given(case=chunks(), changes=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=4))
    def test_with_a_digest_of_its_own_stays_within_the_chunk(
        self, case: tuple[npt.NDArray[Any], dict[str, Any]], changes: list[tuple[int, int]]
    ) -> None:
        """What an attacker writes may be other numbers, but neither crashes nor writes beyond the chunk."""
        values, named = case
        codec, guarded = Codec.named(named), np.full(values.nbytes + 64, 77, np.uint8)
        data = bytearray(codec.encode(values))
        for at, byte in changes:
            data[at % len(data)] = byte
        chunk = guarded[32:-32].view(values.dtype).reshape(values.shape) if values.nbytes % 8 == 0 else None
        if chunk is None:
            chunk = np.empty_like(values)
        try:
            codec.check_size(bytes(data), chunk.nbytes)
            codec.decode_into(bytes(data), chunk)
        except MalformedError:
            pass
        assert (guarded[:32] == 77).all() and (guarded[-32:] == 77).all()

    def test_what_says_that_it_is_gigabytes(self) -> None:
        codec = Codec.named(configuration(0))
        data = bytearray(codec.encode(np.arange(1000.0)))
        struct.pack_into("<I", data, 12 + 4, 2**31 - 100)
        with pytest.raises(MalformedError, match="does not decode"):
            codec.check_size(bytes(data), 8000)
        with pytest.raises(MalformedError, match="does not decode"):
            codec.decode_into(bytes(data), np.empty(1000))

    @pytest.mark.parametrize(
        ("head", "message"),
        [
            ((16, 0, 0, 0), "order 16"),
            ((1, 24, 0, 0), "23 decimal places"),
            ((0, 3, 0, 0), "order 0"),
            ((1, 0, 1, 0), "order 1"),
            ((1, 0, 0, 1), "exceptions of no decimals"),
            ((1, 3, 0, 2**31), "frame was cut"),
            ((1, 3, 0, 1), "outside of the chunk"),
        ],
    )
    def test_heads_that_cannot_be(self, head: tuple[int, int, int, int], message: str) -> None:
        frame = bytes(numcodecs.blosc.compress(np.zeros(10, "u8"), b"lz4", 5, 1, 0))
        body = (struct.pack("<IQ", 10, 7) if head[3] == 1 and head[1] else b"") + frame
        start = struct.pack("<BBHI", *head)
        data = start + struct.pack("<I", google_crc32c.value(start + body)) + body
        differences.check_sum(data)
        with pytest.raises(MalformedError, match=message):
            Codec.named(configuration(0)).decode_into(data, np.empty(10))

    @pytest.mark.parametrize(
        "codec",
        [
            {"name": differences.NAME},
            {"name": differences.NAME, "configuration": [1]},
            {"name": differences.NAME, "configuration": {"axis": 5, "cname": "lz4", "clevel": 9}},
            {"name": differences.NAME, "configuration": {"axis": "0", "cname": ["lz4"], "clevel": 9}},
            differences.NAME,
        ],
    )
    def test_metadata_that_configure_nothing(self, lake: Lake, codec: Any) -> None:
        with lake.transaction("x") as tx:
            tx.write_array("a", np.arange(50.0), codec=configuration(0))
            draft = tx.drafts.edit("a")
            assert draft is not None
            draft.meta = {**draft.meta, "codecs": [codec]}
        with pytest.raises(MalformedError, match="metadata that describes no array"):
            lake["a"]
        with contextlib.suppress(MalformedError):
            lake.compact(recompress="fast")

    def test_values_of_another_type_than_the_chunk(self, lake: Lake) -> None:
        with lake.transaction("x") as tx:
            tx.write_array("a", np.arange(50.0), codec=configuration(0))
            draft = tx.drafts.edit("a")
            assert draft is not None
            draft.meta = {**draft.meta, "data_type": "float32"}
        with pytest.raises(MalformedError, match="say that they are 400, are no 200"):
            lake["a"][...]

    def test_decimals_of_another_type(self) -> None:
        data = Codec.named(configuration(0)).encode(np.round(np.arange(64) / 8, 3))
        assert data[1], "decimals"
        with pytest.raises(MalformedError, match="decimals are no int64"):
            Codec.named(configuration(0)).decode_into(data, np.empty(64, "i8"))


class TestChoice:
    RANDOM = np.random.default_rng(4)
    SMOOTH = np.cumsum(np.cumsum(RANDOM.normal(size=(4, 20_000)), 1), 1)

    @pytest.mark.parametrize(
        ("compression", "names"),
        [
            ("auto", {differences.NAME}),
            ("small", {differences.NAME}),
            ("fast", {"blosc"}),
            ("portable", {"blosc"}),
        ],
    )
    def test_of_smooth_values(self, lake: Lake, compression: Any, names: set[str]) -> None:
        with lake.transaction("x") as tx:
            tx.write_array("x", self.SMOOTH, chunks=(1, 20_000), compression=compression)
        assert _names(lake["x"]) - {"bytes"} == names
        assert np.array_equal(lake["x"][...], self.SMOOTH)

    def test_noise_does_not_lose(self, lake: Lake) -> None:
        noise = self.RANDOM.random((4, 20_000))
        with lake.transaction("x") as tx:
            for compression in ("auto", "fast"):
                tx.write_array(compression, noise, compression=compression)  # type: ignore[arg-type]
            tx.write_array("ours", noise, codec=configuration(1, clevel=5))
        assert _names(lake["auto"]) == _names(lake["fast"])
        sizes = {name: sum(e.size for e in lake[name].entries().values()) for name in ("ours", "fast")}
        assert sizes["ours"] <= sizes["fast"] + 12

    def test_time_is_the_axis_of_that_name(self, lake: Lake) -> None:
        with lake.transaction("x") as tx:
            tx.write_array("x", self.SMOOTH.T, dimension_names=["time", "trial"])
            tx.write_array("y", self.SMOOTH.T.copy())
        for name in ("x", "y"):
            assert lake[name].metadata.to_dict()["codecs"][0]["configuration"]["axis"] == 0
            assert np.array_equal(lake[name][...], self.SMOOTH.T)

    def test_small_arrays_are_for_everybody(self, lake: Lake) -> None:
        with lake.transaction("x") as tx:
            for at, values in enumerate((np.arange(2000.0), np.float64(3), np.empty((0, 5)))):
                tx.write_array(f"x{at}", values)
        assert all("blosc" in _names(lake[f"x{at}"]) for at in range(3))

    def test_unknown(self, lake: Lake) -> None:
        with pytest.raises(InputError, match="expected one of auto, fast, small, portable"):
            lake.transaction("x").write_array("x", self.SMOOTH, compression="tiny")  # type: ignore[arg-type]


def _names(array: Any) -> set[str]:
    return {codec["name"] for codec in array.metadata.to_dict()["codecs"]}


class TestRecompression:
    def test_values_statistics_and_other_nodes_stay(self, lake: Lake) -> None:
        smooth = TestChoice.SMOOTH.copy()
        smooth[1, 7] = np.nan
        with lake.transaction("old") as tx:
            tx.write_array("v", smooth, chunks=(1, 20_000), compression="fast", attributes={"units": "mV"})
            tx.write_array("noise", TestChoice.RANDOM.random(20_000), compression="fast")
            tx.array("v").resize((6, 20_000))
            tx.put_file("f", b"x")
        before = lake.head
        done = lake.compact(recompress="small")
        assert (
            list(done.recompressed) == ["v"] and done.recompressed["v"][1] < 0.9 * done.recompressed["v"][0]
        )
        after = lake["v"]
        assert np.array_equal(after[...], before["v"][...], equal_nan=True) and np.isnan(after[5]).all()
        assert after.attrs["units"] == "mV" and _names(after) == {differences.NAME}
        assert {n: e.stats for n, e in after.entries().items()} == {
            n: e.stats for n, e in before["v"].entries().items()
        }
        assert lake.head.tree["noise"].digest == before.tree["noise"].digest
        assert not lake.compact(recompress="small").recompressed
        assert set(lake.compact(recompress="portable").recompressed) == {"v"}
        assert (
            np.array_equal(lake["v"][...], smooth_grown(smooth), equal_nan=True) and not lake.verify().damages
        )

    def test_appends_go_on(self, lake: Lake) -> None:
        with lake.transaction("old") as tx:
            tx.write_array("v", TestChoice.SMOOTH, chunks=(1, 20_000), compression="fast")
        lake.compact(recompress="auto")
        with lake.transaction("more") as tx:
            tx.append_array("v", TestChoice.SMOOTH[:2])
        assert np.array_equal(lake["v"][4:], TestChoice.SMOOTH[:2]) and _names(lake["v"]) == {
            differences.NAME
        }

    def test_unknown(self, lake: Lake) -> None:
        with pytest.raises(InputError, match="expected one of auto"):
            lake.compact(recompress="tiny")  # type: ignore[arg-type]


def smooth_grown(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([values, np.full((2, values.shape[1]), np.nan)])
