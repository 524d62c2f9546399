"""What a simulation configuration of SONATA says of a run: times, conditions, and inputs.

Both dialects are read: that of the Allen Institute's bmtk (BioNet, 1.1) and that of the Blue Brain Project (BlueBrain/sonata-extension).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import pyarrow.dataset as pds

from ...catalog.vocabulary import circuits, reports
from ...lake import Snapshot
from ...lake.errors import InputError
from ...mechanisms.entries import is_number
from ..wiring.faults import Faults

DT = 0.025
"""Time step of a run where nothing says another, in ms."""
_METHODS = {"euler": 0, "crank_nicolson": 1, "crank_nicolson_ion": 2}


@dataclass(frozen=True)
class SonataSimulation:
    """A simulation configuration that a circuit was ingested with.

    Attributes
    ----------
    content
        The configuration, as JSON has it.
    snapshot
        The commit that has the files that it names; None without any.
    nodes
        Nodes of files that were kept as they are, by path.
    circuit
        Name of the circuit.
    """

    content: Mapping[str, Any]
    snapshot: Snapshot | None = None
    nodes: Mapping[str, str] = field(default_factory=dict)
    circuit: str = ""

    @classmethod
    def of(cls, snapshot: Snapshot, circuit: str) -> "SonataSimulation | None":
        """Return the configuration of a circuit; None if it was ingested without one.

        Parameters
        ----------
        snapshot
            The commit.
        circuit
            Name of the circuit.
        """
        name = circuits.FILES.of(circuit=circuit)
        if name not in snapshot.tables:
            return None
        rows = snapshot.tables[name].to_arrow(where=pds.field("node").is_valid()).to_pylist()
        told = [row["node"] for row in rows if row["kind"] == "simulation"]
        files = {row["path"]: row["node"] for row in rows}
        return cls(json.loads(snapshot.files[told[0]]), snapshot, files, circuit) if told else None

    def number(self, section: str, key: str) -> float | None:
        """Return a number of a section, ``run`` or ``conditions``; None if it is not said.

        Parameters
        ----------
        section, key
            Where it stands.

        Raises
        ------
        InputError
            What stands there is something else.
        """
        value = (self.content.get(section) or {}).get(key)
        if value is not None and not is_number(value):
            raise InputError(f"{section}.{key} of the configuration is {value!r}, expected a number")
        return None if value is None else float(value)

    def second_order(self, faults: Faults) -> int:
        """Return NEURON's ``secondorder`` by ``run.integration_method``; 0 where it says none.

        Parameters
        ----------
        faults
            What is wrong is added to it.
        """
        told = (self.content.get("run") or {}).get("integration_method", "euler")
        if told not in _METHODS:
            faults.add(f"run.integration_method is {told!r}; there are {', '.join(_METHODS)}")
        return _METHODS.get(told, 0)

    def mechanism_values(self, faults: Faults) -> dict[str, float]:
        """Return the values of variables that all instances of a mechanism share, by NEURON's names of them.

        Parameters
        ----------
        faults
            What is wrong is added to it.
        """
        found = {}
        for mechanism, values in ((self.content.get("conditions") or {}).get("mechanisms") or {}).items():
            for name, value in values.items():
                if isinstance(value, int | float):
                    found[f"{name}_{mechanism}"] = float(value)
                else:
                    faults.add(f"conditions.mechanisms.{mechanism}.{name} is {value!r}, expected a number")
        return found

    def check(self, inputs: Sequence[str] | None, faults: Faults, notices: list[str]) -> None:
        """Note what a simulation would be wrong without: modifications of cells, and spikes that are not in the lake.

        Parameters
        ----------
        inputs
            Names of inputs; None for all.
        faults
            What is wrong is added to it.
        notices
            What is passed over and harmless is told there.
        """
        if self.number("run", "tstart"):
            notices.append(
                "run.tstart of the configuration is passed over, as in bmtk: the run begins at 0 ms"
            )
        for name, entry in self.inputs.items():
            if is_spikes(entry) and (inputs is None or name in inputs) and not self._has_spikes(name):
                faults.add(
                    f"input {name}: the lake has no spikes of it: module {entry.get('module')!r} is read from SONATA's files of spikes (HDF5); or "
                    "leave it out, by naming others (--inputs)"
                )
        told = (self.content.get("conditions") or {}).get("modifications")
        listed = list(told.values()) if isinstance(told, Mapping) else told or []
        for each in listed:
            name = each.get("name", "?") if isinstance(each, Mapping) else each
            kind = each.get("type") if isinstance(each, Mapping) else None
            faults.add(
                f"conditions.modifications {name}: type {kind!r} is not supported: change the cells' templates instead, or ingest the "
                "configuration without it"
            )

    def _has_spikes(self, name: str) -> bool:
        """Whether the lake has a table of an input: files of a list are called by their numbers, too."""
        if self.snapshot is None:
            return True
        for node in self.snapshot.tables:
            parts = circuits.INPUTS.parts(node)
            if parts is not None and parts["circuit"] == self.circuit and _called(parts["input"], name):
                return True
        return False

    def file(self, named: str) -> bytes:
        """Return the content of a file that the configuration names.

        Parameters
        ----------
        named
            As it stands there, with variables of the manifest, which are passed over: the rest of the path tells files apart.

        Raises
        ------
        InputError
            There is no such file with the ingest, or there are several.
        """
        found = {node for path, node in self.nodes.items() if _ends_with(path, named)}
        if len(found) != 1 or self.snapshot is None:
            what = "several files are" if found else "no file is"
            raise InputError(f"{what} {named!r} in what the circuit was ingested with; ingest it again")
        return self.snapshot.files[found.pop()]

    def weights(self, named: str) -> str:
        """Return what the lake calls a file of weights of electrodes that the configuration names.

        Parameters
        ----------
        named
            As it stands there.

        Raises
        ------
        InputError
            There is no such file with the ingest, or there are several.
        """
        layout = circuits.LAYOUT.of(circuit=self.circuit)
        found = set()
        if self.snapshot is not None and layout in self.snapshot.tables:
            table = self.snapshot.tables[layout].to_arrow(
                ["file", "node"], where=pds.field("node").is_valid()
            )
            for row in table.to_pylist():
                parts = reports.WEIGHTS.parts(row["node"])
                if parts is not None and _ends_with(row["file"], named):
                    found.add(parts["file"])
        if len(found) != 1:
            what = "several files of weights are" if found else "no file of weights is"
            raise InputError(f"{what} {named!r} in what the circuit was ingested with; ingest it again")
        return found.pop()

    @property
    def inputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Inputs by name."""
        found = self.content.get("inputs") or {}
        return {name: told for name, told in found.items() if isinstance(told, Mapping)}

    def spike_inputs(self, names: Sequence[str] | None) -> Sequence[str] | None:
        """Return those of some inputs that are spikes, or that the configuration does not know; None for all.

        Parameters
        ----------
        names
            Names of inputs; None for all.
        """
        if names is None:
            return None
        return [name for name in names if name not in self.inputs or is_spikes(self.inputs[name])]


def _called(name: str, asked: str) -> bool:
    base, _, number = name.rpartition("_")
    return name == asked or (base == asked and number.isdecimal())


def _ends_with(path: str, named: str) -> bool:
    """Whether a path of an ingest is the file that a configuration names: variables of its manifest are passed over."""
    tail = [part for part in PurePosixPath(named).parts if not part.startswith(("$", ".", "/"))]
    return list(PurePosixPath(path).parts[-len(tail) :]) == tail


def is_spikes(told: Mapping[str, Any]) -> bool:
    """Return whether an input is spikes that are replayed.

    Parameters
    ----------
    told
        What the configuration says of it.
    """
    module = str(told.get("module", "")).lower()
    return told.get("input_type") == "spikes" or module in ("synapse_replay", "sonata", "csv", "nwb")
