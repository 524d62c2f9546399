"""Coefficients: what a contact records of a segment's membrane current, from arrays or over a lake."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ...kernels.lfp.electrodes import DISK, PLANE, SPHERE, Electrodes
from ...kernels.lfp.field import Field
from ...lake.errors import InputError
from ..derive.kernels import kernel
from .inputs import Segments, electrodes_of, field_of, segments_of
from .kept import once_kept
from .labels import electrode_labels, labelled
from .methods import BY_TYPE, METHODS, Compute, Request, dipole_centers

BLOCK_VALUES = 2**22
"""Coefficients that are computed at a time."""

Fields = Mapping[str, Any] | Any


@once_kept
def coefficients(
    segments: Any,
    electrodes: Any,
    method: str | None = None,
    sigma: Any = 0.3,
    *,
    fields: Fields = None,
    dtype: Literal["float64", "float32"] = "float64",
    minimum_distance: float | Literal["radius"] | None = "radius",
    soma: Literal["point", "line"] = "point",
    contact_radius: float | None = None,
    contact_normal: ArrayLike = (0.0, 1.0, 0.0),
    contact_points: int = 50,
    source: Literal["line", "point"] = "line",
    sigma_saline: float = 1.5,
    sigma_glass: float = 0.0,
    thickness: float = 300.0,
    bottom: float = 0.0,
    steps: int = 20,
    center: ArrayLike | Literal["cell", "all"] = "cell",
) -> xr.DataArray:
    """Compute what each contact records per membrane current of each segment.

    Parameters
    ----------
    segments
        A table with ``start_x`` … ``end_z`` and ``diameter`` in µm, ``label``, ``node_id``, ``section_id`` and
        ``segment_id`` (see `inputs.segments_of`).
    electrodes
        `Electrodes`, a table of them, or places in µm [M, 3].
    method
        ``"line"``, ``"point"``, ``"slice"``, ``"reciprocity"``, ``"dipole_reciprocity"`` or ``"csd"``, for all
        contacts; by default each has the method of its type.
    sigma
        Conductivity in S/m: one number, or three along x, y and z (line and point).
    fields
        Field of each contact by its name, or one for all; for reciprocity.
    dtype
        Type of the result; all arithmetic is float64.
    minimum_distance
        Of line, point and slice: how near a contact may be to a segment: ``"radius"``, µm, or None for any distance.
    soma
        Of line and slice: whether somata are points, which needs ``label``, or lines.
    contact_radius, contact_normal, contact_points
        Of line, point and slice: the radius in µm of round contacts, over which potentials are averaged, where they face,
        shape (3,) or (M, 3), and at how many points they are taken.
    source
        Of slice: what represents a segment.
    sigma_saline, sigma_glass
        Of slice: conductivities above and below the tissue in S/m.
    thickness, bottom
        Of slice: how thick it is, and the z of its lower face, in µm.
    steps
        Of slice: how many images are added.
    center
        Of dipole_reciprocity: where a cell's dipole is: the mean of its segments, of all segments, or x, y, z in µm.

    Returns
    -------
    xarray.DataArray
        [electrode, segment] in mV/nA (1 for ObjectiveCSD), with names, places and types of the contacts, and
        ``node_id``, ``section_id`` and ``segment_id`` of the segments as coordinates. `Lake.derive` keeps it, where
        *segments*, *electrodes* and *fields* are names of nodes.

    Raises
    ------
    InputError
        A column, option, field or type is missing or unknown, places are outside of a field (all electrodes are
        named before anything is computed), a contact is on a segment, or numbers make no sense.
    """
    options = _options(locals())
    return _computed(segments, electrodes, fields, method=method, sigma=sigma, dtype=dtype, options=options)


_DEFAULTS: Mapping[str, Any] = {
    name: parameter.default
    for name, parameter in inspect.signature(coefficients).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY and name not in ("fields", "dtype")
}
"""The options of methods: those that differ from these are given to the method, which may not have them."""


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those arguments of `coefficients` that are options of methods and not as they are by default."""
    return {
        name: given[name]
        for name, default in _DEFAULTS.items()
        if type(given[name]) is not type(default) or given[name] != default
    }


def _reads(snapshot: Any, given: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Inputs and parameters of `lfp_coefficients` for the arguments of `coefficients`."""
    fields = given["fields"]
    names = [fields] if isinstance(fields, str) else sorted(set((fields or {}).values()))
    inputs = {"segments": given["segments"], "electrodes": given["electrodes"]}
    inputs |= {f"field_{i}": name for i, name in enumerate(names)}
    by_name: Any = (
        f"field_{0}"
        if isinstance(fields, str)
        else {electrode: f"field_{names.index(name)}" for electrode, name in (fields or {}).items()}
    )
    params = {name: given[name] for name in ("method", "sigma", "dtype")}
    return inputs, {"fields": by_name, **params, "options": _options(given)}


@kernel(version="1", asked=coefficients, reads=_reads)
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
    """Compute coefficients from nodes of a lake: the kernel of `coefficients`.

    Parameters
    ----------
    segments
        Table of the segments.
    electrodes
        Table of the contacts.
    method, sigma, dtype
        See `coefficients`.
    fields
        Argument of *given* that holds the field, or arguments by contact.
    options
        Options of the method by name.
    **given
        The fields by argument.
    """
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
    # Where potentials and densities are side by side, the types of the contacts distinguish them.
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
