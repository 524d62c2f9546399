"""Astrocytes in space: their domains, the surfaces of their endfeet, and their trees."""

from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.responses import Response

from ...lake.errors import InputError, NotFoundError
from ..circuits.contents import Circuit, circuit
from ..glia.meshes import SurfaceMesh
from .asking import Question
from .bodies import Framed

MOST_ASTROCYTES = 100
"""That are shown at once."""

Arrays = dict[str, npt.NDArray[Any]]


def astrocytes(question: Question) -> Response:
    """Return some astrocytes in space, as far as the circuit has them so, in µm, and what is known of each.

    Of an astrocyte ``N``, ``N.domain.points`` [point, 3] and ``N.domain.triangles`` [triangle, 3] are its domain, ``N.endfeet.points`` and
    ``N.endfeet.triangles`` the surfaces of its endfeet, and ``N.tree.start``, ``N.tree.end`` and ``N.tree.diameter`` the segments of its tree.

    Parameters
    ----------
    question
        ``circuit``, ``node`` (may be given again) and ``at``.

    Raises
    ------
    InputError
        Too many are asked for, or one is no whole number.
    NotFoundError
        There is no such astrocyte.
    """
    one = circuit(question.snapshot, question.text("circuit"))
    texts = question.texts("node")
    if not 1 <= len(texts) <= MOST_ASTROCYTES or not all(text.isdecimal() for text in texts):
        raise InputError(
            f"node is {', '.join(texts) or 'missing'}; expected 1 to {MOST_ASTROCYTES} numbers of astrocytes"
        )
    nodes = [int(text) for text in texts]
    known = len(one.astrocytes)
    if lost := [node for node in nodes if node >= known]:
        raise NotFoundError(f"there is no astrocyte {lost[0]}; there are 0 to {known - 1}")
    counts = one.astrocytes.counts().set_index("node_id")
    sizes = one.astrocytes.domains.sizes(nodes).set_index("node_id") if one.glia.has("domains") else None
    arrays: Arrays = {}
    told = []
    for node in nodes:
        arrays |= {f"{node}.{name}": values for name, values in _shape(one, node).items()}
        facts: dict[str, Any] = {"node_id": node}
        if sizes is not None and node in sizes.index:
            facts |= {"domain (µm³)": sizes.loc[node, "volume"]}
        told.append(facts | counts.loc[node].to_dict())
    return Framed({"circuit": one.name, "astrocytes": told}, arrays)


def _shape(one: Circuit, node: int) -> Arrays:
    found: Arrays = {}
    if one.glia.has("domains"):
        found |= _mesh("domain", one.astrocytes.domains.mesh([node]))
    if one.glia.has("gliovascular", "endfeet"):
        feet = one.astrocytes.endfeet([node])["endfoot_id"].to_numpy(np.int64)
        found |= _mesh("endfeet", one.endfeet.mesh(feet))
    try:
        rows = one.astrocytes.morphology(node)
    except NotFoundError:
        return found
    for end in "01":
        name = "tree.start" if end == "0" else "tree.end"
        found[name] = rows[[f"{axis}{end}" for axis in "xyz"]].to_numpy(np.float32)
    # The side of a cone whose ends differ little is that of a cylinder of their mean diameter.
    length = np.maximum(rows["length"].to_numpy(np.float64), 1e-6)
    found["tree.diameter"] = (rows["area"].to_numpy(np.float64) / (np.pi * length)).astype(np.float32)
    return found


def _mesh(name: str, mesh: SurfaceMesh) -> Arrays:
    parts = {"points": mesh.points.astype(np.float32), "triangles": mesh.triangles.astype(np.int32)}
    return {f"{name}.{part}": values for part, values in parts.items()}
