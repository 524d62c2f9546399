"""What coefficients are made of, from whatever holds it: tables of a lake, pandas, Arrow, mappings of arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...kernels.lfp.electrodes import Electrodes
from ...kernels.lfp.field import Field
from ...kernels.lfp.segments import KEYS, PLACES, Segments
from ...lake.errors import InputError


def columns_of(given: Any, what: str, wanted: Sequence[str] | None = None) -> Mapping[str, Any]:
    """Return columns by name: of a mapping, a table of Arrow or of a lake, or a DataFrame.

    Parameters
    ----------
    given
        The mapping, table or frame.
    what
        What it is, for the message.
    wanted
        Names of the columns to read from a table of a lake, as far as it has them; all by default.

    Raises
    ------
    InputError
        It is none of these.
    """
    if isinstance(given, Mapping):
        return given
    if hasattr(given, "to_arrow"):
        given = given.to_arrow(wanted and [name for name in given.columns if name in wanted])
    if isinstance(given, pa.Table):
        return {name: _values(given[name]) for name in given.column_names}
    if hasattr(given, "columns") and hasattr(given, "loc"):
        return {str(name): given[name].to_numpy() for name in given.columns}
    raise InputError(f"{what} are a table or a mapping of columns, not {type(given).__name__}")


def _values(column: pa.ChunkedArray) -> NDArray[Any]:
    if not pa.types.is_string(column.type):
        found: NDArray[Any] = column.to_numpy()
        return found
    # Equal texts share one object: a column of labels would take more room than all numbers.
    encoded = column.combine_chunks().dictionary_encode()
    texts = np.array([*encoded.dictionary.to_pylist(), None], object)
    codes: NDArray[np.int32] = encoded.indices.fill_null(len(texts) - 1).to_numpy()
    return texts[codes]


def segments_of(given: Any) -> Segments:
    """Segments from their columns.

    Parameters
    ----------
    given
        Segments, or what `columns_of` takes: ``start_x`` … ``end_z`` in µm are needed; ``diameter`` in µm and
        ``label`` (``Soma`` for segments of a soma) are what some methods need. ``node_id`` is 0 where it is not there,
        ``section_id`` 0 and ``segment_id`` the number of the row where neither is.

    Raises
    ------
    InputError
        A coordinate is missing or is not a number, or columns differ in length.
    """
    if isinstance(given, Segments):
        return given
    columns = columns_of(given, "segments", (*KEYS, *PLACES, "diameter", "label"))
    try:
        return Segments.of_columns(columns)
    except (ValueError, TypeError) as error:
        raise InputError(str(error)) from error


def electrodes_of(given: Any) -> Electrodes:
    """Return electrodes, from themselves, from places or from a table with their columns.

    Parameters
    ----------
    given
        Electrodes; places in µm, float64[M, 3]; or a table.

    Raises
    ------
    InputError
        It is none of these, or `Electrodes` refuses it.
    """
    if isinstance(given, Electrodes):
        return given
    try:
        if isinstance(given, np.ndarray | list | tuple):
            places = np.asarray(given, np.float64)
            return Electrodes([str(i) for i in range(len(places))], places)
        columns = columns_of(given, "electrodes")
        texts = {key: values for key, values in columns.items() if key in ("layer", "region", "probe")}
        filled = {key: ["" if value is None else value for value in values] for key, values in texts.items()}
        return Electrodes.from_columns({**columns, **filled})
    except (ValueError, TypeError) as error:
        raise InputError(f"electrodes: {error}") from error


def field_of(given: Any) -> Field:
    """A field, from itself or from the arrays of its group, as `ingest.fields.store_field` writes them.

    Parameters
    ----------
    given
        A field, xarray's dataset, or a mapping of a lake's arrays: ``potential``, or ``ex``, ``ey`` and ``ez``.

    Raises
    ------
    InputError
        It has neither, or `Field` refuses it.
    """
    if isinstance(given, Field):
        return given
    arrays = {part: _labelled(given[part]) for part in ("potential", "ex", "ey", "ez") if part in given}
    axes = {str(dim): values for array in arrays.values() for dim, values in array.coords.items()}
    lacking = [axis for axis in "xyz" if axis not in axes]
    if lacking or not ("potential" in arrays or {"ex", "ey", "ez"} <= arrays.keys()):
        raise InputError("a field has potential, or ex, ey and ez, with the coordinates x, y and z in µm")
    current = next(
        (array.attrs["applied_current"] for array in arrays.values() if "applied_current" in array.attrs), 1
    )
    values = {part: np.asarray(array.values) for part, array in arrays.items()}
    electric = [values[part] for part in ("ex", "ey", "ez")] if "ex" in values else None
    places = [np.asarray(axes[axis].values, np.float64) for axis in "xyz"]
    try:
        return Field(places, values.get("potential"), electric, float(current))
    except ValueError as error:
        raise InputError(f"field: {error}") from error


def _labelled(array: Any) -> Any:
    return array.xarray() if hasattr(array, "xarray") else array
