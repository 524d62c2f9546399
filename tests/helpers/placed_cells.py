"""Cells of random shape in space."""

import numpy as np

from neurolake.kernels.shapes.segments import PlacedSections


def random_cells(rng: np.random.Generator, n_cells: int, size: float = 20.0) -> PlacedSections:
    """Cells with a soma and some crooked sections, some of them of two points at one place."""
    points, counts, cell, section, kind = [], [], [], [], []
    for c in range(n_cells):
        centre = rng.uniform(0, size, 3)
        points.append(centre[None])
        counts.append(1)
        for _ in range(rng.integers(0, 4)):
            n = int(rng.integers(2, 5))
            points.append(centre + np.cumsum(rng.normal(0, 3, (n, 3)), axis=0))
            if rng.random() < 0.2:
                points[-1][1] = points[-1][0]
            counts.append(n)
        made = len(counts) - len(cell)
        cell += [c] * made
        section += list(range(made))
        kind += [1] + [3] * (made - 1)
    everything = np.concatenate(points)
    return PlacedSections(
        everything,
        rng.uniform(0.2, 2, len(everything)),
        np.concatenate([[0], np.cumsum(counts)]),
        np.array(cell),
        np.array(section),
        np.array(kind, np.uint8),
    )
