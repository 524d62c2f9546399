"""Films of cells: what they show is what is stored, files are whole, and what is missing is told."""

import json
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from served_lakes import add_activations, add_recorded_cell

import neurolake as nl
from neurolake.lake.errors import InputError, NotFoundError
from neurolake.query.animations import shapes
from neurolake.query.animations.film import Look, Painter, Viewpoint
from neurolake.query.animations.films import read_film
from neurolake.query.animations.movies import pictures
from neurolake.query.lake import Lake

LOOK = Look("space", (0.0, 1.0), (Viewpoint(0.0),), 200, 200)
GIVEN = {"variable": "v", "window": None, "frames": 40, "limits": None, "synapses": True, "look": LOOK}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = nl.create(tmp_path_factory.mktemp("films") / "lake", durable=False)
    add_recorded_cell(made)
    add_activations(made, 0)
    return made


def test_a_film_shows_what_is_stored(lake: Lake) -> None:
    film = read_film(lake.head, 0, **GIVEN)
    stored, times = lake["reports/cell/000000/v"][:], lake["reports/cell/000000/v.time"][:]
    stride = round((film.times[1] - film.times[0]) / (times[1] - times[0]))
    np.testing.assert_array_equal(film.values, stored[::stride])
    assert film.look.limits == (stored[::stride].min(), stored[::stride].max())
    assert film.quantity == "Voltage (mV)"
    assert len(film.times) <= 40
    part = read_film(lake.head, 0, **{**GIVEN, "window": (3.0, 6.0)})
    assert part.times[0] == pytest.approx(3.0) and part.times[-1] <= 6.0


def test_synapses_are_where_their_distance_says(lake: Lake) -> None:
    cell = shapes.capsules(lake.head, "cell")
    found = shapes.activations(lake.head, 0)
    assert [found.kinds[kind] for kind in found.kind] == ["A", "B", "A"]
    places = shapes.places(cell, found)
    middles = (cell.start + cell.end) / 2
    for place, distance in zip(places, found.soma_distance, strict=True):
        at = int(np.flatnonzero((middles == place).all(axis=1))[0])
        on = cell.section_id == 1
        assert on[at]
        assert abs(cell.soma_distance[at] - distance) == np.abs(cell.soma_distance[on] - distance).min()
    assert len(shapes.activations(lake.head, 0, ("B",)).time) == 1


def test_pictures_change_with_time_and_are_the_same_from_several_processes(lake: Lake) -> None:
    film = read_film(lake.head, 0, **GIVEN)
    painter = Painter(film)
    alone = [painter(number) for number in range(len(film.times))]
    assert alone[0].shape == (200, 200, 3)
    assert all((a != b).any() for a, b in pairwise(alone))
    # As a script would: several processes only where there is enough to draw.
    shared = [*pictures(film, 2)]
    assert all((a == b).all() for a, b in zip(alone, shared, strict=True))


def test_the_camera_turns_the_cell(lake: Lake) -> None:
    film = read_film(
        lake.head,
        0,
        **{**GIVEN, "look": Look("space", (0.0, 1.0), (Viewpoint(0.0), Viewpoint(12.0, 360.0)), 200, 200)},
    )
    first, half, last = (
        film.seen(film.cell.start, number) for number in (0, (len(film.times) - 1) / 2, len(film.times) - 1)
    )
    np.testing.assert_allclose(first, last, atol=1e-6)
    np.testing.assert_allclose(half[:, 0], -first[:, 0], atol=1e-3)
    np.testing.assert_allclose(half[:, 1], first[:, 1], atol=1e-6)


def test_the_camera_goes_from_view_to_view(lake: Lake) -> None:
    views = (Viewpoint(0.0), Viewpoint(6.0, 90.0, 0.0, 4.0, (100.0, 0.0, 0.0)), Viewpoint(9.0, 90.0))
    film = read_film(lake.head, 0, **{**GIVEN, "look": Look("space", (0.0, 1.0), views, 200, 200)})
    found = [
        film.viewpoint(float(np.interp(time, film.times, np.arange(len(film.times)))))
        for time in (0, 3, 6, 12)
    ]
    assert [one.azimuth for one in found] == pytest.approx([0, 45, 90, 90])
    assert [one.zoom for one in found] == pytest.approx([1, 2, 4, 1])
    middle = (film.cell.start.min(axis=0) + film.cell.start.max(axis=0)) / 2
    np.testing.assert_allclose(found[1].centre, np.add(middle, [100, 0, 0]) / 2, atol=1e-4)
    centre = np.array([[100.0, 0.0, 0.0]], np.float32)
    at = float(np.interp(6.0, film.times, np.arange(len(film.times))))
    np.testing.assert_allclose(film.seen(centre, at), 0, atol=1e-3)
    # Four times as large as it is without.
    plain = Look("space", (0.0, 1.0), (Viewpoint(0.0, 90.0),), 200, 200)
    small = read_film(lake.head, 0, **{**GIVEN, "look": plain})
    moved = film.seen(film.cell.end, at) - film.seen(film.cell.start, at)
    np.testing.assert_allclose(
        moved, 4 * (small.seen(small.cell.end, at) - small.seen(small.cell.start, at)), atol=1e-3
    )


