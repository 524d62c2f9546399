"""Values of Python as nodes of a lake: which node a value becomes, and how it is read."""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ...lake import Snapshot, Transaction
from ...lake.digest import digest_of
from ...lake.errors import InputError, UnstorableError
from ...lake.nodes.naming import folded
from ...lake.nodes.node import Node
from ...lake.storage.base import Storage
from ..models.stored import open_model, save_model
from . import json as isf_json
from .session import DATABASE, FOLDER, MODEL, PARTS, make_group
from .tables import NOTE, Put, note_of, of_dask, of_pandas, read_dask, read_pandas

# The dumpers of ISF, and our own names, as the forms below; None is whatever fits.
DUMPERS: Mapping[str, str | None] = {
    **dict.fromkeys(("to_pickle", "to_cloudpickle", "pandas_to_pickle", "pickle"), "pickle"),
    **dict.fromkeys(("numpy_to_npy", "numpy_to_npz", "numpy_to_msgpack", "numpy_to_zarr"), "array"),
    **dict.fromkeys(("shared_numpy_store", "array"), "array"),
    **dict.fromkeys(("pandas_to_msgpack", "pandas_to_parquet", "pandas"), "pandas"),
    **dict.fromkeys(("dask_to_msgpack", "dask_to_categorized_msgpack", "dask_to_parquet", "dask"), "dask"),
    "dask_to_csv": "dask",
    **dict.fromkeys(("to_json", "json"), "json"),
    **dict.fromkeys(("reduced_lda_model", "model"), "model"),
    "cell": "cell",
    **dict.fromkeys(("just_create_folder", "folder"), "folder"),
    **dict.fromkeys(("just_create_isf_db", "just_create_mdb", "just_create_mdb_v2", "database"), "database"),
    **dict.fromkeys(("to_msgpack", "self", "genetic_algorithm_generation"), None),
}
_BESIDE_BYTES = 2**16
"""Arrays and bytes within other values that are larger than this are nodes of their own."""
_ZARR_KINDS, _DASK_KINDS = "biufc", "biufcMm"
_MODELS = f"{__package__.rpartition('.')[0]}.models."
_VALUE = "value"


