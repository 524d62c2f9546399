"""The space of a circuit: volumes of voxels as arrays, and the tree of regions as a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...catalog.vocabulary.glia import REGIONS, VOXEL_VECTORS, VOXELS
from ...lake import Array, Transaction
from ...lake.errors import IngestError
from ..sonata.config import any_json
from ..spatial.nrrd import VoxelVolume, read_nrrd

_DEEPEST = 200
_LONGEST = 2**63


def ingest_volume(path: Path, circuit: str, transaction: Transaction) -> str:
    """Write a volume as an array; returns the name of its node.

    Parameters
    ----------
    path
        A file of NRRD, after which the volume is called.
    circuit
        Name of the circuit.
    transaction
        Writes the node.

    Raises
    ------
    IngestError
        The file is damaged, or the circuit has such a volume already.
    """
    volume = read_nrrd(path)
    kind = VOXELS if volume.values.ndim == 3 else VOXEL_VECTORS
    node = kind.of(circuit=circuit, volume=path.stem)
    if node in transaction.drafts:
        raise IngestError(f"the lake has {node!r} already, of another file; choose another --name", path)
    attributes = {
        "voxel_size": list(volume.voxel_size),
        "offset": list(volume.offset),
        "header": dict(volume.header),
    }
    transaction.write_array(node, volume.values, dimension_names=kind.axes, attributes=attributes)
    return node


def volume_of(array: Array) -> VoxelVolume:
    """Return the volume that an array of the lake is.

    Parameters
    ----------
    array
        An array of `VOXELS` or `VOXEL_VECTORS`.
    """
    told: dict[str, Any] = array.attrs.asdict()
    x, y, z = told["voxel_size"]
    low = told["offset"]
    return VoxelVolume(array[...], (x, y, z), (low[0], low[1], low[2]), told.get("header", {}))


def region_table(path: Path) -> pa.Table:
    """Read the tree of regions as rows of `REGIONS`, parents first.

    Parameters
    ----------
    path
        A ``hierarchy.json`` of regions, each with its children.

    Raises
    ------
    IngestError
        A region is none, or is there twice.
    """
    content = any_json(path)
    root = content["msg"][0] if "msg" in content else content
    rows = list(_regions(root, None, 0, path))
    seen = set[int]()
    for row in rows:
        if row["region_id"] in seen:
            raise IngestError(f"region {row['region_id']} is there twice", path)
        seen.add(row["region_id"])
    return pa.Table.from_pylist(rows, REGIONS.schema)


def ingest_regions(path: Path, circuit: str, transaction: Transaction) -> str:
    """Write the tree of regions as a table; returns the name of its node.

    Parameters
    ----------
    path
        A ``hierarchy.json`` of regions, each with its children.
    circuit
        Name of the circuit.
    transaction
        Writes the node.

    Raises
    ------
    IngestError
        A region is none, or is there twice; or the circuit has regions already.
    """
    rows = region_table(path)
    node = REGIONS.of(circuit=circuit)
    if node in transaction.drafts:
        raise IngestError(f"the lake has {node!r} already, of another file; choose another --name", path)
    transaction.write_table(node, rows, doc=REGIONS.doc)
    return node


def _regions(region: Any, parent: int | None, depth: int, path: Path) -> Iterator[dict[str, Any]]:
    if depth > _DEEPEST:
        raise IngestError(f"regions are within each other deeper than {_DEEPEST}", path)
    number = region.get("id") if isinstance(region, dict) else None
    if type(number) is not int or not -_LONGEST <= number < _LONGEST:
        raise IngestError(
            f"the id of a region is a whole number, not {number!r}, below region {parent}", path
        )
    texts = {name: region.get(name) for name in ("acronym", "name")}
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise IngestError(f"{name} of region {number} is text, not {text!r}", path)
    yield {"region_id": number, **texts, "parent_id": parent, "depth": depth}
    children = region.get("children") or []
    if not isinstance(children, list):
        raise IngestError(f"children of region {number} are a list, not {children!r}", path)
    for child in children:
        yield from _regions(child, number, depth + 1, path)
