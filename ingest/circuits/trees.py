"""Trees of cells as flat arrays: many at once, checked, named by their content, and as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary.circuits import POINTS, SECTIONS
from ...lake.digest import digest_of

Ids = NDArray[np.int64]


class TreeError(ValueError):
    """A tree that is none.

    Parameters
    ----------
    part
        Field of `Forest` that is at fault.
    tree
        Which tree of the forest.
    reason
        What is wrong with it.
    """

    def __init__(self, part: str, tree: int, reason: str) -> None:
        super().__init__(f"{part} of tree {tree}: {reason}")
        self.part, self.tree, self.reason = part, tree, reason


@dataclass(frozen=True, eq=False)
class Forest:
    """Some trees, one after another in flat arrays.

    Attributes
    ----------
    x, y, z, diameter
        Of each point, float32[point], in µm.
    layer, type
        Of each point, int8[point].
    parent
        Number of the point in its tree that each hangs on, -1 at the root, int32[point].
    packed
        Sections of each tree: how many, and for each how many points and which, int32.
    link_parent, link_child
        Sections that hang together, int32[link].
    points, words, links
        How many points, elements of *packed*, and links each tree has, int64[tree].
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    z: NDArray[np.float32]
    diameter: NDArray[np.float32]
    layer: NDArray[np.int8]
    type: NDArray[np.int8]
    parent: NDArray[np.int32]
    packed: NDArray[np.int32]
    link_parent: NDArray[np.int32]
    link_child: NDArray[np.int32]
    points: Ids
    words: Ids
    links: Ids

    def __len__(self) -> int:
        return len(self.points)

    def size_of(self, part: str) -> Ids:
        """Return the number of elements that a part has in each tree.

        Parameters
        ----------
        part
            Name of one of the flat arrays.
        """
        return self.words if part == "packed" else self.links if part.startswith("link_") else self.points

    def take(self, trees: Ids) -> "Forest":
        """Return some of the trees, in the given order.

        Parameters
        ----------
        trees
            Numbers of the trees, int64.
        """
        taken = {
            part: expanded(starts_of(self.size_of(part))[trees], self.size_of(part)[trees]) for part in PARTS
        }
        sizes = {name: getattr(self, name)[trees] for name in SIZES}
        return Forest(**{part: getattr(self, part)[rows] for part, rows in taken.items()}, **sizes)

    @classmethod
    def joined(cls, forests: Sequence["Forest"]) -> "Forest":
        """Return the trees of several forests.

        Parameters
        ----------
        forests
            Forests, in order.
        """
        return cls(
            **{
                each.name: np.concatenate([getattr(forest, each.name) for forest in forests])
                for each in fields(cls)
            }
        )

    def changes(self) -> NDArray[np.bool_]:
        """Return whether each tree differs from the one before it; the first does."""
        found = np.ones(len(self), bool)
        if len(self) > 1:
            found[1:] = np.any([np.diff(getattr(self, name)) != 0 for name in SIZES], axis=0)
            for part in PARTS:
                found |= self._differs(part, ~found)
        return found

    def _differs(self, part: str, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether a part of a tree differs from that of the tree before, which is as large, where it is asked."""
        sizes, values = self.size_of(part), bits(getattr(self, part))
        trees = np.flatnonzero(asked & (sizes > 0))
        found = np.zeros(len(self), bool)
        if len(trees):
            size = sizes[trees]
            here = expanded(starts_of(sizes)[trees], size)
            unlike = values[here] != values[here - np.repeat(size, size)]
            found[trees] = np.logical_or.reduceat(unlike, starts_of(size))
        return found

    def digests(self) -> list[str]:
        """Return the name of each tree: BLAKE3 of its content, independent of the order of cells and their positions in a source."""
        starts = {part: starts_of(self.size_of(part)) for part in PARTS}
        names: list[str] = []
        for tree, changed in enumerate(self.changes().tolist()):
            if not changed:
                names.append(names[-1])
                continue
            content = [np.array([getattr(self, name)[tree] for name in SIZES], "<i8").tobytes()]
            for part in PARTS:
                low = starts[part][tree]
                content.append(getattr(self, part)[low : low + self.size_of(part)[tree]].tobytes())
            names.append(digest_of(b"".join(content)))
        return names

    def check(self) -> None:
        """Look whether all are trees: of points, and of sections that have all points.

        Raises
        ------
        TreeError
            One is not.
        """
        points, tree_of_point = starts_of(self.points), np.repeat(np.arange(len(self)), self.points)
        _none("x", self.points == 0, np.arange(len(self)), "it has no points")
        size = self.points[tree_of_point]
        _none(
            "parent",
            (self.parent < -1) | (self.parent >= size),
            tree_of_point,
            "a parent that is not one of its points",
        )
        _none(
            "parent",
            ~rooted(np.where(self.parent < 0, -1, self.parent + points[tree_of_point])),
            tree_of_point,
            "its points hang on each other in a circle",
        )
        sections = self.sections()
        first, counts = starts_of(sections.count), sections.count
        tree_of_section = np.repeat(np.arange(len(self)), counts)
        owner = np.repeat(tree_of_section, sections.size)
        _none(
            "packed",
            (sections.points < 0) | (sections.points >= self.points[owner]),
            owner,
            "a section with a point that it does not have",
        )
        seen = np.zeros(len(self.x), bool)
        seen[sections.points + points[owner]] = True
        _none("packed", ~seen, tree_of_point, "a point that is in no section")
        tree_of_link = np.repeat(np.arange(len(self)), self.links)
        for part in ("link_parent", "link_child"):
            ends = getattr(self, part)
            _none(
                part,
                (ends < 0) | (ends >= counts[tree_of_link]),
                tree_of_link,
                "a section that it does not have",
            )
        child = self.link_child + first[tree_of_link]
        _none(
            "link_child",
            np.bincount(child, minlength=len(tree_of_section)) > 1,
            tree_of_section,
            "a section that hangs on two others",
        )
        above = np.full(len(tree_of_section), -1, np.int64)
        above[child] = self.link_parent + first[tree_of_link]
        roots = np.bincount(tree_of_section[above < 0], minlength=len(self))
        _none("link_child", ~rooted(above), tree_of_section, "its sections hang on each other in a circle")
        _none("link_child", roots != 1, np.arange(len(self)), "it has not exactly one root section")

    def sections(self) -> "Sections":
        """Return the sections of all trees.

        Raises
        ------
        TreeError
            *packed* is too short for what it announces, or too long.
        """
        starts = starts_of(self.words)
        stop = starts + self.words
        _none("packed", self.words == 0, np.arange(len(self)), "it has no sections")
        count = self.packed[starts].astype(np.int64) if len(self) else np.empty(0, np.int64)
        _none(
            "packed",
            (count < 1) | (count > self.words),
            np.arange(len(self)),
            "a number of sections that cannot be",
        )
        first = starts_of(count)
        size, where = np.empty(int(count.sum()), np.int64), np.empty(int(count.sum()), np.int64)
        # One step along all trees at a time: where a section begins is known from the one before.
        at, active = starts + 1, np.arange(len(self))
        for step in range(int(count.max(initial=0))):
            active = active[count[active] > step]
            _none("packed", at[active] >= stop[active], active, "it ends within its sections")
            length = self.packed[at[active]]
            _none("packed", length < 0, active, "a section of less than no points")
            size[first[active] + step], where[first[active] + step] = length, at[active] + 1
            at[active] += 1 + length
        _none("packed", at != stop, np.arange(len(self)), "its sections end before or after it does")
        return Sections(count, size, self.packed[expanded(where, size)])

    def tables(self, names: Sequence[str]) -> tuple[pa.Table, pa.Table]:
        """Return the trees as rows of `POINTS` and of `SECTIONS`.

        Parameters
        ----------
        names
            Name of each tree: its digest.
        """
        sections = self.sections()
        first, tree_of_section = starts_of(sections.count), np.repeat(np.arange(len(self)), sections.count)
        last = np.cumsum(sections.size) - 1
        kinds = self.type[sections.points[last] + starts_of(self.points)[tree_of_section]]
        rank = np.full(len(tree_of_section), -1, np.int64)
        above = np.full(len(tree_of_section), -1, np.int64)
        child = self.link_child + np.repeat(first, self.links)
        above[child], rank[child] = self.link_parent, within(self.links)
        bounds = np.concatenate([[0], np.cumsum(sections.size)]).astype(np.int32)
        root = rank < 0
        points = {
            "morphology": _repeated(names, self.points),
            "point_id": within(self.points),
            "parent_id": self.parent.astype(np.int64),
            **{name: getattr(self, name) for name in ("x", "y", "z", "diameter", "type", "layer")},
        }
        rows = {
            "morphology": _repeated(names, sections.count),
            "section_id": within(sections.count),
            "parent_id": pa.array(above, mask=root),
            "type": kinds,
            "points": pa.ListArray.from_arrays(pa.array(bounds), pa.array(sections.points)),
            "rank": pa.array(rank, mask=root),
        }
        single = pa.schema(
            [
                each.with_type(pa.float32()) if each.name in POINTS.single else each
                for each in POINTS.schema
                if each.name not in POINTS.optional
            ]
        )
        return pa.table(points, single), pa.table(rows, SECTIONS.schema)

    @classmethod
    def of_tables(cls, points: pa.Table, sections: pa.Table) -> tuple["Forest", list[str]]:
        """Return the trees and their names from rows in the order of `tables`.

        Parameters
        ----------
        points, sections
            Tables in the order of `tables`.
        """
        names, sizes = runs_of(points["morphology"])
        owners, counts = runs_of(sections["morphology"])
        if owners != names:
            raise ValueError("points and sections are of different trees")
        lists = sections["points"].combine_chunks()
        size = np.diff(lists.offsets.to_numpy())
        flat = lists.flatten().to_numpy()
        rank = sections["rank"].fill_null(-1).to_numpy()
        tree_of_section = np.repeat(np.arange(len(names)), counts)
        linked = np.flatnonzero(rank >= 0)
        linked = linked[np.lexsort((rank[linked], tree_of_section[linked]))]
        columns = {name: points[name].to_numpy() for name in ("x", "y", "z", "diameter", "layer", "type")}
        reals = {name: columns[name].astype(np.float32) for name in ("x", "y", "z", "diameter")}
        packed, words = _packed(counts, size, flat)
        return (
            cls(
                **reals,
                layer=columns["layer"].astype(np.int8),
                type=columns["type"].astype(np.int8),
                parent=points["parent_id"].to_numpy().astype(np.int32),
                packed=packed,
                link_parent=sections["parent_id"].fill_null(-1).to_numpy()[linked].astype(np.int32),
                link_child=sections["section_id"].to_numpy()[linked].astype(np.int32),
                points=sizes,
                words=words,
                links=np.bincount(tree_of_section[linked], minlength=len(names)),
            ),
            names,
        )


PARTS = tuple(each.name for each in fields(Forest) if each.name not in ("points", "words", "links"))
SIZES = ("points", "words", "links")


@dataclass(frozen=True, eq=False)
class Sections:
    """Sections of some trees: how many each tree has, how many points each section, and which points of its tree."""

    count: Ids
    size: Ids
    points: NDArray[np.int32]


def _packed(counts: Ids, size: NDArray[Any], flat: NDArray[np.int32]) -> tuple[NDArray[np.int32], Ids]:
    """Sections as `Forest.packed` has them, and how many elements each tree has of it."""
    before = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    first = starts_of(counts)
    words = 1 + counts + before[first + counts] - before[first]
    packed = np.empty(int(words.sum()), np.int32)
    packed[starts_of(words)] = counts
    # Before a section come one element for each tree so far, one for each section so far, and their points.
    heads = np.repeat(np.arange(len(counts)), counts) + 1 + np.arange(len(size)) + before[:-1]
    packed[heads] = size
    packed[expanded(heads + 1, size.astype(np.int64))] = flat
    return packed, words


# Ragged arrays


def starts_of(sizes: Ids) -> Ids:
    """Return where each piece begins, if pieces of these sizes follow each other.

    Parameters
    ----------
    sizes
        Number of elements of each, int64.
    """
    return np.cumsum(sizes) - sizes


def within(sizes: Ids) -> Ids:
    """Return 0, 1, 2 … within each of some pieces.

    Parameters
    ----------
    sizes
        Number of elements of each, int64.
    """
    found: Ids = np.arange(int(sizes.sum())) - np.repeat(starts_of(sizes), sizes)
    return found


def expanded(starts: Ids, sizes: Ids) -> Ids:
    """Return the numbers of all elements of some pieces.

    Parameters
    ----------
    starts
        Number of the first element of each piece, int64.
    sizes
        Number of elements of each, int64.
    """
    return within(sizes) + np.repeat(starts, sizes)


def bits(values: NDArray[Any]) -> NDArray[Any]:
    """Return values that are equal where all bits are: NaN equals itself.

    Parameters
    ----------
    values
        Numbers of any type.
    """
    return values.view(f"u{values.itemsize}") if values.dtype.kind == "f" else values


def _none(part: str, wrong: NDArray[np.bool_], trees: Ids, reason: str) -> None:
    if wrong.any():
        raise TreeError(part, int(trees[int(np.argmax(wrong))]), reason)


def rooted(above: Ids) -> NDArray[np.bool_]:
    """Return for each element whether following *above*, which is -1 at the end, comes to an end.

    Parameters
    ----------
    above
        Number of the element above each, in range; -1 for none.
    """
    # Each round doubles the length of the way that has been followed.
    up = np.where(above < 0, np.arange(len(above)), above)
    ends = above < 0
    for _ in range(max(1, len(above)).bit_length()):
        up = up[up]
    found: NDArray[np.bool_] = ends[up]
    return found


def _repeated(names: Sequence[str], sizes: Ids) -> pa.Array:
    return pa.array(list(names), pa.string()).take(pa.array(np.repeat(np.arange(len(names)), sizes)))


def runs_of(column: pa.ChunkedArray) -> tuple[list[str], Ids]:
    """Return the values of a sorted column of text, and how often each is there.

    Parameters
    ----------
    column
        The column.
    """
    encoded = column.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    sizes = np.bincount(encoded.indices.to_numpy(), minlength=len(encoded.dictionary))
    return encoded.dictionary.to_pylist(), sizes


def trees_of(points: pa.Table, sections: pa.Table) -> Mapping[str, int]:
    """Return the number of points of each tree in two tables.

    Parameters
    ----------
    points, sections
        Tables of trees.
    """
    names, sizes = runs_of(points["morphology"])
    return dict(zip(names, sizes.tolist(), strict=True))
