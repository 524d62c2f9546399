"""What a film shows, and its pictures: a cell in space or over distance, coloured by a variable, with activated synapses."""

from dataclasses import dataclass
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
_THIN = 0.7  # points: however small a picture, a neurite is seen


@dataclass(frozen=True)
class Look:
    """How a film shows a cell.

    Attributes
    ----------
    against
        ``space``, or ``distance``: the variable over the distance from the soma.
    limits
        Values at both ends of the colours, or of the axis.
    azimuth, elevation
        From where the cell is seen, in degrees; it stands upright along its longest axis.
    turn
        How far it turns about that axis from the first picture to the last, in degrees.
    width, height
        Of a picture, in pixels; both even.
    """

    against: Against
    limits: tuple[float, float]
    azimuth: float
    elevation: float
    turn: float
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

    def seen(self, points: Singles, number: int) -> npt.NDArray[np.float64]:
        """Return where points are in a picture: across, up, and towards the eye, in µm, float64[point, 3].

        Parameters
        ----------
        points
            In µm, float32[point, 3].
        number
            Number of the picture.
        """
        part = number / max(1, len(self.times) - 1)
        azimuth, elevation = np.deg2rad([self.look.azimuth + part * self.look.turn, self.look.elevation])
        about = np.array(
            [[np.cos(azimuth), 0, np.sin(azimuth)], [0, 1, 0], [-np.sin(azimuth), 0, np.cos(azimuth)]]
        )
        tilt = np.array(
            [[1, 0, 0], [0, np.cos(elevation), -np.sin(elevation)], [0, np.sin(elevation), np.cos(elevation)]]
        )
        centre = (self.cell.start.min(axis=0) + self.cell.start.max(axis=0)) / 2
        turned: npt.NDArray[np.float64] = (points - centre) @ (tilt @ about @ self._upright).T
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
        axes = self._axes = self._figure.add_axes((0.02, 0.03, 0.84, 0.89))
        axes.set_axis_off()
        axes.set_aspect("equal")
        ends = np.concatenate([film.cell.start, film.cell.end])
        # Whatever it turns to, the cell stays in the picture.
        every = [film.seen(ends, number) for number in {0, len(film.times) // 2, len(film.times) - 1}]
        wide = max(np.abs(seen[:, 0]).max() for seen in every)
        if look.turn:
            wide = max(wide, max(np.hypot(seen[:, 0], seen[:, 2]).max() for seen in every))
        low, high = min(seen[:, 1].min() for seen in every), max(seen[:, 1].max() for seen in every)
        box = axes.get_position()
        across, tall = box.width * look.width, box.height * look.height
        scale = max(2 * wide / across, (high - low) / tall) * 1.03 or 1.0  # µm in a pixel
        axes.set_xlim(-scale * across / 2, scale * across / 2)
        axes.set_ylim((low + high) / 2 - scale * tall / 2, (low + high) / 2 + scale * tall / 2)
        self._widths = np.maximum(film.cell.diameter / scale * 72 / _DPI, _THIN)
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
        length = _round_length(0.2 * scale * across)
        left, bottom = axes.get_xlim()[0], axes.get_ylim()[0]
        axes.plot([left, left + length], [bottom] * 2, color=INK, linewidth=2, clip_on=False)
        axes.text(left, bottom + 0.01 * scale * tall, f"{length:g} µm", fontsize=7, color=INK, va="bottom")

    def _draw_distance(self) -> None:
        film, look = self._film, self._film.look
        axes = self._axes = self._figure.add_axes((0.1, 0.1, 0.87, 0.8))
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("Distance from the soma (µm)", fontsize=8, color=INK)
        axes.set_ylabel(film.quantity, fontsize=8, color=INK)
        axes.tick_params(labelsize=SMALL, colors=INK)
        axes.set_xlim(0, 1.02 * float(film.cell.soma_distance.max()) or 1.0)
        axes.set_ylim(*look.limits)
        same = film.cell.section_id[1:] == film.cell.section_id[:-1]
        same &= film.cell.node_id[1:] == film.cell.node_id[:-1]
        self._pairs = np.flatnonzero(same)
        colours = [COLOURS[at % len(COLOURS)] for at in film.cell.label.tolist()]
        self._lines.set_color([colours[at] for at in self._pairs])
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
        if film.look.against == "space":
            self._paint_space(number)
        else:
            points = np.stack([film.cell.soma_distance, film.values[number]], axis=1)
            self._lines.set_segments(np.stack([points[self._pairs], points[self._pairs + 1]], axis=1))
            self._dots.set_offsets(points)
        self._canvas.draw()
        picture = np.asarray(self._canvas.buffer_rgba())[..., :3]
        return np.ascontiguousarray(picture)

    def _paint_space(self, number: int) -> None:
        film = self._film
        start, end = film.seen(film.cell.start, number), film.seen(film.cell.end, number)
        order = np.argsort(start[:, 2] + end[:, 2], kind="stable")
        self._lines.set_segments(np.stack([start[order, :2], end[order, :2]], axis=1))
        self._lines.set_linewidth(self._widths[order])
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
