"""What is made of signals: current source density along a probe, filters, spectra."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ...lake.errors import InputError
from ...lake.extras import needed

_SAME_DEPTH = 1e-3  # µm
_CSD_UNITS = {"mV": "nA/µm³", "mV/nA": "1/µm³"}


def csd(potential: xr.DataArray, sigma: float = 0.3, *, direction: ArrayLike | None = None) -> xr.DataArray:
    """Current source density along a probe: minus the conductivity times the second derivative.

    The second difference of neighbouring depths, which need not be evenly spaced (Nicholson and Freeman, J
    Neurophysiol 38:356, 1975). It takes currents to be the same everywhere across the probe.

    Parameters
    ----------
    potential
        With the dimension ``electrode`` and the coordinates x, y and z in µm: a signal in mV, or coefficients in
        mV/nA, for which the result is the density of each segment's current.
    sigma
        Conductivity in S/m.
    direction
        Direction of depth, shape (3,); by default that in which contacts spread most, upwards (z rising; or
        else y, or x). Contacts of the same depth are averaged.

    Returns
    -------
    xarray.DataArray
        With ``depth`` (µm) in place of ``electrode``, without the first and last depth, in nA/µm³ (1 nA/µm³ is
        10⁶ µA/mm³): positive where currents leave the cells.

    Raises
    ------
    InputError
        There are fewer than three depths, or coordinates are missing.
    """
    if not 0 < sigma < np.inf:
        raise InputError(f"sigma is {sigma}; expected a number of S/m above 0")
    levels = by_depth(potential, direction)
    if levels.sizes["depth"] < 3:
        raise InputError(f"contacts are at {levels.sizes['depth']} depths; a second derivative needs three")
    axis = levels.get_axis_num("depth")
    curved = _second(np.moveaxis(levels.values, axis, 0), levels["depth"].values)
    units = _CSD_UNITS.get(str(potential.attrs.get("units")), "S/m · potential/µm²")
    made = levels.isel(depth=slice(1, -1)).copy(data=-sigma * np.moveaxis(curved, 0, axis))
    return made.rename("csd").assign_attrs(units=units, sigma=sigma)


def by_depth(values: xr.DataArray, direction: ArrayLike | None = None) -> xr.DataArray:
    """Values of contacts in order of their depths along a probe, contacts of the same depth averaged.

    Parameters
    ----------
    values
        With the dimension ``electrode`` and the coordinates x, y and z in µm.
    direction
        As of `csd`.

    Returns
    -------
    xarray.DataArray
        float64, with ``depth`` (µm, rising) in place of ``electrode``.

    Raises
    ------
    InputError
        The dimension or a coordinate is missing.
    """
    if "electrode" not in values.dims or not {"x", "y", "z"} <= set(values.coords):
        raise InputError(
            "values of a probe have the dimension electrode and the coordinates x, y and z in µm"
        )
    at = depths(values, direction)
    order = np.argsort(at, kind="stable")
    first = np.flatnonzero(np.diff(at[order], prepend=-np.inf) > _SAME_DEPTH)
    counts = np.diff(np.append(first, len(order)))
    axis = values.get_axis_num("electrode")
    rows = np.moveaxis(np.asarray(values.values, np.float64), axis, 0)[order]
    means = np.add.reduceat(rows, first, axis=0) / counts.reshape(-1, *[1] * (rows.ndim - 1))
    depth = np.add.reduceat(at[order], first) / counts
    kept = {key: part for key, part in values.coords.items() if "electrode" not in part.dims}
    return xr.DataArray(
        np.moveaxis(means, 0, axis),
        {**kept, "depth": ("depth", depth, {"units": "µm"})},
        ["depth" if dim == "electrode" else dim for dim in values.dims],
        name=values.name,
        attrs=values.attrs,
    )


def depths(potential: xr.DataArray, direction: ArrayLike | None = None) -> NDArray[np.float64]:
    """Depths of contacts along their probe, float64[electrode] in µm.

    Parameters
    ----------
    potential
        With the dimension ``electrode`` and the coordinates x, y and z in µm.
    direction
        As of `csd`.

    Raises
    ------
    InputError
        The direction is not three numbers, or all of them are 0.
    """
    places = np.stack([potential[axis].values for axis in "xyz"], axis=1)
    if direction is None:
        axis = np.linalg.svd(places - places.mean(axis=0))[2][0]
        # The sign that svd returns is arbitrary.
        largest = next((axis[i] for i in (2, 1, 0) if abs(axis[i]) > 1e-9), 1.0)
        axis = axis * np.sign(largest)
    else:
        axis = np.asarray(direction, np.float64)
        if axis.shape != (3,) or not np.linalg.norm(axis) > 0:
            raise InputError(f"direction is {direction!r}; expected three numbers that are not all 0")
        axis = axis / np.linalg.norm(axis)
    found: NDArray[np.float64] = places @ axis
    return found


def _second(values: NDArray[np.float64], depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Second derivative along the first axis at all but the first and last depth."""
    below, above = np.diff(depth)[:-1], np.diff(depth)[1:]
    below, above = (step.reshape(-1, *[1] * (values.ndim - 1)) for step in (below, above))
    found: NDArray[np.float64] = (
        2
        * (below * values[2:] - (below + above) * values[1:-1] + above * values[:-2])
        / (below * above * (below + above))
    )
    return found


