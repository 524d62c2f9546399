"""Films as files: pictures drawn by several processes, in order, encoded as they come."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from subprocess import PIPE

import numpy as np
import numpy.typing as npt

from ...lake.errors import StorageError
from ...lake.extras import needed
from ...lake.threads import working
from .film import Film, Painter

Picture = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]

_AHEAD = 8  # pictures that each process may be ahead of the file

_painter: Painter | None = None


def _begin(film: Film) -> None:
    global _painter
    _painter = Painter(film)


def _paint(number: int) -> Picture:
    assert _painter is not None, "the process began with a film"
    return _painter(number)


def pictures(film: Film, processes: int | None = None) -> Iterator[Picture]:
    """Draw the pictures of a film, in order.

    Parameters
    ----------
    film
        The film.
    processes
        Processes that draw; one for each core by default, and none besides this one for few pictures.
    """
    count = len(film.times)
    wanted = min(processes or os.cpu_count() or 1, max(1, count // 20))
    if wanted <= 1:
        yield from map(Painter(film), range(count))
        return
    with working(ProcessPoolExecutor(wanted, get_context("spawn"), _begin, (film,))) as pool:
        waiting: list[Future[Picture]] = []
        for number in range(count):
            waiting.append(pool.submit(_paint, number))
            if len(waiting) >= _AHEAD * wanted:
                yield waiting.pop(0).result()
        for one in waiting:
            yield one.result()


def write_mp4(film: Film, path: Path, fps: float, made: Iterator[Picture]) -> None:
    """Write a film in H.264, which all players know.

    Parameters
    ----------
    film
        The film.
    path
        The file.
    fps
        Pictures in a second.
    made
        The pictures.

    Raises
    ------
    MissingPackageError
        imageio-ffmpeg is not installed.
    StorageError
        ffmpeg cannot write the file.
    """
    with needed("films", "animate"):
        from imageio_ffmpeg import get_ffmpeg_exe
    size = f"{film.look.width}x{film.look.height}"
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{fps:g}", "-i", "-"]
    # Players expect colours at half the resolution, and the head of the file before its pictures.
    wanted = [
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-crf",
        "18",
        "-movflags",
        "+faststart",
        "-y",
        str(path),
    ]
    command = [get_ffmpeg_exe(), "-v", "error", *given, *wanted]
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, stdin=PIPE, stderr=said) as process:  # noqa: S603
        assert process.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError), process.stdin as pipe:
            for picture in made:
                pipe.write(picture.tobytes())
        if process.wait():
            said.seek(0)
            raise StorageError(f"{path}: ffmpeg failed: {said.read().decode(errors='replace').strip()}")


def write_gif(film: Film, path: Path, fps: float, made: Iterator[Picture]) -> None:
    """Write a film as GIF, which repeats for ever.

    Parameters
    ----------
    film
        The film; not used but for its size.
    path
        The file.
    fps
        Pictures in a second; GIF counts in hundredths of a second.
    made
        The pictures.

    Raises
    ------
    MissingPackageError
        Pillow is not installed; it comes with Matplotlib.
    """
    with needed("films", "animate"):
        from PIL import Image
    first = Image.fromarray(next(made)).quantize(128)
    rest = (
        Image.fromarray(picture).quantize(128, palette=first, dither=Image.Dither.NONE) for picture in made
    )
    first.save(path, "GIF", save_all=True, append_images=rest, duration=max(20, round(1000 / fps)), loop=0)
