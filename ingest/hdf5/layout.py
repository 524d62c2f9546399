"""How an HDF5 file was laid out: types, attributes and places of its datasets, as rows of a table.

What a lake holds of a SONATA file stands in tables and arrays; `circuits.LAYOUT` is what must be known besides to write the
file again: one row for each group and dataset, which says where its values are now, or holds them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary.circuits import LAYOUT
from ...lake.extras import needed

LARGEST_VALUE = 64 * 2**20


@dataclass(frozen=True)
class Item:
    """A row of the layout, with the columns of `LAYOUT`."""

    file: str
    path: str
    type: str | None = None
    shape: Sequence[int] | None = None
    chunks: Sequence[int] | None = None
    filters: str | None = None
    attributes: str = "{}"
    node: str | None = None
    part: str | None = None
    value: bytes | None = None


def layout_table(items: Sequence[Item]) -> pa.Table:
    """Return rows of the layout as a table.

    Parameters
    ----------
    items
        Groups and datasets of a file.
    """
    return pa.Table.from_pylist([asdict(item) for item in items], LAYOUT.schema)


def layout_items(table: pa.Table) -> list[Item]:
    """Return the items of a table from `layout_table`.

    Parameters
    ----------
    table
        What `layout_table` returned.
    """
    return [Item(**row) for row in table.to_pylist()]


def hdf5() -> ModuleType:
    """Import the package h5py.

    Raises
    ------
    MissingPackageError
        It is not installed.
    """
    with needed("HDF5 files", "sonata"):
        import h5py
    module: ModuleType = h5py
    return module


# Types


def type_json(kind: np.dtype[Any], *, compounds: bool = False) -> Any:
    """Return an HDF5 type as JSON: NumPy's name, ``{"text", "length"}`` or ``{"enum", "base"}``.

    Parameters
    ----------
    kind
        NumPy's type, with h5py's metadata.
    compounds
        Whether it may be made of several such types: ``{"compound", "size"}``.

    Raises
    ------
    ValueError
        It is none of numbers, text and enumerations.
    """
    h5py = hdf5()
    text, names = h5py.check_string_dtype(kind), h5py.check_enum_dtype(kind)
    if text is not None:
        return {"text": text.encoding, "length": text.length}
    if names is not None:
        return {"enum": {name: int(value) for name, value in names.items()}, "base": kind.str}
    if compounds and kind.names is not None and kind.fields is not None:
        parts = [[name, kind.fields[name][1], type_json(kind.fields[name][0])] for name in kind.names]
        return {"compound": parts, "size": kind.itemsize}
    if kind.kind not in "biuf" or kind.shape:
        raise ValueError(f"values of type {kind}, expected numbers, text or an enumeration")
    return kind.str


def type_of(value: Any) -> np.dtype[Any]:
    """Return the HDF5 type of JSON from `type_json`.

    Parameters
    ----------
    value
        JSON from `type_json`.
    """
    h5py = hdf5()
    if isinstance(value, str):
        return np.dtype(value)
    if "compound" in value:
        parts = value["compound"]
        return np.dtype(
            {
                "names": [name for name, _, _ in parts],
                "formats": [type_of(part) for _, _, part in parts],
                "offsets": [offset for _, offset, _ in parts],
                "itemsize": value["size"],
            }
        )
    if "text" in value:
        made: np.dtype[Any] = h5py.string_dtype(value["text"], value["length"])
    else:
        made = h5py.enum_dtype(value["enum"], basetype=value["base"])
    return made


# Attributes and values


def attributes_json(attributes: Any) -> str:
    """Return the HDF5 attributes of an object as JSON: type, shape and values of each.

    Parameters
    ----------
    attributes
        The ``attrs`` of an object of h5py.

    Raises
    ------
    ValueError
        One has a type that `type_json` does not know.
    """
    return json.dumps({name: _attribute(attributes, name) for name in attributes}, sort_keys=True)


def _attribute(attributes: Any, name: str) -> dict[str, Any]:
    stored, value = attributes.get_id(name), attributes[name]
    if stored.shape is None or isinstance(value, hdf5().Empty):
        return {"type": type_json(stored.dtype), "shape": None, "value": None}
    flat = np.asarray(value).reshape(-1).tolist()
    texts = [item.decode() if isinstance(item, bytes) else item for item in flat]
    return {"type": type_json(stored.dtype), "shape": list(stored.shape), "value": texts}


def write_attributes(target: Any, text: str) -> None:
    """Write the attributes that `attributes_json` returned.

    Parameters
    ----------
    target
        Group, dataset or file of h5py.
    text
        JSON from `attributes_json`.
    """
    for name, told in json.loads(text).items():
        kind = type_of(told["type"])
        if told["shape"] is None:
            target.attrs[name] = hdf5().Empty(kind)
            continue
        texts = [item.encode() for item in told["value"]] if kind.kind == "S" else told["value"]
        values = np.array(texts, kind).reshape(told["shape"])
        target.attrs.create(name, values[()], tuple(told["shape"]), kind)


def value_bytes(dataset: Any) -> bytes | None:
    """Return all values of a dataset as bytes, text as JSON; None for a dataset without a shape.

    Parameters
    ----------
    dataset
        Dataset of h5py.

    Raises
    ------
    ValueError
        They are more than `LARGEST_VALUE` bytes.
    """
    if dataset.shape is None:
        return None
    if dataset.nbytes > LARGEST_VALUE:
        raise ValueError(f"{dataset.nbytes} bytes that become no table or array of the lake")
    if hdf5().check_string_dtype(dataset.dtype) is None:
        return np.asarray(dataset[()]).tobytes()
    return json.dumps(np.asarray(dataset.asstr()[()]).reshape(-1).tolist()).encode()


def value_of(item: Item) -> Any:
    """Return the values of bytes from `value_bytes`.

    Parameters
    ----------
    item
        Row of the layout that holds values.
    """
    kind = type_of(json.loads(item.type or "null"))
    if item.value is None or item.shape is None:
        return hdf5().Empty(kind)
    if hdf5().check_string_dtype(kind) is None:
        return np.frombuffer(item.value, kind).reshape(item.shape)
    return np.array(json.loads(item.value), object).reshape(item.shape)


# Items


def described(
    file: str, path: str, found: Any, claim: tuple[str, str] | None, *, compounds: bool = False
) -> Item:
    """Return the row of the layout for a group or dataset.

    Parameters
    ----------
    file
        Name of the file.
    path
        Path within the file.
    found
        Group or dataset of h5py.
    claim
        Node and part that hold its values; None if none does.
    compounds
        Whether compound types are allowed.

    Raises
    ------
    ValueError
        It is of a type that `type_json` does not know.
    """
    attributes = attributes_json(found.attrs)
    if not hasattr(found, "dtype"):
        return Item(file, path, attributes=attributes)
    filters = {"compression": found.compression, "compression_opts": found.compression_opts}
    kept = {name: value for name, value in filters.items() if value is not None}
    kept |= {"shuffle": True} if found.shuffle else {}
    kept |= {"maxshape": list(found.maxshape)} if found.maxshape != found.shape else {}
    node, part = claim or (None, None)
    return Item(
        file,
        path,
        type=json.dumps(type_json(found.dtype, compounds=compounds), sort_keys=True),
        shape=None if found.shape is None else list(found.shape),
        chunks=None if found.chunks is None else list(found.chunks),
        filters=json.dumps(kept) if kept else None,
        attributes=attributes,
        node=node,
        part=part,
        value=None if claim else value_bytes(found),
    )


def make_dataset(file: Any, item: Item, named: Any = None) -> Any:
    """Make the dataset that a row of the layout describes, without values if a node has them.

    Parameters
    ----------
    file
        File or group of h5py.
    item
        Row of the layout.
    named
        Named type of the dataset, if it has one.
    """
    h5py = hdf5()
    kind = type_of(json.loads(item.type or "null"))
    if item.node is None:
        value = value_of(item)
        made = file.create_dataset(
            item.path,
            data=value,
            dtype=None if isinstance(value, h5py.Empty) else named or kind,
            **_storage(item),
        )
    else:
        made = file.create_dataset(item.path, tuple(item.shape or ()), kind, **_storage(item))
    write_attributes(made, item.attributes)
    return made


def _storage(item: Item) -> Mapping[str, Any]:
    if item.chunks is None:
        return {}
    told = json.loads(item.filters or "{}")
    if "maxshape" in told:
        told["maxshape"] = tuple(told["maxshape"])
    most = told.get("maxshape", item.shape or ())
    # Other libraries have written chunks that are larger than a dataset that cannot grow; HDF5 does not any more.
    chunks = [
        chunk if limit is None else max(1, min(chunk, limit))
        for chunk, limit in zip(item.chunks, most, strict=True)
    ]
    return {"chunks": tuple(chunks), **told}
