"""The field of a current through an electrode, on a grid: what coefficients by reciprocity are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import Floats, finite


@dataclass(frozen=True, eq=False)
class Field:
    """A potential or an electric field in a box.

    Parameters
    ----------
    axes
        Rising x, y and z of the grid's points in µm, of nx, ny and nz values.
    potential
        Potential in mV, shape (nx, ny, nz); None where only the electric field is known.
    electric
        Ex, Ey and Ez in V/m, each of shape (nx, ny, nz), or one less along its own axis: values between the points.
    applied_current
        The current through the electrode that makes it, in nA.

    Raises
    ------
    ValueError
        The axes do not rise, a shape does not fit them, a number is not finite, or there is no field.
    """

    axes: Sequence[Floats]
    potential: NDArray[Any] | None = None
    electric: Sequence[NDArray[Any]] | None = None
    applied_current: float = 1.0

    def __post_init__(self) -> None:
        if len(self.axes) != 3:
            raise ValueError(f"axes has {len(self.axes)} entries; expected x, y and z")
        for name, places in zip("xyz", self.axes, strict=True):
            if places.ndim != 1 or len(places) < 2 or not (np.diff(places) > 0).all():
                raise ValueError(
                    f"axis {name} does not rise; expected two values or more, each above the last"
                )
        if self.potential is None and self.electric is None:
            raise ValueError("there is neither a potential nor an electric field")
        if not np.isfinite(self.applied_current) or self.applied_current == 0:
            raise ValueError(
                f"applied_current is {self.applied_current}; expected a number of nA other than 0"
            )
        if self.potential is not None:
            self._check("potential", self.potential, None)
        for axis, values in enumerate(self.electric or ()):
            self._check(f"e{'xyz'[axis]}", values, axis)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of the grid's points along x, y and z."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def bounds(self) -> Floats:
        """Lowest and highest x, y, z of the grid in µm, float64[2, 3]."""
        return np.array([[axis[end] for axis in self.axes] for end in (0, -1)])

    def outside(self, places: Floats) -> NDArray[np.bool_]:
        """Tell which places are outside of the grid, bool[n].

        Parameters
        ----------
        places
            Places in µm, float64[n, 3].
        """
        low, high = self.bounds
        found: NDArray[np.bool_] = ((places < low) | (places > high)).any(axis=1)
        return found

    def _check(self, name: str, values: NDArray[Any], axis: int | None) -> None:
        between = tuple(n - (i == axis) for i, n in enumerate(self.shape))
        if values.shape not in (self.shape, between):
            raise ValueError(f"{name} has shape {values.shape}; expected {self.shape}, as the axes have")
        finite(name, values)
