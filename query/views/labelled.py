"""Labelled arrays: xarray's view of an array and its coordinates, and back.

Coordinates are nodes of their own; see `neurolake.lake.nodes.content`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...catalog.vocabulary import trials as vocabulary
from ...lake import Array, Snapshot, Table, Transaction
from ...lake.data.zarrstore import ZarrStore
from ...lake.errors import InputError, NotFoundError
from ...lake.nodes.content import DERIVED, coordinates
from ..plain import plain
from . import dasked
from .blocks import storable, write_dask_array

TRIAL = "trial"
TRIALS = vocabulary.TRIALS.name
TRIAL_ID = "trial_id"


def data_array(array: Array, chunks: Any = None) -> xr.DataArray:
    """Return an array with its coordinates and units; its values are read when they are needed, as dask's blocks.

    Parameters
    ----------
    array
        The array.
    chunks
        Chunks of the dask array; see `dasked.array`.

    Returns
    -------
    xarray.DataArray
        With the dimensions of the array (``dim_0`` … where they have no names), its attributes (``units``
        among them), and its coordinates. Where one is ``trial``, the columns of the table ``trials``
        (``trial_id``, ``sim_trial_index``, ``stimulus`` …) are coordinates too, unless the array has its own
        of that name.
    """
    store = array.store_path.store
    assert isinstance(store, ZarrStore), "an array of a lake"
    dims = [name or f"dim_{axis}" for axis, name in enumerate(_dimensions(array))]
    coords = {
        name: _coordinate(Array.of(store, node)) for name, node in coordinates(store.tree, array.path).items()
    }
    if TRIAL in coords and coords[TRIAL].dims == (TRIAL,) and TRIALS in store.tree:
        trials = Table(TRIALS, store.tree[TRIALS], store.objects)
        coords = {**_trial_columns(trials, coords[TRIAL].values), **coords}
    attrs = {key: value for key, value in array.attrs.asdict().items() if key != DERIVED}
    return xr.DataArray(
        dasked.array(array, chunks), coords, dims, name=array.path.rsplit("/", 1)[-1], attrs=attrs
    )


def _coordinate(array: Array) -> xr.Variable:
    values = np.asarray(array[...])
    return xr.Variable(_dimensions(array), _for_xarray(values), array.attrs.asdict())


def _dimensions(array: Array) -> Sequence[str | None]:
    return getattr(array.metadata, "dimension_names", None) or (None,) * array.ndim


def _for_xarray(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values.astype(object) if values.dtype.kind == "T" else values


def _trial_columns(trials: Table, ids: npt.NDArray[Any]) -> dict[str, xr.Variable]:
    """Columns of ``trials`` in the order of *ids*; none where one of these is missing."""
    if TRIAL_ID not in trials.columns:
        return {}
    rows = trials.to_pandas().set_index(TRIAL_ID, drop=False)
    if not rows.index.is_unique or not np.isin(ids, rows.index).all():
        return {}
    rows, docs = rows.loc[ids], {field["name"]: field.get("doc", {}) for field in trials.fields}
    return {name: xr.Variable([TRIAL], rows[name].to_numpy(), _attrs(docs[name])) for name in rows.columns}


def _attrs(doc: Mapping[str, str]) -> dict[str, str]:
    names = {"unit": "units", "meaning": "long_name"}
    return {names[key]: text for key, text in doc.items() if key in names and text}


def data_set(snapshot: Snapshot, name: str) -> xr.Dataset:
    """Return the arrays below a group, with their coordinates, as a dataset.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        Name of the group.

    Raises
    ------
    NotFoundError
        There are none.
    InputError
        They do not agree in a coordinate.
    """
    below = [other for other in snapshot.arrays if other.startswith(f"{name}/")]
    known = {node for other in below for node in coordinates(snapshot.tree, other).values()}
    parts = {other.removeprefix(f"{name}/"): snapshot.arrays[other] for other in below if other not in known}
    if not parts:
        raise NotFoundError(f"there is no array {name!r}, nor any below it")
    node = snapshot.tree.get(name)
    said = {} if node is None else dict(node.meta.get("attributes", {}))
    try:
        merged = xr.merge(
            [data_array(array).rename(part) for part, array in parts.items()],
            join="exact",
            compat="equals",
            combine_attrs="drop",
        )
    except ValueError as error:
        raise InputError(f"the arrays below {name!r} make no dataset: {error}") from None
    return merged.assign_attrs({key: value for key, value in said.items() if key != DERIVED})


def write_data_array(
    transaction: Transaction, name: str, array: xr.DataArray, attributes: Mapping[str, Any] | None = None
) -> None:
    """Make *name* an array with the values, dimension names, attributes and coordinates of *array*.

    Each coordinate becomes an array ``name.coordinate``; coordinates of what *name* was before are removed.

    Parameters
    ----------
    transaction
        The transaction to write in.
    name
        Name of the node.
    array
        The array.
    attributes
        Attributes to keep beside those of *array*.

    Raises
    ------
    InputError
        The values have a type that no array of a lake has.
    """
    for node in coordinates(transaction.drafts, name).values():
        transaction.delete(node)
    attrs = {**_plain_attrs(array.attrs), **(attributes or {})}
    write_values(transaction, name, array.data, [str(dim) for dim in array.dims], attrs)
    for coordinate, values in array.coords.items():
        dims = [str(dim) for dim in values.dims]
        write_values(
            transaction, f"{name}.{coordinate}", values.values, dims, _plain_attrs(values.variable.attrs)
        )


def write_values(
    transaction: Transaction,
    name: str,
    values: Any,
    dims: list[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Make *name* an array with these values, of NumPy or, block by block, of dask.

    Parameters
    ----------
    transaction
        The transaction to write in.
    name
        Name of the node.
    values
        The values, of NumPy or dask.
    dims
        Names of the dimensions; none by default.
    attributes
        Attributes of the node; none by default.

    Raises
    ------
    InputError
        As `write_data_array`.
    """
    if not isinstance(values, np.ndarray):
        write_dask_array(transaction, name, values, dims, attributes)
        return
    transaction.write_array(name, storable(values), dimension_names=dims, attributes=attributes)


def _plain_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    lists = {
        str(key): value.tolist() if isinstance(value, np.ndarray) else value for key, value in attrs.items()
    }
    return {key: plain(value, f"attribute {key!r}") for key, value in lists.items()}
