"""Figures of circuits: where cells are, how they are connected, one cell's tree, and what populations do."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits, reports, runs
from ...kernels.trains import bayesian_rates
from ...lake.errors import InputError, NotFoundError
from ...lake.extras import needed
from ..base import Snapshot
from ..circuits.contents import Circuit, circuit, circuit_names
from ..circuits.projections import CircuitProjection, quoted
from . import rasters as figures
from .style import GREY, INK, MAP, NORMAL, SMALL, colours, tidy
from .view import Sketch, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN_CELLS = 20_000
_SAMPLED_CELLS = 1000
_PIXELS = 400
_UM = ("x (µm)", "y (µm)", "z (µm)")


def circuit_of(snapshot: Snapshot, view: View) -> Circuit:
    """Return the circuit that is drawn.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        There is no such circuit, or several and none is named.
    """
    names = circuit_names(snapshot)
    if view.circuit is None and len(names) != 1:
        raise NotFoundError(f"say which circuit to draw; there are: {', '.join(names) or 'none'}")
    return circuit(snapshot, view.circuit)


def _projections(found: Circuit, view: View) -> list[CircuitProjection]:
    if view.projection is not None:
        return [found.projections[view.projection]]
    every = list(found.projections.values())
    if not every:
        raise NotFoundError(f"the circuit {found.name} has no edges")
    return every


def cells(snapshot: Snapshot, view: View) -> Sketch:
    """Draw somata in the volume, coloured by population.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit does not exist, or no cells have places.
    """
    found = circuit_of(snapshot, view)
    places: dict[str, NDArray[np.float64]] = {}
    for name, table in found.nodes.items():
        if {"x", "y", "z"} <= set(table.columns) and view.population in (None, name):
            rows = table.to_arrow(["x", "y", "z"])
            every = np.stack([rows[axis].to_numpy().astype(float) for axis in "xyz"], axis=1)
            # Of very many cells, evenly spaced ones look the same.
            places[name] = every[:: max(1, len(every) // _SHOWN_CELLS)]
    if not places:
        raise NotFoundError(f"no cells of {found.name} have places x, y and z")

    def draw(figure: "Figure") -> None:
        ax: Any = figure.add_subplot(projection="3d")
        for (name, xyz), colour in zip(places.items(), colours(len(places)), strict=True):
            size = 8.0 if len(xyz) < 500 else 2.0
            label = f"{name} ({found.nodes[name].rows:,})"
            ax.scatter(*xyz.T, s=size, color=colour, label=label, linewidths=0, depthshade=True)
        every = np.concatenate(list(places.values()))
        ax.set_box_aspect(np.maximum(np.ptp(every, axis=0), 1.0))
        for name, label in zip("xyz", _UM, strict=True):
            getattr(ax, f"set_{name}label")(label, fontsize=NORMAL, color=INK)
        ax.tick_params(labelsize=SMALL)
        ax.legend(fontsize=SMALL, frameon=False, loc="upper left", markerscale=2.0)

    return Sketch(5.0, draw)


def distances(snapshot: Snapshot, view: View) -> Sketch:
    """Draw edges by distance, beside those that the configured axon extents would give, and all pairs of cells.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit does not exist, or no edges have a distance.
    """
    found = circuit_of(snapshot, view)
    wanted = [one for one in _projections(found, view) if "distance" in one.table.columns]
    if not wanted:
        raise NotFoundError(f"no edges of {found.name} have a distance")
    width = view.bin or 50.0
    counted = {one.name: one.distances(width) for one in wanted}
    pairs = {one.name: _expected(found, one, width) for one in wanted}

    def draw_one(ax: "Axes", name: str, colour: str) -> None:
        rows = counted[name]
        begin, edges = rows["begin"].to_numpy(), rows["edges"].to_numpy().astype(float)
        ax.bar(begin, edges / edges.sum(), width=width, align="edge", color=colour, alpha=0.55, label="edges")
        known = pairs[name]
        if known is not None:
            lines = (("pairs of cells", known.pairs, GREY), ("as configured", known.edges, INK))
            for label, values, shade in lines:
                if values is not None and values.sum():
                    ax.step(
                        known.begin, values / values.sum(), where="post", color=shade, lw=0.9, label=label
                    )
        ax.legend(fontsize=SMALL, frameon=False)

    return _small_multiples(list(counted), draw_one, "Share", "Distance (µm)")


@dataclass(frozen=True)
class _Expected:
    """Distances of pairs of cells, in bins, and of edges as the configured axon extents would have them, where there are any."""

    begin: NDArray[np.float64]
    pairs: NDArray[np.float64]
    edges: NDArray[np.float64] | None


def _expected(found: Circuit, one: CircuitProjection, width: float) -> _Expected | None:
    """How far apart pairs of cells are; None where the cells have no distances from the origin."""
    names = ("u_distance", "v_distance")
    ends = []
    for population in (one.source, one.target):
        table = found.nodes.get(population)
        if table is None or not set(names) <= set(table.columns):
            return None
        rows = table.to_arrow(list(names))
        every = np.stack([rows[name].to_numpy().astype(float) for name in names], axis=1)
        ends.append(every[:: max(1, len(every) // _SAMPLED_CELLS)])
    apart = np.abs(ends[0][:, None] - ends[1][None])
    gaps = apart.sum(axis=2)
    bins = np.arange(0.0, gaps.max() + 2 * width, width)
    pairs, _ = np.histogram(gaps, bins)
    extent = _extent(found, one.source)
    if extent is None:
        return _Expected(bins[:-1], pairs.astype(float), None)
    reach, offset = extent[0] / 2.0, extent[1]
    likely = np.exp(-4.5 * (((apart - offset) / (reach - offset)) ** 2).sum(axis=2)) * (apart < reach).all(
        axis=2
    )
    # Every target draws its sources, however many are near.
    weights = likely / np.maximum(likely.sum(axis=0, keepdims=True), 1e-300)
    edges, _ = np.histogram(gaps, bins, weights=weights)
    return _Expected(bins[:-1], pairs.astype(float), edges)


def _extent(found: Circuit, population: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Width and offset along u and v of a population's axons, where the circuit's configuration has one for all layers."""
    node = circuits.CONFIGURATION.of(circuit=found.name)
    if node not in found.snapshot.files:
        return None
    said = json.loads(found.snapshot.files[node]).get("Connection Generator", {}).get("Axon Extent", {})
    extent = said.get(population, {}).get("default")
    if extent is None:
        return None
    return np.array(extent["width"], float), np.array(extent.get("offset", (0.0, 0.0)), float)


