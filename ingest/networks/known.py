"""Mechanisms and variables that NEURON knows in this process."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...mechanisms.network.attached import Clamp
from ...mechanisms.network.connecting import GAP
from ...mechanisms.network.templates import CellTemplate
from ...mechanisms.network.wiring import Connections, GapJunctions
from ..records.requests import RecordRequest
from ..wiring.faults import Faults

_OF_NEURON = {"v", "i_membrane", "i_cap", "cm", "diam"}


class KnownMechanisms:
    """Mechanisms that NEURON has in this process, and their range variables.

    Parameters
    ----------
    folders
        Where they were looked for, besides our own, for messages.
    hint
        What messages add where one is not there.

    Attributes
    ----------
    names
        Of all of them.
    processes
        Of those that are point processes.
    """

    def __init__(self, folders: Sequence[Any] = (), hint: str = "") -> None:
        from neuron import h

        self._hint = hint
        self._folders, self._h = [str(folder) for folder in folders], h
        self.names: set[str] = set()
        self.processes: set[str] = set()
        self._variables: dict[str, set[str]] = {}
        for kind in (0, 1):
            mechanisms, name = h.MechanismType(kind), h.ref("")
            for number in range(int(mechanisms.count())):
                mechanisms.select(number)
                mechanisms.selected(name)
                self.names.add(name[0])
                if kind:
                    self.processes.add(name[0])

    def variables(self) -> set[str]:
        """Return the range variables of all mechanisms."""
        h, found = self._h, set(_OF_NEURON)
        name = h.ref("")
        mechanisms = h.MechanismType(0)
        for number in range(int(mechanisms.count())):
            mechanisms.select(number)
            mechanisms.selected(name)
            found |= self._of(name[0])
        return found

    def of_process(self, mechanism: str) -> set[str]:
        """Return the variables of a point process; none where NEURON does not have it.

        Parameters
        ----------
        mechanism
            Its name in NEURON.
        """
        return self._of(mechanism) if mechanism in self.names else set()

    def unit(self, mechanism: str, variable: str) -> str | None:
        """Return the unit of a point process's variable, as its NMODL declares it; None where it declares none.

        Parameters
        ----------
        mechanism
            Its name in NEURON.
        variable
            The variable.
        """
        found = str(self._h.units(f"{mechanism}.{variable}"))
        return found or None

    def _of(self, mechanism: str) -> set[str]:
        if mechanism not in self._variables:
            name, found = self._h.ref(""), set()
            # Of any kind: parameters, assigned variables and states.
            standard = self._h.MechanismStandard(mechanism, 0)
            for variable in range(int(standard.count())):
                standard.name(name, variable)
                found.add(str(name[0]))
            self._variables[mechanism] = found
        return self._variables[mechanism]

    def check_values(self, values: Mapping[str, float], faults: Faults) -> None:
        """Note variables that mechanisms are said to share and do not have.

        Parameters
        ----------
        values
            Values by NEURON's names of them.
        faults
            What is wrong is added to it.
        """
        for name in values:
            if not hasattr(self._h, name):
                faults.add(f"conditions.mechanisms: NEURON has no variable {name!r} (variable and mechanism)")

    def check_synapses(self, connections: Sequence[Connections], faults: Faults) -> None:
        """Note variables that point processes at synapses do not have.

        Parameters
        ----------
        connections
            Of the network.
        faults
            What is wrong is added to it.
        """
        known: dict[str, set[str]] = {}
        name = self._h.ref("")
        for each in connections:
            if each.kind is None or each.kind.mechanism not in self.names:
                continue
            if each.kind.mechanism not in known:
                standard = self._h.MechanismStandard(each.kind.mechanism, 0)
                own = known[each.kind.mechanism] = set()
                for variable in range(int(standard.count())):
                    standard.name(name, variable)
                    own.add(name[0])
            for variable_name in (*each.kind.parameters, *each.parameters):
                if variable_name not in known[each.kind.mechanism]:
                    faults.add(
                        f"synapses of {each.name}: {each.kind.mechanism} has no variable {variable_name!r}"
                    )

    def check(
        self,
        templates: Iterable[CellTemplate],
        connections: Sequence[Connections],
        junctions: Sequence[GapJunctions],
        clamps: Sequence[Clamp],
        records: Sequence[RecordRequest],
        faults: Faults,
    ) -> None:
        """Note mechanisms and variables that NEURON does not have.

        Parameters
        ----------
        templates
            What makes cells.
        connections, junctions, clamps, records
            Of the network.
        faults
            What is wrong is added to it.
        """
        needed: dict[str, str] = {}
        for template in {id(each): each for each in templates}.values():
            needed |= dict.fromkeys(template.mechanisms, f"template {template.name}")
        needed |= {
            each.kind.mechanism: f"synapses of {each.name}" for each in connections if each.kind is not None
        }
        for each in junctions:
            if len(each):
                needed[GAP] = f"gap junctions of {each.name}"
        needed |= {name: clamp.name for clamp in clamps for name in clamp.mechanisms}
        looked = ", ".join([*self._folders, "neurolake's own"])
        for name, by in needed.items():
            if name not in self.names:
                faults.add(
                    f"mechanism {name!r}, of {by}, is not there: expected {name}.mod, or another file that defines it, in one of: "
                    f"{looked}{self._hint}"
                )
        of_segments = [request for request in records if not request.of_synapses]
        if of_segments:
            variables = self.variables()
            for request in of_segments:
                for name in request.variables:
                    if name not in variables:
                        faults.add(f"{request.told}: no mechanism has a variable {name!r}")
