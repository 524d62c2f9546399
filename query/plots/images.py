"""Images on axes: traces counted by pixels, densities of voltages, activations in space and time.

Amounts are coloured by a perceptually uniform map; white is where there are none. Vector formats keep images as
images. Needs the extra ``neurolake[plot]`` (matplotlib).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .style import INK, MAP, NORMAL, SMALL, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

VOLTAGE = r"$V_\mathrm{m}$ (mV)"
TIME = "Time (ms)"
Limits = tuple[float, float]


def traces(ax: "Axes", counts: ArrayLike, window: Limits, voltage: Limits, *, most: int) -> "AxesImage":
    """Draw how many traces pass through each pixel, coloured by the logarithm.

    Parameters
    ----------
    ax
        Axes to draw on.
    counts
        Shape (height, width), row 0 at the top, as of `neurolake.kernels.traces.raster.trace_raster`.
    window, voltage
        What the image spans, in ms and mV.
    most
        Count of the last colour: the number of traces.

    Raises
    ------
    ValueError
        If counts have not two axes.
    """
    drawn = image(ax, np.asarray(counts)[::-1], (*window, *voltage), label="Traces", low=1, high=max(most, 2))
    bar = drawn.colorbar
    assert bar is not None, "just made"
    ticks = [*(10**power for power in range(10) if 2 * 10**power < most), most]
    bar.set_ticks(ticks, labels=[f"{count:,}" for count in ticks], minor=False)
    bar.minorticks_off()
    tidy(ax, VOLTAGE, TIME)
    return drawn


def density(ax: "Axes", values: ArrayLike, window: Limits, voltage: Limits) -> "AxesImage":
    """Draw the probability density of the voltage at each time, coloured by the logarithm over three decades.

    Parameters
    ----------
    ax
        Axes to draw on.
    values
        Density in 1/mV, shape (n_time, n_voltage); NaN where there are no samples.
    window, voltage
        What the axes of *values* span, in ms and mV.

    Raises
    ------
    ValueError
        If values have not two axes.
    """
    rows = np.asarray(values).T
    high = float(np.nanmax(rows, initial=0)) or 1.0
    drawn = image(ax, rows, (*window, *voltage), label="Density (1/mV)", low=high / 1000, high=high)
    tidy(ax, VOLTAGE, TIME)
    return drawn


def activations(
    ax: "Axes", values: ArrayLike, window: Limits, distance: Limits, *, label: str
) -> "AxesImage":
    """Draw activations over time and distance from the soma.

    Parameters
    ----------
    ax
        Axes to draw on.
    values
        Amounts, in the unit that *label* names, shape (n_distance, n_time).
    window, distance
        What the axes span, in ms and µm.
    label
        Text of the bar of colours.

    Raises
    ------
    ValueError
        If values have not two axes.
    """
    drawn = image(ax, values, (*window, *distance), label=label)
    tidy(ax, "Soma distance (µm)", TIME)
    return drawn


def image(
    ax: "Axes",
    values: ArrayLike,
    extent: tuple[float, float, float, float],
    *,
    label: str,
    low: float | None = None,
    high: float | None = None,
) -> "AxesImage":
    """Draw amounts, row 0 at the bottom, with a bar of the colours.

    Parameters
    ----------
    ax
        Axes to draw on.
    values
        Shape (height, width); NaN stays white, and so does zero on a logarithmic scale.
    extent
        Left, right, bottom and top in data units.
    label
        Text of the bar.
    low, high
        Colours go by the logarithm between these; by default evenly from 0 to the greatest value.

    Raises
    ------
    ValueError
        If values have not two axes.
    """
    from matplotlib.colors import LogNorm, Normalize

    rows = np.asarray(values)
    if rows.ndim != 2:
        raise ValueError(f"an image has shape {rows.shape}; expected two axes")
    norm = Normalize(0, _greatest(rows)) if low is None else LogNorm(low, high, clip=True)
    drawn = ax.imshow(
        rows if low is None else _counted(rows),
        cmap=MAP,
        norm=norm,
        extent=extent,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    _bar(ax, drawn, label)
    return drawn


def fill(drawn: "AxesImage", values: ArrayLike, extent: tuple[float, float, float, float]) -> None:
    """Replace the amounts of an image with a logarithmic scale; its colours stay.

    Parameters
    ----------
    drawn
        The image, as of `image`.
    values
        The new amounts, shape (height, width).
    extent
        Left, right, bottom and top in data units.
    """
    drawn.set_data(_counted(np.asarray(values)))
    drawn.set_extent(extent)


def _counted(values: NDArray[Any]) -> NDArray[Any]:
    return np.ma.masked_where(~(values > 0), values)


def _greatest(values: NDArray[Any]) -> float:
    return float(np.nanmax(values, initial=0)) or 1.0


def _bar(ax: "Axes", drawn: "AxesImage", label: str) -> None:
    bar = ax.figure.colorbar(drawn, ax=ax, aspect=30, pad=0.015)
    bar.set_label(label, fontsize=NORMAL, color=INK)
    bar.ax.tick_params(labelsize=SMALL, color=INK, labelcolor=INK, width=0.8, length=3)
    bar.outline.set_visible(False)
