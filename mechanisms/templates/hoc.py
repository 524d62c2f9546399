"""Templates in hoc: code of a user's, run as it is, in the calling conventions of three simulators.

What a template is called with is read from its ``init``:

==================================================  ==========================================================================
arguments of ``init``                               convention
==================================================  ==========================================================================
``$1 $o2 … $o11``                                   MiV-Simulator: gid, points of each section, layers, parents and children of
                                                    sections, where these hang, x, y, z, radii, SWC types
``$1 $s2 $s3``                                      neurodamus: gid, folder and name of the morphology's file
``$s1``                                             Allen Institute: the morphology's path
none, or numbers                                    bmtk: ``params`` of the node's dynamics_params
==================================================  ==========================================================================

A template with a public ``pointcell`` is a point process, as neurodamus has those of the Allen Institute, and is called with the gid.

Hoc can do whatever its author likes. A template is only looked for in folders that the user has named, or in what a lake keeps if the
user trusts it, and its text is run once in a process.
"""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..network.cells import Detector, NetworkCell, NetworkNode
from ..network.templates import Search
from .detectors import axon_detector, initial_segment_detector, template_detector
from .files import file_named, hoc_files, node_dynamics, swc_text

SCHEME = "hoc:"
SUFFIXES = (".swc", ".asc", ".hoc")
THRESHOLD = -15.0
"""Of spikes at the soma's middle in mV, where the simulation's configuration says none."""
BLUE_BRAIN, BLUE_BRAIN_THRESHOLD = "neurodamus", -30.0
"""Who calls templates so, and the same of theirs."""
_PLACES = (None, "soma", "AIS")

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_TEMPLATE = re.compile(r"\bbegintemplate\s+(\w+)(.*?)\bendtemplate\b", re.DOTALL)
_INIT = re.compile(r"\bproc\s+init\s*\(\s*\)")
_ARGUMENT = re.compile(r"\$(?P<kind>[so&]?)(?P<number>\d+)")
_INSERT = re.compile(r"\binsert\s+(\w+)")
_POINT = re.compile(r"\bpublic\b[^\n]*\bpointcell\b")
_BUILT_IN = frozenset({"pas", "hh", "extracellular", "fastpas", "capacitance", "morphology"})

_loaded: dict[str, str] = {}  # name of each template that this process has, and its text


@dataclass(frozen=True)
class HocSource:
    """A template in a hoc file.

    Attributes
    ----------
    name
        What ``begintemplate`` calls it.
    path
        The file.
    text
        All of the file.
    arguments
        What ``init`` is called with: kind (``s`` text, ``o`` object, ``&`` pointer, empty for a number) by number.
    inserted
        Mechanisms that it inserts, as far as the text says, without NEURON's own.
    point
        Whether it makes a point process, ``pointcell``, and no sections.
    """

    name: str
    path: Path
    text: str
    arguments: Mapping[int, str]
    inserted: tuple[str, ...]
    point: bool = False

    def load(self) -> None:
        """Let this process's NEURON run the file, once.

        Raises
        ------
        ModelError
            NEURON refuses it, or has another template of that name.
        """
        from neuron import h

        if self.name in _loaded:
            if _loaded[self.name] != self.text:
                raise ModelError(f"this process has another template {self.name!r}: use a new one", self.path)
            return
        if hasattr(h, self.name):
            raise ModelError(f"NEURON has something called {self.name!r} already", self.path)
        h.load_file("stdrun.hoc")
        h.load_file("import3d.hoc")
        try:
            done = h.load_file(1, str(self.path))
        except RuntimeError as error:
            raise ModelError(f"NEURON cannot run this file: {error}", self.path) from error
        if not done or not hasattr(h, self.name):
            raise ModelError(f"NEURON has run this file and has no template {self.name!r}", self.path)
        _loaded[self.name] = self.text