def degrees(snapshot: Snapshot, view: View) -> Sketch:
    """Draw how many edges end at the cells of each projection, and how many begin at them.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit does not exist, or has no edges.
    """
    found = circuit_of(snapshot, view)
    counted = {
        one.name: tuple(one.degrees(side)["edges"].to_numpy() for side in ("target", "source"))
        for one in _projections(found, view)
    }

    def draw_one(ax: "Axes", name: str, colour: str) -> None:
        for values, label, fill in zip(
            counted[name], ("in-degree", "out-degree"), (True, False), strict=True
        ):
            bins = np.histogram_bin_edges(values, bins=min(40, max(5, len(np.unique(values)))))
            shares = np.full(len(values), 1.0 / len(values))
            ax.hist(
                values,
                bins.tolist(),
                weights=shares,
                histtype="stepfilled" if fill else "step",
                color=colour if fill else INK,
                alpha=0.55 if fill else 1.0,
                label=label,
            )
        ax.legend(fontsize=SMALL, frameon=False)

    return _small_multiples(list(counted), draw_one, "Share of cells", "Edges of a cell", shared=False)


def matrix(snapshot: Snapshot, view: View) -> Sketch:
    """Draw edges by source and target: cells, rasterised, with lines between populations.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit does not exist, or has no edges.
    """
    found = circuit_of(snapshot, view)
    chemical = [one for one in _projections(found, view) if one.chemical]
    names = [name for name in found.nodes if any(name in (one.source, one.target) for one in chemical)]
    sizes = np.array([found.nodes[name].rows for name in names])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    cell = max(1.0, starts[-1] / _PIXELS)
    side = int(np.ceil(starts[-1] / cell))
    image = np.zeros((side, side))
    for one in chemical:
        row, column = (starts[names.index(name)] for name in (one.source, one.target))
        counted = snapshot.sql(
            f"""
            select cast(floor((source_node_id + $row) / $cell) as int), cast(floor((target_node_id + $column) / $cell) as int),
                count(*) from {quoted(one.node)} group by 1, 2
            """,
            row=int(row),
            column=int(column),
            cell=float(cell),
        ).fetchnumpy()
        source, target, count = counted.values()
        image[source, target] += count

    def draw(figure: "Figure") -> None:
        from matplotlib.colors import LogNorm

        ax = figure.subplots()
        extent = (0.0, float(starts[-1]), float(starts[-1]), 0.0)
        shown = np.ma.masked_equal(image, 0)
        drawn = ax.imshow(
            shown, cmap=MAP, norm=LogNorm(1, max(2.0, image.max())), extent=extent, interpolation="nearest"
        )
        for edge in starts[1:-1]:
            ax.axhline(edge, color=INK, lw=0.5)
            ax.axvline(edge, color=INK, lw=0.5)
        middles = (starts[:-1] + starts[1:]) / 2
        ax.set_xticks(middles, names)
        ax.set_yticks(middles, names)
        tidy(ax, "Source", "Target")
        bar = figure.colorbar(drawn, ax=ax, shrink=0.8)
        bar.set_label("Edges" if cell == 1 else f"Edges of {cell:.0f} x {cell:.0f} cells", fontsize=NORMAL)
        bar.ax.tick_params(labelsize=SMALL)

    return Sketch(5.6, draw)


