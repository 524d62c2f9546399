"""Templates: what makes cells of a network, and how they are found by the names that circuits have for them.

A circuit names a template in the column ``model_template`` (``hoc:Name``, ``nrn:IntFire1``, ``ctdb:Biophys1.hoc`` as SONATA has
it) or ``template`` (``PyramidalCell`` as MiV-Simulator has it).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ..errors import ModelError
from .cells import NetworkCell, NetworkNode

# What a cell costs a step, in units of one segment: guesses, which only say who simulates what.
_SEGMENT_LENGTH, _ARTIFICIAL = 20.0, 0.1


@runtime_checkable
class CellTemplate(Protocol):
    """Makes cells of a network. A template is asked for its faults before anything is built."""

    @property
    def name(self) -> str:
        """What the circuit calls it."""

    @property
    def artificial(self) -> bool:
        """Whether its cells are point processes without sections."""

    @property
    def mechanisms(self) -> Sequence[str]:
        """Names of the density mechanisms and point processes in NMODL that its cells need, without those of NEURON itself."""

    def check(self, node: NetworkNode) -> Sequence[str]:
        """Return what hinders it to make this cell, each in a sentence; nothing is built.

        Parameters
        ----------
        node
            The cell.
        """

    def build(self, node: NetworkNode) -> NetworkCell:
        """Make a cell in this process's NEURON.

        Parameters
        ----------
        node
            The cell.

        Raises
        ------
        ModelError
            It cannot be made.
        """


@dataclass(frozen=True)
class Search:
    """Where templates are looked for.

    Attributes
    ----------
    folders
        Folders with hoc templates that the user has named or trusts; hoc runs code, and nothing else is run.
    format
        What the circuit came from: ``neuroh5``, ``network`` (built here), ``sonata``.
    files
        Content of files that nodes name, such as dynamics parameters and morphologies, by name.
    settings
        The simulation configuration that the circuit came with, as a tree: ``run.dL`` of bmtk's, for example.
    given
        Templates that the caller has made, by name.
    reproduce
        ``miv``: cells are to be those of MiV-Simulator, also where that is odd.
    used
        Files of the folders that were found by their names, which are provenance of the run.
    hint
        What messages add where nothing is found.
    """

    folders: Sequence[Path] = ()
    format: str = "network"
    files: Mapping[str, bytes] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, CellTemplate] = field(default_factory=dict)
    reproduce: str | None = None
    used: dict[str, Path] = field(default_factory=dict, compare=False, repr=False)
    hint: str = ""


Finder = Callable[[str, Search], CellTemplate | None]
"""Makes the template of a name, or returns None where it does not know it; raises ModelError where it is at fault."""


def complexity(template: CellTemplate, node: NetworkNode, synapses: int) -> float:
    """Return a guess of what a cell costs, by which cells are spread over ranks.

    Parameters
    ----------
    template
        What makes the cell.
    node
        The cell.
    synapses
        How many edges end at it.
    """
    if template.artificial or node.shape is None:
        return _ARTIFICIAL + 0.01 * synapses
    return len(node.shape.sections) + node.shape.length / _SEGMENT_LENGTH + 0.2 * synapses


@dataclass(frozen=True)
class GivenTemplate:
    """A template that is a function of Python's: of the node, returning the cell.

    Attributes
    ----------
    name
        What circuits call it.
    function
        Makes the cell of a node.
    artificial, mechanisms
        As of `CellTemplate`.
    """

    name: str
    function: Callable[[NetworkNode], NetworkCell]
    artificial: bool = False
    mechanisms: Sequence[str] = ()

    def check(self, node: NetworkNode) -> Sequence[str]:
        """Return nothing: what the function needs is not known.

        Parameters
        ----------
        node
            The cell.
        """
        return ()

    def build(self, node: NetworkNode) -> NetworkCell:
        """Call the function.

        Parameters
        ----------
        node
            The cell.

        Raises
        ------
        ModelError
            The function returns something else than a cell of that gid.
        """
        made: Any = self.function(node)
        if not isinstance(made, NetworkCell) or made.gid != node.gid:
            raise ModelError(f"template {self.name!r} returned {made!r}, expected the cell {node.gid}")
        return made
