"""Chunk grids of Zarr v3 arrays: coordinates, C-order numbers and keys of chunks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

# NumPy has no more.
_MOST_AXES = 64
_FIRST = slice(0, 1)


class ChunkPart(NamedTuple):
    """Along one axis, what a selection takes of a chunk: chunk number, place in the result, and of the chunk; whether all of it."""

    at: int
    into: slice
    of: Any
    whole: bool


@dataclass(frozen=True)
class Grid:
    """The regular chunk grid of an array.

    A chunk's number is its C-order position in the grid. It depends on every axis but the first, so an
    array grows along its first axis without renumbering.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    separator: str = "/"
    prefix: str = "c"

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> "Grid":
        """Return the grid that a Zarr v3 metadata document describes.

        Parameters
        ----------
        meta
            Zarr v3 metadata of the array.

        Raises
        ------
        ValueError, KeyError, TypeError
            The grid or the encoding of chunk keys is not one of the core specification's, or makes no sense.
        """
        grid, encoding = meta["chunk_grid"], meta["chunk_key_encoding"]
        if grid["name"] != "regular" or encoding["name"] not in ("default", "v2"):
            raise ValueError(f"chunk grid {grid['name']!r} with keys {encoding['name']!r} is not supported")
        default = encoding["name"] == "default"
        separator = encoding.get("configuration", {}).get("separator", "/" if default else ".")
        shape, chunks = tuple(meta["shape"]), tuple(grid["configuration"]["chunk_shape"])
        known = separator in ("/", ".") and all(type(length) is int for length in shape + chunks)
        if not known or len(shape) != len(chunks) or min(shape, default=0) < 0 or min(chunks, default=1) < 1:
            raise ValueError(
                f"chunks of shape {chunks!r:.80} with keys by {separator!r:.80} cannot make {shape!r:.80}"
            )
        found = cls(shape, chunks, separator, "c" if default else "")
        # Lengths, and numbers of chunks below the first axis, are numbers of 64 bits wherever they are stored.
        if (
            len(shape) > _MOST_AXES
            or max((*shape, *chunks, math.prod(chunks), found.size), default=0) >= 2**63
        ):
            raise ValueError(
                f"no array has a shape of {shape!r:.80} with {len(shape)} axes in chunks of {chunks!r:.80}"
            )
        return found

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return tuple(-(-length // chunk) for length, chunk in zip(self.shape, self.chunks, strict=True))

    def extent(self, coordinates: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of the part of a chunk within the array.

        Parameters
        ----------
        coordinates
            Number of the chunk along each axis.
        """
        parts = zip(coordinates, self.shape, self.chunks, strict=True)
        return tuple(min(length - at * chunk, chunk) for at, length, chunk in parts)

    def number(self, coordinates: Sequence[int]) -> int:
        """Return the C-order number of the chunk at *coordinates*.

        Parameters
        ----------
        coordinates
            Number of the chunk along each axis.
        """
        number = 0
        for coordinate, count in zip(coordinates, self.counts, strict=True):
            number = number * count + coordinate
        return number

    def coordinates(self, number: int) -> tuple[int, ...]:
        """Return the coordinates of a chunk, as the inverse of `number`.

        Parameters
        ----------
        number
            C-order number of the chunk.
        """
        found = []
        for count in reversed(self.counts[1:]):
            number, coordinate = divmod(number, max(count, 1))
            found.append(coordinate)
        return (number, *reversed(found)) if self.shape else ()

    def key(self, number: int) -> str:
        """Return Zarr's key of a chunk, below the array's name.

        Parameters
        ----------
        number
            C-order number of the chunk.
        """
        parts = [str(coordinate) for coordinate in self.coordinates(number)]
        if not parts and not self.prefix:
            return "0"
        return self.separator.join([self.prefix, *parts] if self.prefix else parts)

    def parse(self, key: str) -> int | None:
        """Return the number of the chunk with a key; None if the grid has no such chunk.

        Parameters
        ----------
        key
            Key of Zarr, below the array's name.
        """
        if not self.shape:
            return 0 if key == self.key(0) else None
        parts = key.split(self.separator)
        if self.prefix and parts.pop(0) != self.prefix:
            return None
        if len(parts) != len(self.shape) or not all(part.isdecimal() and part.isascii() for part in parts):
            return None
        coordinates = [int(part) for part in parts]
        inside = all(at < count for at, count in zip(coordinates[1:], self.counts[1:], strict=True))
        return self.number(coordinates) if inside and self.key(self.number(coordinates)) == key else None

    def overlapping(self, selection: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
        """List the coordinates of the chunks that a box touches, in C order.

        Parameters
        ----------
        selection
            Half-open range for each axis.
        """
        return list(product(*self._spans(selection)))

    def parts(self, axis: int, start: int, stop: int) -> list[ChunkPart]:
        """List what a half-open range of an axis takes of each chunk that it touches.

        Parameters
        ----------
        axis
            Number of the axis.
        start, stop
            The range.
        """
        length = self.chunks[axis]
        return [
            self.part(axis, at, start, stop)
            for at in range(start // length, -(-stop // length) if stop > start else 0)
        ]

    def part(self, axis: int, at: int, start: int, stop: int) -> ChunkPart:
        """Return what a half-open range of an axis takes of a chunk that it touches.

        Parameters
        ----------
        axis
            Number of the axis.
        at
            Number of the chunk along it.
        start, stop
            The range.
        """
        length = self.chunks[axis]
        first = at * length
        low, high = max(start, first), min(stop, first + length)
        return ChunkPart(
            at, slice(low - start, high - start), slice(low - first, high - first), high - low == length
        )

    def parts_of(self, axis: int, chosen: npt.NDArray[np.int64]) -> list[ChunkPart]:
        """List what some indices of an axis take of each chunk, in their order; equal chunks beside each other are one.

        Parameters
        ----------
        axis
            Number of the axis.
        chosen
            Indices, int64[n].
        """
        length = self.chunks[axis]
        if length == 1:
            return [ChunkPart(at, slice(k, k + 1), _FIRST, True) for k, at in enumerate(chosen.tolist())]
        numbers = chosen // length
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(chosen)]
        found = []
        for first, last in pairwise(edges):
            if first < last:
                at = int(numbers[first])
                inside = chosen[first:last] - at * length
                low, high = int(inside[0]), int(inside[-1]) + 1
                # A slice is copied without a list of what is in it.
                even = high - low == last - first and bool(np.all(np.diff(inside) == 1))
                of = slice(low, high) if even else inside
                found.append(ChunkPart(at, slice(first, last), of, even and last - first == length))
        return found

    def numbers(self, axes: Sequence[Sequence[ChunkPart]]) -> npt.NDArray[np.int64]:
        """Return the numbers of the chunks of all combinations of parts, in C order.

        Parameters
        ----------
        axes
            Parts along each axis.
        """
        found = np.zeros((), np.int64)
        for count, parts in zip(self.counts, axes, strict=True):
            found = found[..., None] * count + np.array([part.at for part in parts], np.int64)
        return found.reshape(-1)

    def overlap(self, selection: Sequence[tuple[int, int]]) -> int:
        """Count the chunks that a box touches.

        Parameters
        ----------
        selection
            Half-open range for each axis.
        """
        return math.prod(span.stop - span.start for span in self._spans(selection))

    def overlaps(self, coordinates: Sequence[int], selection: Sequence[tuple[int, int]]) -> bool:
        """Return whether a box touches the chunk at *coordinates*.

        Parameters
        ----------
        coordinates
            Number of the chunk along each axis.
        selection
            Half-open range for each axis.
        """
        return all(at in span for at, span in zip(coordinates, self._spans(selection), strict=True))

    def _spans(self, selection: Sequence[tuple[int, int]]) -> list[range]:
        return [
            range(start // chunk, -(-stop // chunk)) if stop > start else range(0)
            for (start, stop), chunk in zip(selection, self.chunks, strict=True)
        ]

    @property
    def size(self) -> int:
        """Number of chunks, which may be more than a length can be."""
        return math.prod(self.counts)

    def __len__(self) -> int:
        return self.size