# Time


def filtered(
    signal: xr.DataArray, low: float | None = None, high: float | None = None, *, order: int = 4
) -> xr.DataArray:
    """A signal without its parts below and above some frequencies, by a Butterworth filter that shifts no phase.

    Parameters
    ----------
    signal
        With the dimension ``time`` in ms, evenly spaced.
    low, high
        In Hz; None for no limit.
    order
        Order of the filter, which is applied forwards and backwards.

    Raises
    ------
    InputError
        Times are not even, frequencies are not between 0 and half the sampling rate, or scipy is not installed.
    """
    from_scipy = _scipy_signal()
    rate = sampling_rate(signal)
    band = [edge for edge in (low, high) if edge is not None]
    if not band or not all(0 < edge < rate / 2 for edge in band) or (len(band) == 2 and band[0] >= band[1]):
        raise InputError(
            f"a filter has a low and/or a higher high limit in 0 to {rate / 2:g} Hz, not {low} and {high}"
        )
    kind = "bandpass" if len(band) == 2 else "highpass" if high is None else "lowpass"
    sections = from_scipy.butter(order, band if len(band) == 2 else band[0], kind, fs=rate, output="sos")
    axis = signal.get_axis_num("time")
    try:
        values = from_scipy.sosfiltfilt(sections, np.asarray(signal.values, np.float64), axis=axis)
    except ValueError as error:
        raise InputError(f"the signal is too short for the filter: {error}") from error
    return signal.copy(data=values).assign_attrs(filter=f"{kind} {'-'.join(f'{edge:g}' for edge in band)} Hz")


def spectrum(signal: xr.DataArray, *, window_ms: float | None = None) -> xr.DataArray:
    """Power spectral density by Welch's method: means over windows that overlap by half.

    Parameters
    ----------
    signal
        With the dimension ``time`` in ms, evenly spaced.
    window_ms
        Length of a window; by default the signal's, or 1,000 ms of a longer one.

    Returns
    -------
    xarray.DataArray
        With ``frequency`` (Hz) in place of ``time``, in the signal's unit squared per Hz.

    Raises
    ------
    InputError
        Times are not even, the window has fewer than two samples or is longer than the signal, or scipy is not
        installed.
    """
    from_scipy = _scipy_signal()
    rate, count = sampling_rate(signal), signal.sizes["time"]
    size = min(count, round(rate)) if window_ms is None else round(window_ms * rate / 1000)
    if not 2 <= size <= count:
        raise InputError(f"a window of {size} samples; expected 2 to {count}, the signal's")
    axis = signal.get_axis_num("time")
    frequency, power = from_scipy.welch(np.asarray(signal.values, np.float64), rate, nperseg=size, axis=axis)
    dims = ["frequency" if dim == "time" else dim for dim in signal.dims]
    kept = {key: part for key, part in signal.coords.items() if "time" not in part.dims}
    units = {"units": f"{signal.attrs.get('units', '')}²/Hz"}
    return xr.DataArray(
        power, {**kept, "frequency": ("frequency", frequency, {"units": "Hz"})}, dims, attrs=units
    )


def sampling_rate(signal: xr.DataArray) -> float:
    """Return samples per second, from the times of a signal.

    Parameters
    ----------
    signal
        A signal with a coordinate ``time`` in ms.

    Raises
    ------
    InputError
        There are fewer than two, or they are not evenly spaced to 1 % of the step.
    """
    if "time" not in signal.coords or signal.sizes["time"] < 2:
        raise InputError("a signal has two times or more, in ms, as its coordinate time")
    time = np.asarray(signal["time"].values, np.float64)
    step = (time[-1] - time[0]) / (len(time) - 1)
    if not step > 0 or np.abs(np.diff(time) - step).max() > 0.01 * step:
        raise InputError("the times of the signal are not evenly spaced")
    return float(1000 / step)


def _scipy_signal() -> Any:
    with needed("filters and spectra", "analysis"):
        from scipy import signal
    return signal
