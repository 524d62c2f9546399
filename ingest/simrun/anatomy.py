"""Anatomy of a simrun model as text: morphology (.hoc), synapses (.syn), connections (.con), landmarks.

The formats are those that the In Silico Framework reads: hoc as exported by NeuroMap, its own two tab-separated
lists, and Amira's landmarkAscii.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def format_section(
    name: str, points: NDArray[np.float64], *, parent: str | None = None, parent_x: float = 1.0
) -> str:
    """One section of a .hoc morphology.

    Parameters
    ----------
    name
        Its name; readers take the label from it (``soma``, ``dend...``, ``apical...``).
    points
        x, y, z and diameter in um, float64[n_points, 4]; written with six decimals.
    parent, parent_x
        The section it starts from, and where on that; None for the soma.
    """
    link = [] if parent is None else [f"{{connect {name}(0), {parent}({parent_x:.6f})}}"]
    shape = ["{pt3dadd(" + ",".join(f"{value:.6f}" for value in point) + ")}" for point in points.tolist()]
    lines = [f"{{create {name}}}", *link, f"{{access {name}}}", "{nseg = 1}", "{pt3dclear()}", *shape]
    return "\n".join(lines) + "\n\n"


def format_syn(cell: str, rows: Iterable[tuple[str, int, float]]) -> str:
    """Format a synapse distribution; the ID of a synapse is its number within its type.

    Parameters
    ----------
    cell
        Name of the cell.
    rows
        Synapse type, section ID and position x in it, 0 to 1, of each synapse.
    """
    header = f"# Synapse distribution file\n# corresponding to cell: {cell}\n# Type - section - section.x\n\n"
    return header + "".join(f"{kind}\t{section}\t{x!r}\n" for kind, section, x in rows)


def format_con(syn_file: str, rows: Iterable[tuple[str, int, int]]) -> str:
    """Format a connectivity realisation.

    Parameters
    ----------
    syn_file
        Name of the synapse distribution.
    rows
        Synapse type, cell ID and synapse ID of each synapse.
    """
    header = (
        "# Anatomical connectivity realization file; only valid with synapse realization:\n"
        f"# {syn_file}\n# Type - cell ID - synapse ID\n\n"
    )
    return header + "".join(f"{kind}\t{cell}\t{synapse}\n" for kind, cell, synapse in rows)


def format_landmarks(places: Sequence[Sequence[float]]) -> str:
    """Format landmarks.

    Parameters
    ----------
    places
        x, y and z of each in µm.
    """
    header = (
        f"# AmiraMesh 3D ASCII 2.0\n\ndefine Markers {len(places)}\n\n"
        'Parameters {\n    NumSets 1,\n    ContentType "LandmarkSet"\n}\n\n'
        "Markers { float[3] Coordinates } @1\n\n# Data section follows\n@1\n"
    )
    return header + "".join(" ".join(f"{value:.6f}" for value in place) + "\n" for place in places)
