"""Figures of a snapshot by name: what ``neurolake plot`` and ``snapshot.plot`` draw. Each states its commit.

Needs the extra ``neurolake[plot]`` (matplotlib).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..lake.errors import InputError, NotFoundError
from . import figures, figures_groups, figures_images, plot_data
from .figures_style import COLOURS, INK, NORMAL, SMALL, WIDTH_INCH, colours, page, tidy
from .models import model_names, open_model
from .plot_data import Curves, Limits
from .snapshot import Snapshot
from .spatial import spatiotemporal_activations
from .trains import Trains, trains
from .voltages import recording, rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
MOST_GROUPS = 60
OVERLAID = 3  # groups on one pair of axes; where there are more, each has its own
_TIME = "Time (ms)"


@dataclass(frozen=True)
class View:
    """What a figure shows; see `plot`."""

    trials: str = "true"
    by: tuple[str, ...] = ()
    of: Literal["spikes", "activations"] = "spikes"
    window: Limits | None = None
    bin: float | None = None
    site: str = "soma"
    voltage: Limits | None = None
    model: str | None = None


@dataclass(frozen=True)
class Sketch:
    """A figure whose data are known: how high it wants to be, and what draws it."""

    height: float
    draw: "Callable[[Figure], None]"


@dataclass(frozen=True)
class Kind:
    """A kind of figure: what reads the data, and the options that it heeds."""

    read: Callable[[Snapshot, View], Sketch]
    options: frozenset[str]


def plot(
    snapshot: Snapshot,
    kind: str,
    output: str | Path | None = None,
    *,
    title: str | None = None,
    width: float = WIDTH_INCH,
    height: float | None = None,
    by: str | Sequence[str] | None = None,
    **options: Any,
) -> "Figure":
    """Draw a figure, and write it if *output* is given.

    Parameters
    ----------
    kind
        ``raster`` (spikes of each trial), ``psth`` (rates over time), ``traces`` (all voltages, counted by pixels),
        ``mean`` (mean ± SD of the voltage), ``density`` (of the voltage over time), ``activations`` (over time and
        distance from the soma), ``bars`` (mean ± standard error over trials), or ``kernels`` (of a reduced model).
    output
        A file; its ending says which format (png, svg, pdf). Its metadata name the commit, too.
    title
        Above the figure; by default the number of trials, and the condition that they meet.
    width, height
        In inches; the height follows from the kind by default.
    by
        What groups trials: columns of ``trials`` or SQL over them; the stimulus by default in ``raster`` and
        ``psth``. Of activations: what groups synapses (`neurolake.query.activations.keys`), EI by default.
    options
        ``trials``: condition on trials in SQL. ``of``: ``spikes`` or ``activations``, in ``psth`` and ``bars``.
        ``window``: ``(begin, end)`` in ms. ``bin``: width of time bins in ms. ``site``: recording site. ``voltage``:
        ``(low, high)`` in mV. ``model``: name of a node that `neurolake.query.models.save_model` wrote.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot.

    Raises
    ------
    InputError
        The kind, an option of it, or the ending of *output* is unknown; nothing meets the conditions.
    NotFoundError, QueryError
        The lake does not hold what is drawn; a condition is no SQL.
    ImportError
        matplotlib is not installed; it comes with ``neurolake[plot]``.
    """
    if output is not None and Path(output).suffix.lower() not in SUFFIXES:
        raise InputError(f"{output}: a figure is written as {', '.join(SUFFIXES)}; end the name so")
    view = _view(kind, {**options, **({} if by is None else {"by": by})})
    if not (width > 0 and (height is None or height > 0)):
        raise InputError(f"a figure of {width} x {height} inches; both must be above 0")
    sketch = KINDS[kind].read(snapshot, view)
    footer = origin(snapshot)
    heading = _heading(snapshot, kind, view) if title is None else title
    figure = page(width, height or sketch.height, title=heading, footer=footer)
    sketch.draw(figure)
    if output is not None:
        key = {".pdf": "Subject"}.get(Path(output).suffix.lower(), "Description")
        figure.savefig(output, metadata={"Title": heading, key: footer})
    return figure


def origin(snapshot: Snapshot) -> str:
    """Which lake and commit a figure is of: name, id and date."""
    name = snapshot.objects.storage.url.rstrip("/").rsplit("/", 1)[-1]
    return f"neurolake · {name} · commit {snapshot.commit.id[:12]} · {snapshot.commit.time:%Y-%m-%d}"


def _view(kind: str, options: dict[str, Any]) -> View:
    if kind not in KINDS:
        raise InputError(f"there is no plot {kind!r}; there are: {', '.join(KINDS)}")
    heeded = KINDS[kind].options
    if unknown := sorted(set(options) - heeded):
        raise InputError(f"{kind} has no option {unknown[0]!r}; it has: {', '.join(sorted(heeded))}")
    for name in ("window", "voltage"):
        if options.get(name) is not None:
            options[name] = _limits(name, options[name])
    if "by" in options:
        options["by"] = (options["by"],) if isinstance(options["by"], str) else tuple(options["by"])
    if options.get("of", "spikes") not in ("spikes", "activations"):
        raise InputError(f"of is {options['of']!r}; expected spikes or activations")
    return View(**options)


def _limits(name: str, value: Sequence[float]) -> Limits:
    ends = tuple(map(float, value))
    if len(ends) != 2 or not (np.isfinite(ends).all() and ends[0] < ends[1]):
        raise InputError(f"{name} is {value!r}; expected two finite numbers, the lower one first")
    return ends


def _heading(snapshot: Snapshot, kind: str, view: View) -> str:
    if "trials" not in KINDS[kind].options or "trials" not in snapshot.tables:
        return view.model or ""
    ((n,),) = snapshot.sql(f"select count(*) from trials where ({view.trials}\n)").fetchall()  # noqa: S608
    return f"{n:,} trials" + ("" if view.trials == "true" else f" with {view.trials}")


def _by_stimulus(snapshot: Snapshot, view: View) -> tuple[str, ...]:
    table = snapshot.tables.get("trials")
    return view.by or (("stimulus",) if table is not None and "stimulus" in table.columns else ())


def _raster(snapshot: Snapshot, view: View) -> Sketch:
    by = plot_data.expression(_by_stimulus(snapshot, view))
    found = trains(snapshot, trials=view.trials, by=by)
    _check_groups(found.labels)
    window = view.window or (0.0, plot_data.trial_end(snapshot))
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
    """Groups over one another if they are few, and else beside one another on axes of one scale."""
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
    begin, end = view.window or (0.0, plot_data.trial_end(snapshot))
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


KINDS = {
    "raster": Kind(_raster, frozenset({"trials", "by", "window"})),
    "psth": Kind(_psth, frozenset({"trials", "by", "of", "window", "bin"})),
    "traces": Kind(_traces, frozenset({"trials", "window", "site", "voltage"})),
    "mean": Kind(_mean, frozenset({"trials", "by", "window", "site"})),
    "density": Kind(_density, frozenset({"trials", "window", "site", "voltage"})),
    "activations": Kind(_activations, frozenset({"trials", "window", "bin"})),
    "bars": Kind(_bars, frozenset({"trials", "by", "of", "window"})),
    "kernels": Kind(_kernels, frozenset({"model"})),
}
"""What can be drawn."""
