"""Coefficients: what a contact records of a segment's membrane current, from arrays or over a lake."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ...kernels.lfp.electrodes import Electrodes
from ...kernels.lfp.field import Field
from ...kernels.lfp.methods import Prepared, prepared
from ...lake.errors import InputError
from ..derive.kernels import kernel
from .inputs import electrodes_of, field_of, segments_of
from .kept import once_kept
from .labels import electrode_labels, labelled

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
    try:
        found = prepared(cells, contacts, method, sigma, _fields(fields, contacts), options)
    except ValueError as error:
        raise InputError(str(error)) from error
    work = _Work(found, np.dtype(dtype))
    values = work.lazy() if lazily else work.done()
    made = labelled(values, found.segments, electrode_labels(contacts), units=found.units)
    return made.assign_attrs(sigma=_plain(sigma), methods=sorted(set(found.methods)))


def _plain(sigma: Any) -> Any:
    return np.asarray(sigma, np.float64).tolist()


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
class _Work:
    """Coefficients to be computed."""

    prepared: Prepared
    dtype: np.dtype[Any]

    def done(self) -> NDArray[Any]:
        """All of them."""
        out = np.empty((self.prepared.n_contacts, len(self.prepared.segments)), self.dtype)
        for where in self._blocks():
            _fill(
                replace(self.prepared, segments=self.prepared.segments.at(where)), where.start, out[:, where]
            )
        return out

    def lazy(self) -> Any:
        """A dask array of blocks of segments, whose tasks carry no more than their own segments."""
        import dask
        import dask.array as da

        task = dask.delayed(_block, pure=False)
        made = []
        for where in self._blocks():
            own = replace(self.prepared, segments=self.prepared.segments.at(where))
            shape = (self.prepared.n_contacts, where.stop - where.start)
            made.append(da.from_delayed(task(own, where.start, self.dtype), shape, self.dtype))
        if not made:
            return da.zeros((self.prepared.n_contacts, 0), dtype=self.dtype)
        return da.concatenate(made, axis=1)

    def _blocks(self) -> Iterator[slice]:
        size = max(1, BLOCK_VALUES // max(1, self.prepared.n_contacts))
        # A power of two divides into chunks of any size.
        size = 1 << (size.bit_length() - 1)
        for begin in range(0, len(self.prepared.segments), size):
            yield slice(begin, min(begin + size, len(self.prepared.segments)))


def _block(some: Prepared, first: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    out = np.empty((some.n_contacts, len(some.segments)), dtype)
    _fill(some, first, out)
    return out


def _fill(some: Prepared, first: int, out: NDArray[Any]) -> None:
    """Compute coefficients of some of all segments, the first of which has the number *first*."""
    try:
        some.fill(out, first)
    except ValueError as error:
        raise InputError(str(error)) from error
