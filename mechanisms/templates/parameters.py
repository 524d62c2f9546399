"""Cells by parameters: membrane and channels by part of the cell, in the form of simrun's cell parameter files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..cell.biophysics import CellModel, read_cell_model
from ..cell.create import create_cell
from ..cell.shapes import SOMA, Morphology
from ..errors import ModelError
from ..network.cells import Detector, NetworkCell, NetworkNode, TreeShape
from .trees import tree_morphology

THRESHOLD = -20.0
"""Potential in mV at the soma's middle that a spike crosses upwards."""

BUILT_IN = frozenset({"pas", "hh", "extracellular", "fastpas"})
"""Density mechanisms that NEURON has of its own."""


@dataclass(frozen=True, eq=False)
class ParameterTemplate:
    """Makes cells of any tree by the parameters of a cell model.

    Sections keep the place that they have in the tree; where the parameters have an ``AIS``, an axon follows them.

    Attributes
    ----------
    name
        What circuits call it.
    parameters
        The tree of a simrun cell parameter file, of which ``neuron`` is used.
    path
        The file, for messages.
    threshold
        Of spikes at the soma's middle, in mV.
    artificial
        Never.
    """

    name: str
    parameters: Mapping[str, Any]
    path: Path | None = None
    threshold: float = THRESHOLD
    artificial: bool = False
    _trees: dict[str, Morphology] = field(default_factory=dict, repr=False)

    @cached_property
    def model(self) -> CellModel:
        """What the parameters say.

        Raises
        ------
        ModelError
            They are at fault.
        """
        return read_cell_model(self.parameters, self.path)

    @cached_property
    def mechanisms(self) -> Sequence[str]:
        """Density mechanisms of its cells, without NEURON's own, sorted."""
        parts = self.model.parts.values()
        named = {insertion.mechanism for part in parts for insertion in part.insertions}
        return tuple(sorted(named - BUILT_IN))

    def check(self, node: NetworkNode) -> Sequence[str]:
        """Return what hinders it to make this cell.

        Parameters
        ----------
        node
            The cell.
        """
        if node.shape is None:
            return (f"template {self.name!r} needs a tree",)
        try:
            labels = dict.fromkeys(self._morphology(node.shape).labels)
            model = self.model
        except ModelError as error:
            return (str(error),)
        told = []
        if SOMA not in labels:
            told.append(f"tree {node.shape.name} has no soma")
        missing = [label for label in labels if label not in model.parts]
        if missing:
            told.append(f"template {self.name!r} has no parameters for {', '.join(missing)}")
        if model.mechanism_globals:
            told.append(
                f"template {self.name!r} sets mech_globals, which are one for all cells of a network: use range parameters"
            )
        return tuple(told)

    def build(self, node: NetworkNode) -> NetworkCell:
        """Make a cell.

        Parameters
        ----------
        node
            The cell.

        Raises
        ------
        ModelError
            It cannot be made of this tree, or a mechanism was not loaded.
        """
        if node.shape is None:
            raise ModelError(f"template {self.name!r} needs a tree, and cell {node.gid} has none")
        shape = self._morphology(node.shape)
        cell = create_cell(self.parameters, shape, path=self.path)
        soma = shape.labels.index(SOMA)
        return NetworkCell(node.gid, cell.sections, Detector(soma, 0.5, self.threshold), held=cell, soma=soma)

    def _morphology(self, tree: TreeShape) -> Morphology:
        if tree.name not in self._trees:
            self._trees[tree.name] = tree_morphology(tree)
        return self._trees[tree.name]