def read_hoc_templates(path: Path) -> list[HocSource]:
    """Return the templates in a hoc file; none is run.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelError
        It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}", path) from error
    found = []
    for name, body in _TEMPLATE.findall(_COMMENT.sub(" ", text)):
        inserted = tuple(sorted(set(_INSERT.findall(body)) - _BUILT_IN))
        point = _POINT.search(body) is not None
        found.append(HocSource(name, path, text, _arguments(body), inserted, point))
    return found


def _arguments(body: str) -> dict[int, str]:
    init = _INIT.search(body)
    if init is None:
        return {}
    code = _block(body[init.end() :])
    return {int(each["number"]): each["kind"] for each in _ARGUMENT.finditer(code)}


def _block(text: str) -> str:
    """What stands between the first brace and the one that closes it."""
    depth, start = 0, text.find("{")
    for at, sign in enumerate(text):
        depth += (sign == "{") - (sign == "}")
        if depth == 0 and sign == "}":
            return text[start : at + 1]
    return text


@dataclass(frozen=True, eq=False)
class HocTemplate:
    """Makes cells by a template in hoc.

    Attributes
    ----------
    name
        What circuits call it: ``hoc:Name`` or ``Name``.
    hoc
        The template.
    search
        Where morphologies and parameters are; its setting ``run.spike_threshold`` is used.
    """

    name: str
    hoc: HocSource
    search: Search

    @property
    def artificial(self) -> bool:
        """Whether its cells are point processes."""
        return self.hoc.point

    @property
    def mechanisms(self) -> Sequence[str]:
        """Mechanisms that the template's text inserts, without NEURON's own."""
        return self.hoc.inserted

    @cached_property
    def convention(self) -> "Convention":
        """How it is called."""
        told = self.hoc.arguments
        if max(told, default=0) >= 11 and told.get(2) == "o":
            return Convention("MiV-Simulator", _miv_arguments, _miv_sections)
        if told.get(2) == "s" and told.get(3) == "s":
            return Convention(BLUE_BRAIN, _neurodamus_arguments, _neurodamus_sections)
        if told.get(1) == "s":
            return Convention("Allen Institute", _path_argument, _all_sections)
        return Convention("bmtk", _bmtk_arguments, _all_sections)

    def check(self, node: NetworkNode) -> Sequence[str]:
        """Return what hinders it to make this cell.

        Parameters
        ----------
        node
            The cell.
        """
        if self.artificial:
            return ()
        if self.convention.name == "MiV-Simulator":
            return () if node.shape is not None else (f"template {self.name!r} needs a tree",)
        if self.convention.name == "bmtk":
            try:
                _bmtk_arguments(self, node)
            except ModelError as error:
                return (str(error),)
            return ()
        if node.shape is None and _morphology_file(self, node) is None:
            said = node.attributes.get("morphology")
            return (f"the morphology {said!r} is neither in the lake nor in a folder that was named",)
        place = self._conditions.get("spike_location")
        if self.convention.name == BLUE_BRAIN and place not in _PLACES:
            return (f"conditions.spike_location is {place!r}; there are soma and AIS",)
        return ()

    @property
    def _conditions(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.search.settings.get("conditions") or {}
        return found

    def build(self, node: NetworkNode) -> NetworkCell:
        """Make a cell.

        Parameters
        ----------
        node
            The cell.

        Raises
        ------
        ModelError
            Hoc fails, or makes no soma.
        """
        from neuron import h

        self.hoc.load()
        try:
            if self.artificial:
                point = getattr(h, self.hoc.name)(node.gid)
                return NetworkCell(node.gid, process=point.pointcell, held=point)
            made = getattr(h, self.hoc.name)(*self.convention.arguments(self, node))
            sections, soma = self.convention.sections(made)
        except (RuntimeError, LookupError, ValueError, AttributeError, TypeError) as error:
            raise ModelError(
                f"template {self.name!r}, called as {self.convention.name} does, fails at cell {node.gid}: {error}",
                self.hoc.path,
            ) from error
        told = self.search.settings.get("run", {}).get("spike_threshold")
        blue_brain = self.convention.name == BLUE_BRAIN
        detector = Detector(
            soma, 0.5, (BLUE_BRAIN_THRESHOLD if blue_brain else THRESHOLD) if told is None else float(told)
        )
        if blue_brain and self._conditions.get("spike_location") == "AIS":
            detector = initial_segment_detector(made, sections, detector, node)
        if self.convention.name == "MiV-Simulator":
            if self.search.reproduce == "miv" and node.shape is not None:
                detector = axon_detector(sections, node.shape.section_types)
            else:
                detector = template_detector(made, sections, detector)
        return NetworkCell(node.gid, sections, detector, held=made, soma=soma)


@dataclass(frozen=True)
class Convention:
    """How templates are called, and where sections of their cells are.

    Attributes
    ----------
    name
        Whose it is.
    arguments
        What a template is called with for a cell.
    sections
        Sections of a cell in the order of the circuit's numbers, and the soma's place among them.
    """

    name: str
    arguments: Callable[["HocTemplate", NetworkNode], Sequence[Any]]
    sections: Callable[[Any], tuple[Sequence[Any], int]]


def _miv_arguments(template: HocTemplate, node: NetworkNode) -> Sequence[Any]:
    tree = node.shape
    if tree is None:
        raise ModelError(f"template {template.name!r} needs a tree, and cell {node.gid} has none")
    points = dict(enumerate(tree.sections))
    radius = tree.diameter / 2
    links = (tree.source, tree.destination, tree.location)
    return (node.gid, points, tree.layer, *links, tree.x, tree.y, tree.z, radius, tree.type)


def _miv_sections(made: Any) -> tuple[Sequence[Any], int]:
    return list(made.sections), int(made.somaidx[0])


def _neurodamus_arguments(template: HocTemplate, node: NetworkNode) -> Sequence[Any]:
    path = _morphology_file(template, node)
    if path is None:
        path = _written(node)
    return (node.gid, str(path.parent), path.name)


def _path_argument(template: HocTemplate, node: NetworkNode) -> Sequence[Any]:
    return (str(_morphology_file(template, node) or _written(node)),)


def _bmtk_arguments(template: HocTemplate, node: NetworkNode) -> Sequence[Any]:
    params = node_dynamics(node, template.search).get("params", ())
    return tuple(params) if isinstance(params, list | tuple) else (params,)


def _neurodamus_sections(made: Any) -> tuple[Sequence[Any], int]:
    """Soma, axon, dendrites, apical dendrites, as the numbers of sections in circuits of the Blue Brain Project follow each other."""
    rank = {"soma": 0, "axon": 1, "dend": 2, "apic": 3}
    return sorted(made.all, key=lambda section: rank.get(_part_of(section), len(rank))), 0


def _all_sections(made: Any) -> tuple[Sequence[Any], int]:
    sections = list(made.all) if hasattr(made, "all") else list(made.soma[0].wholetree())
    return sections, [_part_of(section) for section in sections].index("soma")


def _part_of(section: Any) -> str:
    """Name of the array that a section of a template is in: arrays themselves may hold sections that were deleted."""
    return str(section.name()).rsplit(".", 1)[-1].partition("[")[0]


def _morphology_file(template: HocTemplate, node: NetworkNode) -> Path | None:
    name = node.attributes.get("morphology")
    return file_named(name, template.search, ("", *SUFFIXES)) if isinstance(name, str) else None


def _written(node: NetworkNode) -> Path:
    """The tree of a cell as an SWC file that lives as long as the process."""
    if node.shape is None:
        raise ModelError(f"cell {node.gid} has neither a tree nor a file of one")
    path = Path(_scratch()) / f"{node.shape.name}.swc"
    if not path.exists():
        path.write_text(swc_text(node.shape))
    return path


_folders: list[tempfile.TemporaryDirectory[str]] = []


def _scratch() -> str:
    if not _folders:
        _folders.append(tempfile.TemporaryDirectory(prefix="neurolake-trees-"))
    return _folders[0].name


def find_hoc(name: str, search: Search) -> HocTemplate | None:
    """Return the template in hoc of a name, from the folders that the user has named.

    Parameters
    ----------
    name
        ``hoc:Name``, or ``Name`` alone.
    search
        The folders.

    Raises
    ------
    ModelError
        The name says that it is hoc and no file of the folders has it, or two files have different ones.
    """
    wanted = name.removeprefix(SCHEME).removesuffix(".hoc")
    if ":" in wanted:
        return None
    found = [
        template
        for path in hoc_files(search.folders).values()
        for template in read_hoc_templates(path)
        if template.name == wanted
    ]
    if len({template.text for template in found}) > 1:
        raise ModelError(
            f"template {wanted!r} is also defined, otherwise, in {found[0].path}", found[-1].path
        )
    if found:
        return HocTemplate(name, found[0], search)
    if name.startswith(SCHEME):
        looked = ", ".join(map(str, search.folders)) or "no folder was named"
        raise ModelError(f"no file defines the template {wanted!r} in hoc; looked in: {looked}{search.hint}")
    return None