def tree(snapshot: Snapshot, view: View) -> Sketch:
    """Draw one cell's tree, with its synapses by the population that they come from.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit or the cell's tree does not exist.
    """
    found = circuit_of(snapshot, view)
    populations = list(found.synapses) or list(found.nodes)
    population = view.population or populations[0]
    node = 0 if view.node is None else view.node
    points = found.morphology(population, node)
    synapses = _synapse_places(found, population, node, points)
    sections = list(_drawn_sections(points))

    def draw(figure: "Figure") -> None:
        axes = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1))
        for across, ax in enumerate(axes):
            for xyz, diameter in sections:
                ax.plot(xyz[across], xyz[2], color=INK, lw=0.25 + 0.25 * diameter)
            for (source, places), colour in zip(synapses.items(), colours(len(synapses)), strict=True):
                label = f"{source} ({len(places):,})"
                ax.scatter(
                    places[:, across], places[:, 2], s=3.0, color=colour, linewidths=0, label=label, zorder=3
                )
            ax.set_aspect("equal")
            tidy(ax, "" if across else "z (µm)", f"{'xy'[across]} (µm)")
        if synapses:
            axes[1].legend(
                fontsize=SMALL, frameon=False, markerscale=2.0, loc="upper left", bbox_to_anchor=(1.0, 1.0)
            )
        axes[0].set_title(f"{population} {node}", loc="left", fontsize=NORMAL, color=INK)

    return Sketch(5.0, draw)


def _drawn_sections(points: Any) -> Iterator[tuple[NDArray[np.float64], float]]:
    """Line of each section, from the nearest point of its parent, and its mean diameter."""
    held: dict[int, NDArray[np.float64]] = {}
    for section, rows in points.groupby("section_id"):
        xyz = rows[["x", "y", "z"]].to_numpy(float)
        held[int(section)] = xyz
        above = rows["parent_id"].iloc[0]
        if pd.notna(above) and int(above) in held:
            near = held[int(above)]
            nearest = near[np.argmin(((near - xyz[0]) ** 2).sum(axis=1))]
            xyz = np.concatenate([nearest[None], xyz])
        yield xyz.T, float(rows["diameter"].mean())


