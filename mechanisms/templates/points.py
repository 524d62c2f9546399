"""Cells that are one point process: NEURON's integrate-and-fire cells, and those of .mod files."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import ModelError
from ..network.cells import NetworkCell, NetworkNode
from ..network.templates import Search
from .dynamics import numbers_of
from .files import node_dynamics

SCHEME = "nrn:"
BUILT_IN = frozenset({"IntFire1", "IntFire2", "IntFire4", "NetStim"})
"""Artificial cells that NEURON has of its own."""

_IN_SECONDS = {"IntFire1": ("tau", "refrac")}


@dataclass(frozen=True)
class PointTemplate:
    """Makes cells of a point process, with the values of ``dynamics_params``.

    Values have the units of the process's own variables, but for ``tau`` and ``refrac`` of IntFire1, which are seconds: so
    bmtk has them (its files say ``"type": "NEURON_IntFire1"``).

    Attributes
    ----------
    name
        What circuits call it: ``nrn:IntFire1``.
    search
        Where the files are that ``dynamics_params`` names.
    artificial
        Always.
    """

    name: str
    search: Search = field(default_factory=Search)
    artificial: bool = True

    @property
    def process(self) -> str:
        """Name of the point process in NEURON."""
        return self.name.removeprefix(SCHEME)

    @property
    def mechanisms(self) -> Sequence[str]:
        """The process, where NEURON does not have it of its own."""
        return () if self.process in BUILT_IN else (self.process,)

    def check(self, node: NetworkNode) -> Sequence[str]:
        """Return what is wrong with the cell's parameters.

        Parameters
        ----------
        node
            The cell.
        """
        try:
            self._values(node)
        except ModelError as error:
            return (str(error),)
        return ()

    def build(self, node: NetworkNode) -> NetworkCell:
        """Make a cell; a process that is no artificial cell gets a section that only holds it.

        Parameters
        ----------
        node
            The cell.

        Raises
        ------
        ModelError
            NEURON has no such process, or the process no such variable.
        """
        from neuron import h

        make = getattr(h, self.process, None)
        if make is None:
            raise ModelError(
                f"NEURON has no point process {self.process!r}, of which cell {node.gid} is to be"
            )
        section = None if _is_artificial(self.process) else h.Section(name=f"point_{node.gid}")
        cell = make() if section is None else make(section(0.5))
        for name, value in self._values(node).items():
            if not hasattr(cell, name):
                raise ModelError(f"{self.process} has no variable {name!r} that dynamics_params could set")
            setattr(cell, name, value)
        return NetworkCell(node.gid, process=cell, held=section)

    def _values(self, node: NetworkNode) -> dict[str, float]:
        what = f"dynamics_params of cell {node.population} {node.node_id}"
        values = numbers_of(node_dynamics(node, self.search), what)
        seconds = _IN_SECONDS.get(self.process, ())
        return {name: value * 1000.0 if name in seconds else value for name, value in values.items()}


def _is_artificial(process: str) -> bool:
    from neuron import h

    kinds, name = h.MechanismType(1), h.ref("")
    for at in range(int(kinds.count())):
        kinds.select(at)
        kinds.selected(name)
        if name[0] == process:
            return bool(kinds.is_artificial(at))
    return True


def find_point(name: str, search: Search) -> PointTemplate | None:
    """Return the template of a point process.

    Parameters
    ----------
    name
        ``nrn:`` and the process's name.
    search
        Where files of parameters are.
    """
    return PointTemplate(name, search) if name.startswith(SCHEME) and name != SCHEME else None
