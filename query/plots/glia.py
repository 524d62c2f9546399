"""Figures of circuits of glia: domains, vessels and somata, one astrocyte, distributions, and how places compare with random ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...lake.errors import InputError, NotFoundError
from ..base import Snapshot
from ..circuits.contents import Circuit
from ..glia.domains import Domain
from ..glia.vessels import VESSEL_TYPES
from .configured import Configured, configured
from .networks import circuit_of
from .style import COLOURS, GREY, INK, NORMAL, SMALL, tidy
from .view import Sketch, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Reals = NDArray[np.float64]
_UM = ("x (µm)", "y (µm)", "z (µm)")
_SHOWN_SYNAPSES = 3000
_SHOWN_SEGMENTS = 40_000
_VESSELS = {1: "#0072B2", 2: "#D55E00", 3: "#56B4E9", 4: "#E69F00", 5: "#8a8a8a", 6: "#b08d6e", 7: "#CC79A7"}
_PERIVASCULAR, _PERISYNAPTIC, _ENDFOOT = "#0072B2", "#009E73", "#CC79A7"


def domains(snapshot: Snapshot, view: View) -> Sketch:
    """Draw domains of astrocytes cut by a plane, neighbours in different colours, with the somata and vessels that the plane meets.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit does not exist, or has no domains.
    InputError
        The plane meets no domain.
    """
    found = circuit_of(snapshot, view)
    axis = "xyz".index(view.axis or "z")
    across = [other for other in range(3) if other != axis]
    sizes = found.astrocytes.domains.sizes()
    low, high = (sizes[f"{end}_{'xyz'[axis]}"].to_numpy(float) for end in ("min", "max"))
    level = float((low.min() + high.max()) / 2) if view.level is None else view.level
    met = np.flatnonzero((low < level) & (high > level))
    if not len(met):
        raise InputError(
            f"no domain is at {'xyz'[axis]} = {level:g} µm; they are from {low.min():g} to {high.max():g} µm"
        )
    cells = sizes["node_id"].to_numpy()[met]
    shapes = {int(cell): _cut(found.astrocytes.domains[int(cell)], axis, level)[:, across] for cell in cells}
    shades = _shades(found.astrocytes.domains.neighbours(cells), cells)
    somata = found.astrocytes.rows()
    radius = somata["radius"].to_numpy(float) if "radius" in somata else np.full(len(somata), 5.0)
    places = somata[["x", "y", "z"]].to_numpy(float)
    gap = radius**2 - (places[:, axis] - level) ** 2
    vessels = _crossings(found, axis, level) if found.glia.has("vasculature") else np.empty((0, 4))

    def draw(figure: "Figure") -> None:
        from matplotlib.patches import Circle, Polygon

        ax = figure.subplots()
        for cell, corners in shapes.items():
            if len(corners) > 2:
                shade = COLOURS[shades[cell] % 6]
                ax.add_patch(Polygon(corners, facecolor=shade, alpha=0.45, lw=0))
                ax.add_patch(Polygon(corners, fill=False, edgecolor=INK, lw=0.4))
        for place, size in zip(places[gap > 0][:, across], np.sqrt(gap[gap > 0]), strict=True):
            ax.add_patch(Circle(tuple(place), float(size), facecolor=INK, lw=0))
        for row in vessels:
            ax.add_patch(
                Circle(tuple(row[across]), float(row[3]) / 2, facecolor="white", edgecolor="#C00000", lw=0.9)
            )
        ax.autoscale_view()
        ax.set_aspect("equal")
        what = f"{'xyz'[axis]} = {level:.4g} µm: domains, somata (black), vessels (rings)"
        ax.set_title(what, loc="left", fontsize=NORMAL, color=INK)
        tidy(ax, _UM[across[1]], _UM[across[0]])

    return Sketch(6.2, draw)


def _cut(domain: Domain, axis: int, level: float) -> Reals:
    """Corners of the polygon in which a plane cuts a domain, around it."""
    corners = domain.points[domain.triangles]
    height = corners[:, :, axis] - level
    ends = []
    for a, b in ((0, 1), (1, 2), (2, 0)):
        crosses = (height[:, a] < 0) != (height[:, b] < 0)
        part = height[crosses, a] / (height[crosses, a] - height[crosses, b])
        ends.append(corners[crosses, a] + part[:, None] * (corners[crosses, b] - corners[crosses, a]))
    places: Reals = np.concatenate(ends)
    if not len(places):
        return places
    flat = np.delete(places, axis, axis=1) - np.delete(places, axis, axis=1).mean(axis=0)
    return places[np.argsort(np.arctan2(flat[:, 1], flat[:, 0]), kind="stable")]


def _shades(neighbours: pd.DataFrame, cells: NDArray[Any]) -> dict[int, int]:
    """A number for each domain that its neighbours do not have."""
    beside: dict[int, list[int]] = {}
    for one, other in neighbours[["node_id", "neighbour"]].to_numpy().tolist():
        beside.setdefault(int(one), []).append(int(other))
    shades: dict[int, int] = {}
    for cell in cells.tolist():
        taken = {shades[other] for other in beside.get(cell, []) if other in shades}
        shades[cell] = next(number for number in range(len(taken) + 1) if number not in taken)
    return shades


def _crossings(found: Circuit, axis: int, level: float) -> Reals:
    """Where vessels cross a plane, and how wide they are there."""
    rows = found.vasculature.segments()
    start, end = (rows[[f"{at}_{name}" for name in "xyz"]].to_numpy(float) for at in ("start", "end"))
    crosses = (start[:, axis] < level) != (end[:, axis] < level)
    start, end = start[crosses], end[crosses]
    part = ((level - start[:, axis]) / (end[:, axis] - start[:, axis]))[:, None]
    return np.column_stack([start + part * (end - start), rows["diameter"].to_numpy(float)[crosses]])


def vessels(snapshot: Snapshot, view: View) -> Sketch:
    """Draw vessels by their type and width, and the somata of astrocytes, in space.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit does not exist, or has no vessels.
    """
    found = circuit_of(snapshot, view)
    rows = found.vasculature.segments()
    somata = (
        found.astrocytes.rows()
        if found.glia.has("astrocytes")
        else pd.DataFrame({name: [] for name in "xyz"})
    )

    def draw(figure: "Figure") -> None:
        ax: Any = figure.add_subplot(projection="3d")
        # Somata within the net of vessels would be hidden behind it.
        ax.computed_zorder = False
        low, high = _draw_vessels(ax, rows)
        places = somata[["x", "y", "z"]].to_numpy(float)
        if len(places):
            size = 14.0 if len(places) < 200 else 4.0
            ax.scatter(
                *places.T,
                s=size,
                color=COLOURS[2],
                linewidths=0,
                depthshade=False,
                zorder=3,
                label=f"astrocytes ({len(places):,})",
            )
            low, high = np.minimum(low, places.min(axis=0)), np.maximum(high, places.max(axis=0))
        _space(ax, low, high)
        ax.legend(fontsize=SMALL, frameon=False, loc="upper left", markerscale=1.5)

    return Sketch(6.0, draw)


def _draw_vessels(ax: Any, rows: pd.DataFrame, shade: str | None = None) -> tuple[Reals, Reals]:
    """Draw segments in the colours of their types or in one, and return the corners of the space that they take."""
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    start, end = (rows[[f"{at}_{name}" for name in "xyz"]].to_numpy(float) for at in ("start", "end"))
    lines = np.stack([start, end], axis=1)
    # Of very many segments, evenly spaced ones look the same.
    kept = np.zeros(len(rows), bool)
    kept[:: max(1, len(rows) // _SHOWN_SEGMENTS)] = True
    kinds = rows["type"].to_numpy() if shade is None else np.zeros(len(rows), int)
    for kind in np.unique(kinds):
        mine = kept & (kinds == kind)
        own = shade or _VESSELS.get(int(kind), GREY)
        extent = max(float(np.ptp(lines, axis=(0, 1)).max()), 1.0)
        widths = np.clip(
            (80.0 if shade is None else 30.0) / extent * rows["diameter"].to_numpy(float)[mine], 0.35, 5.0
        )
        ax.add_collection3d(
            Line3DCollection(lines[mine], linewidths=widths, colors=own, alpha=0.5 if shade else 0.9)
        )
        label = "vessels" if shade else VESSEL_TYPES.get(int(kind), f"type {kind}")
        ax.plot([], [], [], color=own, lw=2.0, label=label)
    if not len(rows):
        return np.full(3, np.inf), np.full(3, -np.inf)
    return lines.min(axis=(0, 1)), lines.max(axis=(0, 1))


def _space(ax: Any, low: Reals, high: Reals) -> None:
    """Set limits of one scale, and label the axes."""
    from matplotlib.ticker import MaxNLocator

    longest = max(float((high - low).max()), 1.0)
    for name, label, bottom, top in zip("xyz", _UM, low, high, strict=True):
        getattr(ax, f"set_{name}lim")(bottom, max(top, bottom + 1.0))
        getattr(ax, f"set_{name}label")(label, fontsize=NORMAL, color=INK)
        pane = getattr(ax, f"{name}axis")
        # As many ticks as there is room for along this axis.
        pane.set_major_locator(MaxNLocator(max(2, round(6.0 * (top - bottom) / longest))))
        pane.set_pane_color((1.0, 1.0, 1.0, 0.0))
        pane._axinfo["grid"].update(color="#e4e4e4", linewidth=0.5)
    ax.set_box_aspect(np.maximum(high - low, 1.0))
    ax.tick_params(labelsize=SMALL)


def astrocyte(snapshot: Snapshot, view: View) -> Sketch:
    """Draw one astrocyte: its domain, tree, endfeet on the vessels around, and synapses in its domain.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit or the astrocyte does not exist.
    """
    found = circuit_of(snapshot, view)
    node = 0 if view.node is None else view.node
    soma = found.astrocytes.rows([node])
    if not len(soma):
        raise NotFoundError(f"there is no astrocyte {node}; there are 0 to {len(found.astrocytes) - 1}")
    read = _read_astrocyte(found, node)

    def draw(figure: "Figure") -> None:
        from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

        ax: Any = figure.add_subplot(projection="3d")
        ax.computed_zorder = False
        place = soma[["x", "y", "z"]].to_numpy(float)[0]
        low, high = place - 20.0, place + 20.0
        if read.domain is not None:
            low, high = read.domain.bounding_box
            edges = _edges(read.domain)
            ax.add_collection3d(Line3DCollection(edges, colors=GREY, linewidths=0.6))
            faces = read.domain.points[read.domain.triangles]
            ax.add_collection3d(Poly3DCollection(faces, facecolors="#56B4E9", alpha=0.06, linewidths=0))
            ax.plot([], [], [], color=GREY, lw=1.0, label=f"domain ({read.domain.volume:,.0f} µm³)")
        feet = [mesh for mesh in read.endfeet if len(mesh.triangles)]
        for mesh in feet:
            low, high = np.minimum(low, mesh.points.min(axis=0)), np.maximum(high, mesh.points.max(axis=0))
        if len(read.targets):
            low, high = np.minimum(low, read.targets.min(axis=0)), np.maximum(high, read.targets.max(axis=0))
        if len(read.synapses):
            shown = read.synapses[:: max(1, len(read.synapses) // _SHOWN_SYNAPSES)]
            label = f"synapses ({len(read.synapses):,})"
            ax.scatter(*shown.T, s=2.0, color=INK, alpha=0.25, linewidths=0, depthshade=False, label=label)
        for kind, shade, label in (
            (3, _PERISYNAPTIC, "perisynaptic"),
            (2, _PERIVASCULAR, "perivascular"),
        ):
            mine = read.tree[read.tree["type"] == kind]
            if len(mine):
                ends = [mine[[f"{axis}{end}" for axis in "xyz"]].to_numpy(float) for end in (0, 1)]
                low, high = (
                    np.minimum(low, np.min(ends, axis=(0, 1))),
                    np.maximum(high, np.max(ends, axis=(0, 1))),
                )
                ax.add_collection3d(
                    Line3DCollection(np.stack(ends, axis=1), colors=shade, linewidths=1.0, zorder=3)
                )
                ax.plot([], [], [], color=shade, lw=1.5, label=label)
        near = read.vessels[
            ((read.vessels[["x", "y", "z"]] > low - 8) & (read.vessels[["x", "y", "z"]] < high + 8)).all(
                axis=1
            )
        ]
        _draw_vessels(ax, near, "#C00000")
        for mesh in feet:
            ax.add_collection3d(
                Poly3DCollection(
                    mesh.points[mesh.triangles], facecolors=_ENDFOOT, alpha=0.7, linewidths=0, zorder=2
                )
            )
        if len(read.targets):
            ax.scatter(
                *read.targets.T,
                s=16.0,
                color=_ENDFOOT,
                linewidths=0,
                depthshade=False,
                label=f"endfeet ({len(read.targets)})",
            )
        radius = float(soma["radius"].to_numpy()[0]) if "radius" in soma else 5.0
        around, along = np.meshgrid(np.linspace(0, 2 * np.pi, 17), np.linspace(0, np.pi, 9))
        ball = (np.cos(around) * np.sin(along), np.sin(around) * np.sin(along), np.cos(along))
        ax.plot_surface(
            *(at + radius * one for at, one in zip(place, ball, strict=True)), color=INK, zorder=4
        )
        ax.plot([], [], [], "o", color=INK, label="soma")
        _space(ax, low, high)
        ax.legend(fontsize=SMALL, frameon=False, loc="upper left", bbox_to_anchor=(-0.12, 1.0))
        ax.set_title(f"Astrocyte {node}", loc="left", fontsize=NORMAL, color=INK)

    return Sketch(6.0, draw)


@dataclass(frozen=True, eq=False)
class _Astrocyte:
    """What is drawn of an astrocyte; what the circuit does not have is empty."""

    domain: Domain | None
    tree: pd.DataFrame
    endfeet: list[Any]
    targets: Reals
    synapses: Reals
    vessels: pd.DataFrame


def _read_astrocyte(found: Circuit, node: int) -> _Astrocyte:
    tree = pd.DataFrame({"type": []})
    if found.glia.has("trees", "tree_points") and "morphology" in found.astrocytes.table.columns:
        tree = found.astrocytes.morphology(node)
    feet = found.astrocytes.endfeet([node]) if found.glia.has("gliovascular") else pd.DataFrame()
    meshes = (
        [found.endfeet[int(foot)] for foot in feet["endfoot_id"]]
        if found.glia.has("endfeet") and len(feet)
        else []
    )
    synapses = np.empty((0, 3))
    if found.glia.has("neuroglial"):
        rows = found.astrocytes.synapses([node])
        if {"x", "y", "z"} <= set(rows.columns):
            synapses = rows[["x", "y", "z"]].to_numpy(float)
    segments = pd.DataFrame(
        {
            name: []
            for name in (
                "x",
                "y",
                "z",
                "type",
                "diameter",
                *(f"{end}_{axis}" for end in ("start", "end") for axis in "xyz"),
            )
        }
    )
    return _Astrocyte(
        found.astrocytes.domains[node] if found.glia.has("domains") else None,
        tree,
        meshes,
        feet[["x", "y", "z"]].to_numpy(float) if len(feet) else np.empty((0, 3)),
        synapses,
        found.vasculature.segments() if found.glia.has("vasculature") else segments,
    )


def _edges(domain: Domain) -> Reals:
    """Edges between faces of a domain, not those of the triangles within a face, [n, 2, 3]."""
    sides = np.concatenate(
        [domain.triangles[:, [0, 1]], domain.triangles[:, [1, 2]], domain.triangles[:, [2, 0]]]
    )
    # Points of different faces may be in one place.
    _, where = np.unique(np.round(domain.points, 3), axis=0, return_inverse=True)
    keys = np.column_stack([np.sort(where.ravel()[sides], axis=1), np.tile(domain.faces, 3)])
    unique, first, counts = np.unique(keys, axis=0, return_index=True, return_counts=True)
    outer = first[counts == 1]
    return domain.points[sides[outer]] if len(unique) else np.empty((0, 2, 3))


def glia_distributions(snapshot: Snapshot, view: View) -> Sketch:
    """Draw distributions of astrocytes and endfeet, beside those that the configuration asks for, where there is one.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit does not exist, or has no astrocytes.
    """
    found = circuit_of(snapshot, view)
    wanted = configured(snapshot, found.name)
    panels: dict[str, tuple[Reals, str]] = {}
    for name, (label, read) in _MEASURED.items():
        values = read(found)
        values = values[np.isfinite(values)]
        if len(values):
            panels[name] = values, label

    if not panels:
        raise NotFoundError(f"the circuit {found.name!r} has no astrocytes to measure")
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)

    def draw(figure: "Figure") -> None:
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
        for ax, (name, (values, label)) in zip(axes, panels.items(), strict=False):
            _distribution(ax, values, wanted.get(name), whole=name == "endfeet")
            tidy(ax, "", label)
        for ax in axes[len(panels) :]:
            ax.set_visible(False)
        figure.supylabel("Share", fontsize=NORMAL, color=INK)

    return Sketch(0.6 + 1.9 * rows, draw)


def _distribution(ax: "Axes", values: Reals, wanted: Configured | None, *, whole: bool) -> None:
    low, high = float(values.min()), float(values.max())
    if whole:
        edges = np.arange(np.floor(low) - 0.5, np.ceil(high) + 1.5)
    else:
        if high - low < 1e-3 * abs(high):
            # Values that hardly differ are one bin of a wider axis, not the noise of their last digits.
            low, high = 0.95 * low, 1.05 * high
        edges = np.linspace(
            low, high if high > low else low + 1.0, min(40, max(6, int(np.sqrt(len(values))) + 1))
        )
    shares = np.full(len(values), 1.0 / len(values))
    ax.hist(
        values,
        edges.tolist(),
        weights=shares,
        color=COLOURS[0],
        alpha=0.5,
        label=f"{len(values):,}: {values.mean():.4g} ± {values.std():.3g}",
    )
    if wanted is not None:
        ax.stairs(wanted.shares(edges), edges, color=INK, lw=1.0, label="as configured")
    ax.set_ylim(0, 1.45 * ax.get_ylim()[1])
    ax.legend(fontsize=SMALL - 0.5, frameon=False, loc="upper right")


def _radii(found: Circuit) -> Reals:
    rows = found.astrocytes.rows()
    return rows["radius"].to_numpy(float) if "radius" in rows else np.empty(0)


def _volumes(found: Circuit) -> Reals:
    if not found.glia.has("domains"):
        return np.empty(0)
    volumes: Reals = found.astrocytes.domains.sizes()["volume"].to_numpy(float) / 1e3
    return volumes


def _overlaps(found: Circuit) -> Reals:
    if not found.glia.has("domains"):
        return np.empty(0)
    scale = found.astrocytes.domains.sizes()["scale"].to_numpy(float)
    # What a domain shares with its neighbours, if these shrink as it grows.
    shared: Reals = 1.0 - (2.0 / scale - 1.0) ** 3
    return shared


def _feet(found: Circuit) -> Reals:
    return (
        found.astrocytes.counts()["endfeet"].to_numpy(float)
        if found.glia.has("gliovascular")
        else np.empty(0)
    )


def _of_feet(name: str) -> Callable[[Circuit], Reals]:
    def read(found: Circuit) -> Reals:
        if not found.glia.has("gliovascular", "endfeet"):
            return np.empty(0)
        rows = found.endfeet.rows()
        return rows.loc[rows["surface_area"] > 0, name].to_numpy(float)

    return read


def _nearest(found: Circuit) -> Reals:
    return (
        found.astrocytes.pattern().nearest()["distance"].to_numpy(float)
        if len(found.astrocytes) > 1
        else np.empty(0)
    )


_MEASURED: Mapping[str, tuple[str, Callable[[Circuit], Reals]]] = {
    "radius": ("Radius of the soma (µm)", _radii),
    "nearest": ("Nearest soma (µm)", _nearest),
    "volume": ("Volume of the domain (1,000 µm³)", _volumes),
    "overlap": ("Overlap of the domain (share)", _overlaps),
    "endfeet": ("Endfeet of an astrocyte", _feet),
    "area": ("Area of an endfoot (µm²)", _of_feet("surface_area")),
    "thickness": ("Thickness of an endfoot (µm)", _of_feet("surface_thickness")),
}
"""What is measured of a circuit: the text of its axis, and the values."""


def places(snapshot: Snapshot, view: View) -> Sketch:
    """Draw the pair correlation of astrocytes' somata, and L less the distance, beside those of random places.

    Parameters
    ----------
    snapshot
        The commit to read.
    view
        What the figure shows; see `View`.

    Raises
    ------
    NotFoundError
        The circuit does not exist, or has no astrocytes.
    InputError
        There are fewer than two astrocytes.
    """
    found = circuit_of(snapshot, view)
    if len(found.astrocytes) < 2:
        raise InputError(f"the circuit {found.name!r} has {len(found.astrocytes)} astrocytes; pairs need two")
    pattern = found.astrocytes.pattern()
    extent = float((pattern.window.size * pattern.window.inside.shape).min())
    width = view.bin or max(extent / 250.0, 1.0)
    edges = width * np.arange(max(4, int(extent / 4.0 / width) + 1))
    correlation, ripley = pattern.pair_correlation(edges), pattern.ripley(edges)

    def draw(figure: "Figure") -> None:
        one, other = figure.subplots(1, 2)
        one.stairs(correlation["g"], edges, color=COLOURS[0], lw=1.3)
        one.axhline(1.0, color=GREY, lw=0.8)
        one.set_ylim(0, None)
        tidy(one, "Pair correlation g", "Distance (µm)")
        other.plot(ripley["radius"], ripley["l"] - ripley["radius"], color=COLOURS[0], lw=1.3, label="somata")
        other.axhline(0.0, color=GREY, lw=0.8, label="random places")
        other.legend(fontsize=SMALL, frameon=False)
        tidy(other, "L less the distance (µm)", "Distance (µm)")

    return Sketch(3.0, draw)
