"""Lakes with right digests and wrong content: every reader says so, as neurolake's error, in little time and memory (B13)."""

import gzip
import os
import resource
import shutil
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numcodecs.zstd
import numpy as np
import pyarrow as pa
import pytest
from google_crc32c import value as crc32c
from hostile_lakes import forge, forge_json, mutated, readers, small_lake, told

import neurolake as nl
from neurolake.lake.digest import digest_of
from neurolake.lake.errors import (
    CorruptObjectError,
    FormatError,
    InputError,
    MalformedError,
    NeurolakeError,
    SelectionError,
    TooLargeError,
)
from neurolake.lake.nodes.derived import Origin
from neurolake.lake.nodes.entries import Entries
from neurolake.lake.nodes.entry import Entry
from neurolake.lake.nodes.node import Kind, Node
from neurolake.lake.objects.store import ObjectWriter, Place
from neurolake.query.lake import Lake

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
MB = 2**20
SECONDS, GROWTH = 20, 1000 * MB


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here has to survive a power failure."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(small_lake(tmp_path_factory.mktemp("hostile") / "lake").url)


@pytest.fixture
def lake(sound: Path, tmp_path: Path) -> Lake:
    """A lake of its own to be forged."""
    return copied(sound, tmp_path)


def copied(sound: Path, folder: Path) -> Lake:
    shutil.copytree(sound, folder / "lake")
    return nl.open(folder / "lake")


def read_by_all(url: str, name: str, kind: Kind, scratch: Path) -> dict[str, NeurolakeError]:
    """What each reader says, all of which is neurolake's."""
    errors = {}
    for label, read in readers(name, kind, scratch).items():
        started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        error = told(read, nl.open(url))
        assert error is None or isinstance(error, NeurolakeError), (label, error)
        assert time.monotonic() - started < SECONDS, label
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH / 1024, label
        if isinstance(error, NeurolakeError):
            errors[label] = error
    return errors


def test_a_sound_lake_has_readers_that_read(sound: Path, tmp_path: Path) -> None:
    lake = copied(sound, tmp_path)
    for name in sorted(lake.head.tree):
        assert not read_by_all(lake.url, name, lake.head.tree[name].kind, tmp_path).keys() - {
            # What these are asked of is not in every node.
            *("change", "derive", "sql", "where", "psth", "trace", "statistics", "xarray"),
        }


@pytest.mark.parametrize("batch", range(200 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 12))
def test_b13_metadata_that_is_not_what_it_should_be(sound: Path, tmp_path: Path, batch: int) -> None:
    """Hundreds of changes of metadata: types, lengths, names, codecs, grids, attributes, fields, origins."""
    refused = 0
    for seed in range(10 * batch, 10 * (batch + 1)):
        lake = copied(sound, tmp_path / str(seed))
        names = sorted(lake.head.tree)
        name, node = names[seed % len(names)], lake.head.tree[names[seed % len(names)]]
        if seed % 3:
            forge_json(lake, name, {**node.to_json(), "meta": mutated(node.meta, seed)})
        else:
            forge_json(lake, name, mutated(node.to_json(), seed))
        refused += bool(read_by_all(lake.url, name, node.kind, tmp_path / "scratch"))
        shutil.rmtree(lake.url)
    assert refused > 2


# Arrays made by hand.

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
ZSTD = {"name": "zstd", "configuration": {"level": 1, "checksum": False}}
GZIP = {"name": "gzip", "configuration": {"level": 5}}
CRC = {"name": "crc32c"}


def shards(inner: list[Any], chunk: list[int]) -> dict[str, Any]:
    index = {"index_codecs": [BYTES, CRC], "index_location": "end"}
    return {
        "name": "sharding_indexed",
        "configuration": {"chunk_shape": chunk, "codecs": inner, **index},
    }


def bomb(window: int) -> bytes:
    """A gibibyte of zeros in a megabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    return b"".join([*(packer.compress(bytes(MB)) for _ in range(1024)), packer.flush()])


def stream(codec: str) -> bytes:
    """The same in a stream, whose header does not say how long it is."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as packer:
        for _ in range(1024):
            packer.write(bytes(MB))
    return bytes(sink.getvalue())


