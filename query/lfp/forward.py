"""Coefficients: what a contact sees of a segment's membrane current, from arrays or over a lake."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ...kernels.lfp.electrodes import DISK, PLANE, SPHERE, Electrodes
from ...kernels.lfp.field import Field
from ...lake.errors import InputError
from ..derive.kernels import kernel
from .inputs import Segments, electrodes_of, field_of, segments_of
from .labels import electrode_labels, labelled
from .methods import BY_TYPE, METHODS, Compute, Request, dipole_centers

if TYPE_CHECKING:
    from ..lake import Array, Lake

BLOCK_VALUES = 2**22
"""Coefficients that are computed at a time."""

Fields = Mapping[str, Any] | Any


@overload
def coefficients(
    segments: Any,
    electrodes: Any,
    method: str | None = ...,
    sigma: Any = ...,
    *,
    fields: Fields = ...,
    dtype: str = ...,
    lake: None = ...,
    **options: Any,
) -> xr.DataArray: ...
@overload
def coefficients(
    segments: str,
    electrodes: str,
    method: str | None = ...,
    sigma: Any = ...,
    *,
    fields: Fields = ...,
    dtype: str = ...,
    lake: "Lake",
    branch: str = ...,
    **options: Any,
) -> "Array": ...
def coefficients(
    segments: Any,
    electrodes: Any,
    method: str | None = None,
    sigma: Any = 0.3,
    *,
    fields: Fields = None,
    dtype: str = "float64",
    lake: "Lake | None" = None,
    branch: str = "main",
    **options: Any,
) -> Any:
    """What each contact sees per membrane current of each segment.

    Parameters
    ----------
    segments
        A table with ``start_x`` … ``end_z`` and ``diameter`` in µm, ``label``, ``node_id``, ``section_id`` and
        ``segment_id`` (see `lfp_inputs.segments_of`); with *lake*, the name of one.
    electrodes
        `Electrodes`, a table of them, or places in µm [M, 3]; with *lake*, the name of a table.
    method
        ``"line"``, ``"point"``, ``"slice"``, ``"reciprocity"``, ``"dipole_reciprocity"`` or ``"csd"``, for all
        contacts; by default what the type of each says.
    sigma
        Conductivity in S/m: one number, or three along x, y and z (line and point).
    fields
        For reciprocity: the field of each contact by its name, or one for all; with *lake*, names of the groups.
    dtype
        ``"float64"`` or ``"float32"`` of what is kept; all arithmetic is float64.
    lake, branch
        Where the result is kept as a derived one, block by block.
    options
        Of the methods. ``minimum_distance`` (``"radius"``, None or µm), ``contact_radius`` (µm; then
        ``contact_normal`` and ``contact_points``): line, point, slice. ``soma`` (``"point"``, which needs ``label``, or
        ``"line"``): line, slice. ``source``, ``sigma_saline``, ``sigma_glass``, ``thickness``, ``bottom``, ``steps``: slice.
        ``center`` (``"cell"``, ``"all"`` or x, y, z in µm): dipole_reciprocity.

    Returns
    -------
    xarray.DataArray
        [electrode, segment] in mV/nA (1 for ObjectiveCSD), with names, places and types of the contacts, and
        ``node_id``, ``section_id`` and ``segment_id`` of the segments as coordinates. With *lake* the node that
        holds it; its ``path`` is its name, its ``xarray()`` this.

    Raises
    ------
    InputError
        A column, option, field or type is missing or unknown, places are outside of a field (all electrodes are
        named before anything is computed), a contact is on a segment, or numbers make no sense.
    NotFoundError
        The lake has no such node.
    """
    params = {"method": method, "sigma": sigma, "dtype": dtype, "options": options}
    if lake is None:
        return _computed(segments, electrodes, fields, **params)
    inputs = {"segments": segments, "electrodes": electrodes}
    names = [fields] if isinstance(fields, str) else sorted(set((fields or {}).values()))
    inputs |= {f"field_{i}": name for i, name in enumerate(names)}
    by_name: Any = (
        f"field_{0}"
        if isinstance(fields, str)
        else {electrode: f"field_{names.index(name)}" for electrode, name in (fields or {}).items()}
    )
    return lake.derive(lfp_coefficients, inputs, branch=branch, fields=by_name, **params)


@kernel(version="1")
def lfp_coefficients(
    segments: Any,
    electrodes: Any,
    *,
    method: str | None,
    sigma: Any,
    dtype: str,
    fields: Any,
    options: Mapping[str, Any],
    **given: Any,
) -> xr.DataArray:
    """The kernel of `coefficients` over a lake; *given* are the fields by what *fields* calls them."""
    known: Fields = (
        given[fields] if isinstance(fields, str) else {name: given[key] for name, key in fields.items()}
    )
    params = {"method": method, "sigma": sigma, "dtype": dtype, "options": options}
    return _computed(segments, electrodes, known, lazily=True, **params)


def _computed(
    segments: Any,
    electrodes: Any,
    fields: Fields,
    *,
    method: str | None,
    sigma: Any,
    dtype: str,
    options: Mapping[str, Any],
    lazily: bool = False,
) -> xr.DataArray:
    """Labelled coefficients; *lazily* as dask's blocks of segments, when all that can be checked is."""
    if dtype not in ("float64", "float32"):
        raise InputError(f"dtype is {dtype!r}; expected 'float64' or 'float32'")
    cells, contacts = segments_of(segments), electrodes_of(electrodes)
    methods = _methods(contacts, method)
    _check_options(set(methods), options)
    if "dipole_reciprocity" in methods:
        cells = replace(cells, center=dipole_centers(cells, options.get("center", "cell")))
    parts = _parts(cells, contacts, methods, sigma, _fields(fields, contacts), options)
    work = _Work(cells, parts, len(contacts), np.dtype(dtype))
    values = work.lazy() if lazily else work.done()
    made = labelled(values, cells, electrode_labels(contacts), units=_units(methods))
    return made.assign_attrs(sigma=_plain(sigma), methods=sorted(set(methods)))


