"""All kinds of nodes that neurolake's own writers make."""

from collections.abc import Iterator, Mapping
from typing import Any

from . import circuits, glia, reports, runs, space, sweeps, trials
from .kinds import Kind

SECTIONS: Mapping[str, tuple[Any, tuple[Kind, ...]]] = {
    "Trials": (trials, trials.KINDS),
    "Runs": (runs, runs.KINDS),
    "Sweeps": (sweeps, sweeps.KINDS),
    "Circuits": (circuits, circuits.KINDS),
    "Glia": (glia, glia.KINDS),
    "Reports and weights": (reports, reports.KINDS),
    "Space": (space, space.KINDS),
}
"""Module and kinds by heading, as docs/data.md lists them."""


def kinds_of(node: str, stored_as: str) -> Iterator[Kind]:
    """Yield the kinds that a node may be of by its name, the most specific first.

    Parameters
    ----------
    node
        Name of the node.
    stored_as
        ``array``, ``table``, ``file`` or ``group``.
    """
    found = [
        kind
        for _, kinds in SECTIONS.values()
        for kind in kinds
        if kind.stored_as == stored_as and kind.parts(node) is not None
    ]
    yield from sorted(found, key=lambda kind: (-len(kind.ending), kind.name.count("{"), -len(kind.name)))
