"""Cells that NeuroTS grows: one task a cell, in processes of its environment, and each cell once for what it grows from."""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...kernels.glia.growth import GrownCells
from ...kernels.glia.planes import DomainPlanes
from ...lake.digest import digest_of
from ...lake.errors import InputError, StorageError
from . import worker
from .environment import environment, interpreter, versions

FILES = ("tns_parameters.json", "tns_distributions.json", "tns_context.json")
"""Files of NeuroTS' parameters, as ArchNGV calls them."""
VERSION = "1"
"""Changed whenever the same inputs give other cells."""

_AT_ONCE = 8  # cells for which a process is started, as it takes seconds to begin
_RESULT = ("points", "diameter", "sizes", "parent", "type")

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]


class Grounds(NamedTuple):
    """What cells grow from.

    Attributes
    ----------
    planes
        Their domains.
    somata, radii
        Centres and radii of the somata, float64[n, 3] and float64[n], in µm.
    feet, synapses
        Places in µm, and where those of each cell begin.
    numbers
        Numbers of the cells, which their seeds depend on, int64[n].
    """

    planes: DomainPlanes
    somata: Reals
    radii: Reals
    feet: tuple[Reals, Whole]
    synapses: tuple[Reals, Whole]
    numbers: Whole


def parameter_texts(folder: Path) -> dict[str, str]:
    """Return the texts of NeuroTS' parameter files.

    Parameters
    ----------
    folder
        Where they are.

    Raises
    ------
    InputError
        One is missing; names it.
    """
    found = {}
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path} is missing: NeuroTS grows cells by {', '.join(FILES)}")
        found[name.removeprefix("tns_").removesuffix(".json")] = path.read_text(encoding="utf-8")
    return found


def neurots_cells(
    grounds: Grounds, texts: Mapping[str, str], *, seed: int, processes: int | None = None
) -> GrownCells:
    """Grow cells with NeuroTS, those that have not been grown before from the same.

    Parameters
    ----------
    grounds
        What they grow from.
    texts
        Of the parameter files, by ``parameters``, ``distributions`` and ``context``.
    seed
        With a cell's number, the seed of its random numbers.
    processes
        How many at once; one for each core by default.

    Returns
    -------
    GrownCells
        Sections of the cells.

    Raises
    ------
    InputError
        NeuroTS is not installed, or cannot grow a cell; names it.
    StorageError
        A result cannot be written.
    """
    installed = versions()
    store = environment() / "cells"
    store.mkdir(parents=True, exist_ok=True)
    jobs = [_job(grounds, at, texts, seed) for at in range(len(grounds.radii))]
    places = [store / f"{_key(job, installed)}.npz" for job in jobs]
    missing = [at for at, place in enumerate(places) if not place.is_file()]
    groups = [missing[at : at + _AT_ONCE] for at in range(0, len(missing), _AT_ONCE)]
    with ThreadPoolExecutor(processes or os.cpu_count() or 1) as pool:
        for _ in pool.map(lambda group: _run(group, jobs, places, grounds.numbers), groups):
            pass
    parts: list[dict[str, NDArray[Any]]] = []
    for place in places:
        with np.load(place, allow_pickle=False) as arrays:
            parts.append({name: arrays[name] for name in _RESULT})
    return _joined(parts)


def _job(grounds: Grounds, at: int, texts: Mapping[str, str], seed: int) -> dict[str, Any]:
    planes = grounds.planes
    faces = slice(planes.offsets[at], planes.offsets[at + 1])
    feet, synapses = (
        np.asarray(places, np.float64)[offsets[at] : offsets[at + 1]]
        for places, offsets in (grounds.feet, grounds.synapses)
    )
    number = int(grounds.numbers[at])
    drawn = digest_of(f"{seed}/{number}".encode())
    return {
        "soma": grounds.somata[at],
        "radius": np.float64(grounds.radii[at]),
        "points": planes.points[faces].astype(np.float64),
        "normals": planes.normals[faces].astype(np.float64),
        **{name: getattr(planes, name)[at].astype(np.float64) for name in ("low", "high")},
        "centroid": planes.centroids[at].astype(np.float64),
        "feet": feet,
        "synapses": synapses,
        "seed": np.int64(int(drawn[:15], 16)),
        **{name: np.array(text) for name, text in texts.items()},
    }


def _key(job: Mapping[str, Any], installed: str) -> str:
    """The digest of all that decides what a cell becomes."""
    parts = [VERSION.encode(), installed.encode()]
    for name in sorted(job):
        values = np.asarray(job[name])
        content = str(values).encode() if values.dtype.kind == "U" else values.tobytes()
        parts.append(f"{name} {values.dtype} {values.shape} {digest_of(content)}".encode())
    return digest_of(b"\n".join(parts))


def _run(
    group: Sequence[int], jobs: Sequence[Mapping[str, Any]], places: Sequence[Path], numbers: Whole
) -> None:
    """Grow some cells in a process; a result is there as a whole or not at all."""
    python = interpreter()
    assert python is not None, "asked before"
    with tempfile.TemporaryDirectory(dir=places[group[0]].parent) as scratch:
        pairs: list[str] = []
        for at in group:
            job = Path(scratch) / f"{at}-job.npz"
            np.savez(job, **jobs[at])
            pairs += [str(job), str(Path(scratch) / f"{at}.npz")]
        environment_of = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        # What this process imports is no matter of the other's.
        environment_of.pop("PYTHONPATH", None)
        try:
            done = subprocess.run(  # noqa: S603 - our worker, and files of ours
                [str(python), str(Path(worker.__file__)), *pairs],
                capture_output=True,
                text=True,
                check=False,
                env=environment_of,
            )
        except OSError as error:
            raise StorageError(f"NeuroTS does not run: {error}") from error
        for at, made in zip(group, pairs[1::2], strict=True):
            if Path(made).is_file():
                Path(made).replace(places[at])
            elif done.returncode:
                lines = [line for line in done.stderr.splitlines() if line.strip()]
                raise InputError(
                    f"NeuroTS could not grow astrocyte {numbers[at]}: {lines[-1] if lines else done.returncode}"
                )


def _joined(parts: Sequence[Mapping[str, NDArray[Any]]]) -> GrownCells:
    columns = {
        name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0) for name in _RESULT
    }
    counts = [len(part["sizes"]) for part in parts]
    return GrownCells(
        columns["points"].reshape(-1, 3),
        columns["diameter"],
        np.concatenate([[0], np.cumsum(columns["sizes"])]).astype(np.int64),
        columns["parent"].astype(np.int64),
        columns["type"].astype(np.uint8),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )
