"""NeuroML of the Allen Cell Types database: the biophysical properties of a cell, whose morphology is in an SWC file.

Schema: https://docs.neuroml.org (NeuroML 2). What is read is ``channelDensity``, ``channelDensityNernst``, ``specificCapacitance``,
``resistivity`` and ``concentrationModel`` with their ``segmentGroup``, in the units that these files have.
"""

import xml.parsers.expat
from collections.abc import Iterator, Mapping

from ..errors import ModelError
from .genome import PARTS, Genome, MembraneValue

_GROUPS = {
    **{part: (part,) for part in PARTS},
    "somatic": ("soma",),
    "axonal": ("axon",),
    "basal": ("dend",),
    "dendritic": ("dend",),
    "apical": ("apic",),
    "all": PARTS,
}
_UNITS = {
    "S_per_cm2": 1.0,
    "mS_per_cm2": 1e-3,
    "mV": 1.0,
    "uF_per_cm2": 1.0,
    "ohm_cm": 1.0,
    "ms": 1.0,
    "um": 1.0,
    "mM": 1.0,
}
_REVERSAL = {"na": "ena", "k": "ek"}


def read_neuroml(content: bytes, name: str) -> Genome:
    """Understand the biophysical properties in a NeuroML file.

    Parameters
    ----------
    content
        The file.
    name
        Its name, for messages.

    Raises
    ------
    ModelError
        It is no XML, an element is in no part of the cell, or a value has another unit than these files have.
    """
    settings: list[MembraneValue] = []
    for tag, told in _elements(content, name):
        for part in _parts(tag, told, name):
            settings += _settings(tag, told, part, name)
    if not settings:
        raise ModelError("no biophysical properties of a cell in this file", name)
    return Genome(settings)


def _elements(content: bytes, name: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Start tags with their attributes; entities are not expanded, so that no file grows without end."""
    found: list[tuple[str, Mapping[str, str]]] = []
    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = lambda tag, told: found.append((tag.rsplit(":", 1)[-1], told))

    def refuse(*_: object) -> None:
        raise ModelError("declares entities, which such files do not need", name)

    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except xml.parsers.expat.ExpatError as error:
        raise ModelError(
            f"no XML: {xml.parsers.expat.ErrorString(error.code)}", name, error.lineno
        ) from error
    yield from found


def _parts(tag: str, told: Mapping[str, str], name: str) -> tuple[str, ...]:
    if tag not in (
        "resistivity",
        "specificCapacitance",
        "concentrationModel",
        "channelDensity",
        "channelDensityNernst",
    ):
        return ()
    group = told.get("segmentGroup", "").lower()
    if group not in _GROUPS:
        raise ModelError(
            f"{tag} {told.get('id', '')}: segmentGroup is {group!r}, expected one of {', '.join(_GROUPS)}",
            name,
        )
    return _GROUPS[group]


def _settings(tag: str, told: Mapping[str, str], part: str, name: str) -> Iterator[MembraneValue]:
    def value(key: str) -> float:
        number, _, unit = told.get(key, "").partition(" ")
        try:
            return float(number) * _UNITS[unit.strip() or "mV"]
        except (ValueError, KeyError) as error:
            raise ModelError(f"{tag} {told.get('id', '')}: {key} is {told.get(key)!r}", name) from error

    if tag == "resistivity":
        yield MembraneValue(part, "", "Ra", value("value"))
    elif tag == "specificCapacitance":
        yield MembraneValue(part, "", "cm", value("value"))
    elif tag == "concentrationModel":
        model = told.get("type", told.get("id", ""))
        yield MembraneValue(part, told.get("id", model), f"gamma_{model}", value("gamma"))
        yield MembraneValue(part, "", f"decay_{model}", value("decay"))
    elif told.get("ionChannel") == "pas":
        yield MembraneValue(part, "pas", "g_pas", value("condDensity"))
        yield MembraneValue(part, "", "e_pas", value("erev"))
    else:
        yield MembraneValue(part, told.get("ionChannel", ""), told.get("id", ""), value("condDensity"))
        reversal = _REVERSAL.get(told.get("ion", ""))
        if reversal is not None and "erev" in told:
            yield MembraneValue(part, "", reversal, value("erev"))
