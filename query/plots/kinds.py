"""What can be drawn of a snapshot: each kind reads its data first, and then draws them on a figure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...catalog.vocabulary.trials import TRIALS
from ...lake.errors import InputError, NotFoundError
from ..base import Snapshot
from ..models.stored import model_names, open_model
from ..trials.requirements import last_time
from ..trials.spatial import spatiotemporal_activations
from ..trials.trains import Trains, trains
from ..trials.voltages import recording, rows_of
from . import data as plot_data
from . import glia, networks
from . import groups as figures_groups
from . import images as figures_images
from . import rasters as figures
from .data import Curves, Limits
from .style import COLOURS, INK, NORMAL, SMALL, colours, tidy
from .view import Sketch, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_GROUPS = 60
OVERLAID = 3  # groups on one pair of axes; where there are more, each has its own
_TIME = "Time (ms)"


@dataclass(frozen=True)
class FigureKind:
    """A kind of figure.

    Parameters
    ----------
    read
        Function that reads the data of a view.
    options
        Names of the options that it uses.
    """

    read: Callable[[Snapshot, View], Sketch]
    options: frozenset[str]


def _by_stimulus(snapshot: Snapshot, view: View) -> tuple[str, ...]:
    table = snapshot.tables.get(TRIALS.name)
    return view.by or (("stimulus",) if table is not None and "stimulus" in table.columns else ())


def _raster(snapshot: Snapshot, view: View) -> Sketch:
    by = plot_data.expression(_by_stimulus(snapshot, view))
    found = trains(snapshot, trials=view.trials, by=by)
    _check_groups(found.labels)
    window = view.window or (0.0, last_time(snapshot))
    inside = (found.time >= window[0]) & (found.time <= window[1])
    return Sketch(3.8, partial(_draw_raster, found, inside, window))


def _draw_raster(found: Trains, inside: Any, window: Limits, figure: "Figure") -> None:
    ax, n_trials = figure.subplots(), len(found.trials)
    gap, tick = max(2, n_trials // 80), max(0.96, n_trials / 160)
    row, first = np.empty(n_trials, int), 0
    for k, (label, size) in enumerate(zip(found.labels, found.sizes, strict=True)):
        row[found.group == k] = np.arange(size)
        mine = inside & (found.group[found.trial] == k)
        figures.raster(
            ax,
            row[found.trial[mine]],
            found.time[mine],
            n_trials=int(size),
            first_row=first,
            tick=tick,
            colour=COLOURS[k % 3],
            label=f"{label} ({size:,})" if len(found.labels) > 1 else "",
        )
        first += int(size) + gap
    ax.set_xlim(window)
    ax.set_ylim(first - gap - 0.5 + tick / 2, -0.5 - tick / 2)
    tidy(ax, "Trial", _TIME)


def _psth(snapshot: Snapshot, view: View) -> Sketch:
    read: Any = plot_data.spike_histograms if view.of == "spikes" else plot_data.activation_histograms
    by = _by_stimulus(snapshot, view) if view.of == "spikes" else view.by
    width = view.bin or (5.0 if view.of == "spikes" else 1.0)
    found = read(snapshot, by=by, trials=view.trials, window=view.window, width=width)

    def draw(ax: "Axes", k: int, colour: str) -> None:
        figures.psth(ax, found.x, {found.labels[k]: found.values[k]}, ylabel="", shades=[colour])
        ax.set_ylim(0, 1.05 * found.values.max() or 1)

    return _grouped(found.labels, draw, f"{found.unit}, bins of {width:g} ms")


def _mean(snapshot: Snapshot, view: View) -> Sketch:
    found = plot_data.voltage_means(snapshot, view.site, by=view.by, trials=view.trials, window=view.window)

    def draw(ax: "Axes", k: int, colour: str) -> None:
        figures_groups.band(
            ax, found.x, found.values[k], found.spread[k], colour=colour, label=found.labels[k]
        )
        tidy(ax, "")

    return _grouped(found.labels, draw, f"{figures_images.VOLTAGE}, mean ± SD")


def _grouped(labels: Sequence[str], draw: "Callable[[Axes, int, str], None]", ylabel: str) -> Sketch:
    """Groups on one set of axes if they are few, and else side by side on axes of one scale."""
    _check_groups(labels)
    columns = 1 if len(labels) <= OVERLAID else min(5, 2 + len(labels) // 16)
    rows = 1 if columns == 1 else -(-len(labels) // columns)

    def fill(figure: "Figure") -> None:
        axes = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
        if columns == 1:
            for k, colour in enumerate(colours(len(labels))):
                draw(axes[0], k, colour)
            figures_groups.legend(axes[0], len(labels))
            tidy(axes[0], ylabel, _TIME)
            return
        for k, (label, ax) in enumerate(zip(labels, axes, strict=False)):
            draw(ax, k, COLOURS[0])
            ax.set_title(label, loc="left", fontsize=SMALL, color=INK, pad=2)
        for ax in axes[-columns:]:
            ax.set_xlabel(_TIME, fontsize=NORMAL, color=INK)
        for ax in axes[len(labels) :]:
            ax.set_visible(False)
        figure.supylabel(ylabel, fontsize=NORMAL, color=INK)

    return Sketch(3.0 if columns == 1 else 0.9 + 0.85 * rows, fill)


def _traces(snapshot: Snapshot, view: View) -> Sketch:
    source = recording(snapshot, view.site)
    rows = rows_of(snapshot, source, view.trials)
    window = view.window or (float(source.times[0]), float(source.times[-1]))
    plot_data.span(source, window)

    def draw(figure: "Figure") -> None:
        ax = figure.subplots()
        drawn = figures_images.traces(
            ax, np.zeros((1, 1)), window, view.voltage or (-100, 50), most=len(rows)
        )
        # Only now is it known how many pixels the axes have; so it stays, for the image to fit them.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        box = ax.get_window_extent()
        image, limits = plot_data.trace_image(
            source,
            rows,
            width=max(1, round(box.width)),
            height=max(1, round(box.height)),
            window=window,
            voltage=view.voltage,
        )
        figures_images.fill(drawn, image[::-1], (*window, *limits))

    return Sketch(3.6, draw)


def _density(snapshot: Snapshot, view: View) -> Sketch:
    source = recording(snapshot, view.site)
    window = view.window or (float(source.times[0]), float(source.times[-1]))
    part = plot_data.span(source, window)
    values, limits = plot_data.pooled_density(
        snapshot,
        view.site,
        trials=view.trials,
        window=window,
        voltage=view.voltage,
        columns=min(500, part.stop - part.start),
    )
    return Sketch(3.6, lambda figure: _density_on(figure.subplots(), values, window, limits))


def _density_on(ax: "Axes", values: Any, window: Limits, limits: Limits) -> None:
    figures_images.density(ax, values, window, limits)


def _activations(snapshot: Snapshot, view: View) -> Sketch:
    begin, end = view.window or (0.0, last_time(snapshot))
    width = view.bin or 1.0
    found = spatiotemporal_activations(snapshot, width=width, t_min=begin, t_max=end, trials=view.trials)
    values = found.values / found.attrs["n_trials"]
    label = f"Activations per trial, 50 µm and {width:g} ms"
    spans = (begin, begin + width * values.shape[1]), (0.0, 50.0 * len(values))

    def draw(figure: "Figure") -> None:
        ax = figure.subplots()
        figures_images.activations(ax, values, *spans, label=label)
        ax.set_xlim(begin, end)

    if not values.any():
        raise InputError(f"no synapse is activated from {begin:g} to {end:g} ms in these trials")
    return Sketch(3.4, draw)


def _bars(snapshot: Snapshot, view: View) -> Sketch:
    read: Any = plot_data.spike_bars if view.of == "spikes" else plot_data.activation_bars
    by = _by_stimulus(snapshot, view) if view.of == "spikes" else view.by
    found: Curves = read(snapshot, by=by, trials=view.trials, window=view.window)
    _check_groups(found.labels)
    within = "" if view.window is None else f" from {view.window[0]:g} to {view.window[1]:g} ms"
    label = f"{found.unit}{within}, mean ± SEM"

    def draw(figure: "Figure") -> None:
        figures_groups.bars(
            figure.subplots(), found.labels, found.values[:, 0], found.spread[:, 0], label=label
        )

    return Sketch(3.0 if len(found.labels) <= 6 else 0.9 + 0.2 * len(found.labels), draw)


def _kernels(snapshot: Snapshot, view: View) -> Sketch:
    known = model_names(snapshot)
    if view.model is None and len(known) != 1:
        raise NotFoundError(
            f"say which model to draw; there are: {', '.join(known)}"
            if known
            else "the lake holds no reduced model"
        )
    model = open_model(snapshot, view.model or known[0])
    parts = plot_data.model_weights(model)
    _check_groups(model.groups)

    def draw(figure: "Figure") -> None:
        axes = figure.subplots(1, len(parts), squeeze=False)[0]
        for ax, part in zip(axes, parts, strict=True):
            shades = colours(len(model.groups))
            for group, values, colour in zip(model.groups, part.values, shades, strict=True):
                figures_groups.kernels(ax, part.x, values, colour=colour, label=group)
            tidy(ax, "Weight" if ax is axes[0] else "", part.name)
        figures_groups.legend(axes[-1], len(model.groups))

    return Sketch(3.0, draw)


def _check_groups(labels: Sequence[str]) -> None:
    if len(labels) > MOST_GROUPS:
        raise InputError(
            f"{len(labels)} groups are too many for a figure of up to {MOST_GROUPS}; group by something else"
        )


KINDS: dict[str, FigureKind] = {
    "raster": FigureKind(_raster, frozenset({"trials", "by", "window"})),
    "psth": FigureKind(_psth, frozenset({"trials", "by", "of", "window", "bin"})),
    "traces": FigureKind(_traces, frozenset({"trials", "window", "site", "voltage"})),
    "mean": FigureKind(_mean, frozenset({"trials", "by", "window", "site"})),
    "density": FigureKind(_density, frozenset({"trials", "window", "site", "voltage"})),
    "activations": FigureKind(_activations, frozenset({"trials", "window", "bin"})),
    "bars": FigureKind(_bars, frozenset({"trials", "by", "of", "window"})),
    "kernels": FigureKind(_kernels, frozenset({"model"})),
    "cells": FigureKind(networks.cells, frozenset({"circuit", "population"})),
    "distances": FigureKind(networks.distances, frozenset({"circuit", "projection", "bin"})),
    "degrees": FigureKind(networks.degrees, frozenset({"circuit", "projection"})),
    "matrix": FigureKind(networks.matrix, frozenset({"circuit", "projection"})),
    "tree": FigureKind(networks.tree, frozenset({"circuit", "population", "node"})),
    "population-raster": FigureKind(
        networks.population_raster, frozenset({"circuit", "population", "window"})
    ),
    "rates": FigureKind(networks.rates, frozenset({"circuit", "population", "window"})),
    "spectrogram": FigureKind(networks.spectrogram, frozenset({"report"})),
    "domains": FigureKind(glia.domains, frozenset({"circuit", "axis", "level"})),
    "vessels": FigureKind(glia.vessels, frozenset({"circuit"})),
    "astrocyte": FigureKind(glia.astrocyte, frozenset({"circuit", "node"})),
    "glia-distributions": FigureKind(glia.glia_distributions, frozenset({"circuit"})),
    "places": FigureKind(glia.places, frozenset({"circuit", "bin"})),
}
"""What can be drawn."""
