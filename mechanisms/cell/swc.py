"""Morphologies in SWC: a tree of samples, cut into sections where it branches or changes its type.

The format is that of Cannon RC, Turner DA, Pyapali GK, Wheal HV (1998) J Neurosci Methods 84:49-54; somata of one and
of three samples are those of neuromorpho.org.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .shapes import APICAL, AXON, DENDRITE, SOMA, Morphology, Shape, morphology

_LABELS = {1: SOMA, 2: AXON, 3: DENDRITE, 4: APICAL}
_NAMES = {AXON: "axon", DENDRITE: "dend", APICAL: "apical"}


@dataclass(frozen=True)
class _Sample:
    line: int
    label: str
    point: tuple[float, float, float, float]
    parent: int


class _Tree:
    def __init__(self, samples: dict[int, _Sample], path: str | Path | None) -> None:
        self.samples, self.path = samples, path
        self.children: dict[int, list[int]] = defaultdict(list)
        for sample, content in samples.items():
            if content.parent >= 0 and content.parent not in samples:
                raise ModelError(f"parent {content.parent} is not there", path, content.line)
            self.children[content.parent].append(sample)

    def label(self, sample: int) -> str:
        return self.samples[sample].label

    def run(self, first: int) -> list[int]:
        """The samples from *first* to the next branch, change of type, or end."""
        run = [first]
        while len(below := self.children[run[-1]]) == 1 and self.label(below[0]) == self.label(first):
            run.append(below[0])
        return run

    def error(self, reason: str, sample: int) -> ModelError:
        return ModelError(reason, self.path, self.samples[sample].line)


def parse_swc(text: str, path: str | Path | None = None) -> Morphology:
    """Read an SWC file.

    Sections are numbered depth first, children in the order of the file. A section begins with the last sample of
    its parent, unless that is the soma's. A soma of one sample becomes a cylinder as long as wide along y; that of
    three, a cylinder through its two outer samples; any other is a chain of samples.

    Parameters
    ----------
    text
        What the file says: lines of ID, type (1 soma, 2 axon, 3 basal, 4 apical dendrite), x, y, z and radius in um,
        and the parent's ID (-1 for the first); ``#`` begins a comment.
    path
        Its name, for messages.

    Raises
    ------
    ModelError
        With file and line: a line of another form, IDs given twice or not there, other types, a soma that branches
        or is interrupted; and what `morphology` refuses.
    """
    tree = _Tree(_samples(text, path), path)
    soma = _soma(tree)
    shapes = [Shape("soma", SOMA, -1, 0.0, _soma_points(tree, soma))]
    stack = [(child, 0) for sample in reversed(soma) for child in reversed(tree.children[sample])]
    stack = [(first, parent) for first, parent in stack if first not in set(soma)]
    reached = set(soma)
    while stack:
        first, parent = stack.pop()
        run = tree.run(first)
        reached.update(run)
        stack += [(child, len(shapes)) for child in reversed(tree.children[run[-1]])]
        shapes.append(_shape(tree, run, parent, len(shapes)))
    if lost := tree.samples.keys() - reached:
        raise tree.error("this sample is its own ancestor", min(lost))
    return morphology(shapes, path)


def _samples(text: str, path: str | Path | None) -> dict[int, _Sample]:
    samples: dict[int, _Sample] = {}
    for line, row in enumerate(text.splitlines(), start=1):
        if fields := row.partition("#")[0].split():
            number, sample = _sample(fields, line, path)
            if number in samples:
                raise ModelError(f"ID {number} is also in line {samples[number].line}", path, line)
            samples[number] = sample
    return samples


def _sample(fields: list[str], line: int, path: str | Path | None) -> tuple[int, _Sample]:
    try:
        number, kind, parent = int(fields[0]), int(fields[1]), int(fields[6])
        x, y, z, radius = (float(field) for field in fields[2:6])
    except (ValueError, IndexError):
        raise ModelError("expected ID, type, x, y, z, radius and the parent's ID", path, line) from None
    if kind not in _LABELS:
        raise ModelError(
            f"type {kind}: expected 1 (soma), 2 (axon), 3 (basal) or 4 (apical dendrite)", path, line
        )
    return number, _Sample(line, _LABELS[kind], (x, y, z, 2 * radius), parent)


def _soma(tree: _Tree) -> list[int]:
    """The soma's samples, in order along it."""
    parts = [sample for sample, content in tree.samples.items() if content.label == SOMA]
    roots = tree.children[-1]
    if len(roots) != 1 or not parts or roots[0] != parts[0]:
        raise ModelError("expected one sample without parent (-1), and that of the soma's type", tree.path)
    chain = [roots[0]]
    while below := [child for child in tree.children[chain[-1]] if tree.label(child) == SOMA]:
        if len(parts) == 3 and len(below) == 2:
            chain = [below[0], roots[0], below[1]]
            break
        if len(below) > 1:
            raise tree.error("the soma branches: expected one sample, three, or a chain of them", below[1])
        chain.append(below[0])
    if apart := set(parts) - set(chain):
        raise tree.error("a sample of the soma's type apart from the soma", min(apart))
    return chain


def _soma_points(tree: _Tree, soma: list[int]) -> NDArray[np.float64]:
    if len(soma) > 1:
        return np.array([tree.samples[sample].point for sample in soma])
    x, y, z, diameter = tree.samples[soma[0]].point
    return np.array([[x, y + along * diameter / 2, z, diameter] for along in (-1, 0, 1)])


def _shape(tree: _Tree, run: list[int], parent: int, at: int) -> Shape:
    above, label = tree.samples[run[0]].parent, tree.label(run[0])
    if label == SOMA:
        raise tree.error("a sample of the soma's type apart from the soma", run[0])
    points = [tree.samples[sample].point for sample in run]
    if tree.label(above) != SOMA:
        points.insert(0, tree.samples[above].point)
    elif len(points) == 1:
        # The only sample of a stub on the soma says how thick it is; the soma says where it starts.
        points.insert(0, (*tree.samples[above].point[:3], points[0][3]))
    return Shape(f"{_NAMES[label]}_{at}", label, parent, 0.5 if parent == 0 else 1.0, np.array(points))
