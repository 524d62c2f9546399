"""What parameters of the Allen Cell Types database say of a cell's membrane, by part of the cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..entries import ParameterEntry
from ..errors import ModelError

PARTS = ("soma", "axon", "dend", "apic")


@dataclass(frozen=True)
class MembraneValue:
    """A variable that sections of a part have.

    Attributes
    ----------
    part
        The part of the cell, one of `PARTS`.
    mechanism
        What is inserted before; empty for nothing.
    variable
        Its name in NEURON: ``gbar_Im``, ``g_pas``, ``cm``, ``Ra``, ``ena``.
    value
        Its value, in NEURON's unit.
    if_there
        Whether sections without that ion are passed over; it is an error otherwise.
    """

    part: str
    mechanism: str
    variable: str
    value: float
    if_there: bool = False


@dataclass(frozen=True)
class Genome:
    """What a cell's membrane is, setting after setting.

    Attributes
    ----------
    settings
        In the order in which they are made.
    """

    settings: Sequence[MembraneValue]

    @property
    def mechanisms(self) -> Sequence[str]:
        """Density mechanisms, without ``pas``, sorted."""
        return tuple(sorted({each.mechanism for each in self.settings} - {"", "pas"}))

    def equip(self, parts: Mapping[str, Sequence[Any]], sections: Sequence[Any], what: str) -> None:
        """Give sections of NEURON their membrane.

        Parameters
        ----------
        parts
            Sections by part of the cell.
        sections
            All of them; each gets a passive membrane.
        what
            The model, for messages.

        Raises
        ------
        ModelError
            A mechanism was not loaded, or a variable does not exist.
        """
        for section in sections:
            section.insert("pas")
        for each in self.settings:
            for section in parts.get(each.part, ()):
                _set(section, each, what)


def _set(section: Any, setting: MembraneValue, what: str) -> None:
    if setting.mechanism:
        try:
            section.insert(setting.mechanism)
        except ValueError as error:
            raise ModelError(
                f"{what} needs the mechanism {setting.mechanism!r}: name the folder of its .mod file"
            ) from error
    ion = f"{setting.variable[1:]}_ion"
    if setting.if_there and not section.has_membrane(ion):
        return
    if not hasattr(section, setting.variable) and not section.has_membrane(ion):
        raise ModelError(f"{what}: sections of the {setting.part} have no variable {setting.variable!r}")
    setattr(section, setting.variable, setting.value)


def read_genome(tree: Mapping[str, Any], what: str, *, everywhere: bool = True) -> Genome:
    """Understand the JSON of a model: its entries ``passive``, ``genome`` and ``conditions``.

    Parameters
    ----------
    tree
        The file's content.
    what
        Whose it is, for messages.
    everywhere
        Reversal potentials are set wherever the file says, as for perisomatic models; else only where the ion is, as for
        all-active ones.

    Raises
    ------
    ModelError
        An entry is missing or of another kind.
    """
    top = ParameterEntry(tree, what)
    passive, conditions = _first(top, "passive"), _first(top, "conditions")
    settings = []
    for part in PARTS:
        if "ra" in passive.tree:
            settings.append(MembraneValue(part, "", "Ra", passive.positive("ra")))
        if "e_pas" in passive.tree:
            settings.append(MembraneValue(part, "", "e_pas", passive.number("e_pas")))
    settings += [
        MembraneValue(_part(each), "", "cm", each.positive("cm")) for each in _entries(passive, "cm")
    ]
    for each in _entries(top, "genome"):
        if each.tree.get("section") == "glob":  # of old files; not a part of the cell
            continue
        mechanism = each.tree.get("mechanism") or ""
        # Values are texts in files of all-active models.
        value = each.tree.get("value")
        number = ParameterEntry({"value": _number(value)}, each.place).number("value")
        settings.append(MembraneValue(_part(each), str(mechanism), str(each.value("name")), number))
    for each in _entries(conditions, "erev"):
        for name in ("ena", "ek"):
            settings.append(MembraneValue(_part(each), "", name, each.number(name), if_there=not everywhere))
    return Genome(settings)


def _first(entry: ParameterEntry, key: str) -> ParameterEntry:
    return _entries(entry, key, needed=True)[0]


def _entries(entry: ParameterEntry, key: str, needed: bool = False) -> list[ParameterEntry]:
    told = entry.value(key) if needed else entry.tree.get(key, [])
    if (
        not isinstance(told, list)
        or not all(isinstance(each, Mapping) for each in told)
        or (needed and not told)
    ):
        raise entry.error("expected a list of dictionaries", key)
    return [ParameterEntry(each, f"{entry.place}.{key}[{at}]") for at, each in enumerate(told)]


def _part(entry: ParameterEntry) -> str:
    part = entry.value("section")
    if part not in PARTS:
        raise entry.error(f"{part!r}, expected one of {', '.join(PARTS)}", "section")
    return str(part)


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
