"""Electrodes: contacts with names, places and the way in which each one records, and probes made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import Floats, position, positions, positive

LINE, POINT = "LineSource", "PointSource"
RECIPROCITY, DIPOLE = "Reciprocity", "DipoleReciprocity"
SPHERE, DISK, PLANE = "ObjectiveCSD_Sphere", "ObjectiveCSD_Disk", "ObjectiveCSD_Plane"
TYPES = (LINE, POINT, RECIPROCITY, DIPOLE, SPHERE, DISK, PLANE)
"""How a contact records, by SONATA's names: potentials, then currents in a volume."""

_SIZES: Mapping[str, tuple[str, ...]] = {
    SPHERE: ("radius",),
    DISK: ("radius", "thickness"),
    PLANE: ("thickness",),
}


@dataclass(frozen=True, eq=False)
class Electrodes:
    """Contacts, in order.

    Parameters
    ----------
    name
        Name of each contact; no two are the same.
    position
        In µm, float64[M, 3].
    type
        Type of each contact, one of `TYPES`; ``LineSource`` by default.
    layer, region
        Where each is; "" where that is not known.
    probe
        The device that each is on. ObjectiveCSD takes its axis from the contacts of one probe.
    radius, thickness
        Of the volume of ObjectiveCSD in µm, the thickness from face to face, float64[M]; NaN is the default of
        the kernel.

    Raises
    ------
    ValueError
        Lengths differ, a name is there twice, a type is unknown, or a number makes no sense; names the contact.
    """

    name: Sequence[str]
    position: Floats
    type: Sequence[str] = ()
    layer: Sequence[str] = ()
    region: Sequence[str] = ()
    probe: Sequence[str] = ()
    radius: Floats = field(default_factory=lambda: np.empty(0))
    thickness: Floats = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        count = len(self.name)
        set_ = object.__setattr__
        set_(
            self,
            "position",
            positions("position", np.reshape(self.position, (-1, 3)) if not count else self.position),
        )
        for key, default in (("name", ""), ("type", LINE), ("layer", ""), ("region", ""), ("probe", "")):
            set_(self, key, tuple(map(str, getattr(self, key))) or (default,) * count)
        for key in ("radius", "thickness"):
            given = np.asarray(getattr(self, key), np.float64)
            set_(self, key, given if given.size else np.full(count, np.nan))
        for key, values in vars(self).items():
            if len(values) != count:
                raise ValueError(f"{key} has {len(values)} entries; expected {count}, one for each name")
        self._check()

    def _check(self) -> None:
        for i, (name, kind) in enumerate(zip(self.name, self.type, strict=True)):
            if self.name.index(name) != i:
                raise ValueError(f"contacts {self.name.index(name)} and {i} are both named {name!r}")
            if kind not in TYPES:
                raise ValueError(f"contact {name!r} has type {kind!r}; expected one of {', '.join(TYPES)}")
            for key in ("radius", "thickness"):
                size = getattr(self, key)[i]
                if np.isnan(size):
                    continue
                positive(f"{key} of contact {name!r}", size)
                if key not in _SIZES.get(kind, ()):
                    raise ValueError(
                        f"contact {name!r} of type {kind} has a {key}, which that type does not have"
                    )

    def __len__(self) -> int:
        return len(self.name)

    def columns(self) -> dict[str, Any]:
        """Return the contacts as columns of a table: the attributes, with the position as x, y and z."""
        texts = {key: list(getattr(self, key)) for key in ("type", "layer", "region", "probe")}
        places = {axis: self.position[:, i] for i, axis in enumerate("xyz")}
        return {
            "name": list(self.name),
            **places,
            **texts,
            "radius": self.radius,
            "thickness": self.thickness,
        }

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> "Electrodes":
        """Make electrodes from columns, the inverse of `columns`.

        All columns but the positions may be absent; names are numbers from 0 then.

        Parameters
        ----------
        columns
            Columns by name.

        Raises
        ------
        ValueError
            x, y or z is missing, or the class refuses the columns.
        """
        absent = [axis for axis in "xyz" if axis not in columns]
        if absent:
            raise ValueError(f"there is no column {absent[0]!r}; expected x, y and z in µm")
        place = np.stack([np.asarray(columns[axis], np.float64) for axis in "xyz"], axis=-1)
        names = columns.get("name", range(len(place)))
        rest = {key: columns[key] for key in cls.__dataclass_fields__ if key in columns}
        return cls(**{**rest, "name": [str(name) for name in names], "position": place})

    def at(self, which: NDArray[Any]) -> "Electrodes":
        """Return some of the contacts.

        Parameters
        ----------
        which
            A mask, bool[n_contacts], or indices.
        """
        rows = np.arange(len(self))[which].tolist()
        picked: dict[str, Any] = {key: [values[row] for row in rows] for key, values in vars(self).items()}
        return Electrodes(**picked)