def put_array(
    lake: Lake, shape: list[int], chunks: list[int], codecs: list[Any], data: bytes | None = None, **more: Any
) -> None:
    """Make ``bad`` an array of floats with *data* as its first chunk."""
    meta = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "float64",
        "fill_value": 0.0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": codecs,
        "attributes": {},
        **more,
    }
    entries = {}
    if data is not None:
        writer = ObjectWriter(lake.storage)
        entries[0] = Entry(digest_of(data), len(data), writer.add(data, digest_of(data)))
        writer.flush()
    forge(lake, {"bad": Node("array", meta, Entries({}, entries))})


BOMBS: Mapping[str, Any] = {
    "gzip": ([BYTES, GZIP], lambda: bomb(31)),
    "gzip in gzip": ([BYTES, GZIP, GZIP], lambda: gzip.compress(bomb(31))),
    "gzip behind a checksum": ([BYTES, CRC, GZIP], lambda: bomb(31)),
    "zlib": ([BYTES, {"name": "numcodecs.zlib", "configuration": {"level": 1}}], lambda: bomb(15)),
    "zstd": ([BYTES, ZSTD], lambda: bytes(numcodecs.zstd.compress(bytes(1024 * MB), 1))),
    "zstd that does not say": ([BYTES, ZSTD], lambda: stream("zstd")),
    "lz4 that lies": (
        [BYTES, {"name": "numcodecs.lz4", "configuration": {"acceleration": 1}}],
        lambda: (2**31 - 1).to_bytes(4, "little") + bytes(50),
    ),
    "in a shard": ([shards([BYTES, GZIP], [4])], lambda: in_shard(bomb(31))),
}


def in_shard(data: bytes) -> bytes:
    index = np.array([0, len(data)], "<u8").tobytes()
    return data + index + crc32c(index).to_bytes(4, "little")


@pytest.mark.parametrize("kind", BOMBS)
def test_b13_a_chunk_never_becomes_more_than_it_is(lake: Lake, tmp_path: Path, kind: str) -> None:
    codecs, made = BOMBS[kind]
    put_array(lake, [4], [4], codecs, made())
    errors = read_by_all(lake.url, "bad", "array", tmp_path)
    for label in ("values", "value", "dask", "xarray", "derive"):
        with pytest.raises(MalformedError, match="'bad'"):
            raise errors[label]
    # All bytes have their digests: whatever moves or keeps bytes is content.
    assert not errors.keys() & {"copy", "push", "garbage", "open", "history"}


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ([10**12], [10**6]),
        ([10**12], [1]),
        ([2**40, 2**40], [2**20, 2**20]),
        ([2] * 60, [1] * 60),
        ([10], [2**37]),
    ],
)
def test_b13_sizes_that_do_not_fit(lake: Lake, tmp_path: Path, shape: list[int], chunks: list[int]) -> None:
    put_array(lake, shape, chunks, [BYTES, ZSTD])
    errors = read_by_all(lake.url, "bad", "array", tmp_path)
    assert "value" not in errors, "nothing is stored: it is the fill value"
    if shape != [10]:
        with pytest.raises(TooLargeError, match=r"'bad' takes [0-9,.]+ GB.*array\[:1000\].*dask"):
            raise errors["values"]
    found = nl.open(lake.url)["bad"]
    with pytest.raises(SelectionError, match="'bad'"):
        found[found.shape[0]]
    assert not errors.keys() & {"verify", "copy", "push", "garbage", "sql of nodes", "sql of array_chunks"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": [1] * 100, "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1] * 100}}},
        {"shape": [2**62, 2**62]},
        {"data_type": "pickle"},
        {"data_type": {"name": "raw_bytes", "configuration": {"length_bytes": 2**62}}, "fill_value": ""},
        {"codecs": [{"name": "vlen-utf8"}, {"name": "pickle"}]},
        {"codecs": [BYTES, {"name": "numcodecs.pickle", "configuration": {}}]},
        {"codecs": []},
        {"codecs": [shards([BYTES], [0])]},
        {"codecs": [{"name": "transpose", "configuration": {"order": [5]}}, BYTES]},
        {"fill_value": "0x"},
        {"node_type": "group"},
        {"dimension_names": ["x"] * 5},
    ],
)
def test_b13_metadata_of_no_array(lake: Lake, tmp_path: Path, wrong: dict[str, Any]) -> None:
    put_array(lake, **{"shape": [4], "chunks": [4], "codecs": [BYTES], **wrong})
    errors = read_by_all(lake.url, "bad", "array", tmp_path)
    assert {type(errors[label]) for label in ("values", "show", "dask", "xarray")} <= {
        MalformedError,
        FormatError,
    }
    with pytest.raises((MalformedError, FormatError), match="'bad'"):
        raise errors["values"]
    damage = next(damage for damage in nl.open(lake.url).verify().damages)
    assert damage.reason == "malformed" and "'bad'" in str(damage)


