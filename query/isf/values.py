"""Values of Python as nodes of a lake: which node a value becomes, and how it comes back."""

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ...lake import Snapshot, Transaction
from ...lake.errors import InputError
from ...lake.storage.base import Storage
from . import json as isf_json
from .tables import NOTE, Put, note_of, of_dask, of_pandas, read_dask, read_pandas

# The dumpers of ISF, and our own names, as the forms below; None is whatever fits.
DUMPERS: Mapping[str, str | None] = {
    **dict.fromkeys(("to_pickle", "to_cloudpickle", "pandas_to_pickle", "pickle"), "pickle"),
    **dict.fromkeys(("numpy_to_npy", "numpy_to_npz", "numpy_to_msgpack", "numpy_to_zarr"), "array"),
    **dict.fromkeys(("shared_numpy_store", "array"), "array"),
    **dict.fromkeys(("pandas_to_msgpack", "pandas_to_parquet", "pandas"), "pandas"),
    **dict.fromkeys(("dask_to_msgpack", "dask_to_categorized_msgpack", "dask_to_parquet", "dask"), "dask"),
    **dict.fromkeys(("to_json", "json"), "json"),
    **dict.fromkeys(("to_msgpack", "self"), None),
}
_ZARR_KINDS = "biufc"


def form_of(dumper: Any) -> str | None:
    """The form that a dumper of ISF (its name, or its module) stands for; None for whatever fits.

    Raises
    ------
    InputError
        It is not known here.
    """
    if dumper is None:
        return None
    name = str(getattr(dumper, "__name__", dumper)).rpartition(".")[2]
    if name not in DUMPERS:
        raise InputError(f"there is no dumper {name!r}; there are: {', '.join(DUMPERS)}")
    return DUMPERS[name]


def prepared(
    value: Any, form: str | None, storage: Storage, *, allow_pickle: bool, client: Any = None
) -> Put:
    """What makes a node hold *value*; dask frames are computed (by *client*) and written now.

    Raises
    ------
    TypeError
        No form holds the value, and pickles are not allowed.
    InputError
        *form* does not fit the value, or is a pickle and these are not allowed.
    """
    fitting = _form(value)
    if form == "pickle" and not allow_pickle:
        raise InputError("this would be a pickle: open the database with allow_pickle=True if you want that")
    if form not in (None, "pickle", fitting):
        raise InputError(f"a {type(value).__name__} is not stored as {form!r} but as {fitting!r}")
    writers: dict[str, Callable[[Any], Put]] = {
        **_PUTS,
        "dask": partial(of_dask, storage=storage, client=client),
    }
    try:
        return writers[form or fitting](value)
    except TypeError as error:
        if allow_pickle and form is None:
            return _put_pickle(value)
        raise TypeError(
            f"cannot be stored as it is: {error}; convert it, or open the database with allow_pickle=True "
            "to keep it as a pickle"
        ) from error


def read(snapshot: Snapshot, name: str, *, allow_pickle: bool) -> Any:
    """The value of a node; of one that others wrote its array, frame or bytes.

    Raises
    ------
    InputError
        It is a pickle, and these are not allowed.
    """
    node, note = snapshot.tree[name], note_of(snapshot.tree, name)
    if node.kind == "array":
        return snapshot.arrays[name].read_box()
    if node.kind == "table":
        return (
            read_dask(snapshot, name, note)
            if note.get("format") == "dask"
            else read_pandas(snapshot.tables[name], note)
        )
    form, content = note.get("format", "bytes"), snapshot.files[name]
    if form == "pickle" and not allow_pickle:
        raise InputError(
            f"{name} is a pickle, which can run any code when it is read: open the database with "
            "allow_pickle=True if you trust who wrote it"
        )
    return _READERS[form](content)


def _form(value: Any) -> str:
    """The form that fits a value by its type."""
    if type(value) is np.ndarray and not value.dtype.hasobject:
        return "array"
    if isinstance(value, pd.DataFrame | pd.Series | pd.Index):
        return "pandas"
    # dask takes a while to import, and whoever has a frame of it has imported it.
    if (
        type(value).__module__.startswith("dask.dataframe")
        and hasattr(value, "to_delayed")
        and value.ndim == 2
    ):
        return "dask"
    return "bytes" if type(value) is bytes else "json"


def _put_array(value: Any) -> Put:
    if value.dtype.kind in _ZARR_KINDS and value.dtype.isnative and value.dtype.itemsize <= 16:
        return lambda transaction, name: _written(transaction, name, value)
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=False)
    return _file("npy", buffer.getvalue())


def _written(transaction: Transaction, name: str, value: Any) -> None:
    transaction.write_array(name, value, attributes={NOTE: {"format": "array"}})


def _put_pickle(value: Any) -> Put:
    import cloudpickle  # type: ignore[import-untyped]

    return _file("pickle", cloudpickle.dumps(value))


def _file(form: str, content: bytes) -> Put:
    return lambda transaction, name: transaction.put_file(name, content, attributes={NOTE: {"format": form}})


def _unpickled(content: bytes) -> Any:
    import pickle

    return pickle.loads(content)  # noqa: S301 - the reader has allowed it


_PUTS: Mapping[str, Callable[[Any], Put]] = {
    "array": _put_array,
    "pandas": of_pandas,
    "bytes": lambda value: _file("bytes", value),
    "json": lambda value: _file("json", isf_json.dumps(value)),
    "pickle": _put_pickle,
}
_READERS: Mapping[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "json": isf_json.loads,
    "npy": lambda content: np.load(io.BytesIO(content), allow_pickle=False),
    "pickle": _unpickled,
}