def _synapse_places(
    found: Circuit, population: str, node: int, points: Any
) -> dict[str, NDArray[np.float64]]:
    """Places in space of a cell's synapses, by source population."""
    places: dict[str, NDArray[np.float64]] = {}
    if population not in found.synapses:
        return places
    lines = {
        section: (np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(xyz, axis=0), axis=1))]), xyz)
        for section, rows in points.groupby("section_id")
        for xyz in [rows[["x", "y", "z"]].to_numpy(float)]
    }
    table = circuits.SYNAPSES.of(circuit=found.name, population=population)
    for one in found.projections.values():
        if one.target != population or "synapse_id" not in one.table.columns:
            continue
        rows = found.snapshot.sql(
            f"""
            select s.section_id, s.section_pos from {quoted(one.node)} as e
            join {quoted(table)} as s on s.node_id = e.target_node_id and s.synapse_id = e.synapse_id
            where e.target_node_id = $node
            """,
            node=node,
        ).fetchall()
        if rows:
            places[one.source] = np.array(
                [
                    [
                        np.interp(at * lines[section][0][-1], lines[section][0], axis)
                        for axis in lines[section][1].T
                    ]
                    for section, at in rows
                ]
            )
    return places


def population_raster(snapshot: Snapshot, view: View) -> Sketch:
    """Draw the spikes of all cells, population by population.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit does not exist, or has no spikes.
    """
    trains, window = _spikes(snapshot, view)

    def draw(figure: "Figure") -> None:
        ax, first = figure.subplots(), 0
        total = sum(size for _, _, size in trains.values())
        tick = max(0.96, total / 160)
        for (name, (node, time, size)), colour in zip(trains.items(), colours(len(trains)), strict=True):
            figures.raster(
                ax,
                node,
                time,
                n_trials=size,
                first_row=first,
                tick=tick,
                colour=colour,
                label=f"{name} ({size:,})",
            )
            first += size + max(2, total // 80)
        ax.set_xlim(window)
        ax.set_ylim(first, -tick)
        tidy(ax, "Cell", "Time (ms)")

    return Sketch(4.0, draw)


def rates(snapshot: Snapshot, view: View) -> Sketch:
    """Draw the mean firing rate of each population over time, by the Bayesian adaptive kernel smoother (BAKS).

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit does not exist, or has no spikes.
    """
    trains, window = _spikes(snapshot, view)
    at = np.linspace(*window, 400)
    found = {
        name: bayesian_rates(node, time, at, n_units=size).mean(axis=0)
        for name, (node, time, size) in trains.items()
    }

    def draw(figure: "Figure") -> None:
        ax = figure.subplots()
        for (name, values), colour in zip(found.items(), colours(len(found)), strict=True):
            ax.plot(at, values, color=colour, lw=1.2, label=name)
        ax.set_xlim(window)
        ax.set_ylim(0, None)
        ax.legend(fontsize=SMALL, frameon=False)
        tidy(ax, "Mean rate of a cell (Hz)", "Time (ms)")

    return Sketch(3.2, draw)


def _spikes(
    snapshot: Snapshot, view: View
) -> tuple[dict[str, tuple[NDArray[np.int64], NDArray[np.float64], int]], tuple[float, float]]:
    """Cell and time of each spike of the first trial, and number of cells, by population; and the window."""
    name, found = _run_of(snapshot, view)
    spikes: Any = found.spikes if name == found.name else _spikes_of_run(snapshot, name)
    tables = {key: spikes[key] for key in spikes} or {key: found.inputs[key] for key in found.inputs}
    trains = {}
    for label, table in tables.items():
        population = label.rpartition("/")[2]
        if view.population not in (None, population):
            continue
        trial = " where trial = 0" if "trial" in table.columns else ""
        rows = snapshot.sql(f"select node_id, time from {quoted(table.name)}{trial}").fetchnumpy()
        size = (
            found.nodes[population].rows
            if population in found.nodes
            else int(rows["node_id"].max(initial=-1)) + 1
        )
        trains[label] = (rows["node_id"].astype(np.int64), rows["time"].astype(float), size)
    every = [time for _, time, _ in trains.values() if len(time)]
    if not every:
        raise NotFoundError(f"the circuit {name} has no spikes")
    window = view.window or (min(time.min() for time in every), max(time.max() for time in every))
    inside = {}
    for name, (node, time, size) in trains.items():
        chosen = (time >= window[0]) & (time <= window[1])
        inside[name] = (node[chosen], time[chosen], size)
    return inside, (float(window[0]), float(window[1]))


def _run_of(snapshot: Snapshot, view: View) -> tuple[str, Circuit]:
    """The circuit that is named, or a run of one and its circuit."""
    table = snapshot.tables.get(runs.NETWORK_RUNS.name)
    rows = [] if table is None else table.to_arrow(["run", "circuit"]).to_pylist()
    for row in rows:
        if row["run"] == view.circuit:
            return row["run"], circuit(snapshot, row["circuit"])
    found = circuit_of(snapshot, view)
    return found.name, found


def _spikes_of_run(snapshot: Snapshot, run: str) -> dict[str, Any]:
    """Tables of a run's spikes by population."""
    parts = {node: circuits.SPIKES.parts(node) for node in snapshot.tables}
    return {
        found["population"]: snapshot.tables[node]
        for node, found in parts.items()
        if found is not None and found["circuit"] == run
    }


def spectrogram(snapshot: Snapshot, view: View) -> Sketch:
    """Draw a signal over time, and its power by frequency: the first element of a report, such as an extracellular potential.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        There is no such report, or several and none is named.
    InputError
        The report has fewer than 32 frames.
    """
    known = [
        name
        for name in snapshot.arrays
        if snapshot.tree[name].meta.get("dimension_names", [None])[:1] == ["time"]
    ]
    known = [name for name in known if reports.REPORT_TIME.beside(name) in snapshot.tree]
    names = known if view.report is None else [view.report]
    if len(names) != 1:
        raise NotFoundError(f"say which report to draw; there are: {', '.join(known) or 'none'}")
    signal = snapshot.xarray(names[0])
    time = np.asarray(signal["time"].values, float)
    values = np.asarray(signal.values, float).reshape(len(time), -1)[:, 0]
    units = f"Signal ({signal.attrs['units']})" if "units" in signal.attrs else "Signal"
    if len(time) < 32:
        raise InputError(f"{names[0]} has {len(time)} frames; a spectrogram needs 32")
    step = float(np.median(np.diff(time)))
    with needed("spectrograms", "analysis"):
        from scipy.signal import spectrogram as of_signal
    length = max(16, min(256, len(values) // 8))
    frequency, middle, power = of_signal(
        values - values.mean(), fs=1000.0 / step, nperseg=length, noverlap=length // 2
    )

    def draw(figure: "Figure") -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
        above.plot(time, values, color=INK, lw=0.8)
        tidy(above, units)
        drawn = below.pcolormesh(
            time[0] + 1000.0 * middle, frequency, 10 * np.log10(power + 1e-300), cmap=MAP, shading="nearest"
        )
        below.set_ylim(0, min(300.0, frequency[-1]))
        tidy(below, "Frequency (Hz)", "Time (ms)")
        bar = figure.colorbar(drawn, ax=below)
        bar.set_label("Power (dB)", fontsize=NORMAL)
        bar.ax.tick_params(labelsize=SMALL)

    return Sketch(4.2, draw)


def _small_multiples(
    names: Sequence[str],
    draw_one: "Callable[[Axes, str, str], None]",
    ylabel: str,
    xlabel: str,
    shared: bool = True,
) -> Sketch:
    """One pair of axes for each name."""
    columns = min(3, len(names))
    rows = -(-len(names) // columns)

    def draw(figure: "Figure") -> None:
        axes = list(figure.subplots(rows, columns, sharex=shared, squeeze=False).flat)
        for name, ax, colour in zip(names, axes, colours(len(names)), strict=False):
            draw_one(ax, name, colour)
            ax.set_title(name, loc="left", fontsize=SMALL, color=INK, pad=2)
            tidy(ax, "")
        for ax in axes[len(names) :]:
            ax.set_visible(False)
        figure.supylabel(ylabel, fontsize=NORMAL, color=INK)
        figure.supxlabel(xlabel, fontsize=NORMAL, color=INK)

    return Sketch(1.0 + 1.7 * rows, draw)