@pytest.mark.parametrize("place", [Place(), Place(pack="0" * 64), Place(inline=bytes(32))])
def test_b13_a_length_that_nothing_has(lake: Lake, tmp_path: Path, place: Place) -> None:
    put_array(lake, [4], [4], [BYTES])
    node = nl.open(lake.url).head.tree["bad"]
    entry = Entry(digest_of(bytes(32)), 2**62, place)
    forge(nl.open(lake.url), {"bad": Node("array", node.meta, Entries({}, {0: entry}))})
    errors = read_by_all(lake.url, "bad", "array", tmp_path)
    with pytest.raises(CorruptObjectError, match=entry.digest):
        raise errors["values"]


def test_b13_parquet_that_is_none(lake: Lake, tmp_path: Path) -> None:
    """Bytes with their digest, that are no table: not damaged, and not to be read."""
    writer = ObjectWriter(lake.storage)
    digest, place = writer.add_alone(b"PAR1" + bytes(100) + b"PAR1", ".parquet")
    writer.flush()
    node = lake.head.tree["trials"]
    entry = Entry(digest, 108, place, {"rows": 4})
    forge(lake, {"trials": Node("table", node.meta, Entries({}, {0: entry}))})
    errors = read_by_all(lake.url, "trials", "table", tmp_path)
    for label in ("arrow", "pandas", "sql", "dask", "sql of trials"):
        with pytest.raises(MalformedError, match="'trials' cannot be read, although its files are as"):
            raise errors[label]


def test_b13_long_chains_of_results(lake: Lake, tmp_path: Path) -> None:
    """Results of results, a few thousand deep, and some that are made of themselves."""
    node, tip = lake.head.tree["notes.txt"], lake.head.commit.id
    names = [f"derived/step/{number:032x}" for number in range(3000)]
    nodes = {}
    for name, before in zip(names, [*names[-1:], *names[:-1]], strict=True):
        origin = Origin("step", "1", None, "m:step", False, before, {before: "0" * 64}, {}, tip)
        nodes[name] = Node("file", {"derived": origin.to_json()}, node.entries)
    forge(lake, nodes)
    errors = read_by_all(lake.url, names[-1], "file", tmp_path)
    assert not errors.keys() & {"derived", "lineage", "refresh", "sql of derived", "verify", "copy"}
    found = nl.open(lake.url)
    order = [result.name for result in found.derived() if result.name in nodes]
    assert sorted(order) == names and order.index(names[500]) < order.index(names[501])


def test_selections_that_arrays_do_not_have(lake: Lake) -> None:
    array = lake["voltage/soma"]
    for wrong in (
        lambda: array[9],
        lambda: array[0, 99],
        lambda: array["x"],
        lambda: array[0, 0, 0],
        lambda: array.oindex[[99]],
    ):
        with pytest.raises(SelectionError, match="'voltage/soma' of shape"):
            wrong()
    assert issubclass(SelectionError, IndexError) and issubclass(SelectionError, InputError)
    assert len(list(array)) == 4, "Python's loops end with an IndexError"
