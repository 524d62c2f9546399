"""What a film shows, and its pictures: a cell in space or over distance, coloured by a variable, with activated synapses."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...lake.extras import needed
from ..plots.style import COLOURS, GREY, INK, MAP, SMALL
from .shapes import ActivatedSynapses, Capsules, RecordedSite, Singles

Against = Literal["space", "distance"]

LASTING = 3.0
"""For how many ms a synapse is seen after its activation."""
_DPI = 100
_THIN = 0.9  # points: however small a picture, a neurite is seen


@dataclass(frozen=True)
class Viewpoint:
    """From where a cell is seen at a time; between two of them the camera moves evenly.

    Attributes
    ----------
    time
        In ms.
    azimuth, elevation
        In degrees; the cell stands upright along its longest axis.
    zoom
        How many times larger than where the whole cell is in the picture.
    centre
        What is in the middle of the picture, x, y and z in µm; None for the middle of the cell.
    """

    time: float
    azimuth: float = 0.0
    elevation: float = 0.0
    zoom: float = 1.0
    centre: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Look:
    """How a film shows a cell.

    Attributes
    ----------
    against
        ``space``, or ``distance``: the variable over the distance from the soma.
    limits
        Values at both ends of the colours, or of the axis.
    camera
        From where the cell is seen, in order of time; one at least.
    width, height
        Of a picture, in pixels; both even.
    """

    against: Against
    limits: tuple[float, float]
    camera: tuple[Viewpoint, ...]
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Film:
    """A cell over time.

    Attributes
    ----------
    cell
        Its segments.
    values
        The variable, float32[frame, segment].
    times
        Time of each frame in ms, float64[frame].
    quantity
        Name and unit of the variable.
    pairs
        Segments that follow each other in a section, and the first of each with that of its parent, int64[pair, 2].
    synapses, places
        What is activated, and where, float32[activation, 3]; None for none.
    sites
        Where voltage was recorded besides.
    voltages, voltage_times
        That in mV, float32[site, time], and times in ms, float64[time].
    look
        How it is shown.
    title, footer
        Texts above and below.
    """

    cell: Capsules
    values: Singles
    times: npt.NDArray[np.float64]
    quantity: str
    pairs: npt.NDArray[np.int64]
    synapses: ActivatedSynapses | None
    places: Singles | None
    sites: tuple[RecordedSite, ...]
    voltages: Singles
    voltage_times: npt.NDArray[np.float64]
    look: Look
    title: str
    footer: str

    @cached_property
    def _upright(self) -> npt.NDArray[np.float64]:
        """Rotation that lays the longest axis of the cell upright, its second longest across."""
        ends = np.concatenate([self.cell.start, self.cell.end]).astype(np.float64)
        extent = np.ptp(ends, axis=0)
        up, across, deep = np.argsort(-extent, kind="stable")
        axes = np.eye(3)[[across, up, deep]]
        if np.linalg.det(axes) < 0:
            axes[2] = -axes[2]
        return axes

    @cached_property
    def _middle(self) -> npt.NDArray[np.float64]:
        return np.asarray((self.cell.start.min(axis=0) + self.cell.start.max(axis=0)) / 2, np.float64)

    def viewpoint(self, number: float) -> Viewpoint:
        """Return from where a picture sees the cell.

        Parameters
        ----------
        number
            Number of the picture; between two, something between both.
        """
        camera = self.look.camera
        time = float(np.interp(number, np.arange(len(self.times)), self.times))
        known = [one.time for one in camera]

        def between(values: list[float]) -> float:
            return float(np.interp(time, known, values))

        centres = [self._middle if one.centre is None else one.centre for one in camera]
        x, y, z = (between([float(centre[axis]) for centre in centres]) for axis in range(3))
        return Viewpoint(
            time,
            between([one.azimuth for one in camera]),
            between([one.elevation for one in camera]),
            float(np.exp(between([float(np.log(one.zoom)) for one in camera]))),
            (x, y, z),
        )

    def seen(self, points: Singles, number: float) -> npt.NDArray[np.float64]:
        """Return where points are in a picture: across, up, and towards the eye, in µm, float64[point, 3].

        Parameters
        ----------
        points
            In µm, float32[point, 3].
        number
            Number of the picture.
        """
        view = self.viewpoint(number)
        azimuth, elevation = np.deg2rad([view.azimuth, view.elevation])
        about = np.array(
            [[np.cos(azimuth), 0, np.sin(azimuth)], [0, 1, 0], [-np.sin(azimuth), 0, np.cos(azimuth)]]
        )
        tilt = np.array(
            [[1, 0, 0], [0, np.cos(elevation), -np.sin(elevation)], [0, np.sin(elevation), np.cos(elevation)]]
        )
        turned: npt.NDArray[np.float64] = (
            view.zoom * (points - np.asarray(view.centre)) @ (tilt @ about @ self._upright).T
        )
        return turned


class Painter:
    """Draws the pictures of a film; the figure is made once.

    Parameters
    ----------
    film
        The film.

    Raises
    ------
    MissingPackageError
        Matplotlib is not installed.
    """

    def __init__(self, film: Film) -> None:
        with needed("films", "animate"):
            from matplotlib import colormaps
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.collections import LineCollection
            from matplotlib.colors import Normalize
            from matplotlib.figure import Figure
        look = film.look
        self._film = film
        self._figure: Figure = Figure((look.width / _DPI, look.height / _DPI), dpi=_DPI, facecolor="white")
        self._canvas = FigureCanvasAgg(self._figure)
        self._figure.text(0.5, 0.975, film.title, ha="center", va="top", fontsize=9, color=INK)
        self._figure.text(0.99, 0.008, film.footer, ha="right", fontsize=6.5, color=GREY)
        self._clock = self._figure.text(0.03, 0.93, "", fontsize=11, color=INK, family="monospace")
        self._shade, self._scale = colormaps[MAP], Normalize(*look.limits)
        self._lines: Any = LineCollection([], capstyle="round")
        if look.against == "space":
            self._draw_space()
        else:
            self._draw_distance()

    def _draw_space(self) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import to_rgba_array

        film, look = self._film, self._film.look
        bottom = 0.03 + self._draw_voltages()
        axes = self._axes = self._figure.add_axes((0.02, bottom, 0.84, 0.92 - bottom))
        axes.set_axis_off()
        axes.set_aspect("equal")
        ends = np.concatenate([film.cell.start, film.cell.end])
        # Whatever it turns to, the whole cell is in the picture where nothing is zoomed.
        whole = replace(
            film, look=replace(look, camera=tuple(replace(one, zoom=1.0, centre=None) for one in look.camera))
        )
        steps = np.linspace(0, len(film.times) - 1, 9 if len(look.camera) > 1 else 1)
        every = [whole.seen(ends, float(number)) for number in steps]
        wide = max(np.abs(seen[:, 0]).max() for seen in every)
        high = max(np.abs(seen[:, 1]).max() for seen in every)
        box = axes.get_position()
        across, tall = box.width * look.width, box.height * look.height
        scale = max(2 * wide / across, 2 * high / tall) * 1.03 or 1.0  # µm in a pixel
        axes.set_xlim(-scale * across / 2, scale * across / 2)
        axes.set_ylim(-scale * tall / 2, scale * tall / 2)
        self._widths = film.cell.diameter / scale * 72 / _DPI
        axes.add_collection(self._lines)
        self._dots = axes.scatter([], [], s=16, zorder=3, edgecolors="white", linewidths=0.4)
        bar = self._figure.add_axes((0.88, 0.2, 0.022, 0.55))
        self._figure.colorbar(ScalarMappable(self._scale, self._shade), cax=bar)
        bar.tick_params(labelsize=SMALL, colors=INK)
        bar.set_ylabel(film.quantity, fontsize=8, color=INK)
        self._kinds = to_rgba_array(COLOURS)[
            [at % len(COLOURS) for at in range(len(film.synapses.kinds) if film.synapses else 0)]
        ]
        if film.synapses is not None:
            for at, kind in enumerate(film.synapses.kinds):
                colour = COLOURS[at % len(COLOURS)]
                self._figure.text(0.03, 0.89 - 0.022 * at, f"● {kind}", fontsize=7, color=colour)
        if film.sites:
            self._pins = axes.scatter([], [], s=44, zorder=4, linewidths=1.4)
            self._pins.set_facecolor("none")
            self._pins.set_edgecolor([COLOURS[at % len(COLOURS)] for at in range(len(film.sites))])
            self._pinned = np.array([one.place for one in film.sites], np.float32)
        self._corner = axes.get_xlim()[0], axes.get_ylim()[0]
        self._across = scale * across
        (self._length,) = axes.plot([], [], color=INK, linewidth=2, clip_on=False)
        place = self._corner[0], self._corner[1] + 0.01 * scale * tall
        self._said = axes.text(*place, "", fontsize=7, color=INK, va="bottom")

    def _draw_voltages(self) -> float:
        """Draw what was recorded at sites below the picture, with a line at what is shown; return how high that is."""
        film = self._film
        if not film.sites:
            return 0.0
        axes = self._figure.add_axes((0.1, 0.075, 0.76, 0.11))
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=SMALL, colors=INK)
        axes.set_xlim(film.times[0], max(film.times[-1], film.times[0] + 1e-3))
        axes.set_xlabel("Time (ms)", fontsize=SMALL, color=INK, labelpad=1)
        axes.set_ylabel("mV", fontsize=SMALL, color=INK)
        for at, (one, values) in enumerate(zip(film.sites, film.voltages, strict=True)):
            colour = COLOURS[at % len(COLOURS)]
            axes.plot(film.voltage_times, values, color=colour, linewidth=0.9)
            self._figure.text(0.87, 0.17 - 0.02 * at, one.label, fontsize=SMALL, color=colour, va="center")
        self._now = axes.axvline(film.times[0], color=GREY, linewidth=1)
        return 0.19

    def _draw_distance(self) -> None:
        film, look = self._film, self._film.look
        bottom = 0.1 + self._draw_voltages()
        axes = self._axes = self._figure.add_axes((0.1, bottom, 0.87, 0.9 - bottom))
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("Distance from the soma (µm)", fontsize=8, color=INK)
        axes.set_ylabel(film.quantity, fontsize=8, color=INK)
        axes.tick_params(labelsize=SMALL, colors=INK)
        axes.set_xlim(0, 1.02 * float(film.cell.soma_distance.max()) or 1.0)
        axes.set_ylim(*look.limits)
        colours = [COLOURS[at % len(COLOURS)] for at in film.cell.label.tolist()]
        self._lines.set_color([colours[at] for at in film.pairs[:, 1]])
        self._lines.set_linewidth(1.2)
        axes.add_collection(self._lines)
        self._dots = axes.scatter([], [], s=9, zorder=3)
        self._dots.set_facecolor(colours)
        for at, label in enumerate(film.cell.labels):
            axes.plot([], [], color=COLOURS[at % len(COLOURS)], label=label)
        axes.legend(frameon=False, fontsize=SMALL, loc="upper right")

    def __call__(self, number: int) -> npt.NDArray[np.uint8]:
        """Return a picture, uint8[height, width, 3].

        Parameters
        ----------
        number
            Which, from 0.
        """
        film = self._film
        self._clock.set_text(f"{film.times[number]:8.2f} ms")
        if film.sites:
            self._now.set_xdata([film.times[number]] * 2)
        if film.look.against == "space":
            self._paint_space(number)
        else:
            points = np.stack([film.cell.soma_distance, film.values[number]], axis=1)
            self._lines.set_segments(points[film.pairs])
            self._dots.set_offsets(points)
        self._canvas.draw()
        picture = np.asarray(self._canvas.buffer_rgba())[..., :3]
        return np.ascontiguousarray(picture)

    def _paint_space(self, number: int) -> None:
        film = self._film
        start, end = film.seen(film.cell.start, number), film.seen(film.cell.end, number)
        order = np.argsort(start[:, 2] + end[:, 2], kind="stable")
        self._lines.set_segments(np.stack([start[order, :2], end[order, :2]], axis=1))
        zoom = film.viewpoint(number).zoom
        self._lines.set_linewidth(np.maximum(zoom * self._widths[order], _THIN))
        length = _round_length(0.2 * self._across / zoom)
        (left, bottom) = self._corner
        self._length.set_data([left, left + length * zoom], [bottom] * 2)
        self._said.set_text(f"{length:g} µm")
        if film.sites:
            self._pins.set_offsets(film.seen(self._pinned, number)[:, :2])
        self._lines.set_color(self._shade(self._scale(film.values[number, order])))
        if film.synapses is not None and film.places is not None:
            age = film.times[number] - film.synapses.time
            seen = np.flatnonzero((age >= 0) & (age < LASTING))
            self._dots.set_offsets(film.seen(film.places[seen], number)[:, :2])
            shades = self._kinds[film.synapses.kind[seen]]
            shades[:, 3] = 1 - 0.7 * age[seen] / LASTING
            self._dots.set_facecolor(shades)


def _round_length(length: float) -> float:
    """The greatest of 1, 2 and 5 times a power of ten that is not above *length*."""
    power = 10 ** np.floor(np.log10(max(length, 1e-9)))
    return float(max(part * power for part in (1, 2, 5) if part * power <= length * (1 + 1e-9)))
