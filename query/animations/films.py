"""Films of cells: what ``neurolake animate`` and ``neurolake.animate`` make."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...lake.core import Lake
from ...lake.errors import InputError, NotFoundError
from ...lake.storage.local import appearing
from ..base import Snapshot, snapshot_of
from ..trials.voltages import recording
from . import movies, shapes
from .film import Against, Film, Look, Viewpoint
from .page import write_page

SUFFIXES = (".mp4", ".gif", ".html")
MOST_FRAMES = 5_000
_MOST_SAMPLES = 20_000  # of a voltage in a page

Progress = Callable[[int, int], None]


def animate(
    lake: Lake | Snapshot | str | Path,
    trial: int | str,
    output: str | Path,
    *,
    at: str | datetime = "main",
    variable: str = "v",
    against: Against = "space",
    window: tuple[float, float] | None = None,
    frames: int = 200,
    fps: float = 25.0,
    limits: tuple[float, float] | None = None,
    synapses: bool | Sequence[str] = False,
    azimuth: float = 0.0,
    elevation: float = 0.0,
    turn: float = 0.0,
    camera: Sequence[Sequence[float]] = (),
    width: int = 800,
    height: int = 800,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Make a film of a trial: a variable of all segments over time, in space or against the distance from the soma.

    In place of ISF's ``cell_to_animation`` and the animations of its ``CellMorphologyVisualizer``. A script that has
    films drawn by several processes calls this below ``if __name__ == "__main__":``, because the processes import the script.

    Parameters
    ----------
    lake
        An open lake, the path or URL of one, or a snapshot.
    trial
        trial_id or sim_trial_index.
    output
        A file; its ending says what it is: ``mp4``, ``gif``, or ``html``, a page of its own in which the cell can be turned.
    at
        Branch, commit or time; not used for a snapshot.
    variable
        Which variable; it must have been recorded of all segments.
    against
        ``space`` or ``distance``; pages show space.
    window
        Begin and end in ms; the whole trial by default.
    frames
        How many pictures at most, 5,000 at most.
    fps
        Pictures in a second.
    limits
        Values at both ends of the colours, or of the axis; by default the least and the greatest.
    synapses
        Whether synapses are seen for 3 ms after each activation, or those of which presynaptic cell types; in space.
    azimuth, elevation
        From where the cell is seen, in degrees.
    turn
        How far the cell turns during the film, in degrees.
    camera
        From where the cell is seen at some times, in their place: (time in ms, azimuth, elevation), (…, zoom) or (…, zoom, x, y, z), with what is in the middle
        of the picture in µm. Between two of them the camera moves evenly.
    width, height
        In pixels; odd numbers become even.
    processes
        Processes that draw; one for each core by default.
    progress
        Is told how many pictures of how many are done.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    NotFoundError
        There is no such trial, or the variable was not recorded of all segments; the message says how to simulate it again.
    InputError
        An argument makes no sense, or the window holds no frame.
    MissingPackageError
        Matplotlib or imageio-ffmpeg is not installed; they come with ``neurolake[animate]``.
    """
    path = Path(output)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{output}: a film is written as {', '.join(SUFFIXES)}; end the name so")
    if against not in ("space", "distance"):
        raise InputError(f"against is {against!r}; expected space or distance")
    if not (1 <= frames <= MOST_FRAMES and 0 < fps <= 100 and 64 <= width <= 8192 and 64 <= height <= 8192):
        raise InputError(
            f"{frames} frames, {fps:g} a second, {width} x {height} pixels: expected 1 to {MOST_FRAMES:,} frames, "
            "up to 100 a second, and 64 to 8,192 pixels"
        )
    if suffix == ".html" and against != "space":
        raise InputError(
            f"{output}: a page shows the cell in space; write an mp4 or gif against the distance"
        )
    if len(camera) and (suffix == ".html" or against != "space"):
        raise InputError(
            f"{output}: a camera moves in films of a cell in space; who looks at a page turns it"
        )
    way = [_viewpoint(one) for one in camera]
    if any(one.time >= other.time for one, other in pairwise(way)):
        raise InputError(
            f"times of the camera are {', '.join(f'{one.time:g}' for one in way)}; expected them to rise"
        )
    snapshot = snapshot_of(lake, at)
    size = (width + width % 2, height + height % 2)
    film = read_film(
        snapshot,
        trial,
        variable=variable,
        window=window,
        frames=frames,
        limits=limits,
        synapses=synapses if against == "space" else False,
        look=Look(against, (0.0, 1.0), tuple(way), *size),
    )
    if not way:
        ends = (
            Viewpoint(float(film.times[0]), azimuth, elevation),
            Viewpoint(float(film.times[-1]), azimuth + turn, elevation),
        )
        film = replace(film, look=replace(film.look, camera=ends if turn else ends[:1]))
    # A file that is there appears whole.
    with appearing(path) as part:
        if suffix == ".html":
            write_page(film, part)
        else:
            write = movies.write_mp4 if suffix == ".mp4" else movies.write_gif
            write(film, part, fps, _told(movies.pictures(film, processes), len(film.times), progress))
    return path


