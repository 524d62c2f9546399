"""Methods of computing coefficients: what each needs, the kernel behind it, and which contact has which."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .contacts import contact_average, disk_points
from .csd import objective_csd_disk, objective_csd_plane, objective_csd_sphere
from .electrodes import DIPOLE, DISK, LINE, PLANE, POINT, RECIPROCITY, SPHERE, Electrodes
from .field import Field
from .fields import dipole_reciprocity_potential, reciprocity_potential
from .segments import Segments
from .slice import slice_potential
from .sources import line_source_potential, point_source_potential

Matrix: TypeAlias = NDArray[Any]
Compute: TypeAlias = Callable[[Segments, Matrix], None]
"""Fills [contacts, segments] for some of the segments."""

_CONTACT = frozenset({"contact_radius", "contact_normal", "contact_points"})
_DISTANCE = _CONTACT | {"minimum_distance"}
_SLICE = frozenset({"sigma_saline", "sigma_glass", "thickness", "bottom", "steps", "source"})


@dataclass(frozen=True)
class Request:
    """What is wanted of some contacts, all of one method.

    Parameters
    ----------
    electrodes
        The contacts.
    array
        Places of all contacts of their probe that record in that way, float64[K, 3].
    sigma
        Conductivity in S/m.
    fields
        Field of each contact by name.
    options
        Of the method.
    """

    electrodes: Electrodes
    array: NDArray[np.float64]
    sigma: Any
    fields: Mapping[str, Field]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Method:
    """A way to compute coefficients.

    Parameters
    ----------
    prepare
        Checks all segments, and returns a function that computes coefficients of some of them.
    options
        Names of the options that it has.
    units
        Unit of its coefficients.
    """

    prepare: Callable[[Segments, Request], Compute]
    options: frozenset[str] = frozenset()
    units: str = "mV/nA"


_SOURCES: Mapping[str, Callable[..., Matrix]] = {
    "line": line_source_potential,
    "point": point_source_potential,
    "slice": slice_potential,
}


def _sources(kernel: str) -> Callable[[Segments, Request], Compute]:
    """Line and point sources, and both in a slice."""

    def prepare(segments: Segments, request: Request) -> Compute:
        options = dict(request.options)
        as_points = kernel != "point" and _somata_are_points(segments, options.pop("soma", "point"))
        average = {key: options.pop(key) for key in _CONTACT & options.keys()}
        rule = options.get("minimum_distance", "radius")
        if rule == "radius" and segments.diameter is None:
            raise ValueError("segments have no column 'diameter', which minimum_distance='radius' needs")
        if kernel == "slice":
            options["sigma_tissue"] = request.sigma
        function = _SOURCES[kernel]

        def compute(block: Segments, out: Matrix) -> None:
            given = dict(options) | ({"points": block.soma} if as_points else {})
            sigma = () if kernel == "slice" else (request.sigma,)

            def potential(places: NDArray[np.float64], out: Matrix | None = None) -> Matrix:
                return function(block.start, block.end, block.diameter, places, *sigma, **given, out=out)

            _averaged(potential, request.electrodes.position, average, out)

        return compute

    return prepare


def _averaged(
    potential: Callable[..., Matrix], places: NDArray[np.float64], average: Mapping[str, Any], out: Matrix
) -> None:
    if not average:
        potential(places, out=out)
        return
    if "contact_radius" not in average:
        raise ValueError("contact_normal and contact_points say how a contact lies: give contact_radius too")
    normals = np.broadcast_to(
        np.asarray(average.get("contact_normal", (0.0, 1.0, 0.0)), np.float64), places.shape
    )
    points = disk_points(places, normals, average["contact_radius"], average.get("contact_points", 50))
    out[...] = contact_average(potential, points)


def _somata_are_points(segments: Segments, soma: Any) -> bool:
    if soma not in ("point", "line"):
        raise ValueError(f"soma is {soma!r}; expected 'point' or 'line'")
    if soma == "point" and segments.soma is None:
        raise ValueError(
            "segments have no column 'label', which says which are the soma; give it, or soma='line'"
        )
    return bool(soma == "point")


def _reciprocity(segments: Segments, request: Request) -> Compute:
    fields = _fields(request, "potential")
    _check_inside(segments.middle, fields, lambda row: segments.named(row))

    def compute(block: Segments, out: Matrix) -> None:
        for row, field in enumerate(fields.values()):
            assert field.potential is not None, "checked"
            given = (block.start, block.end, field.axes, field.potential)
            reciprocity_potential(*given, applied_current=field.applied_current, out=out[row])

    return compute


def _dipole_reciprocity(segments: Segments, request: Request) -> Compute:
    fields = _fields(request, "electric")
    assert segments.center is not None, "given by who asks for this method"
    _check_inside(segments.center, fields, lambda row: f"the centre of node {segments.node_id[row]}")

    def compute(block: Segments, out: Matrix) -> None:
        for row, field in enumerate(fields.values()):
            assert field.electric is not None and block.center is not None, "checked"
            given = (block.start, block.end, block.center, field.axes, field.electric)
            dipole_reciprocity_potential(*given, applied_current=field.applied_current, out=out[row])

    return compute


def dipole_centers(segments: Segments, center: Any) -> NDArray[np.float64]:
    """Return where the dipole of each segment's cell is, in µm, float64[N, 3].

    Parameters
    ----------
    segments
        The segments.
    center
        ``"cell"``: the mean of the middles of the cell's segments; ``"all"``: that of all segments, as in BlueRecording
        on one process; or x, y and z in µm.

    Raises
    ------
    ValueError
        It is none of these.
    """
    middle = segments.middle
    if isinstance(center, str) and center == "cell":
        _, cell = np.unique(segments.node_id, return_inverse=True)
        sums = np.stack([np.bincount(cell, middle[:, axis]) for axis in range(3)], axis=1)
        means: NDArray[np.float64] = (sums / np.bincount(cell)[:, None])[cell]
        return means
    if isinstance(center, str) and center == "all":
        return np.broadcast_to(middle.mean(axis=0), middle.shape)
    try:
        return np.broadcast_to(np.asarray(center, np.float64).reshape(3), middle.shape)
    except (ValueError, TypeError) as error:
        raise ValueError(f"center is {center!r}; expected 'cell', 'all' or x, y and z in µm") from error


def _fields(request: Request, kind: str) -> dict[str, Field]:
    """The field of each contact, in order."""
    missing = [name for name in request.electrodes.name if name not in request.fields]
    if missing:
        raise ValueError(f"electrodes without a field: {_listed(missing)}; give fields={{name: field}}")
    found = {name: request.fields[name] for name in request.electrodes.name}
    lacking = [name for name, field in found.items() if getattr(field, kind) is None]
    if lacking:
        what = "a potential" if kind == "potential" else "an electric field"
        raise ValueError(f"electrodes whose field has not {what}: {_listed(lacking)}")
    return found


def _check_inside(
    places: NDArray[np.float64], fields: Mapping[str, Field], named: Callable[[int], str]
) -> None:
    """Refuse, before anything is computed, all electrodes whose grid does not hold all places."""
    outside = {name: np.flatnonzero(field.outside(places)) for name, field in fields.items()}
    bad = {name: rows for name, rows in outside.items() if rows.size}
    if bad:
        first, rows = next(iter(bad.items()))
        low, high = fields[first].bounds
        raise ValueError(
            f"places outside of the field's grid, for electrodes {_listed([*bad])}: in that of {first!r}, which goes "
            f"from {low} to {high} µm, {rows.size:,} of {len(places):,}, the first {named(int(rows[0]))}, at "
            f"{places[rows[0]]} µm"
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:10]))
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


def _csd(segments: Segments, request: Request) -> Compute:
    """Each contact with its own size; the axis is that of its probe."""

    def compute(block: Segments, out: Matrix) -> None:
        chosen = request.electrodes
        for row, kind in enumerate(chosen.type):
            sizes = {key: float(getattr(chosen, key)[row]) for key in ("radius", "thickness")}
            given = {key: size for key, size in sizes.items() if not np.isnan(size)}
            place = (block.start, block.end, chosen.position[row : row + 1])
            kernel = partial(_CSD[kind], *place, **given, out=out[row : row + 1])
            kernel() if kind == SPHERE else kernel(array=request.array)

    return compute


_CSD: Mapping[str, Callable[..., Matrix]] = {
    SPHERE: objective_csd_sphere,
    DISK: objective_csd_disk,
    PLANE: objective_csd_plane,
}

METHODS: Mapping[str, Method] = {
    "line": Method(_sources("line"), _DISTANCE | {"soma"}),
    "point": Method(_sources("point"), _DISTANCE),
    "slice": Method(_sources("slice"), _DISTANCE | _SLICE | {"soma"}),
    "reciprocity": Method(_reciprocity),
    "dipole_reciprocity": Method(_dipole_reciprocity, frozenset({"center"})),
    "csd": Method(_csd, units="1"),
}
"""Methods by name; ``csd`` is ObjectiveCSD, whose volume follows from the type of each contact."""

BY_TYPE: Mapping[str, str] = {
    LINE: "line",
    POINT: "point",
    RECIPROCITY: "reciprocity",
    DIPOLE: "dipole_reciprocity",
    SPHERE: "csd",
    DISK: "csd",
    PLANE: "csd",
}
"""The method of each type of electrode."""


@dataclass(frozen=True)
class AlikeContacts:
    """Contacts that are computed together.

    Parameters
    ----------
    rows
        Which contacts, integers.
    compute
        Fills their coefficients.
    """

    rows: NDArray[np.intp]
    compute: Compute


@dataclass(frozen=True)
class Prepared:
    """Coefficients of segments and contacts that were checked, to be computed for some segments at a time.

    Parameters
    ----------
    segments
        All segments.
    parts
        Contacts that are computed together.
    n_contacts
        How many there are.
    methods
        Method of each contact.
    """

    segments: Segments
    parts: Sequence[AlikeContacts]
    n_contacts: int
    methods: Sequence[str]

    @property
    def units(self) -> str:
        """Unit of the coefficients; several where potentials and densities are side by side."""
        # The types of the contacts distinguish them.
        return " or ".join(dict.fromkeys(METHODS[method].units for method in self.methods))

    def fill(self, out: Matrix, first: int = 0) -> None:
        """Compute all coefficients.

        Parameters
        ----------
        out
            Filled, shape (n_contacts, n_segments).
        first
            Number of the first segment, for messages.

        Raises
        ------
        ValueError
            A contact is on a segment, or nearer than the method allows.
        """
        block = self.segments
        try:
            for part in self.parts:
                if len(part.rows) == len(out):
                    part.compute(block, out)
                    continue
                values = np.empty((len(part.rows), len(block)), out.dtype)
                part.compute(block, values)
                out[part.rows] = values
        except ValueError as error:
            raise ValueError(f"segments {first} to {first + len(block) - 1}: {error}") from error


def prepared(
    segments: Segments,
    contacts: Electrodes,
    method: str | None = None,
    sigma: Any = 0.3,
    fields: Mapping[str, Field] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Prepared:
    """Check what coefficients are to be computed of.

    Parameters
    ----------
    segments
        The segments.
    contacts
        The contacts.
    method
        One of `METHODS` for all contacts; by default that of the type of each.
    sigma
        Conductivity in S/m; one number, or three along x, y and z.
    fields
        Field of each contact by its name, for reciprocity.
    options
        Of the methods, by name.

    Raises
    ------
    ValueError
        A method, an option or a field is unknown or missing, or places are outside of a field.
    """
    given = options or {}
    methods = _methods(contacts, method)
    _check_options(set(methods), given)
    if "dipole_reciprocity" in methods:
        segments = replace(segments, center=dipole_centers(segments, given.get("center", "cell")))
    keys = [
        # Contacts of ObjectiveCSD share an axis if they are of one probe and type.
        (name, *((probe, kind) if name == "csd" else ()))
        for name, probe, kind in zip(methods, contacts.probe, contacts.type, strict=True)
    ]
    parts = []
    for key in dict.fromkeys(keys):
        rows = np.array([row for row, other in enumerate(keys) if other == key])
        some = contacts.at(rows)
        own = {name: value for name, value in given.items() if name in METHODS[key[0]].options}
        request = Request(some, some.position, sigma, fields or {}, own)
        parts.append(AlikeContacts(rows, METHODS[key[0]].prepare(segments, request)))
    return Prepared(segments, parts, len(contacts), methods)


def _methods(contacts: Electrodes, method: str | None) -> list[str]:
    """The method of each contact."""
    if method is not None and method not in METHODS:
        raise ValueError(f"method is {method!r}; expected one of {', '.join(METHODS)}")
    if method == "csd" and (others := [kind for kind in contacts.type if kind not in (SPHERE, DISK, PLANE)]):
        raise ValueError(f"method 'csd' needs contacts of ObjectiveCSD types, not {others[0]}")
    return [method or BY_TYPE[kind] for kind in contacts.type]


def _check_options(methods: set[str], options: Mapping[str, Any]) -> None:
    known = {name for method in methods for name in METHODS[method].options}
    unknown = [name for name in options if name not in known]
    if unknown:
        have = ", ".join(sorted(known)) or "none"
        raise ValueError(f"option {unknown[0]!r} is none of {', '.join(sorted(methods))}: {have}")
