"""The table of circuits: one row for each circuit of a lake, whatever it came from."""

import pyarrow as pa
import pyarrow.dataset as pds

from ...catalog.vocabulary.circuits import BY_SOURCE, CIRCUITS, EDGES, NODES
from ...catalog.vocabulary.kinds import TableKind
from ...lake import Transaction


def put_circuit(
    transaction: Transaction,
    name: str,
    format: str,
    *,
    configuration: str | None = None,
    seed: int | None = None,
) -> None:
    """Write the row of a circuit, from the tables of nodes and edges in a transaction.

    Parameters
    ----------
    transaction
        Writes the nodes.
    name
        The circuit, as in the names of its nodes.
    format
        Where it came from.
    configuration
        File node of its resolved configuration.
    seed
        Of its construction.
    """
    nodes, edges = _rows(transaction, name, NODES), _rows(transaction, name, EDGES)
    row = {
        "name": name,
        "format": format,
        "configuration": configuration,
        "seed": seed,
        "populations": sorted(nodes),
        "nodes": sum(nodes.values()),
        "edges": sum(edges.values()),
    }
    table = pa.Table.from_pylist([row], CIRCUITS.schema)
    known = transaction.table(CIRCUITS.name)
    condition = pds.field("name") == name
    if known is not None and (old := known.to_arrow(where=condition)).num_rows:
        if old.equals(table):
            return
        transaction.replace_rows(CIRCUITS.name, table, condition)
    else:
        transaction.append_table(CIRCUITS.name, table, doc=CIRCUITS.doc)


def _rows(transaction: Transaction, name: str, kind: TableKind) -> dict[str, int]:
    found = {}
    for node in transaction.drafts:
        parts = kind.parts(node)
        if parts is not None and parts["circuit"] == name and not node.endswith(BY_SOURCE.ending):
            table = transaction.table(node)
            if table is not None:
                found[parts["population"]] = table.rows
    return found