def form_of(dumper: Any) -> str | None:
    """Return the form that a dumper of ISF stands for; None for the dumper that chooses by the value.

    Parameters
    ----------
    dumper
        Name of the dumper, or its module.

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


def check_form(form: str | None, *, allow_pickle: bool) -> None:
    """Refuse a form that no value may be stored in.

    Parameters
    ----------
    form
        Name of the form; None for the one that fits the value.
    allow_pickle
        Whether pickles are allowed.

    Raises
    ------
    InputError
        It is a pickle, and these are not allowed.
    """
    if form == "pickle" and not allow_pickle:
        raise InputError("this would be a pickle: open the database with allow_pickle=True if you want that")


def prepared(
    value: Any, form: str | None, storage: Storage, *, allow_pickle: bool, client: Any = None
) -> Put:
    """Return what makes a node hold *value*; dask frames are computed and written now.

    Parameters
    ----------
    value
        Anything.
    form
        One of the values of `DUMPERS`; None for what fits.
    storage
        The lake's.
    allow_pickle
        Whether what has no form becomes a pickle.
    client
        What computes dask frames; dask's default otherwise.

    Raises
    ------
    UnstorableError
        No form holds the value, and pickles are not allowed.
    InputError
        *form* does not fit the value, or is a pickle and these are not allowed.
    """
    check_form(form, allow_pickle=allow_pickle)
    if form == "cell":
        # A cell of NEURON is stored as its description, which is what is read back.
        value = value.state() if hasattr(value, "state") else value
        form = "json"
    fitting = form if value is None and form in ("folder", "database") else _form(value)
    if form not in (None, "pickle", fitting):
        raise InputError(f"a {type(value).__name__} is not stored as {form!r} but as {fitting!r}")
    try:
        return _Writer(storage, client).put(value, form or fitting)
    except TypeError as error:
        if allow_pickle and form is None:
            return _put_pickle(value)
        raise UnstorableError(
            f"cannot be stored as it is: {error}; convert it, or open the database with allow_pickle=True "
            "to keep it as a pickle",
            value,
        ) from error


class _Writer:
    """Makes nodes hold values, and parts of values that are nodes of their own."""

    def __init__(self, storage: Storage, client: Any) -> None:
        self._storage = storage
        self._client = client

    def put(self, value: Any, form: str) -> Put:
        """What makes a node hold *value* in a form that fits it."""
        if form == "json":
            return self._json(value)
        if form == "dask":
            return _told_by_case(of_dask(value, storage=self._storage, client=self._client))
        return _PUTS[form](value)

    def _json(self, value: Any) -> Put:
        parts: list[Put] = []

        def put_beside(part: Any) -> str | None:
            form = _form(part)
            sizes: Mapping[str, Callable[[Any], int]] = {"bytes": len, "array": lambda array: array.nbytes}
            if form == "json" or (form in sizes and sizes[form](part) <= _BESIDE_BYTES):
                return None
            parts.append(self.put(part, form))
            return str(len(parts) - 1)

        text = isf_json.dumps(value, put_beside)
        return partial(_put_parts, text=text, parts=parts) if parts else _file("json", text)


def read(snapshot: Snapshot, name: str, *, allow_pickle: bool) -> Any:
    """Read the value of a node; of a node that others wrote, its array, frame or bytes.

    Parameters
    ----------
    snapshot, name
        The node.
    allow_pickle
        Whether pickles are read, which can run any code.

    Raises
    ------
    InputError
        It is a pickle, or has one in it, and these are not allowed.
    """
    node, note = snapshot.tree[name], note_of(snapshot.tree, name)
    form = note.get("format", "bytes")
    if node.kind == "array":
        return _lazy(snapshot, name, note) if form == "dask_array" else snapshot.arrays[name].read_box()
    if node.kind == "table":
        return read_dask(snapshot, name, note) if form == "dask" else read_pandas(snapshot.tables[name], note)
    if form == MODEL:
        return open_model(snapshot, name)
    if form == PARTS:
        suffix = note["suffix"]
        return isf_json.loads(
            snapshot.files[f"{name}/{_VALUE}"],
            lambda part: read(snapshot, f"{name}/{part}-{suffix}", allow_pickle=allow_pickle),
        )
    content = snapshot.files[name]
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
    if type(value) is bytes:
        return "bytes"
    # dask and scikit-learn take a while to import, and a program that has a value of theirs has imported them.
    module = type(value).__module__
    if module.startswith("dask.dataframe") and hasattr(value, "to_delayed") and value.ndim:
        return "dask"
    if module.startswith("dask.array") and hasattr(value, "to_delayed"):
        return "dask_array"
    return MODEL if module.startswith(_MODELS) and hasattr(value, "to_arrays") else "json"


def _told_by_case(put: Put) -> Put:
    """What puts a table; a level below, under a name of its own, where there is a table whose name differs by case alone.

    SQL could not tell the two.
    """

    def put_told(transaction: Transaction, name: str) -> None:
        others = [other for other in transaction.drafts if other != name and folded(other) == folded(name)]
        if any(transaction.drafts[other].kind == "table" for other in others):
            _put_parts(transaction, name, isf_json.dumps((), lambda value: "0"), [put])
        else:
            put(transaction, name)

    return put_told


def _put_parts(transaction: Transaction, name: str, text: bytes, parts: Sequence[Put]) -> None:
    # Part of a name that no other key has, for tables whose names differ by case alone.
    suffix = digest_of(name.encode())[:8]
    make_group(transaction, name, PARTS, suffix=suffix)
    transaction.put_file(f"{name}/{_VALUE}", text, attributes={NOTE: {"format": "json"}})
    for number, put in enumerate(parts):
        put(transaction, f"{name}/{number}-{suffix}")


def _put_array(value: Any) -> Put:
    if value.dtype.kind in _ZARR_KINDS and value.dtype.isnative and value.dtype.itemsize <= 16:
        return lambda transaction, name: _written(transaction, name, value)
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=False)
    return _file("npy", buffer.getvalue())


def _written(transaction: Transaction, name: str, value: Any) -> None:
    transaction.write_array(name, value, attributes={NOTE: {"format": "array"}})


def _put_dask_array(value: Any) -> Put:
    """What stores a dask array, which is computed once, however often the commit is tried."""
    if value.dtype.kind not in _DASK_KINDS or not value.dtype.isnative or not value.ndim:
        raise TypeError(f"a dask array of {value.ndim} dimensions and type {value.dtype}")
    made: list[Node] = []

    def put(transaction: Transaction, name: str) -> None:
        from ..views.blocks import write_dask_array

        if made:
            transaction.drafts.apply({name: made[0]})
        else:
            note = {"format": "dask_array", "chunks": [list(lengths) for lengths in value.chunks]}
            write_dask_array(transaction, name, value, attributes={NOTE: note})
            made.append(transaction.drafts[name])

    return put


def _lazy(snapshot: Snapshot, name: str, note: Mapping[str, Any]) -> Any:
    from ..views import dasked

    return dasked.array(snapshot.arrays[name], tuple(map(tuple, note["chunks"])))


def _put_model(value: Any) -> Put:
    return lambda transaction, name: save_model(transaction, name, value, {NOTE: {"format": MODEL}})


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
    "dask_array": _put_dask_array,
    "pandas": lambda value: _told_by_case(of_pandas(value)),
    "bytes": lambda value: _file("bytes", value),
    MODEL: _put_model,
    FOLDER: lambda value: partial(make_group, kind=FOLDER),
    DATABASE: lambda value: partial(make_group, kind=DATABASE),
    "pickle": _put_pickle,
}
_READERS: Mapping[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "json": isf_json.loads,
    "npy": lambda content: np.load(io.BytesIO(content), allow_pickle=False),
    "pickle": _unpickled,
}
