"""The table of a circuit's parts: which table holds the neurons, the synapses between them, the astrocytes and the rest."""

from collections.abc import Iterator

import pyarrow as pa

from ...catalog.vocabulary import circuits, glia
from ...lake import Transaction
from .config import GLIA


def put_parts(transaction: Transaction, circuit: str, neurons: str | None) -> None:
    """Write the parts of a circuit, from the nodes in a transaction.

    Parameters
    ----------
    transaction
        Writes the nodes.
    circuit
        Name of the circuit.
    neurons
        Circuit that has the neurons; None: this one, or as it is written already.
    """
    node = glia.PARTS.of(circuit=circuit)
    known = transaction.table(node)
    before = [] if known is None else known.to_arrow().to_pylist()
    own = f"{circuits.NODES.folder}{circuit}/"
    others = [
        row for row in before if row["part"] in ("neurons", "synapses") and not row["node"].startswith(own)
    ]
    found = list(_own(transaction, circuit))
    if neurons is not None:
        found += _neurons(transaction, neurons)
    else:
        found += [
            (row["part"], row["node"])
            for row in others
            if row["node"] in transaction.drafts and (row["part"], row["node"]) not in found
        ]
    rows = [{"part": part, "node": held} for part, held in sorted(found)]
    table = pa.Table.from_pylist(rows, glia.PARTS.schema)
    if known is None or not known.to_arrow().equals(table):
        transaction.write_table(node, table, doc=glia.PARTS.doc)


def _own(transaction: Transaction, circuit: str) -> Iterator[tuple[str, str]]:
    names = {
        "domains": glia.DOMAINS.of(circuit=circuit, population="astrocytes"),
        "endfeet": glia.ENDFEET.of(circuit=circuit),
        "vessel_mesh": glia.MESHES.of(circuit=circuit, mesh="vessels"),
        "morphologies": circuits.POINTS.of(circuit=circuit),
        **{
            kind.name.rpartition("/")[2]: kind.of(circuit=circuit)
            for kind in (glia.ASTROCYTES, glia.VASCULATURE)
        },
        **{
            kind.name.rpartition("/")[2]: kind.of(circuit=circuit)
            for kind in (glia.GLIOVASCULAR, glia.NEUROGLIAL, glia.GLIALGLIAL)
        },
    }
    for part, node in names.items():
        if node in transaction.drafts:
            yield part, node
    yield from _neurons(transaction, circuit)
    atlas = f"{glia.VOXELS.folder}{circuit}"
    if any(name.startswith((f"{atlas}/", f"{atlas}.")) for name in transaction.drafts):
        yield "atlas", atlas


def _neurons(transaction: Transaction, circuit: str) -> list[tuple[str, str]]:
    """Populations that are no glia's, and edges between them."""
    found = []
    for part, kind in (("neurons", circuits.NODES), ("synapses", circuits.EDGES)):
        for node in transaction.drafts:
            parts = kind.parts(node)
            if parts is None or parts["circuit"] != circuit or node.endswith(circuits.BY_SOURCE.ending):
                continue
            if parts["population"] not in GLIA and transaction.drafts[node].kind == "table":
                found.append((part, node))
    return found
