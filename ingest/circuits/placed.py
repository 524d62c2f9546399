"""Trees of the lake where their cells are in space, as kernels of shapes take them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...kernels.shapes.segments import PlacedSections
from ...lake.errors import InputError
from .trees import expanded, runs_of, starts_of


def placed_sections(
    points: pa.Table,
    sections: pa.Table,
    names: pa.Array | pa.ChunkedArray,
    places: NDArray[Any],
    rotations: NDArray[np.float64] | None = None,
) -> PlacedSections:
    """Return the sections of cells in space.

    Parameters
    ----------
    points, sections
        Tables of the circuit's trees.
    names
        The tree of each cell.
    places
        Centres of the cells, float[n, 3], in µm.
    rotations
        Matrix by which each cell is turned about its centre, float64[n, 3, 3]; None for none.

    Raises
    ------
    InputError
        A cell's tree is not among them.
    """
    known, sizes = runs_of(points["morphology"])
    owners, counts = runs_of(sections["morphology"])
    if owners != known:
        raise InputError("the tables of points and of sections have different trees")
    tree = pc.index_in(names, value_set=pa.array(known, pa.string()))
    if tree.null_count:
        at = tree.to_pylist().index(None)
        raise InputError(f"cell {at} has the tree {names[at].as_py()!r}, which the circuit does not have")
    chosen = tree.to_numpy().astype(np.int64)
    rows = expanded(starts_of(counts)[chosen], counts[chosen])
    cell = np.repeat(np.arange(len(chosen)), counts[chosen])
    lists = sections["points"].combine_chunks()
    begins, lengths = lists.offsets.to_numpy()[:-1].astype(np.int64), lists.value_lengths().to_numpy()
    lengths = lengths.astype(np.int64)
    flat = lists.values.to_numpy().astype(np.int64)
    owner = np.repeat(cell, lengths[rows])
    at_point = flat[expanded(begins[rows], lengths[rows])] + starts_of(sizes)[chosen][owner]
    xyz = np.stack([points[axis].to_numpy().astype(np.float64) for axis in "xyz"], axis=1)[at_point]
    if rotations is not None:
        xyz = np.einsum("nij,nj->ni", rotations[owner], xyz)
    return PlacedSections(
        xyz + np.asarray(places, np.float64)[owner],
        points["diameter"].to_numpy().astype(np.float64)[at_point],
        np.concatenate([[0], np.cumsum(lengths[rows])]).astype(np.int64),
        cell,
        sections["section_id"].to_numpy().astype(np.int64)[rows],
        sections["type"].to_numpy().astype(np.uint8)[rows],
    )