def _viewpoint(given: Sequence[float]) -> Viewpoint:
    one = [float(value) for value in given]
    if len(one) not in (3, 4, 7) or not np.isfinite(one).all() or (len(one) > 3 and one[3] <= 0):
        raise InputError(
            f"the camera has {', '.join(f'{value:g}' for value in one)}; expected time, azimuth, elevation and, if wanted, a zoom above 0 "
            "and x, y, z"
        )
    zoom = one[3] if len(one) > 3 else 1.0
    return Viewpoint(one[0], one[1], one[2], zoom, (one[4], one[5], one[6]) if len(one) == 7 else None)


def _told(
    pictures: Iterator[movies.Picture], count: int, progress: Progress | None
) -> Iterator[movies.Picture]:
    for done, picture in enumerate(pictures, 1):
        yield picture
        if progress is not None:
            progress(done, count)


def read_film(
    snapshot: Snapshot,
    trial: int | str,
    *,
    variable: str,
    window: tuple[float, float] | None,
    frames: int,
    limits: tuple[float, float] | None,
    synapses: bool | Sequence[str],
    look: Look,
) -> Film:
    """Read what a film shows.

    Parameters
    ----------
    snapshot
        The commit to read.
    trial, variable, window, frames, limits, synapses
        As of `animate`.
    look
        How it is shown; limits come from the values where there are none.

    Raises
    ------
    NotFoundError, InputError
        As `animate`.
    """
    number, run, inside = shapes.run_of(snapshot, trial)
    cell = shapes.capsules(snapshot, run)
    known = [one for one in shapes.recorded(snapshot, run) if one.trial == f"{inside:06d}"]
    found = next((one for one in known if one.variable == variable), None)
    if found is None:
        others = f"; there are: {', '.join(one.variable for one in known)}" if known else ""
        raise NotFoundError(
            f"{variable} was not recorded of all segments in trial {trial}{others}. Simulate it again with it: "
            f"{_again(snapshot, number, variable)}"
        )
    values, times, unit = shapes.frames(snapshot, found.node, window, frames)
    least, most = shapes.extremes(values)
    if not least <= most:
        raise InputError(f"{found.node} has no finite value from {times[0]:g} to {times[-1]:g} ms")
    low, high = limits or (least, most)
    if not low <= high:
        raise InputError(f"limits are {low:g} and {high:g}; expected the lower one first")
    shown = None
    if synapses is not False:
        shown = shapes.activations(snapshot, number, () if synapses is True else tuple(synapses))
    quantity = {"v": "Voltage"}.get(variable, variable) + (f" ({unit})" if unit else "")
    return Film(
        cell,
        values,
        times,
        quantity,
        shapes.joined(snapshot, run, cell),
        shown,
        None if shown is None else shapes.places(cell, shown),
        *_recorded(snapshot, cell, number, (float(times[0]), float(times[-1]))),
        replace(look, limits=(low, high if high > low else low + 1.0)),
        f"Trial {number} of run {run}",
        f"neurolake · commit {snapshot.commit.id[:12]}",
    )


def _recorded(
    snapshot: Snapshot, cell: shapes.Capsules, number: int, window: tuple[float, float]
) -> tuple[tuple[shapes.RecordedSite, ...], shapes.Singles, npt.NDArray[np.float64]]:
    """Sites of a cell that a trial has voltages of, those in a window, and their times."""
    kept: dict[str, shapes.Singles] = {}
    sites = {one.site: one for one in shapes.sites(snapshot, cell)}
    times = np.empty(0)
    for site in sites:
        source = recording(snapshot, site)
        row = int(source.rows(np.array([number]))[0])
        first, last = source.span(*window)
        # All are drawn over one axis of time: that of the first.
        if row < 0 or last <= first or (kept and not np.array_equal(source.times[first:last], times)):
            continue
        times = np.asarray(source.times[first:last], np.float64)
        kept[site] = np.asarray(source.array[row, first:last], np.float32)
    step = max(1, -(-len(times) // _MOST_SAMPLES))
    values = np.stack([*kept.values()]) if kept else np.empty((0, 0), np.float32)
    return tuple(sites[site] for site in kept), values[:, ::step], times[::step]


def _again(snapshot: Snapshot, number: int, variable: str) -> str:
    query = "select sim_trial_index from trials where trial_id = $number"
    ((index,),) = snapshot.sql(query, number=number).fetchall()
    return rerun_command(snapshot.objects.storage.url, index, f"soma,site,all-segments:{variable}")


def rerun_command(url: str, index: str, record: str | None = None) -> str:
    """Return the command that simulates a trial again.

    Parameters
    ----------
    url
        The lake.
    index
        sim_trial_index of the trial.
    record
        What to record, as of ``neurolake rerun``; as by default without.
    """
    place = url.removeprefix("file://")
    words = ["neurolake", "rerun", "--lake", place, "--name", "again", "--trial", str(index)]
    return shlex.join(words if record is None else [*words, "--record", record])
