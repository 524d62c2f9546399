"""Morphologies in SWC: a tree of samples, cut into sections as NEURON's importer cuts it.

The format is that of Cannon RC, Turner DA, Pyapali GK, Wheal HV (1998) J Neurosci Methods 84:49-54.
"""

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ModelError
from .import3d import SOMA_TYPE, Piece, Tree
from .shapes import APICAL, AXON, DENDRITE, SOMA, Morphology, Shape, morphology

LABELS = {1: SOMA, 2: AXON, 3: DENDRITE, 4: APICAL}
"""Labels by type; all other types are dendrites."""

_NAMES = {SOMA: "soma", AXON: "axon", DENDRITE: "dend", APICAL: "apical"}
_LINE = re.compile(r"\r\n|\r|\n")
_FIELDS = "ID, type, x, y, z, radius and the parent's ID"


@dataclass(frozen=True)
class _Sample:
    line: int
    kind: int
    point: tuple[float, float, float, float]
    parent: int


def parse_swc(text: str, path: str | Path | None = None) -> Morphology:
    """Read an SWC file as NEURON's ``Import3d_SWC_read`` does: the same sections, 3-D points and connections.

    Sections are numbered by the IDs of their first samples. One ends where the tree branches, its type
    changes, or the next sample is not its end's child. It begins with the last sample of its parent; on the
    soma with the diameter of its own first one. A soma of one sample, and one of three that represent a
    sphere as neuromorpho.org writes it, is a cylinder as long as wide along x, and what starts on it begins
    with its own first sample.

    A file with IDs below those of their parents, or in which NEURON would join samples that do not belong
    together, is read as if its IDs were in depth-first order, the soma's first.

    Parameters
    ----------
    text
        What the file says: lines of ID, type (1 soma, 2 axon, 3 basal, 4 apical dendrite; others are dendrites), x, y,
        z and radius in um, and the parent's ID (below 0 for the first); what follows on the line is passed over, and
        so is what follows ``#``. Lines end with a line feed, a carriage return, or both.
    path
        Its name, for messages.

    Returns
    -------
    Morphology
        Its `notices` name the sections without length, which NEURON leaves out, with their lines.

    Raises
    ------
    ModelError
        With file and line: a line of another form, numbers that are not finite, radii not above 0, IDs given twice or
        not there, more than one sample without parent, a sample that is its own ancestor, no sample at all; and what
        `morphology` refuses.
    """
    samples = _samples(text, path)
    root = _root(samples, path)
    tree, order = _tree(samples, root, path)
    notices: list[str] = []

    def tell(sample: int, what: str) -> None:
        line = samples[order[sample]].line
        notices.append(
            f"line {line}: the section that begins here {what}, and is left out, as NEURON leaves it out"
        )

    pieces = tree.pieces(tell)
    lines = [samples[order[piece.first]].line for piece in pieces]
    return morphology([_shape(at, piece) for at, piece in enumerate(pieces)], path, lines, notices)


def _samples(text: str, path: str | Path | None) -> dict[int, _Sample]:
    samples: dict[int, _Sample] = {}
    for line, row in enumerate(_LINE.split(text.removeprefix("\ufeff")), start=1):
        if fields := row.partition("#")[0].split():
            number, sample = _sample(fields, line, path)
            if number in samples:
                raise ModelError(
                    f"ID {number} is also in line {samples[number].line}; give each sample its own",
                    path,
                    line,
                )
            samples[number] = sample
    if not samples:
        raise ModelError(f"no sample: expected lines of {_FIELDS}", path)
    return samples


def _sample(fields: list[str], line: int, path: str | Path | None) -> tuple[int, _Sample]:
    try:
        if any("_" in field for field in fields[:7]):
            raise ValueError  # Python would read 1_000 as a number.
        number, kind, parent = (_whole(fields[at]) for at in (0, 1, 6))
        x, y, z, radius = (float(field) for field in fields[2:6])
    except (ValueError, IndexError):
        raise ModelError(f"{' '.join(fields)!r}: expected {_FIELDS}", path, line) from None
    if number < 0:
        raise ModelError(f"ID {number}: expected 0 or more", path, line)
    if not all(map(math.isfinite, (x, y, z, radius))):
        raise ModelError("a number that is not finite", path, line)
    if radius <= 0:
        raise ModelError(f"radius {radius:g}: expected um above 0", path, line)
    return number, _Sample(line, kind, (x, y, z, 2 * radius), parent)


def _whole(field: str) -> int:
    try:
        return int(field)
    except ValueError:
        number = float(field)
    if not number.is_integer():  # neither is infinity, nor NaN
        raise ValueError(field)
    return int(number)


def _root(samples: dict[int, _Sample], path: str | Path | None) -> int:
    """The ID of the first sample: the one without a parent."""
    roots = [number for number, sample in samples.items() if sample.parent < 0]
    first = min(samples)
    if not roots and samples[first].parent not in samples:
        roots = [first]  # Some programs write 0 for no parent; NEURON takes any that is not there.
    if not roots:
        raise ModelError("no sample is without parent: expected -1 for the parent of one", path)
    for number, sample in samples.items():
        if number in roots[1:]:
            raise ModelError(
                f"a second sample without parent, besides that of line {samples[roots[0]].line}; expected one tree: "
                "connect it, or put it into a file of its own",
                path,
                sample.line,
            )
        if number != roots[0] and sample.parent not in samples:
            raise ModelError(f"parent {sample.parent} is not there", path, sample.line)
    return roots[0]


def _tree(samples: dict[int, _Sample], root: int, path: str | Path | None) -> tuple[Tree, list[int]]:
    """The samples as a tree, and the ID of each."""
    children: dict[int, list[int]] = defaultdict(list)
    # The soma's samples first, so that it stays in one piece.
    for number in sorted(samples, key=lambda number: (samples[number].kind != SOMA_TYPE, number)):
        if number != root:
            children[samples[number].parent].append(number)
    order = _grown(root, children)
    if lost := samples.keys() - set(order):
        line = min(samples[number].line for number in lost)
        raise ModelError("this sample is its own ancestor, or grows on one that is", path, line)
    by_id = sorted(samples)
    if all(samples[number].parent < number for number in by_id):
        tree = _planted(samples, by_id)
        if not tree.joins_strangers:
            return tree, by_id
    return _planted(samples, order), order


def _grown(root: int, children: dict[int, list[int]]) -> list[int]:
    order, stack = [], [root]
    while stack:
        order.append(stack.pop())
        stack += reversed(children[order[-1]])
    return order


def _planted(samples: dict[int, _Sample], order: list[int]) -> Tree:
    index = {number: at for at, number in enumerate(order)}
    return Tree(
        [samples[number].kind for number in order],
        [-1, *(index[samples[number].parent] for number in order[1:])],
        np.array([samples[number].point for number in order]),
    )


def _shape(at: int, piece: Piece) -> Shape:
    label = LABELS.get(piece.kind, DENDRITE)
    name = "soma" if at == 0 and label == SOMA else f"{_NAMES[label]}_{at}"
    return Shape(name, label, piece.parent, piece.parent_x, piece.points, kind=piece.kind)