def test_sections_are_joined_where_they_begin(lake: Lake) -> None:
    cell = shapes.capsules(lake.head, "cell")
    pairs = shapes.joined(lake.head, "cell", cell)
    # The soma is one segment, the dendrite fifteen, and begins at its end.
    assert sorted(map(tuple, pairs.tolist())) == [(k, k + 1) for k in range(15)]


def test_voltages_of_sites_stand_below(lake: Lake) -> None:
    film = read_film(lake.head, 0, **{**GIVEN, "window": (2.0, 8.0)})
    assert [one.site for one in film.sites] == ["soma"]
    assert film.voltage_times[0] >= 2.0 and film.voltage_times[-1] <= 8.0
    source = lake["voltage/soma"][0]
    times = lake["voltage/soma.time"][:]
    np.testing.assert_allclose(film.voltages[0], source[np.searchsorted(times, film.voltage_times)])


def test_an_mp4_has_every_picture(lake: Lake, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = nl.animate(
        lake,
        0,
        tmp_path / "cell.mp4",
        frames=30,
        width=321,
        height=200,
        synapses=True,
        processes=1,
        progress=lambda done, total: told.append((done, total)),
    )
    command = [get_ffmpeg_exe(), "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    decoded = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.uint8)
    seen = decoded.reshape(-1, 200, 322, 3)
    assert len(seen) == len(told) == told[-1][1]
    assert (seen[0] > 250).mean() > 0.5 and (seen[0] != seen[-1]).any()
    assert [file.name for file in tmp_path.iterdir()] == ["cell.mp4"]


@pytest.mark.parametrize("against", ["space", "distance"])
def test_a_gif_has_every_picture(lake: Lake, tmp_path: Path, against: str) -> None:
    from PIL import Image

    path = nl.animate(
        lake, 0, tmp_path / "cell.gif", against=against, frames=12, width=200, height=160, processes=1
    )
    with Image.open(path) as film:
        assert film.size == (200, 160)
        assert 6 <= film.n_frames <= 12


def test_a_page_needs_nothing_else(lake: Lake, tmp_path: Path) -> None:
    text = nl.animate(lake, 0, tmp_path / "cell.html", synapses=("A",)).read_text()
    assert re.findall(r'(?:src|href)="[^"]+', text) == []
    (data,) = re.findall(r'<script type="application/json" id="film">(.*?)</script>', text, re.DOTALL)
    film = json.loads(data)
    assert film["types"] == ["A"]
    assert film["arrays"]["frames"]["shape"][1] == film["arrays"]["start"]["shape"][0]


def test_what_cannot_be_shown_is_told(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(
        NotFoundError,
        match=r"i_membrane was not recorded .* neurolake rerun .* --record soma,site,all-segments:i_membrane",
    ):
        nl.animate(lake, 0, tmp_path / "a.gif", variable="i_membrane")
    with pytest.raises(NotFoundError, match="no trial 7"):
        nl.animate(lake, 7, tmp_path / "a.gif")
    with pytest.raises(InputError, match=r"\.mp4, \.gif, \.html"):
        nl.animate(lake, 0, tmp_path / "a.avi")
    with pytest.raises(InputError, match="in space"):
        nl.animate(lake, 0, tmp_path / "a.html", against="distance")
    with pytest.raises(InputError, match="64 to 8,192"):
        nl.animate(lake, 0, tmp_path / "a.gif", width=3)
    with pytest.raises(InputError, match=r"50\.0 to 60\.0 ms"):
        nl.animate(lake, 0, tmp_path / "a.gif", window=(50.0, 60.0))
    with pytest.raises(InputError, match="expected them to rise"):
        nl.animate(lake, 0, tmp_path / "a.gif", camera=[(5, 0, 0), (5, 90, 0)])
    with pytest.raises(InputError, match="time, azimuth, elevation"):
        nl.animate(lake, 0, tmp_path / "a.gif", camera=[(5, 0)])
    with pytest.raises(InputError, match="turns it"):
        nl.animate(lake, 0, tmp_path / "a.html", camera=[(5, 0, 0)])
    assert [*tmp_path.iterdir()] == []
