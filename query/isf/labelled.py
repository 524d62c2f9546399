"""xarray's arrays and datasets as plain dictionaries of arrays, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr


def description(value: xr.DataArray | xr.Dataset) -> dict[str, Any]:
    """Return what an array or a dataset is made from: dimensions, coordinates, attributes, and values of NumPy or dask.

    Parameters
    ----------
    value
        The array or dataset.

    Raises
    ------
    TypeError
        It would not be read back as it is, such as one with several levels of labels.
    """
    told: dict[str, Any] = {
        "attrs": dict(value.attrs),
        "coords": [(name, _variable(value, name)) for name in value.coords],
    }
    if isinstance(value, xr.DataArray):
        told |= {"name": value.name, "dims": value.dims, "data": _values(value.variable)}
    else:
        told |= {"variables": [(name, _variable(value, name)) for name in value.data_vars]}
    _check(value, told)
    return told


def described(told: Mapping[str, Any]) -> Any:
    """Return the array or dataset of a description, the inverse of `description`.

    Parameters
    ----------
    told
        The description.
    """
    coords = {name: xr.Variable(*parts) for name, parts in told["coords"]}
    if "variables" in told:
        variables = {name: xr.Variable(*parts) for name, parts in told["variables"]}
        return xr.Dataset(variables, coords, told["attrs"])
    array = xr.DataArray(told["data"], coords, told["dims"], attrs=told["attrs"])
    # Without a name it would take that of dask's array.
    array.name = told["name"]
    return array


def _variable(value: xr.DataArray | xr.Dataset, name: Any) -> tuple[Any, Any, dict[Any, Any]]:
    """Dimensions, values and attributes; labels that are Python objects as an index, which keeps their type."""
    variable = value[name].variable
    index = value.indexes.get(name)
    if isinstance(index, pd.MultiIndex):
        raise TypeError(f"labels of several levels ({name!r}); call reset_index first")
    objects = variable.dtype == object and index is not None
    return variable.dims, index if objects else _values(variable), dict(variable.attrs)


def _values(variable: Any) -> Any:
    """Values as they are computed: dask's stay where they are."""
    return variable.data if variable.chunks is not None else np.asarray(variable.values)


def _check(value: Any, told: Mapping[str, Any]) -> None:
    again = described(told)
    # Comparing would compute what is lazy; the labels are not.
    same = again.coords.to_dataset().identical(value.coords.to_dataset())
    same = same and (value.chunks or again.identical(value))
    if not same or any(again.indexes[name].dtype != index.dtype for name, index in value.indexes.items()):
        raise TypeError(f"a {type(value).__name__} that would not come back as it is")
