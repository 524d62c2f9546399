"""Morphologies in hoc: statements that make sections and their points, understood by a small grammar.

Nothing in a file is run. Statements that leave the shape as it is are passed over; whatever else is not understood is
an error, with its line.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import ModelError
from ..hoc_text import READING, HocText, Token
from .shapes import APICAL, AXON, DENDRITE, SOMA, Morphology, Shape, morphology

_LABELS = (("soma", SOMA), ("apical", APICAL), ("dend", DENDRITE), ("axon", AXON))
_HARMLESS = READING | {"pt3dstyle", "pt3dconst", "printf"}
_LIBRARIES = frozenset({"nrngui.hoc", "stdgui.hoc", "stdlib.hoc", "stdrun.hoc", "noload.hoc"})
_SHAPING = ("L", "diam")
_FORMS = {
    "create": "create NAME or create NAME[number], with commas between several",
    "access": "access NAME",
    "connect": "connect NAME(0), PARENT(x)",
    "disconnect": "disconnect()",
    "pt3dadd": "pt3dadd(x, y, z, diameter)",
    "pt3dchange": "pt3dchange(index, diameter) or pt3dchange(index, x, y, z, diameter)",
    "pt3dclear": "pt3dclear()",
    "pt3dinsert": "pt3dinsert(index, x, y, z, diameter)",
    "pt3dremove": "pt3dremove(index)",
}
_COUNTS = {"pt3dadd": (4,), "pt3dchange": (2, 5), "pt3dinsert": (5,), "pt3dremove": (1,)}
_MOST = 100_000
"""Greatest number of sections created at once, and of turns of loops read."""


@dataclass
class _Section:
    name: str
    line: int
    parent: str | None = None
    parent_x: float = 0.0
    parent_line: int = 0
    end: float = 0.0
    points: list[tuple[float, ...]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    @property
    def label(self) -> str | None:
        return next((label for part, label in _LABELS if part in self.name.lower()), None)


def parse_hoc(text: str, path: str | Path | None = None) -> Morphology:
    """Read the sections that a hoc file makes, as NEURON would when it runs the file.

    Understood are ``create``, ``access``, ``connect`` in both forms, ``disconnect``, ``pt3dadd``, ``pt3dclear``,
    ``pt3dchange``, ``pt3dinsert``, ``pt3dremove``, sections before a statement or a block (``soma { ... }``), blocks,
    ``forall``, ``for i = first, last``, variables, and expressions of numbers. Passed over is what leaves the shape as
    it is: ``nseg`` and other range variables, ``insert``, ``strdef``, ``objref``, ``print``, ``pt3dstyle``, definitions
    of procedures, ``load_file`` of NEURON's own libraries.

    A section's label follows from its name: ``soma``, ``apical``, ``dend`` or ``axon``, in any case and anywhere in it;
    its ID is the place of its ``create`` among all. A section that is attached by its 1-end begins there: positions on
    it count from the end that is attached, which NEURON's do not.

    Parameters
    ----------
    text
        What the file says.
    path
        Its name, for messages.

    Returns
    -------
    Morphology
        Its `notices` name what was passed over or taken in another way than by NEURON.

    Raises
    ------
    ModelError
        With file and line: a statement that is not understood and might change the shape; sections not created, or
        without points, or connected and of unknown label; diameters not above 0; and what `morphology` refuses.

    Notes
    -----
    Where the In Silico Framework, whose morphologies these are, differs from NEURON, it is followed:

    - Whatever starts on the soma starts at its middle, wherever the file attaches it.
    - Sections of no label, such as contours, are passed over with their points, unless they are connected.
    - Points in lines that say ``Spine`` are passed over.
    - After ``{create NAME}``, in braces, points are NAME's also without ``access``.
    """
    reader = _Reader(text, path)
    try:
        reader.read()
    except RecursionError:
        raise ModelError("nested too deeply", path, reader.next.line) from None
    return morphology(*reader.finish(), reader.notices)


class _Reader(HocText):
    def __init__(self, text: str, path: str | Path | None) -> None:
        super().__init__(text, path)
        self.sections: dict[str, _Section] = {}
        self.sizes: dict[str, int | None] = {}
        self.procedures: set[str] = set()
        # The section of each block around, None where it is not known which; that of access; that of {create ...}.
        self.around: list[str | None] = []
        self.accessed: str | None = None
        self.created: str | None = None
        self.depth = self.turns = self.spines = 0
        self.notices: list[str] = []

    def read(self) -> None:
        while not self.finished:
            self._statement()
        if self.spines:
            self.notices.append(f"{self.spines} points in lines that say Spine are passed over")

    def _statement(self) -> None:
        token = self.next
        if token.kind == "end":
            self.take()
        elif self.sees("{"):
            self._block()
        elif token.kind != "name":
            raise self.error()
        elif token.text in self.sizes:
            self._on_a_section()
        elif token.text in self._keywords:
            self.take()
            self._keywords[token.text](self, token)
        elif token.text.startswith("pt3d") and token.text not in _HARMLESS:
            self._points(self.take())
        else:
            self._assignment()

    def _block(self) -> None:
        begin = self.take()
        self.depth += 1
        while not self.sees("}"):
            if self.finished:
                raise ModelError("a block that does not end: '}' is missing", self.path, begin.line)
            self._statement()
        self.take()
        self.depth -= 1

    # Sections

    def _create(self, token: Token) -> None:
        form, names = _FORMS["create"], list[str]()
        while not names or self.skips(","):
            name, size = self.name(form), None
            if self.skips("["):
                size = self.index(form)
                self.expect("]", form)
                if not 0 < size <= _MOST:
                    raise self.error(f"{form}, of 1 to {_MOST} sections", token)
            names.append(name if size is None else f"{name}[0]")
            if name in self.sizes:
                line = self.sections[names[-1] if names[-1] in self.sections else name].line
                raise ModelError(f"section {name!r} has been created in line {line}", self.path, token.line)
            self.sizes[name] = size
            for each in [name] if size is None else [f"{name}[{at}]" for at in range(size)]:
                self.sections[each] = _Section(each, token.line)
        self.accessed = self.accessed or names[0]
        if self.depth and not self.around and len(names) == 1:
            self.created = names[0]

    def _reference(self, form: str) -> str:
        """The name of a section, with its index."""
        name = self.name(form)
        if self.skips("["):
            name = f"{name}[{self.index(form)}]"
            self.expect("]", form)
            return name
        return name if self.sizes.get(name) is None else f"{name}[0]"

    def _known(self, form: str) -> _Section:
        token = self.next
        name = self._reference(form)
        if name not in self.sections:
            raise ModelError(f"section {name!r} is created nowhere above", self.path, token.line)
        return self.sections[name]

    def _access(self, token: Token) -> None:
        name = self._known(_FORMS["access"]).name
        if self.around:
            self.around[-1] = name
        else:
            self.accessed, self.created = name, None

    def _on_a_section(self) -> None:
        """A section before a statement or a block, or before a dot and a variable of it."""
        section = self._known("NAME { ... }")
        if self.skips("."):
            self._assignment()
        else:
            self._inside(section.name)

    def _inside(self, section: str | None) -> None:
        self.around.append(section)
        self._what_follows()
        self.around.pop()

    def _what_follows(self) -> None:
        """A statement or a block, which must begin on the same line."""
        if self.next.kind == "end":
            raise self.error("a statement or a block on the same line")
        self._statement()

    def _current(self, token: Token) -> _Section:
        name = self.around[-1] if self.around else self.created or self.accessed
        if name is None:
            what = "a 3-D point" if token.text.startswith("pt3d") else token.text
            when = "of sections that are not known here" if self.around else "before any section is created"
            raise ModelError(f"{what} {when}", self.path, token.line)
        if not self.around and self.created not in (None, self.accessed):
            notice = f"after {{create {name}}} without access, points are those of {name}; NEURON adds them to {self.accessed}"
            if not any(told.endswith(notice) for told in self.notices):
                self.notices.append(f"line {token.line}: {notice}")
        return self.sections[name]

    def _connect(self, token: Token) -> None:
        form = _FORMS["connect"]
        child = self._known(form)
        child.end, child.parent_line = self._place(form), token.line
        self.expect(",", form)
        if self.next.kind == "name" and self.next.text not in self.variables:
            child.parent = self._reference(form)
            child.parent_x = self._place(form)
        else:
            child.parent, child.parent_x = self._current(token).name, self.number(form)
        if child.end not in (0, 1) or not 0 <= child.parent_x <= 1:
            raise ModelError(
                "expected the 0-end or the 1-end of a section, at 0 to 1 of its parent", self.path, token.line
            )

    def _place(self, form: str) -> float:
        self.expect("(", form)
        place = self.number(form)
        self.expect(")", form)
        return place

    def _disconnect(self, token: Token) -> None:
        self.arguments(_FORMS["disconnect"])
        self._current(token).parent = None

    # Points

    def _points(self, token: Token) -> None:
        form = _FORMS.get(token.text)
        if form is None:
            raise self.error(token=token)
        given = self.arguments(form)
        numbers = [number for number in given if number is not None]
        if len(numbers) < len(given) or len(numbers) not in _COUNTS.get(token.text, (len(numbers),)):
            raise self.error(form, token)
        section = self._current(token)
        if token.text == "pt3dclear":
            section.points, section.lines = [], []
        elif token.text == "pt3dadd" and "Spine" in self.rows[token.line - 1]:
            self.spines += 1
        elif token.text == "pt3dadd":
            section.points.append(tuple(numbers))
            section.lines.append(token.line)
        else:
            self._change(token, section, numbers)

    def _change(self, token: Token, section: _Section, numbers: Sequence[float]) -> None:
        """Change, insert or remove one point."""
        points, lines, point = section.points, section.lines, tuple(numbers[1:])
        known = range(len(points) + (token.text == "pt3dinsert"))
        if numbers[0] not in known:
            raise ModelError(
                f"{token.text}: section {section.name!r} has {len(points)} points, counted from 0; there is no "
                f"{numbers[0]:g}",
                self.path,
                token.line,
            )
        at = int(numbers[0])
        if token.text == "pt3dremove":
            del points[at], lines[at]
        elif token.text == "pt3dinsert":
            points.insert(at, point)
            lines.insert(at, token.line)
        else:
            points[at] = point if len(point) == 4 else (*points[at][:3], *point)
            lines[at] = token.line

    # Several times

    def _forall(self, token: Token) -> None:
        if not self.sections:
            raise ModelError("forall before any section is created", self.path, token.line)
        begin = self.at
        for name in list(self.sections):
            self.at = begin
            self._inside(name)

    def _forsec(self, token: Token) -> None:
        """Which sections it is for is not known here: its statement may be one that leaves the shape as it is."""
        self.expression("forsec NAME { ... }")
        self._inside(None)

    def _for(self, token: Token) -> None:
        form = "for NAME = first, last { ... }; other loops are not understood"
        name = self.name(form)
        self.expect("=", form)
        turn = self.number(form)
        self.expect(",", form)
        last, begin = self.number(form), self.at
        if turn > last:
            raise self.error(f"{form}: first above last", token)
        while turn <= last:
            self.turns += 1
            if self.turns > _MOST:
                raise ModelError(f"loops of more than {_MOST} turns", self.path, token.line)
            self.at, self.variables[name] = begin, turn
            self._what_follows()
            turn += 1

    # What changes nothing

    def _declaration(self, token: Token) -> None:
        form = f"{token.text} NAME, with commas between several"
        while True:
            self.variables[self.name(form)] = None
            if self.skips("["):
                self.expression(form)
                self.expect("]", form)
            if not self.skips(","):
                return

    def _insertion(self, token: Token) -> None:
        self.name(f"{token.text} MECHANISM")

    def _print(self, token: Token) -> None:
        if self.next.kind == "end" or self.sees("}"):
            return
        self.expression()
        while self.skips(","):
            self.expression()

    def _procedure(self, token: Token) -> None:
        """To define a procedure changes nothing; to call it may."""
        form = f"{token.text} NAME() {{ ... }}"
        self.procedures.add(self.name(form))
        for sign in "(){":
            self.expect(sign, form)
        depth = 1
        while depth:
            if self.finished:
                raise ModelError("a procedure that does not end: '}' is missing", self.path, token.line)
            inner = self.take()
            depth += (inner.text == "{") - (inner.text == "}")

    def _load_file(self, token: Token) -> None:
        self.expect("(", "load_file(NAME)")
        if self.take().text.strip('"') not in _LIBRARIES:
            raise self.error(token=token)
        self.expect(")", "load_file(NAME)")

    def _assignment(self) -> None:
        """A value for a variable, be it of a section or an array; or a call that changes nothing."""
        token = self.next
        name = self.name("")
        if name in self.procedures or name in self.sizes:
            raise self.error(token=token)
        if name in _SHAPING:
            raise ModelError(
                f"{name} is set: lengths and diameters are read from 3-D points; give them by pt3dadd",
                self.path,
                token.line,
            )
        array = self.sees("(", "[")
        if self.sees("("):
            self.arguments("NAME(x)")
            if name in _HARMLESS:
                return
        elif self.skips("["):
            self.expression()
            self.expect("]", "NAME[number]")
        if not self.sees("=", "+=", "-=", "*=", "/="):
            raise self.error(token=token)
        sign, value = self.take(), self.expression("")
        if sign.text != "=":
            value = self.operated(sign, self.variables.get(name), value)
        self.variables[name] = None if array else value

    _keywords: ClassVar[dict[str, Callable[[Any, Token], None]]] = {
        "access": _access,
        "connect": _connect,
        "create": _create,
        "disconnect": _disconnect,
        "double": _declaration,
        "for": _for,
        "forall": _forall,
        "forsec": _forsec,
        "func": _procedure,
        "insert": _insertion,
        "load_file": _load_file,
        "objectvar": _declaration,
        "objref": _declaration,
        "print": _print,
        "proc": _procedure,
        "strdef": _declaration,
        "uninsert": _insertion,
    }

    # The end

    def finish(self) -> tuple[list[Shape], str | Path | None, list[int]]:
        """The sections that have a label, the file, and their lines."""
        parents = {own.parent for own in self.sections.values()}
        for own in self.sections.values():
            if own.label is None and (own.parent is not None or own.name in parents):
                raise ModelError(
                    f"section {own.name!r}: expected soma, dend, apical or axon in its name",
                    self.path,
                    own.line,
                )
            if own.label is None:
                self.notices.append(
                    f"line {own.line}: section {own.name!r} is passed over with its {len(own.points)} points: it is not "
                    "connected, and has none of soma, dend, apical and axon in its name"
                )
        kept = {own.name: at for at, own in enumerate(own for own in self.sections.values() if own.label)}
        if not kept:
            raise ModelError("no section is created: expected create, connect and pt3dadd", self.path)
        sections = [self.sections[name] for name in kept]
        return [self._shape(own, kept) for own in sections], self.path, [own.line for own in sections]

    def _shape(self, own: _Section, ids: dict[str, int]) -> Shape:
        for line, point in zip(own.lines, own.points, strict=True):
            if not np.isfinite(point).all() or point[3] <= 0:
                raise ModelError(
                    f"section {own.name!r}: a diameter not above 0, or a number not finite", self.path, line
                )
        if not own.points:
            raise ModelError(f"section {own.name!r} has no 3-D points", self.path, own.line)
        label, points = str(own.label), np.array(own.points, np.float64)
        if own.parent is None:
            return Shape(own.name, label, -1, 0.0, points)
        if own.parent not in ids:
            raise ModelError(f"parent {own.parent!r} is created nowhere", self.path, own.parent_line)
        parent = self.sections[own.parent]
        x = 1 - own.parent_x if parent.end == 1 and parent.parent is not None else own.parent_x
        if own.end == 1:
            self.notices.append(
                f"line {own.parent_line}: section {own.name!r} is attached by its 1-end, from which positions on it count "
                "here; in NEURON they are 1 less these"
            )
        if parent.label == SOMA and label != SOMA:
            x = 0.5
        return Shape(own.name, label, ids[own.parent], x, points)
