"""Figures of potentials: traces at the contacts of a probe, maps over depth and time, cells with contacts.

Everything is drawn on axes the caller owns. Needs the extra ``neurolake[plot]`` (matplotlib).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ...lake.errors import InputError
from ..plots.style import GREY, INK, SMALL, colours, page, tidy
from .analysis import by_depth, csd
from .inputs import electrodes_of, segments_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DIVERGING = "RdBu_r"
"""For amounts with a sign, 0 in the middle."""

_THINNEST, _THICKEST = 0.25, 4.0  # points


def probe_traces(
    ax: "Axes", signal: xr.DataArray, *, plane: str = "xz", amplitude: float | None = None, colour: str = INK
) -> None:
    """Draw the trace of each contact where the contact is.

    Parameters
    ----------
    ax
        Axes to draw on.
    signal
        [electrode, time] with x, y, z in µm and time in ms.
    plane
        Axes across and along: ``xz``, ``yz`` or ``xy``.
    amplitude
        Deviation that is drawn as high as the distance of neighbouring contacts, in the signal's unit; by
        default the largest deviation from a trace's first value, which is drawn at the contact.
    colour
        Colour, as matplotlib names it.

    Raises
    ------
    InputError
        The signal has other dimensions, or the plane is unknown.
    """
    across, along = _plane(plane)
    values, time = _traces(signal)
    places = np.stack([signal[across].values, signal[along].values], axis=1)
    values = values - values[:, :1]
    tall = _spacing(places[:, 1])
    wide = 0.85 * _spacing(places[:, 0], tall)
    largest = amplitude or float(np.abs(values).max()) or 1.0
    share = (time - time[0]) / (time[-1] - time[0]) - 0.5
    for place, trace in zip(places, values, strict=True):
        ax.plot(place[0] + wide * share, place[1] + tall * trace / largest, color=colour, linewidth=0.6)
    ax.plot(*places.T, "s", color=GREY, markersize=2, zorder=0)
    left, low = places.min(axis=0) - [wide / 2, 1.2 * tall]
    ax.plot([left, left, left + wide], [low + tall, low, low], color=INK, linewidth=1)
    units = signal.attrs.get("units", "")
    ax.text(
        left,
        low - 0.15 * tall,
        f"{_short(largest)} {units}, {_short(time[-1] - time[0])} ms",
        fontsize=SMALL,
        va="top",
    )
    tidy(ax, f"{along} (µm)", f"{across} (µm)")
    ax.margins(0.1)


def depth_map(ax: "Axes", values: xr.DataArray, *, limit: float | None = None, label: str = "") -> None:
    """Draw values over depth and time as colours, 0 in the middle of the scale.

    Parameters
    ----------
    ax
        Axes to draw on; a colour bar takes room beside them.
    values
        [electrode, time], whose depth is that along the axis in which contacts spread most, or [depth, time] as
        `lfp_analysis.csd` returns it.
    limit
        Value of the strongest colours; by default the largest size.
    label
        Written at the colour bar, before the unit.

    Raises
    ------
    InputError
        The values have other dimensions, or fewer than two depths or times.
    """
    if "electrode" in values.dims:
        values = by_depth(values)
    if values.dims != ("depth", "time") or min(values.shape) < 2:
        raise InputError(f"a map has depth and time, two or more of each, not {dict(values.sizes)}")
    top = limit or float(np.abs(values).max()) or 1.0
    edges = [_edges(np.asarray(values[dim].values, np.float64)) for dim in ("time", "depth")]
    mesh = ax.pcolormesh(*edges, values.values, cmap=DIVERGING, vmin=-top, vmax=top, rasterized=True)
    bar = ax.figure.colorbar(mesh, ax=ax, fraction=0.05, pad=0.02)
    bar.set_label(f"{label} ({values.attrs.get('units', '')})".strip(), fontsize=SMALL, color=INK)
    bar.ax.tick_params(labelsize=SMALL)
    bar.ax.yaxis.get_offset_text().set_fontsize(SMALL)
    bar.outline.set_visible(False)
    tidy(ax, "Depth (µm)", "Time (ms)")


def cell_and_contacts(ax: "Axes", segments: Any, electrodes: Any = None, *, plane: str = "xz") -> None:
    """Draw cells as lines as thick as their segments, a colour for each cell, and contacts as squares.

    Parameters
    ----------
    ax
        Axes to draw on; both get the same scale.
    segments
        A table with ``start_x`` … ``end_z`` in µm and perhaps ``diameter``, ``label``, ``node_id``.
    electrodes
        As of `coefficients`; None for cells alone.
    plane
        Axes across and along: ``xz``, ``yz`` or ``xy``.

    Raises
    ------
    InputError
        Columns are missing, or the plane is unknown.
    """
    from matplotlib.collections import LineCollection

    across, along = ("xyz".index(axis) for axis in _plane(plane))
    cells = segments_of(segments)
    lines = np.stack([cells.start[:, [across, along]], cells.end[:, [across, along]]], axis=1)
    known, cell = np.unique(cells.node_id, return_inverse=True)
    palette = [GREY] if len(known) == 1 else colours(len(known))
    widths = np.ones(len(cells)) if cells.diameter is None else cells.diameter
    ax.add_collection(
        LineCollection(
            list(lines),
            linewidths=np.clip(0.4 * widths, _THINNEST, _THICKEST),
            colors=[palette[i] for i in cell],
            rasterized=len(cells) > 20_000,
            capstyle="round",
        )
    )
    if cells.soma is not None:
        places = cells.middle[cells.soma][:, [across, along]]
        ax.scatter(places[:, 0], places[:, 1], s=18, c=[palette[i] for i in cell[cells.soma]], zorder=3)
    if electrodes is not None:
        places = electrodes_of(electrodes).position[:, [across, along]]
        ax.plot(*places.T, "s", color="#D55E00", markersize=2.5, markeredgewidth=0, zorder=4)
    ax.autoscale_view()
    ax.set_aspect("equal")
    tidy(ax, f"{plane[1]} (µm)", f"{plane[0]} (µm)")


def signal_page(
    signal: xr.DataArray, segments: Any = None, *, plane: str = "xz", title: str = "", footer: str = ""
) -> "Figure":
    """Draw a page with traces at the contacts, a map of the signal and, of a potential at three depths or more, its density.

    Parameters
    ----------
    signal
        [electrode, time] with x, y, z in µm and time in ms.
    segments
        Cells to draw beside, with the contacts; see `cell_and_contacts`.
    plane
        Axes across and along: ``xz``, ``yz`` or ``xy``.
    title
        Text above the figures.
    footer
        Text below them.

    Raises
    ------
    InputError
        As the functions that draw.
    ImportError
        If matplotlib is not installed.
    """
    depths = by_depth(signal).sizes["depth"]
    maps = [(signal, "Signal")] if depths > 1 else []
    maps += [(csd(signal), "CSD")] if depths > 3 and signal.attrs.get("units") == "mV" else []
    widths = ([1.0] if segments is not None else []) + [1.0] + [1.4] * len(maps)
    figure = page(2.2 * sum(widths), 5.0, title=title, footer=footer)
    axes = list(np.atleast_1d(figure.subplots(1, len(widths), width_ratios=widths)))
    if segments is not None:
        contacts = np.stack([signal[axis].values for axis in "xyz"], axis=1)
        cell_and_contacts(axes.pop(0), segments, contacts, plane=plane)
    probe_traces(axes.pop(0), signal, plane=plane)
    for ax, (values, label) in zip(axes, maps, strict=True):
        depth_map(ax, values, label=label)
    return figure


def _plane(plane: str) -> tuple[str, str]:
    if plane not in ("xz", "yz", "xy"):
        raise InputError(f"plane is {plane!r}; expected xz, yz or xy")
    return plane[0], plane[1]


def _traces(signal: xr.DataArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if set(signal.dims) != {"electrode", "time"} or signal.sizes["time"] < 2:
        raise InputError(
            f"a signal of a probe is [electrode, time], two times or more, not {dict(signal.sizes)}"
        )
    values = signal.transpose("electrode", "time").values
    return np.asarray(values, np.float64), np.asarray(signal["time"].values, np.float64)


def _spacing(places: NDArray[np.float64], default: float = 1.0) -> float:
    """The least distance of places that are not the same, to a µm."""
    steps = np.diff(np.unique(np.round(places)))
    return float(steps.min()) if steps.size else default


def _edges(middles: NDArray[np.float64]) -> NDArray[np.float64]:
    between = (middles[1:] + middles[:-1]) / 2
    found: NDArray[np.float64] = np.concatenate(
        [[2 * middles[0] - between[0]], between, [2 * middles[-1] - between[-1]]]
    )
    return found


def _short(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
