"""Morphologies in hoc, as NeuroMap and Amira export them: one statement in braces per line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import ModelError
from .shapes import APICAL, AXON, DENDRITE, SOMA, Morphology, Shape, morphology

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
_KEYWORD = re.compile(r"\b(create|access|connect|pt3dadd)\b")
_CREATE = re.compile(r"\bcreate\s+(\w+)\s*}?\s*$")
_ACCESS = re.compile(r"\baccess\s+(\w+)\s*}?\s*$")
_CONNECT = re.compile(
    rf"\bconnect\s+(\w+)\s*\(\s*({_NUMBER})\s*\)\s*,\s*(\w+)\s*\(\s*({_NUMBER})\s*\)\s*}}?\s*$"
)
_POINT = re.compile(r"\bpt3dadd\s*\(\s*" + r"\s*,\s*".join([f"({_NUMBER})"] * 4) + r"\s*\)\s*}?\s*$")
_LABELS = (("soma", SOMA), ("apical", APICAL), ("dend", DENDRITE), ("axon", AXON))


@dataclass
class _Section:
    name: str
    label: str
    line: int
    parent: str | None = None
    parent_x: float = 0.0
    parent_line: int = 0
    points: list[list[float]] = field(default_factory=list)


def parse_hoc(text: str, path: str | Path | None = None) -> Morphology:
    """Read the sections that a hoc file creates; nothing in it is run.

    ``create``, ``access``, ``connect`` and ``pt3dadd`` are read, one to a line; all other statements (such as
    ``nseg`` or colours) are passed over. A section's label follows from its name: ``soma``, ``apical``, ``dend`` or
    ``axon``, in any case and anywhere in it; its ID is the place of its ``create`` among all.

    Parameters
    ----------
    text
        What the file says.
    path
        Its name, for messages.

    Raises
    ------
    ModelError
        With file and line: one of these statements in another form, sections not created or of unknown label,
        what is attached by another end than 0 or out of 0 to 1, points before any section; and what `morphology`
        refuses.
    """
    sections: dict[str, _Section] = {}
    current: _Section | None = None
    for line, statement in _statements(text):
        keyword, found = _match(statement, line, path)
        if keyword == "create":
            current = _created(found[1], line, sections, path)
        elif keyword == "access":
            current = _known(found[1], sections, line, path)
        elif keyword == "connect":
            _connect(found, line, sections, path)
        elif current is None:
            raise ModelError("a 3-D point before any section is created", path, line)
        else:
            current.points.append([float(number) for number in found.groups()])
    return morphology(_shapes(sections, path), path)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Lines with a statement that matters, counted from 1, without comments and points on spines."""
    bare = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)
    for line, (whole, statement) in enumerate(zip(text.split("\n"), bare.split("\n"), strict=True), start=1):
        if _KEYWORD.search(statement) and "Spine" not in whole:
            yield line, statement.strip()


def _match(statement: str, line: int, path: str | Path | None) -> tuple[str, re.Match[str]]:
    forms = {"create": _CREATE, "access": _ACCESS, "connect": _CONNECT, "pt3dadd": _POINT}
    for keyword, form in forms.items():
        if found := form.search(statement):
            return keyword, found
    raise ModelError(
        f"{statement!r}: expected {{create NAME}}, {{access NAME}}, {{connect NAME(0), PARENT(x)}} or "
        "{pt3dadd(x, y, z, diameter)}, one to a line",
        path,
        line,
    )


def _created(name: str, line: int, sections: dict[str, _Section], path: str | Path | None) -> _Section:
    label = next((label for part, label in _LABELS if part in name.lower()), None)
    if label is None:
        raise ModelError(f"section {name!r}: expected soma, dend, apical or axon in its name", path, line)
    if name in sections:
        raise ModelError(f"section {name!r} has been created in line {sections[name].line}", path, line)
    sections[name] = _Section(name, label, line)
    return sections[name]


def _known(name: str, sections: dict[str, _Section], line: int, path: str | Path | None) -> _Section:
    if name not in sections:
        raise ModelError(f"section {name!r} is created nowhere above", path, line)
    return sections[name]


def _connect(found: re.Match[str], line: int, sections: dict[str, _Section], path: str | Path | None) -> None:
    child = _known(found[1], sections, line, path)
    if float(found[2]) != 0 or not 0 <= float(found[4]) <= 1:
        raise ModelError("expected the 0-end of a section at 0 to 1 of its parent", path, line)
    child.parent, child.parent_x, child.parent_line = found[3], float(found[4]), line


def _shapes(sections: dict[str, _Section], path: str | Path | None) -> list[Shape]:
    ids = {name: at for at, name in enumerate(sections)}
    shapes = []
    for section in sections.values():
        if section.parent is not None and section.parent not in ids:
            raise ModelError(f"parent {section.parent!r} is created nowhere", path, section.parent_line)
        if not section.points:
            raise ModelError(f"section {section.name!r} has no 3-D points", path, section.line)
        on_soma = section.parent is not None and sections[section.parent].label == SOMA
        parent = -1 if section.parent is None else ids[section.parent]
        points = np.array(section.points, np.float64)
        shapes.append(
            Shape(section.name, section.label, parent, 0.5 if on_soma else section.parent_x, points)
        )
    return shapes
