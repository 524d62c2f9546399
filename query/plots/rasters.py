"""Figures of trials: rasters, peri-stimulus time histograms and voltage traces.

Everything is drawn from plain arrays on axes the caller owns. Needs the extra ``neurolake[plot]`` (matplotlib).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .style import GREY, INK, LARGE, NORMAL, SMALL, WIDTH_INCH, colours, page, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Responses:
    """The trials of one stimulus.

    Attributes
    ----------
    trial, time
        Trial (0 to n_trials - 1) and time in ms of each spike, shape (n_spikes,).
    voltage
        Membrane potential in mV, shape (n_trials, n_time).
    """

    trial: NDArray[np.integer]
    time: NDArray[np.float64]
    voltage: NDArray[np.floating]


def psth(
    ax: "Axes",
    edges: ArrayLike,
    values_by_group: Mapping[str, ArrayLike],
    *,
    ylabel: str = "Spikes per trial and bin",
    shades: Sequence[str] | None = None,
) -> None:
    """Draw one histogram per group as steps over a light fill.

    Parameters
    ----------
    ax
        Axes to draw on.
    edges
        Bin edges in ms, shape (n_bins + 1,).
    values_by_group
        Values to draw, shape (n_bins,) for each group, in the unit that *ylabel* names.
    ylabel
        Text of the axis of values.
    shades
        Colours of the groups; those of the palette by default.

    Raises
    ------
    ValueError
        If a group has not one value per bin.
    """
    borders = np.asarray(edges)
    drawn = zip(values_by_group.items(), shades or colours(len(values_by_group)), strict=True)
    for (group, values), colour in drawn:
        heights = np.asarray(values)
        if heights.shape != (len(borders) - 1,):
            raise ValueError(f"{group!r} has shape {heights.shape}; expected ({len(borders) - 1},)")
        ax.stairs(heights, borders, fill=True, color=colour, alpha=0.15, linewidth=0)
        ax.stairs(heights, borders, baseline=None, color=colour, linewidth=1.1, label=group)
    ax.set_xlim(borders[0], borders[-1])
    ax.set_ylim(bottom=0)
    tidy(ax, ylabel)
    if len(values_by_group) > 1:
        ax.legend(frameon=False, fontsize=SMALL, loc="upper right", handlelength=1.2)


def raster(
    ax: "Axes",
    trial: ArrayLike,
    time: ArrayLike,
    *,
    n_trials: int | None = None,
    first_row: int = 0,
    tick: float = 0.96,
    colour: str = INK,
    label: str = "",
) -> None:
    """Draw a tick per spike, one row per trial, the first trial on top.

    Parameters
    ----------
    ax
        Axes to draw on; may hold rasters already, above *first_row*.
    trial, time
        Trial from 0, and time in ms, of each spike, shape (n_spikes,).
    n_trials
        Number of rows, those of trials without spikes included; by default up to the last that has one.
    first_row
        Row of trial 0.
    tick
        Height of a tick in rows: more than one where rows are too many to be seen each.
    colour
        Colour, as matplotlib names it.
    label
        Written at the right of the rows.

    Raises
    ------
    ValueError
        If trial and time do not match, or a trial is not among n_trials.
    """
    rows, times = np.asarray(trial), np.asarray(time)
    if rows.shape != times.shape or rows.ndim != 1:
        raise ValueError(f"trial has shape {rows.shape}, time {times.shape}; expected the same (n_spikes,)")
    n_rows = int(rows.max(initial=-1)) + 1 if n_trials is None else n_trials
    if rows.size and not (rows.min() >= 0 and rows.max() < n_rows):
        raise ValueError(f"trials are {rows.min()} to {rows.max()}; expected 0 to {n_rows - 1}")
    y = rows + first_row
    ax.vlines(times, y - tick / 2, y + tick / 2, color=colour, linewidth=1.1, rasterized=times.size > 10_000)
    middle = first_row + (n_rows - 1) / 2
    ax.text(
        1.01, middle, label, transform=ax.get_yaxis_transform(), color=colour, fontsize=SMALL, va="center"
    )
    ax.set_ylim(first_row + n_rows + 0.3, -1.3)
    ax.set_yticks([])
    tidy(ax, "Trial")


def voltages(
    ax: "Axes",
    time: ArrayLike,
    voltage: ArrayLike,
    *,
    examples: int = 3,
    colour: str = INK,
    label: str = "",
) -> None:
    """Draw the mean over trials with a band of one standard deviation, and the first few trials in thin lines.

    Parameters
    ----------
    ax
        Axes to draw on.
    time
        Sample times in ms, shape (n_time,).
    voltage
        Membrane potential in mV, shape (n_trials, n_time), at least one trial; NaN samples are left out.
    examples
        Number of single trials to draw.
    colour
        Colour, as matplotlib names it.
    label
        Written at the right of the traces.

    Raises
    ------
    ValueError
        If shapes do not match, or there is no trial.
    """
    t, v = np.asarray(time), np.asarray(voltage)
    if v.ndim != 2 or v.shape[1:] != t.shape or not len(v):
        raise ValueError(f"voltage has shape {v.shape}, time {t.shape}; expected (n_trials >= 1, n_time)")
    mean, deviation = np.nanmean(v, axis=0), np.nanstd(v, axis=0)
    ax.plot(t, v[:examples].T, color=GREY, linewidth=0.5, alpha=0.8)
    ax.fill_between(t, mean - deviation, mean + deviation, color=colour, alpha=0.25, linewidth=0)
    ax.plot(t, mean, color=colour, linewidth=1.2)
    ax.text(1.01, 0.5, label, transform=ax.transAxes, color=colour, fontsize=SMALL, va="center")
    ax.set_xlim(t[0], t[-1])
    tidy(ax, r"$V_\mathrm{m}$ (mV)")


def overview(
    responses: Mapping[str, Responses],
    sample_times: ArrayLike,
    *,
    edges: ArrayLike,
    stimulus_time: float | None = None,
    title: str = "",
    footer: str = "",
) -> "Figure":
    """Draw spikes, firing rates and voltages of all stimuli on one time axis.

    Parameters
    ----------
    responses
        The trials of each stimulus, by its name.
    sample_times
        Times of the voltage samples in ms, shape (n_time,).
    edges
        Bin edges of the firing rates in ms, shape (n_bins + 1,).
    stimulus_time
        Where to draw a line through all panels, in ms.
    title, footer
        Text above, and small below: for example the commit the data are of.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown and not known to pyplot; ``figure.savefig(path)`` writes it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is no stimulus, or shapes do not match.
    """
    if not responses:
        raise ValueError("no responses; expected at least one stimulus")
    figure, (spikes, rates, *traces) = _panels(len(responses), title, footer)
    _draw_spikes(spikes, responses)
    psth(rates, edges, _rates(responses, edges), ylabel="Rate (Hz)")
    _draw_voltages(traces, responses, sample_times)
    if stimulus_time is not None:
        _mark(stimulus_time, (spikes, rates, *traces))
    traces[-1].set_xlabel("Time (ms)", fontsize=NORMAL, color=INK)
    figure.align_ylabels()
    return figure


def _panels(n_stimuli: int, title: str, footer: str) -> tuple["Figure", list["Axes"]]:
    heights = [1.9, 1.3, *[1.0] * n_stimuli]
    figure = page(WIDTH_INCH, 1.1 * sum(heights) + 0.7, title=title, footer=footer)
    axes = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    for letter, ax in zip("abc", axes, strict=False):
        ax.set_title(letter, loc="left", x=-0.09, fontsize=LARGE, fontweight="bold", color=INK)
    return figure, axes


def _draw_spikes(ax: "Axes", responses: Mapping[str, Responses]) -> None:
    row = 0
    for (stimulus, seen), colour in zip(responses.items(), colours(len(responses)), strict=True):
        n_trials = len(seen.voltage)
        label = f"{stimulus}\n{n_trials} trials"
        raster(ax, seen.trial, seen.time, n_trials=n_trials, first_row=row, colour=colour, label=label)
        row += n_trials + 2


def _draw_voltages(
    axes: Sequence["Axes"], responses: Mapping[str, Responses], sample_times: ArrayLike
) -> None:
    for ax, (stimulus, seen), colour in zip(axes, responses.items(), colours(len(responses)), strict=True):
        examples = min(3, len(seen.voltage))
        label = f"{stimulus}\nmean ± SD,\n{examples} single trials"
        voltages(ax, sample_times, seen.voltage, examples=examples, colour=colour, label=label)
        ax.sharey(axes[0])


def _mark(stimulus_time: float, axes: Sequence["Axes"]) -> None:
    for ax in axes:
        ax.axvline(stimulus_time, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axes[0].annotate(
        "stimulus",
        (stimulus_time, 1.0),
        xycoords=axes[0].get_xaxis_transform(),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=SMALL,
        color=GREY,
    )


def _rates(responses: Mapping[str, Responses], edges: ArrayLike) -> dict[str, NDArray[np.float64]]:
    from ...kernels.activity.binning import psth as per_trial  # numba takes a while to import

    return {
        stimulus: 1000 * per_trial(response.time, edges, n_trials=len(response.voltage), rate=True)
        for stimulus, response in responses.items()
    }
