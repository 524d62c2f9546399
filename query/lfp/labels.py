"""Labels of coefficients: which contact a row is of, and which segment a column."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ...kernels.lfp.electrodes import Electrodes
from ...kernels.lfp.segments import KEYS
from ...lake.errors import InputError
from .inputs import segments_of


def labelled(
    values: Any,
    segments: Any,
    rows: Mapping[str, Any] | None = None,
    *,
    dim: str = "electrode",
    units: str = "mV/nA",
) -> xr.DataArray:
    """Coefficients of any kernel with the labels that `signal` and `Recorder` need.

    Parameters
    ----------
    values
        Shape (n_rows, n_segments), such as `kernels.lfp.dipole_moment` and `kernels.lfp.laminar_csd` return.
    segments
        Segments of the columns, in order, as `coefficients` takes them.
    rows
        Coordinates of the rows by name, as xarray takes them; one called like *dim* names them.
    dim
        What a row is.
    units
        Unit of the values: mV/nA, 1, 1/µm³ or µm.

    Raises
    ------
    InputError
        Shapes do not match.
    """
    cells = segments_of(segments)
    if len(values.shape) != 2 or values.shape[1] != len(cells):
        raise InputError(
            f"values have shape {values.shape}; expected (n_rows, {len(cells)}), a column for each segment"
        )
    keys = {key: ("segment", getattr(cells, key)) for key in KEYS}
    coords = {**(rows or {}), **keys}
    return xr.DataArray(values, coords, (dim, "segment"), name="coefficients", attrs={"units": units})


def electrode_labels(contacts: Electrodes) -> dict[str, Any]:
    """Return names, places and types of contacts as coordinates.

    Parameters
    ----------
    contacts
        The contacts.
    """
    columns = contacts.columns()
    labels: dict[str, Any] = {"electrode": ("electrode", np.array(columns["name"], object))}
    labels |= {axis: ("electrode", columns[axis], {"units": "µm"}) for axis in "xyz"}
    texts = {
        key: ("electrode", np.array(columns[key], object)) for key in ("type", "layer", "region", "probe")
    }
    return {**labels, **texts}
