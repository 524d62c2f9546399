"""Where cells are: statistics of their places, in the window that they were observed in."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...kernels.points.density import density_profile
from ...kernels.points.neighbours import nearest_neighbours, poisson_nearest
from ...kernels.points.pairs import Correction, pair_correlation, ripley_k
from ...kernels.points.windows import Window
from ...lake.errors import InputError

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlacePattern:
    """Places of cells in a window.

    Parameters
    ----------
    points
        Places in µm, float64[n, 3], all in the window.
    window
        Where they were observed.
    outside
        How many more are outside of the window and left out.
    """

    points: Reals
    window: Window
    outside: int = 0

    def __repr__(self) -> str:
        more = f", {self.outside:,} outside left out" if self.outside else ""
        return f"<PlacePattern: {len(self.points):,} places in {self.window.volume:,.0f} µm³{more}>"

    @property
    def density(self) -> float:
        """Cells in a mm³."""
        return len(self.points) / self.window.volume * 1e9

    def nearest(self, k: int = 1) -> pd.DataFrame:
        """Return the nearest neighbours of each place.

        Parameters
        ----------
        k
            How many.

        Returns
        -------
        One place and neighbour a row: ``row`` and ``neighbour`` (rows of the points), ``rank`` (1 for the nearest) and
        ``distance`` in µm.

        Raises
        ------
        InputError
            *k* is below 1.
        """
        if k < 1:
            raise InputError(f"k is {k}; expected 1 or more neighbours")
        found = nearest_neighbours(self.points, k=k)
        n = len(self.points)
        rows = pd.DataFrame(
            {
                "row": np.repeat(np.arange(n), k),
                "rank": np.tile(np.arange(1, k + 1), n),
                "neighbour": found.row.ravel(),
                "distance": found.distance.ravel(),
            }
        )
        return rows[rows["neighbour"] >= 0].reset_index(drop=True)

    def expected_nearest(self) -> tuple[float, float]:
        """Return mean and standard deviation in µm of the distance to the nearest neighbour if places were random.

        Raises
        ------
        InputError
            There are no places.
        """
        if not len(self.points):
            raise InputError("there are no places in the window")
        return poisson_nearest(len(self.points) / self.window.volume)

    def ripley(self, radii: npt.ArrayLike, *, correction: Correction = "translation") -> pd.DataFrame:
        """Estimate Ripley's K and L; see `neurolake.kernels.points.pairs`.

        Parameters
        ----------
        radii
            Distances in µm, rising.
        correction
            ``"translation"``, ``"border"`` or ``"none"``.

        Returns
        -------
        One radius a row: ``radius`` (µm), ``k`` (µm³), ``l`` (µm), and ``random``, the K of random places (µm³).

        Raises
        ------
        InputError
            Radii fall or are negative, or the correction is another.
        """
        reach = np.asarray(radii, float)
        try:
            k = ripley_k(self.points, reach, self.window, correction=correction)
        except ValueError as error:
            raise InputError(str(error)) from error
        return pd.DataFrame(
            {
                "radius": reach,
                "k": k,
                "l": np.cbrt(0.75 / np.pi * k),
                "random": 4.0 / 3.0 * np.pi * reach**3,
            }
        )

    def pair_correlation(
        self, edges: npt.ArrayLike, *, correction: Correction = "translation"
    ) -> pd.DataFrame:
        """Estimate the pair correlation; see `neurolake.kernels.points.pairs`.

        Parameters
        ----------
        edges
            Radii of shells in µm, rising.
        correction
            ``"translation"``, ``"border"`` or ``"none"``.

        Returns
        -------
        One shell a row: ``begin`` and ``end`` (µm), and ``g``, which is 1 for random places.

        Raises
        ------
        InputError
            Edges do not rise or are negative, or the correction is another.
        """
        reach = np.asarray(edges, float)
        try:
            g = pair_correlation(self.points, reach, self.window, correction=correction)
        except ValueError as error:
            raise InputError(str(error)) from error
        return pd.DataFrame({"begin": reach[:-1], "end": reach[1:], "g": g})

    def profile(self, edges: npt.ArrayLike | float = 100.0, axis: str = "y") -> pd.DataFrame:
        """Compute the density by depth.

        Parameters
        ----------
        edges
            Edges of bins along the axis in µm; or the width of bins, which begin where the window does.
        axis
            ``"x"``, ``"y"`` or ``"z"``.

        Returns
        -------
        One bin a row: ``begin`` and ``end`` (µm), ``cells``, ``volume`` of the window there (µm³) and ``density`` (1/mm³).

        Raises
        ------
        InputError
            The axis is another, or edges fall.
        """
        if axis not in ("x", "y", "z"):
            raise InputError(f"axis is 'x', 'y' or 'z', not {axis!r}")
        at = "xyz".index(axis)
        bounds = np.asarray(edges, float)
        if not bounds.ndim:
            low = float(self.window.low[at])
            high = low + self.window.inside.shape[at] * float(self.window.size[at])
            if not float(bounds) > 0:
                raise InputError(f"a bin must be wider than 0 µm, not {float(bounds)}")
            bounds = low + float(bounds) * np.arange(int(np.ceil((high - low) / float(bounds) - 1e-9)) + 1)
        try:
            found = density_profile(self.points, bounds, self.window, at)
        except ValueError as error:
            raise InputError(str(error)) from error
        return pd.DataFrame(
            {
                "begin": bounds[:-1],
                "end": bounds[1:],
                "cells": found.points,
                "volume": found.volume,
                "density": found.density,
            }
        )