def _plain(sigma: Any) -> Any:
    return np.asarray(sigma, np.float64).tolist()


def _methods(contacts: Electrodes, method: str | None) -> list[str]:
    """The method of each contact."""
    if method is not None and method not in METHODS:
        raise InputError(f"method is {method!r}; expected one of {', '.join(METHODS)}")
    if method == "csd" and (others := [kind for kind in contacts.type if kind not in (SPHERE, DISK, PLANE)]):
        raise InputError(f"method 'csd' needs contacts of ObjectiveCSD types, not {others[0]}")
    return [method or BY_TYPE[kind] for kind in contacts.type]


def _units(methods: Sequence[str]) -> str:
    units = dict.fromkeys(METHODS[method].units for method in methods)
    # Where potentials and densities stand side by side, the contacts' types tell.
    return " or ".join(units)


def _check_options(methods: set[str], options: Mapping[str, Any]) -> None:
    known = {name for method in methods for name in METHODS[method].options}
    unknown = [name for name in options if name not in known]
    if unknown:
        have = ", ".join(sorted(known)) or "none"
        raise InputError(f"option {unknown[0]!r} is none of {', '.join(sorted(methods))}: {have}")


def _fields(given: Fields, contacts: Electrodes) -> dict[str, Field]:
    if given is None:
        return {}
    one = isinstance(given, Field) or "potential" in given or "ex" in given
    if one:
        return dict.fromkeys(contacts.name, field_of(given))
    strangers = [name for name in given if name not in contacts.name]
    if strangers:
        raise InputError(f"there is a field for {strangers[0]!r}, which is no electrode")
    return {str(name): field_of(field) for name, field in given.items()}


@dataclass(frozen=True)
class _Part:
    """Contacts that are computed together."""

    rows: NDArray[np.intp]
    compute: Compute


def _parts(
    cells: Segments,
    contacts: Electrodes,
    methods: Sequence[str],
    sigma: Any,
    fields: Mapping[str, Field],
    options: Mapping[str, Any],
) -> list[_Part]:
    """One for each method, and for ObjectiveCSD for each probe and type: they share an axis."""
    keys = [
        (method, *((probe, kind) if method == "csd" else ()))
        for method, probe, kind in zip(methods, contacts.probe, contacts.type, strict=True)
    ]
    found = []
    for key in dict.fromkeys(keys):
        rows = np.array([row for row, other in enumerate(keys) if other == key])
        some = contacts.at(rows)
        own = {name: value for name, value in options.items() if name in METHODS[key[0]].options}
        request = Request(some, some.position, sigma, fields, own)
        found.append(_Part(rows, METHODS[key[0]].prepare(cells, request)))
    return found


@dataclass(frozen=True)
class _Work:
    """Coefficients to be computed."""

    cells: Segments
    parts: Sequence[_Part]
    n_contacts: int
    dtype: np.dtype[Any]

    def done(self) -> NDArray[Any]:
        """All of them."""
        out = np.empty((self.n_contacts, len(self.cells)), self.dtype)
        for where in self._blocks():
            _fill(self.parts, self.cells.at(where), where, out[:, where])
        return out

    def lazy(self) -> Any:
        """A dask array of blocks of segments, whose tasks carry no more than their own segments."""
        import dask
        import dask.array as da

        task = dask.delayed(_block, pure=False)
        made = []
        for where in self._blocks():
            own = replace(self, cells=self.cells.at(where))
            shape = (self.n_contacts, where.stop - where.start)
            made.append(da.from_delayed(task(own, where), shape, self.dtype))
        return da.concatenate(made, axis=1) if made else da.zeros((self.n_contacts, 0), dtype=self.dtype)

    def _blocks(self) -> Iterator[slice]:
        size = max(1, BLOCK_VALUES // max(1, self.n_contacts))
        # A power of two divides into chunks of any size.
        size = 1 << (size.bit_length() - 1)
        for begin in range(0, len(self.cells), size):
            yield slice(begin, min(begin + size, len(self.cells)))


def _block(work: _Work, where: slice) -> NDArray[Any]:
    out = np.empty((work.n_contacts, len(work.cells)), work.dtype)
    _fill(work.parts, work.cells, where, out)
    return out


def _fill(parts: Sequence[_Part], block: Segments, where: slice, out: NDArray[Any]) -> None:
    """Compute coefficients of the segments *where* of all, which are *block*."""
    try:
        for part in parts:
            if len(part.rows) == len(out):
                part.compute(block, out)
                continue
            values = np.empty((len(part.rows), len(block)), out.dtype)
            part.compute(block, values)
            out[part.rows] = values
    except ValueError as error:
        raise InputError(f"segments {where.start} to {where.stop - 1}: {error}") from error
