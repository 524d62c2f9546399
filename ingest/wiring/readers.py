"""Readers of edges, in the order in which they are asked: the first that understands a table makes its connections."""

from collections.abc import Callable, Sequence

from ...mechanisms.network.wiring import Connections
from .edges import EdgeReader, EdgeRows
from .sonata_edges import is_sonata, sonata_connections
from .synapses import has_synapses, synapse_connections

READERS: Sequence[tuple[Callable[[EdgeRows], bool], EdgeReader]] = (
    (has_synapses, synapse_connections),
    (is_sonata, sonata_connections),
)
"""Whether a reader understands edges, and the reader."""


def connections_of(rows: EdgeRows) -> Sequence[Connections]:
    """Return the connections of some edges.

    Parameters
    ----------
    rows
        The edges.
    """
    for understands, reader in READERS:
        if understands(rows):
            return reader(rows)
    rows.faults.add(
        f"{rows.projection.node}: nothing says what stands at its synapses: expected a column synapse_id and a configuration with "
        f"Connection Generator / Synapses, or the columns of a SONATA file; it has {', '.join(rows.columns)}"
    )
    return ()
