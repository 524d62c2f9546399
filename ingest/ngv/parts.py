"""Meshes and touches as nodes of a circuit, in and out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import glia
from ...lake import Snapshot, Transaction
from ...lake.data.ragged import Ragged
from ...lake.errors import IngestError
from ..circuits.polyhedra import mesh_table
from ..circuits.tables import write_blocks
from .grouped import put_ragged, ragged_nodes
from .touches import BLOCK_RECORDS, head_bytes, read_touches, records_of

MESH_KINDS = ((glia.MESH_POINTS, glia.MESH_POINT_OFFSETS), (glia.MESH_TRIANGLES, glia.MESH_TRIANGLE_OFFSETS))
VESSEL_MESH = "vessels"
"""Name of the vessels' surface among the meshes of a circuit."""


def put_mesh(transaction: Transaction, circuit: str, mesh: str, points: Ragged, triangles: Ragged) -> None:
    """Write meshes: their points and triangles, and a row for each.

    Parameters
    ----------
    transaction
        Writes the nodes.
    circuit, mesh
        Name of the circuit, and of the meshes in it.
    points, triangles
        Of each mesh.
    """
    for kinds, values in zip(MESH_KINDS, (points, triangles), strict=True):
        put_ragged(
            transaction, kinds, ragged_nodes(kinds, {"circuit": circuit, "mesh": mesh}), iter([values])
        )
    kind = glia.MESHES
    transaction.write_table(
        kind.of(circuit=circuit, mesh=mesh),
        mesh_table(points, triangles),
        doc=kind.doc,
        sorted_by=kind.sorted_by,
    )


def put_touches(path: Path, circuit: str, transaction: Transaction) -> str:
    """Write the touches of two files; returns the name of their table.

    Parameters
    ----------
    path
        ``touches.N``; ``touchesData.N`` stands beside it.
    circuit
        Name of the circuit.
    transaction
        Writes the nodes.

    Raises
    ------
    IngestError
        A file lacks or is damaged, or the circuit has such touches already.
    """
    touches = read_touches(path)
    node = glia.TOUCHES.of(circuit=circuit, touches=path.name.rpartition(".")[2])
    if node in transaction.drafts:
        raise IngestError(
            f"the lake has a node {node!r} already, of another file; choose another --name", path
        )
    told = {"version": touches.version, "swapped": touches.swapped}
    write_blocks(transaction, node, glia.TOUCHES, glia.TOUCHES.schema, touches.tables(), attributes=told)
    cells = glia.TOUCH_CELLS
    rows = pa.table([touches.cells[name] for name in cells.schema.names], names=cells.schema.names)
    transaction.write_table(cells.beside(node), rows.cast(cells.schema), doc=cells.doc)
    return node


def touch_head(snapshot: Snapshot, node: str) -> bytes:
    """Return the file of the cells of touches.

    Parameters
    ----------
    snapshot
        The commit to read.
    node
        Table of the touches.
    """
    told = snapshot.tree[node].meta["attributes"]
    rows = snapshot.tables[glia.TOUCH_CELLS.beside(node)].to_arrow()
    return head_bytes(_structured(rows), told["version"], swapped=told["swapped"])


def _structured(rows: pa.Table) -> NDArray[Any]:
    import numpy as np

    found = np.empty(rows.num_rows, [(name, "<i8") for name in rows.column_names])
    for name in rows.column_names:
        found[name] = rows[name].to_numpy()
    return found


def touch_records(snapshot: Snapshot, node: str) -> Iterator[bytes]:
    """Yield the file of the records of touches, in blocks.

    Parameters
    ----------
    snapshot
        The commit to read.
    node
        Table of the touches.
    """
    told = snapshot.tree[node].meta["attributes"]
    for batch in snapshot.tables[node].to_arrow().to_batches(max_chunksize=BLOCK_RECORDS):
        rows = pa.Table.from_batches([batch])
        yield records_of(rows, told["version"], swapped=told["swapped"]).tobytes()
