"""docs/format.md: a reader written from it alone, and the bytes that it states."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from blake3 import blake3
from independent_reader import IndependentReader, canonical_json

from neurolake.lake import Lake
from neurolake.lake.nodes.entries import OVERLAY_SIZE
from neurolake.lake.nodes.entry import SHARD_SIZE
from neurolake.lake.objects.packs import PackWriter

DOCUMENT = Path(__file__).parents[2] / "docs/format.md"


@pytest.fixture
def example(lake: Lake) -> Lake:
    """The lake of the worked example."""
    with lake.transaction("Add a note and a trace") as tx:
        tx.put_file("note", b"hello\n")
        raw(tx.store, "trace", np.array([0, 1, 2, 3], "<i2"), (2,))
    return lake


def raw(store: Any, name: str, values: Any, chunks: tuple[int, ...]) -> None:
    array = zarr.create_array(
        store,
        name=name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunks,
        compressors=None,
        filters=None,
    )
    array[...] = values


class TestIndependentReader:
    def test_reads_what_we_read(self, lake: Lake) -> None:
        rng = np.random.default_rng(0)
        with lake.transaction("one") as tx:
            raw(tx.store, "array", rng.integers(0, 100, (50, 30)), (20, 20))
            raw(tx.store, "large", np.arange(OVERLAY_SIZE + 5), (1,))
            tx.put_file("inline", b"tiny")
            tx.put_file("packed", rng.bytes(5000))
            tx.put_file("alone", rng.bytes(8 * 2**20))
            tx.write_table("table", pa.table({"x": [1, 2]}))
        with lake.transaction("two") as tx:
            tx.append_table("table", pa.table({"x": [3], "y": ["new"]}))
            tx.array("array")[3:5, 25:] = -1
            tx.array("large").resize(OVERLAY_SIZE)
            tx.delete("inline")
        lake.tags.create("v1")
        for step in range(40):
            with lake.transaction("small") as tx:
                tx.put_file("step", b"%d" % step)
        reader = IndependentReader(Path(lake.url))
        for commit, snapshot in (
            (reader.newest("log", "main"), lake.head),
            (reader.newest("tags", "v1"), lake.at("v1")),
        ):
            assert commit["id"] == snapshot.commit.id
            nodes = reader.tree(commit)
            assert sorted(nodes) == list(snapshot)
            for name, node in nodes.items():
                assert reader.node_digest(node) == snapshot.tree[name].digest
                assert reader.value(node) == plain(snapshot[name])

    def test_the_worked_example(self, example: Lake) -> None:
        reader = IndependentReader(Path(example.url))
        nodes = reader.tree(reader.newest("log", "main"))
        assert {name: reader.value(node) for name, node in nodes.items()} == {
            "note": b"hello\n",
            "trace": [0, 1, 2, 3],
        }


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value
    return value[...].tolist() if isinstance(value, zarr.Array) else value.to_arrow().to_pydict()


class TestWorkedExample:
    @pytest.fixture
    def stated(self) -> Callable[[str], str]:
        text = DOCUMENT.read_text()

        def line(label: str) -> str:
            (found,) = [row for row in text.splitlines() if row.startswith(label + "  ")]
            return found.split()[-1]

        return line

    def test_digests(self, example: Lake, stated: Callable[[str], str]) -> None:
        tree = example.head.tree
        note, trace = tree["note"], tree["trace"]
        assert blake3(b"hello\n").hexdigest() == stated("digest of the note's bytes")
        chunks = [stated("chunk 0, bytes 00 00 01 00"), stated("chunk 1, bytes 02 00 03 00")]
        assert [entry.digest for _, entry in trace.entries.items()] == chunks
        assert note.entries.identity() == [(0, stated("shard 0 of note"))]
        assert trace.entries.identity() == [(0, stated("shard 0 of trace"))]
        assert note.digest == stated("node note") and trace.digest == stated("node trace")
        assert example.head.commit.snapshot == stated("tree")

    def test_texts(self, example: Lake) -> None:
        text, tree = DOCUMENT.read_text(), example.head.tree
        for node in tree.values():
            identity = [list(pair) for pair in node.entries.identity()]
            assert canonical_json([node.kind, node.meta, identity]).decode() in text
        assert canonical_json({name: node.digest for name, node in tree.items()}).decode() in text
        assert canonical_json(tree["trace"].entries.get(1).to_json(1)).decode() in text

    def test_files(self, example: Lake) -> None:
        root = Path(example.url)
        files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        (tree,) = (file for file in files if file.endswith(".tree"))
        assert files == {"neurolake.json", "log/main/000000000000", "log/main/000000000001", tree}
        assert tree in DOCUMENT.read_text() and (root / tree).read_bytes() == b"{}"
        assert (root / "neurolake.json").read_bytes() == canonical_json(
            json.loads((root / "neurolake.json").read_bytes())
        ) + b"\n"

    def test_pack(self, stated: Callable[[str], str]) -> None:
        writer = PackWriter()
        for content in (b"a" * 600, b"b" * 600):
            writer.add(blake3(content).hexdigest(), content)
        name, data = writer.finish()
        assert name == stated("pack") and len(data) == 1312
        count, magic = struct.unpack("<Q8s", data[-16:])
        assert (count, magic) == (2, b"NLPACK01") and blake3(data[-16 - 2 * 48 :]).hexdigest() == name
        assert data[-64:-16] == struct.pack("<32sQQ", blake3(b"b" * 600).digest(), 600, 600)


class TestStatedLimits:
    def test_sizes_and_places(self, lake: Lake) -> None:
        with lake.transaction("sizes") as tx:
            for size in (512, 513, 8 * 2**20 - 1, 8 * 2**20):
                tx.put_file(str(size), bytes(size))
        places = {int(name): node.entries.get(0).place for name, node in lake.head.tree.items()}
        forms = {
            size: "inline" if place.inline else "pack" if place.pack else "alone"
            for size, place in places.items()
        }
        assert forms == {512: "inline", 513: "pack", 8 * 2**20 - 1: "pack", 8 * 2**20: "alone"}

    def test_numbers(self, lake: Lake) -> None:
        assert (SHARD_SIZE, OVERLAY_SIZE) == (65536, 256)
        depths = []
        for step in range(70):
            with lake.transaction("small") as tx:
                tx.put_file("f", b"%d" % step)
            depths.append(lake.head.commit.depth)
        assert max(depths) <= 32 and depths.count(0) == 2

    def test_columns_of_shards(self, lake: Lake) -> None:
        with lake.transaction("large") as tx:
            tx.write_array("a", np.arange(OVERLAY_SIZE + 1), chunks=(1,))
        (shard,) = Path(lake.url).glob("objects/*/*.shard")
        schema = pq.read_table(shard).schema
        stated = {
            "at": "uint64",
            "digest": "fixed_size_binary[32]",
            "size": "uint64",
            "pack": "dictionary<values=string, indices=int32, ordered=0>",
            "offset": "uint64",
            "inline": "binary",
            "suffix": "dictionary<values=string, indices=int32, ordered=0>",
            **dict.fromkeys(("min", "max", "mean"), "double"),
            **dict.fromkeys(("nan", "rows"), "uint64"),
            "columns": "string",
        }
        assert {field.name: str(field.type) for field in schema} == stated
        text = DOCUMENT.read_text()
        assert all(f"`{name}`" in text for name in stated)

    def test_every_member_is_documented(self, example: Lake) -> None:
        text = DOCUMENT.read_text()
        for member in example.head.commit.fields:
            assert f"`{member}`" in text
        with example.transaction("table") as tx:
            tx.write_table("t", pa.table({"x": [1]}))
            tx.append_table("t", pa.table({"y": [1]}))
        node = example.head.tree["t"]
        for member in (*node.meta, *node.meta["fields"][0], *node.entries.get(0).stats, *node.to_json()):
            assert f"`{member}`" in text