@dataclass(frozen=True)
class Layout:
    """Where the sites of one shank are: rows of equal distance, whose offsets from the edge take turns.

    Parameters
    ----------
    offsets
        Distance of the first site from the shank's left edge in µm, for each of the rows that take turns.
    columns
        Sites in a row.
    column_pitch, row_pitch
        Distance of neighbouring columns and rows in µm.
    width
        Width of the shank in µm; sites are counted across from its middle.
    sites
        On one shank.
    source
        Where the numbers are from.
    """

    offsets: tuple[float, ...]
    columns: int
    column_pitch: float
    row_pitch: float
    width: float
    sites: int
    source: str


LAYOUTS: Mapping[str, Layout] = {
    "neuropixels-1.0": Layout(
        (27.0, 11.0),
        columns=2,
        column_pitch=32.0,
        row_pitch=20.0,
        width=70.0,
        sites=960,
        source="Jun et al., Nature 551:232 (2017); offsets as in SpikeGLX's table of probes (NP1000)",
    ),
    "neuropixels-2.0": Layout(
        (27.0,),
        columns=2,
        column_pitch=32.0,
        row_pitch=15.0,
        width=70.0,
        sites=1280,
        source="Steinmetz et al., Science 372:eabf4588 (2021); offsets as in SpikeGLX's table of probes (NP2000)",
    ),
}


def laminar_probe(
    n_contacts: int,
    spacing: float,
    *,
    first: ArrayLike = (0.0, 0.0, 0.0),
    direction: ArrayLike = (0.0, 0.0, -1.0),
    name: str = "",
    type: str = LINE,
) -> Electrodes:
    """Contacts in one line.

    Parameters
    ----------
    n_contacts
        Their number.
    spacing
        Distance of neighbours in µm.
    first
        Place of contact 0 in µm, shape (3,).
    direction
        Direction from there to the others, of any length but 0, shape (3,).
    name
        Name of the probe; contacts are called 0, 1 ..., after the probe's name if it has one.
    type
        How the contacts record; see `TYPES`.

    Raises
    ------
    ValueError
        A number is out of range.
    """
    along = np.arange(_count(n_contacts)) * positive("spacing", spacing)
    place = position("first", first) + along[:, None] * _unit("direction", direction)
    return Electrodes(_names(name, len(place)), place, (type,) * len(place), probe=(name,) * len(place))


def shank_probe(
    layout: str | Layout = "neuropixels-1.0",
    n_contacts: int = 384,
    *,
    first_site: int = 0,
    tip: ArrayLike = (0.0, 0.0, 0.0),
    direction: ArrayLike = (0.0, 0.0, 1.0),
    across: ArrayLike = (1.0, 0.0, 0.0),
    name: str = "",
    type: str = LINE,
) -> Electrodes:
    """Sites of a shank in the order of their numbers: from the tip upwards, in each row from left to right.

    Parameters
    ----------
    layout
        A name in `LAYOUTS`, or a layout.
    n_contacts
        Number of sites; 384 is what a Neuropixels probe records from at a time.
    first_site
        Number of the first of them on the shank.
    tip
        Place in µm of the middle of the row of site 0, shape (3,).
    direction, across
        From the tip along the shank, and from left to right on its face, of any length but 0, shape (3,). What of
        *across* is along the shank does not count.
    name, type
        As for `laminar_probe`.

    Raises
    ------
    ValueError
        A number is out of range, the layout is unknown, or the shank does not have that many sites.
    """
    if isinstance(layout, str) and layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}; expected one of {', '.join(LAYOUTS)}")
    shape = LAYOUTS[layout] if isinstance(layout, str) else layout
    sites = first_site + np.arange(_count(n_contacts))
    if first_site < 0 or sites[-1] >= shape.sites:
        raise ValueError(
            f"sites {first_site} to {sites[-1]}; expected 0 to {shape.sites - 1}, which the shank has"
        )
    row, column = np.divmod(sites, shape.columns)
    offset = np.asarray(shape.offsets)[row % len(shape.offsets)]
    sideways = offset + column * shape.column_pitch - shape.width / 2
    up = _unit("direction", direction)
    right = position("across", across)
    right = _unit("across", right - (right @ up) * up)
    place = position("tip", tip) + (row * shape.row_pitch)[:, None] * up + sideways[:, None] * right
    return Electrodes(
        _names(name, len(place), first_site), place, (type,) * len(place), probe=(name,) * len(place)
    )


def _count(n_contacts: int) -> int:
    if n_contacts < 1:
        raise ValueError(f"n_contacts is {n_contacts}; expected 1 or more")
    return n_contacts


def _names(probe: str, count: int, first: int = 0) -> list[str]:
    return [f"{probe}{'-' if probe else ''}{i}" for i in range(first, first + count)]


def _unit(name: str, values: ArrayLike) -> Floats:
    vector = position(name, values)
    length = np.linalg.norm(vector)
    if not length:
        raise ValueError(f"{name} has no length; expected a direction")
    found: Floats = vector / length
    return found
