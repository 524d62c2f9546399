"""The space of a circuit: voxels of its atlas, its regions, and what of cells and vessels lies in each."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...catalog.vocabulary import glia
from ...kernels.points.density import LabelDensities, label_densities
from ...kernels.points.windows import Window, box_window, mask_window
from ...lake.errors import InputError, NotFoundError
from .asking import GliaTables

Reals = npt.NDArray[np.float64]
REGIONS = "brain_regions"
"""The volume whose voxels are numbers of regions."""


@dataclass(frozen=True)
class AtlasVolume:
    """Voxels of an atlas.

    Parameters
    ----------
    name
        Name of the array.
    values
        One value a voxel, [nx, ny, nz].
    offset
        Corner of the first voxel in µm, float64[3].
    voxel_size
        Edges of a voxel in µm, float64[3].
    """

    name: str
    values: npt.NDArray[Any]
    offset: Reals
    voxel_size: Reals

    def window(self) -> Window:
        """Return the window of the voxels that are not 0."""
        return mask_window(self.values, self.offset, self.voxel_size)

    def at(self, points: Reals) -> npt.NDArray[Any]:
        """Return the values of the voxels at some places; 0 beyond all voxels.

        Parameters
        ----------
        points
            Places in µm, float64[n, 3].
        """
        place = np.floor((points - self.offset) / self.voxel_size)
        held = ((place >= 0) & (place < self.values.shape)).all(axis=1)
        found = np.zeros(len(points), self.values.dtype)
        found[held] = self.values[tuple(place[held].astype(np.int64).T)]
        return found


@dataclass(frozen=True)
class CircuitAtlas:
    """The atlas of a circuit.

    Parameters
    ----------
    tables
        The circuit.
    """

    tables: GliaTables

    @property
    def volumes(self) -> list[str]:
        """Names of its volumes."""
        folder = glia.VOXELS.of(circuit=self.tables.circuit, volume="")
        return [name.removeprefix(folder) for name in self.tables.snapshot.arrays if name.startswith(folder)]

    def __getitem__(self, volume: str) -> AtlasVolume:
        """Return a volume.

        Raises
        ------
        NotFoundError
            There is no such volume.
        InputError
            It has several values in a voxel.
        """
        name = glia.VOXELS.of(circuit=self.tables.circuit, volume=volume)
        if volume not in self.volumes:
            raise NotFoundError(
                f"the atlas of {self.tables.circuit!r} has no volume {volume!r}; it has: {', '.join(self.volumes) or 'none'}"
            )
        array = self.tables.snapshot.arrays[name]
        if len(array.shape) != 3:
            raise InputError(f"{name} has {len(array.shape)} axes; expected x, y and z")
        told = array.attrs.asdict()
        return AtlasVolume(
            name, array[...], np.asarray(told["offset"], float), np.asarray(told["voxel_size"], float)
        )

    @cached_property
    def regions(self) -> pd.DataFrame:
        """Regions, one a row: ``region_id``, ``acronym``, ``name``, ``parent_id``, ``depth``; empty without a hierarchy."""
        name = glia.REGIONS.of(circuit=self.tables.circuit)
        if name not in self.tables.snapshot.tables:
            return pd.DataFrame({field.name: [] for field in glia.REGIONS.schema})
        found: pd.DataFrame = self.tables.snapshot.tables[name].to_arrow().to_pandas()
        return found

    def named(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows with the ``acronym`` of their ``region_id`` behind it; missing where the hierarchy has none.

        Parameters
        ----------
        rows
            Rows with a column ``region_id``.
        """
        names = dict(zip(self.regions["region_id"], self.regions["acronym"], strict=True))
        found = rows.copy()
        found.insert(
            list(rows.columns).index("region_id") + 1,
            "acronym",
            [names.get(each) for each in rows["region_id"]],
        )
        return found

    def densities(self, points: Reals, volume: str = REGIONS) -> pd.DataFrame:
        """Count points by region.

        Parameters
        ----------
        points
            Places in µm, float64[n, 3].
        volume
            The volume whose voxels are numbers of regions.

        Returns
        -------
        One region a row: ``region_id``, ``acronym``, ``points`` (how many), ``volume`` (µm³) and ``density`` (1/mm³).

        Raises
        ------
        NotFoundError
            There is no such volume.
        InputError
            Its values are no whole numbers.
        """
        voxels = self[volume]
        try:
            found: LabelDensities = label_densities(points, voxels.values, voxels.offset, voxels.voxel_size)
        except ValueError as error:
            raise InputError(f"{voxels.name}: {error}") from error
        rows = pd.DataFrame(
            {
                "region_id": found.label,
                "points": found.points,
                "volume": found.volume,
                "density": found.density,
            }
        )
        return self.named(rows[rows["region_id"] != 0].reset_index(drop=True))

    def amounts(self, volume: str = REGIONS) -> pd.DataFrame:
        """Sum the length, area and volume of vessels and of astrocytes' branches by region.

        A segment belongs to the region of its middle.

        Parameters
        ----------
        volume
            The volume whose voxels are numbers of regions.

        Returns
        -------
        One region and entity a row: ``region_id``, ``acronym``, ``entity`` (vasculature, astrocytes or neurons, of those that have
        segments), ``length`` (µm), ``area`` (µm²), ``volume`` (µm³), and ``length_density`` (mm in a mm³).

        Raises
        ------
        NotFoundError
            There is no such volume.
        """
        voxels, parts = self[volume], []
        for entity, rows in self._segments().items():
            made = rows.assign(region_id=voxels.at(rows[["x", "y", "z"]].to_numpy(float)).astype(np.int64))
            sums = (
                made[made["region_id"] != 0]
                .groupby("region_id")[["length", "area", "volume"]]
                .sum()
                .reset_index()
            )
            sums.insert(1, "entity", entity)
            parts.append(sums)
        if not parts:
            raise NotFoundError(f"the circuit {self.tables.circuit!r} has neither vessels nor trees")
        known, counts = np.unique(voxels.values, return_counts=True)
        size = dict(zip(known.tolist(), (counts * voxels.voxel_size.prod()).tolist(), strict=True))
        found = self.named(pd.concat(parts, ignore_index=True))
        # µm in a µm³ are 1e6 mm in a mm³.
        found["length_density"] = found["length"] / found["region_id"].map(size) * 1e6
        return found.sort_values(["region_id", "entity"], ignore_index=True)

    def within(self, low: npt.ArrayLike, high: npt.ArrayLike) -> pd.DataFrame:
        """Sum what lies in a box: somata, synapses in domains, and segments whose middle is in it.

        Parameters
        ----------
        low, high
            Corners in µm, shape (3,).

        Returns
        -------
        One entity a row: ``entity``, ``count`` (segments, somata or synapses), and for segments ``length`` (µm), ``area`` (µm²) and
        ``volume`` (µm³).

        Raises
        ------
        InputError
            The box has no volume.
        """
        try:
            box_window(low, high)
        except ValueError as error:
            raise InputError(str(error)) from error
        corners = {
            f"{end}_{axis}": float(value)
            for end, place in (("low", low), ("high", high))
            for axis, value in zip("xyz", np.asarray(place, float), strict=True)
        }
        inside = " and ".join(f"{axis} between $low_{axis} and $high_{axis}" for axis in "xyz")
        sums = "sum(length) as length, sum(area) as area, sum(volume) as volume"
        none = "null::double as length, null::double as area, null::double as volume"
        asked = [
            ("vasculature", "view:vessels", ("vasculature",), "", sums),
            ("astrocytes", "view:branches", ("astrocytes", "trees"), "", sums),
            ("somata of astrocytes", "astrocytes", ("astrocytes",), "", none),
            ("endfeet", "view:endfeet", ("gliovascular",), "", none),
            (
                "synapses in domains",
                "view:tripartite",
                ("neuroglial", "synapses"),
                "distinct synapse_id",
                none,
            ),
        ]
        parts = [
            self.tables.frame(
                f"select '{entity}' as entity, count({counted or '*'}) as count, {amounts} "
                f"from {self.tables.sql_name(part)} where {inside}",
                None,
                corners,
            )
            for entity, part, needs, counted, amounts in asked
            if self.tables.has(*needs)
        ]
        return pd.concat(parts, ignore_index=True)

    def _segments(self) -> dict[str, pd.DataFrame]:
        """Middle and size of the segments of each entity that has any."""
        from .neurons import neurites

        found = {}
        columns = ("x", "y", "z", "length", "area", "volume")
        if self.tables.has("vasculature"):
            found["vasculature"] = self.tables.rows("view:vessels", "node_id", None, columns, ("node_id",))
        if self.tables.has("astrocytes", "trees", "tree_points"):
            found["astrocytes"] = self.tables.rows("view:branches", "node_id", None, columns, ("node_id",))
        rows = neurites(self.tables)
        if len(rows):
            found["neurons"] = rows
        return found
