"""Inputs of a simulation configuration: the numbers of each, and the cells that it acts on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...catalog.vocabulary import circuits
from ...lake.errors import InputError
from ...mechanisms.entries import is_number
from ..wiring.circuit import VIRTUAL, NetworkSource
from ..wiring.rules import nodes_of
from .sonata import SonataSimulation

THRESHOLD, HOLDING, RESISTANCE = "threshold_current", "holding_current", "input_resistance"
"""Numbers of a cell's own, in nA and MOhm, that inputs are relative to; columns of its node, with or without ``dynamics_params/``."""


@dataclass(frozen=True)
class InputEntry:
    """An input of a configuration; what is wrong with it is raised as an `InputError`.

    Attributes
    ----------
    source
        The circuit.
    simulation
        The configuration.
    name
        Of the input.
    told
        What the configuration says of it.
    seed
        Of what is random in the run.
    """

    source: NetworkSource
    simulation: SonataSimulation
    name: str
    told: Mapping[str, Any]
    seed: int

    @property
    def module(self) -> str:
        """What it does, in small letters."""
        return str(self.told.get("module", "")).lower()

    @property
    def electrode(self) -> bool:
        """Whether a physical electrode injects it."""
        return bool(self.told.get("represents_physical_electrode", False))

    def number(self, key: str, default: float | None = None) -> float:
        """Return a number.

        Parameters
        ----------
        key
            What it is called.
        default
            Of an input that does not say it; None if it must.

        Raises
        ------
        InputError
            It is none.
        """
        value = self.told.get(key, default)
        if value is None or not is_number(value):
            raise InputError(f"{key} is {value!r}, expected a number")
        return float(value)

    def numbers(self, key: str) -> list[float]:
        """Return a list of numbers; one alone is a list of one.

        Parameters
        ----------
        key
            What it is called.

        Raises
        ------
        InputError
            It is none.
        """
        value = self.told.get(key)
        values = value if isinstance(value, list) else [value]
        if not values or not all(is_number(each) for each in values):
            raise InputError(f"{key} is {value!r}, expected a number or a list of numbers")
        return [float(each) for each in values if each is not None]

    def own(self, node: tuple[str, int], name: str) -> float:
        """Return a number of a cell's own.

        Parameters
        ----------
        node
            Its population and number.
        name
            What it is called.

        Raises
        ------
        InputError
            Cells of its population have none.
        """
        columns = self.source.populations[node[0]].columns
        for column in (f"dynamics_params.{name}", f"dynamics_params/{name}", f"@dynamics:{name}", name):
            if column in columns:
                return float(columns[column][node[1]])
        raise InputError(f"cells of {node[0]} have no {name}, to which it is relative")

    def cells(self) -> dict[int, tuple[str, int]]:
        """Return population and number of the cells that it acts on, by gid; those that only send spikes are none.

        Raises
        ------
        InputError
            There are none.
        """
        rule = self.told.get("node_set", "all")
        listed = self.told.get("gids", self.told.get("node_ids"))
        found = {}
        for name, population in self.source.populations.items():
            kinds = population.columns.get("model_type")
            for node in nodes_of(self.source, rule, name).tolist():
                if kinds is None or kinds[node] != VIRTUAL:
                    found[int(population.gid[node])] = (name, int(node))
        if isinstance(listed, list):
            found = {gid: node for gid, node in found.items() if gid in set(listed)}
        if not found:
            raise InputError(f"no cells are in its node_set {rule!r}")
        return found

    def compartments(self) -> dict[int, list[tuple[tuple[str, int], int, float]]] | None:
        """Return the places of its compartment set by gid: population and number, section, position; None if it names none.

        Raises
        ------
        InputError
            There is no such set.
        """
        name = self.told.get("compartment_set")
        if name is None:
            return None
        table = self.source.snapshot.tables.get(circuits.COMPARTMENT_SETS.of(circuit=self.source.circuit))
        rows = [] if table is None else [row for row in table.to_arrow().to_pylist() if row["name"] == name]
        if not rows:
            raise InputError(f"there is no compartment set {name!r}")
        found: dict[int, list[tuple[tuple[str, int], int, float]]] = {}
        for row in rows:
            population = self.source.populations.get(row["population"])
            if population is None or not 0 <= row["node_id"] < len(population):
                raise InputError(
                    f"compartment set {name!r}: there is no cell {row['node_id']} of {row['population']!r}"
                )
            at = (row["population"], row["node_id"])
            found.setdefault(int(population.gid[row["node_id"]]), []).append(
                (at, row["section_id"], row["offset"])
            )
        return found

    def table(self, key: str, separator: str, columns: tuple[str, ...]) -> dict[str, np.ndarray[Any, Any]]:
        """Return columns of numbers of a text file that it names, float64[n] each.

        Parameters
        ----------
        key
            Where it names the file.
        separator
            What stands between columns.
        columns
            Those that are needed.

        Raises
        ------
        InputError
            The file is not there, lacks a column, or has something else than numbers.
        """
        named = self.told.get(key)
        if not isinstance(named, str):
            raise InputError(f"{key} is {named!r}, expected the name of a file")
        return numbers_of_table(self.simulation.file(named), named, separator, columns)


def numbers_of_table(
    content: bytes, named: str, separator: str, columns: tuple[str, ...]
) -> dict[str, np.ndarray[Any, Any]]:
    """Return columns of numbers of a text with a header, float64[n] each.

    Parameters
    ----------
    content
        The text.
    named
        What it is called, for messages.
    separator
        What stands between columns.
    columns
        Those that are needed.

    Raises
    ------
    InputError
        A column is not there, or has something else than numbers; names the line.
    """
    lines = [line for line in content.decode(errors="replace").splitlines() if line.strip()]
    split = [
        line.split() if separator == " " else [part.strip() for part in line.split(separator)]
        for line in lines
    ]
    header = split[0] if split else []
    absent = [name for name in columns if name not in header]
    if absent:
        raise InputError(f"{named}: it has no column {absent[0]!r}; it has {', '.join(header) or 'none'}")
    found = {}
    for name in columns:
        at = header.index(name)
        values = []
        for line, parts in enumerate(split[1:], 2):
            try:
                values.append(float(parts[at]))
            except (IndexError, ValueError):
                raise InputError(f"{named}, line {line}: {name} is no number") from None
        found[name] = np.array(values)
    return found
