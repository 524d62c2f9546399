"""Results of functions, stored as nodes and opened again."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ...lake import Transaction
from ...lake.errors import CorruptObjectError, InputError
from ...lake.nodes.content import attributes, coordinates
from ..plain import plain, restored
from .builtin import opened_model

if TYPE_CHECKING:
    import xarray as xr

    from ..base import Snapshot

MODEL = "model"
"""Attribute of a group that holds a reduced model: its kind."""
_JSON = {"encoding": "json"}


def store(transaction: Transaction, name: str, result: Any, attrs: Mapping[str, Any]) -> None:
    """Store a result as a node, with attributes.

    An array of NumPy, xarray or dask becomes an array (xarray's with its coordinates); rows of pandas, Arrow,
    dask or DuckDB a table; an iterator of either the same, block by block; bytes a file. A mapping or dataset
    of those, and a reduced model, becomes a group with nodes below. Any other value becomes a file of JSON.

    Parameters
    ----------
    transaction
        The transaction to write in.
    name
        Name of the node.
    result
        What a kernel returned.
    attrs
        Attributes of the node.

    Raises
    ------
    InputError
        It is none of these.
    """
    if isinstance(result, np.ndarray):
        from ..views.labelled import write_values

        write_values(transaction, name, result, attributes=attrs)
    elif isinstance(result, pa.Table | pd.DataFrame | pd.Series):
        from ..views.blocks import as_table

        transaction.write_table(name, as_table(result), attributes=attrs)
    elif isinstance(result, bytes):
        transaction.put_file(name, result, attributes=attrs)
    elif isinstance(result, Iterator | pa.RecordBatchReader):
        from ..views.blocks import write_blocks

        write_blocks(transaction, name, iter(result), attrs)
    elif hasattr(result, "to_arrow_reader"):
        _store_relation(transaction, name, result, attrs)
    elif _kind(result) == "xarray":
        _store_labelled(transaction, name, result, attrs)
    elif _kind(result) == "dask":
        _store_dask(transaction, name, result, attrs)
    elif hasattr(result, "to_arrays"):
        _store_group(transaction, name, result.to_arrays(), {**result.to_attributes(), **attrs})
    elif isinstance(result, Mapping) and any(map(_is_data, result.values())):
        _store_group(transaction, name, result, attrs)
    else:
        _store_json(transaction, name, result, attrs)


def _kind(result: Any) -> str:
    """The package that *result* is of: neither is imported where no function of the user's has done so."""
    return type(result).__module__.split(".")[0].replace("dask_expr", "dask")


def _is_data(value: Any) -> bool:
    kinds = (np.ndarray, pa.Table, pd.DataFrame, pd.Series, bytes, Iterator, pa.RecordBatchReader)
    if isinstance(value, Mapping):
        return any(map(_is_data, value.values()))
    return isinstance(value, kinds) or hasattr(value, "to_arrow_reader") or _kind(value) in ("xarray", "dask")


def _store_relation(transaction: Transaction, name: str, relation: Any, attrs: Mapping[str, Any]) -> None:
    """Store what DuckDB answers, batch by batch; one without rows too."""
    from ..views.blocks import write_blocks

    reader = relation.to_arrow_reader()
    empty = pa.Table.from_batches([], reader.schema)
    write_blocks(transaction, name, _preceded(empty, reader), attrs)


def _preceded(first: Any, others: Any) -> Iterator[Any]:
    yield first
    yield from others


def _store_labelled(transaction: Transaction, name: str, result: Any, attrs: Mapping[str, Any]) -> None:
    import xarray as xr

    from ..views.labelled import write_data_array

    if isinstance(result, xr.DataArray):
        write_data_array(transaction, name, result, attrs)
    elif isinstance(result, xr.Dataset):
        _check_coordinates(result)
        arrays = {str(part): array for part, array in result.data_vars.items()}
        _store_group(transaction, name, arrays, {**plain(dict(result.attrs), "attributes"), **attrs})
    else:
        raise InputError(f"a result is a DataArray or a Dataset, not xarray's {type(result).__name__}")


def _check_coordinates(dataset: "xr.Dataset") -> None:
    stored = {name for array in dataset.data_vars.values() for name in array.coords}
    if lost := [str(name) for name in dataset.coords if name not in stored]:
        raise InputError(f"coordinate {lost[0]!r} belongs to no variable of the dataset")


def _store_dask(transaction: Transaction, name: str, result: Any, attrs: Mapping[str, Any]) -> None:
    import dask.array as da
    import dask.dataframe as dd

    from ..views.blocks import write_dask_array, write_dask_frame

    if isinstance(result, da.Array) and result.ndim:
        write_dask_array(transaction, name, result, attributes=attrs)
    elif isinstance(result, dd.DataFrame | dd.Series):
        write_dask_frame(transaction, name, result, attrs)
    else:
        store(transaction, name, result.compute(), attrs)


def _store_group(
    transaction: Transaction, name: str, parts: Mapping[str, Any], attrs: Mapping[str, Any]
) -> None:
    meta = {"zarr_format": 3, "node_type": "group", "attributes": dict(attrs)}
    transaction.drafts.put(name, "group", meta, {})
    for part, value in parts.items():
        if not isinstance(part, str):
            raise InputError(f"the parts of a result have texts as names, not {part!r}")
        store(transaction, f"{name}/{part}", value, {})


def _store_json(transaction: Transaction, name: str, result: Any, attrs: Mapping[str, Any]) -> None:
    if result is None:
        raise InputError("the function returned nothing")
    text = json.dumps(plain(result, "a result"), ensure_ascii=False, sort_keys=True)
    transaction.put_file(name, text.encode(), attributes={**_JSON, **attrs})


def opened(snapshot: "Snapshot", name: str) -> Any:
    """Open a node as the result that it is: a table, an array, bytes, a value of JSON, a mapping of those, or a model.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        Name of the node.

    Raises
    ------
    NotFoundError
        There is no such node.
    CorruptObjectError
        The file of a value of JSON is malformed.
    """
    node = snapshot.tree.get(name)
    if node is not None and node.kind == "group":
        model = opened_model(snapshot, name) if MODEL in attributes(node) else None
        return model or {part: opened(snapshot, f"{name}/{part}") for part in _parts(snapshot, name)}
    found = snapshot[name]
    if node is None or node.kind != "file" or attributes(node).get("encoding") != "json":
        return found
    try:
        return restored(json.loads(found))
    except (ValueError, TypeError, RecursionError) as error:
        raise CorruptObjectError(f"{name!r} is not the JSON that it should be: {error}") from error


def _parts(snapshot: "Snapshot", name: str) -> list[str]:
    """What stands directly in a group, coordinates aside."""
    tree = snapshot.tree
    below = [other for other in snapshot if other.startswith(f"{name}/")]
    groups = [f"{other}/" for other in below if tree[other].kind == "group"]
    known = {node for other in below for node in coordinates(tree, other).values()}
    return [
        other.removeprefix(f"{name}/")
        for other in below
        if other not in known and not any(other.startswith(group) for group in groups)
    ]
