"""A reader of lakes written from docs/format.md alone."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3


def canonical_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class IndependentReader:
    """Reads a lake knowing only JSON, BLAKE3 and Parquet; arrays must have raw little-endian chunks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        marker = json.loads((root / "neurolake.json").read_bytes())
        assert marker["format"] in (1, 2) and marker["hash"] == "blake3-256"

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
