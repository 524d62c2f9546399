"""docs/format.md: a reader written from it alone, and the bytes that it states."""

import base64
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

from neurolake.lake import Lake
from neurolake.lake.nodes.entries import OVERLAY_SIZE
from neurolake.lake.nodes.entry import SHARD_SIZE
from neurolake.lake.objects.packs import PackWriter

DOCUMENT = Path(__file__).parents[2] / "docs/format.md"


def canonical_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class IndependentReader:
    """Reads a lake knowing only JSON, BLAKE3 and Parquet; arrays must have raw little-endian chunks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        marker = json.loads((root / "neurolake.json").read_bytes())
        assert (marker["format"], marker["hash"]) == (1, "blake3-256")

    def record(self, branch: str, number: int) -> dict[str, Any]:
        digest, line, rest = (self.root / f"log/{branch}/{number:012d}").read_bytes().split(b"\n")
        assert blake3(line).hexdigest() == digest.decode() and not rest
        return {"id": digest.decode(), **json.loads(line)}

    def newest(self, space: str, name: str) -> dict[str, Any]:
        number = max(int(path.name) for path in (self.root / space / name).iterdir())
        digest, line, _ = (self.root / space / name / f"{number:012d}").read_bytes().split(b"\n")
        record = {"id": digest.decode(), **json.loads(line)}
        return self.referred(record["target"]) if "target" in record else record

    def referred(self, reference: dict[str, Any]) -> dict[str, Any]:
        record = self.record(reference["branch"], reference["number"])
        assert record["id"] == reference["id"]
        return record

    def object(self, digest: str, size: int, place: dict[str, Any]) -> bytes:
        if place.get("inline") is not None:
            data = base64.b64decode(place["inline"])
        elif place.get("pack") is not None:
            path = self.root / f"packs/{place['pack'][:2]}/{place['pack']}.pack"
            data = path.read_bytes()[place["offset"] : place["offset"] + size]
        else:
            data = (self.root / f"objects/{digest[:2]}/{digest}{place.get('suffix') or ''}").read_bytes()
        assert len(data) == size and blake3(data).hexdigest() == digest
        return data

    def tree(self, commit: dict[str, Any]) -> dict[str, Any]:
        if commit["depth"]:
            nodes = self.tree(self.referred(commit["parents"][0]))
            for name, change in commit["changes"].items():
                before = nodes.pop(name, None)
                if change is not None:
                    nodes[name] = self.patched(before, change) if change.get("patch") else change
        else:
            at = commit["tree"]
            nodes = json.loads(self.object(at["object"], at["size"], at))
        digests = {name: self.node_digest(node) for name, node in nodes.items()}
        assert blake3(canonical_json(digests)).hexdigest() == commit["snapshot"]
        return nodes

    def patched(self, before: Any, change: dict[str, Any]) -> dict[str, Any]:
        new = {row["at"] for row in change["entries"]} | set(change.get("removed", []))
        return {
            **before,
            "meta": change.get("meta", before["meta"]),
            "entries": [row for row in before["entries"] if row["at"] not in new] + change["entries"],
            "removed": [at for at in before.get("removed", []) if at not in new] + change.get("removed", []),
        }

    def entries(self, node: dict[str, Any]) -> dict[int, dict[str, Any]]:
        rows: dict[int, dict[str, Any]] = {}
        for ref in node["shards"]:
            table = pq.read_table(pa.BufferReader(self.object(ref["object"], ref["size"], ref)))
            shard = [{**row, "digest": row["digest"].hex()} for row in table.to_pylist()]
            assert len(shard) == ref["count"]
            assert blake3(b"".join(map(self.identity, shard))).hexdigest() == ref["digest"]
            for row in shard:
                inline = row["inline"]
                rows[row["at"]] = {**row, "inline": None if inline is None else base64.b64encode(inline)}
        rows |= {row["at"]: row for row in node["entries"]}
        return {at: rows[at] for at in sorted(rows) if at not in node.get("removed", [])}

    def identity(self, row: dict[str, Any]) -> bytes:
        return struct.pack("<Q", row["at"]) + bytes.fromhex(row["digest"])

    def node_digest(self, node: dict[str, Any]) -> str:
        shards: dict[int, bytes] = {}
        for at, row in self.entries(node).items():
            shards[at // 65536] = shards.get(at // 65536, b"") + self.identity(row)
        digests = [[number, blake3(data).hexdigest()] for number, data in sorted(shards.items())]
        return blake3(canonical_json([node["kind"], node["meta"], digests])).hexdigest()

    def value(self, node: dict[str, Any]) -> Any:
        parts = {at: self.object(row["digest"], row["size"], row) for at, row in self.entries(node).items()}
        if node["kind"] == "file":
            return parts[0]
        if node["kind"] == "table":
            tables = [pq.read_table(pa.BufferReader(part)) for part in parts.values()]
            return pa.concat_tables(tables, promote_options="default").to_pydict()
        meta = node["meta"]
        shape, chunk = meta["shape"], meta["chunk_grid"]["configuration"]["chunk_shape"]
        counts = [-(-length // size) for length, size in zip(shape, chunk, strict=True)]
        values = np.full(
            [n * size for n, size in zip(counts, chunk, strict=True)], meta["fill_value"], meta["data_type"]
        )
        for number, data in parts.items():
            at = np.unravel_index(number, counts)
            box = tuple(slice(i * size, (i + 1) * size) for i, size in zip(at, chunk, strict=True))
            values[box] = np.frombuffer(data, values.dtype.newbyteorder("<")).reshape(chunk)
        return values[tuple(slice(length) for length in shape)].tolist()


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
