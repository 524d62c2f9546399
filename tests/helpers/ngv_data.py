"""What ArchNGV wrote, as arrays, by h5py alone."""

import gzip
import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neurolake.kernels.glia.planes import DomainPlanes, domain_planes
from neurolake.kernels.glia.targets import VesselSegments
from neurolake.kernels.shapes.segments import PlacedSections


def opened(path: Path) -> h5py.File:
    """A file of ArchNGV's, which may be compressed."""
    if path.suffix == ".gz":
        return h5py.File(io.BytesIO(gzip.decompress(path.read_bytes())))
    return h5py.File(path)


def triples(group: Any, name: str) -> np.ndarray:
    """Three columns for x, y and z, ``{}`` of the name being the axis."""
    return np.stack([group[name.format(axis)][:] for axis in "xyz"], axis=1)


def planes_of(path: Path) -> DomainPlanes:
    """Domains."""
    with opened(path) as file:
        data, offsets = file["data"], file["offsets"]
        return domain_planes(
            data["points"][:],
            data["triangle_data"][:, 1:],
            offsets["points"][:],
            offsets["triangle_data"][:],
        )


def vessels_of(path: Path) -> VesselSegments:
    """Segments of vessels."""
    with opened(path) as file:
        group = file["nodes/vasculature/0"]
        ends = [triples(group, f"{end}_{{}}") for end in ("start", "end")]
        more = [group[f"{end}_diameter"][:] for end in ("start", "end")]
        nodes = [group[name][:].astype(np.int64) for name in ("start_node", "end_node", "section_id")]
        return VesselSegments(*ends, *more, *nodes)


def somata_of(path: Path) -> np.ndarray:
    """Somata of astrocytes."""
    with opened(path) as file:
        return triples(file["nodes/astrocytes/0"], "{}")


def archngv_counts(n: int, distribution: tuple[float, float, float, float]) -> np.ndarray:
    """How many endfeet each astrocyte wants, as ArchNGV draws it with seed 0."""
    from scipy import stats

    mean, deviation, low, high = distribution
    bounds = (low - mean) / deviation, (high - mean) / deviation
    drawn = stats.truncnorm(*bounds, mean, deviation).rvs(size=n, random_state=np.random.RandomState(0))
    return drawn.round().astype(np.int64)


def astrocyte_sections(folder: Path) -> PlacedSections:
    """Shapes of the five astrocytes, at their places; section 0 is the soma."""
    centres = somata_of(folder / "sonata" / "networks" / "nodes" / "astrocytes" / "nodes.h5")
    points, diameter, counts, cell, section, kind = [], [], [], [], [], []
    for c, centre in enumerate(centres):
        with opened(folder / "morphologies" / f"GLIA_{c:013d}.h5") as file:
            rows, structure = file["points"][:], file["structure"][:]
        points.append(rows[:, :3].astype(np.float64) + centre)
        diameter.append(rows[:, 3])
        sizes = np.diff(np.append(structure[:, 0], len(rows)))
        counts.append(sizes)
        cell.append(np.full(len(sizes), c))
        section.append(np.arange(len(sizes)))
        kind.append(structure[:, 1].astype(np.uint8))
    return PlacedSections(
        np.concatenate(points),
        np.concatenate(diameter),
        np.concatenate([[0], np.cumsum(np.concatenate(counts))]),
        np.concatenate(cell),
        np.concatenate(section),
        np.concatenate(kind),
    )
