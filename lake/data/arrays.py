"""Arrays: Zarr v3 arrays with a path of their own for whole boxes of chunks.

zarr-python spends more on each chunk than on its bytes; here threads read, verify and decode chunks straight
into the result (and encode, hash and pack them) wherever the codecs are the usual ones.
"""

from .plugins import check_codecs, checked_compressor  # before zarr

# isort: split
import contextlib
import copy
import functools
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, ParamSpec, Self

import numpy as np
import numpy.typing as npt
import zarr
from zarr.core.metadata import ArrayV3Metadata
from zarr.storage import StorePath

from ..digest import Digest, digest_of, plain_json
from ..errors import (
    InputError,
    MalformedError,
    NeurolakeError,
    NotFoundError,
    SelectionError,
    TooLargeError,
)
from ..names import checked_name
from ..nodes.entry import SHARD_SIZE, Entry
from ..nodes.grid import ChunkPart, Grid
from ..nodes.node import Node
from ..nodes.selection import box_of, rows_of
from ..nodes.shown import About, Shown
from ..objects.bulk import ObjectPlaces, borrowed, contents
from ..objects.store import RUN_SIZE, Address, ObjectWriter
from ..threads import AT_ONCE, gathered, mapped, workers
from . import differences
from .bounded import bounded_pipeline
from .codecs import Codec, chunk_statistics
from .memory import require_room, room
from .types import BLOSC_LZ4, stored_dtype
from .zarrcodec import Differences
from .zarrstore import ZarrStore, metadata_document

CHUNK_BYTES = 2**20

Box = Sequence[tuple[int, int]]
How = ParamSpec("How")


def _selecting(select: Callable[How, Any]) -> Callable[How, Any]:
    """Let zarr-python select, and tell of what cannot be selected as neurolake does."""

    @functools.wraps(select)
    def selected(*args: How.args, **kwargs: How.kwargs) -> Any:
        try:
            return select(*args, **kwargs)
        except NeurolakeError:
            raise
        except (IndexError, TypeError, ValueError, NotImplementedError, MemoryError) as error:
            array: Any = args[0]
            raise SelectionError(f"array {array.path!r} of shape {array.shape}: {error}") from error

    return selected


class _Chunks(zarr.AsyncArray[Any]):
    """What reads chunks for zarr-python: within bounds, and errors are neurolake's."""

    def __init__(self, metadata: ArrayV3Metadata, store_path: StorePath) -> None:
        super().__init__(metadata, store_path)
        object.__setattr__(self, "codec_pipeline", bounded_pipeline(metadata))

    async def _get_selection(self, indexer: Any, **how: Any) -> Any:
        what = f"a part of shape {indexer.shape} of array {self.path!r}"
        require_room(indexer.shape, self.dtype, what)
        with _told(what, how):
            return await super()._get_selection(indexer, **how)

    async def _set_selection(self, indexer: Any, value: Any, **how: Any) -> None:
        # Of chunks that are written in part, the rest is read.
        with _told(f"a part of shape {indexer.shape} of array {self.path!r}", how):
            await super()._set_selection(indexer, value, **how)


@contextlib.contextmanager
def _told(what: str, how: Mapping[str, Any]) -> Iterator[None]:
    """Tell of what zarr-python's codecs raise as neurolake does."""
    try:
        yield
    except NeurolakeError:
        raise
    except MemoryError as error:
        raise TooLargeError(f"{what} does not fit into memory: {error}") from error
    # Codecs of all kinds raise whatever they like. Bytes without their digest never get there.
    except Exception as error:
        if how.get("fields") or how.get("out") is not None:
            raise
        raise MalformedError(f"{what}: its chunks have their digests but do not decode: {error}") from error


class Array(Shown, zarr.Array[Any]):
    """A Zarr array of a lake: all that `zarr.Array` does, faster for boxes (ints and slices of step 1) and for whole rows."""

    @classmethod
    def of(cls, store: ZarrStore, name: str) -> Self:
        """Return an array of a store.

        Parameters
        ----------
        store
            The tree of a commit or transaction.
        name
            Name of the array's node.

        Raises
        ------
        NotFoundError
            There is no such array.
        MalformedError
            Its metadata describes none that can be read: it has an unknown type or codec, say.
        """
        node = store.tree.get(name)
        if node is None or node.kind != "array":
            raise NotFoundError(f"there is no array {name!r} in {store}")
        # What zarr.open_array would do, without its event loop: a switch of threads takes longer than all else.
        try:
            if Codec.of(node.meta) is None:
                check_codecs(name, node.meta["codecs"])
            metadata = ArrayV3Metadata.from_dict(copy.deepcopy(dict(node.meta)))
            return cls(_Chunks(metadata, StorePath(store, name)))
        except NeurolakeError:
            raise
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
            raise MalformedError(
                f"array {name!r} of {_commit(store)} has metadata that describes no array: {error}"
            ) from error

    def _about(self) -> About:
        line = f"<Array {self.path!r}: {self.shape} of {self.dtype}, chunks {self.chunks}>"
        dimensions = self._node.meta.get("dimension_names") or ()
        named = ", ".join(f"{name} ({size:,})" for name, size in zip(dimensions, self.shape, strict=False))
        return About(
            line, {"dimensions": named or "not named", "bytes": f"{self.nbytes:,}", **dict(self.attrs)}
        )

    def __getitem__(self, selection: Any) -> Any:
        parsed = box_of(selection, self.shape)
        if parsed is None:
            rows = rows_of(selection, self.shape)
            return super().__getitem__(selection) if rows is None else self.read_rows(rows)
        box, shape = parsed
        return self.read_box(box).reshape(shape)[()]

    get_basic_selection = _selecting(zarr.Array.get_basic_selection)
    get_orthogonal_selection = _selecting(zarr.Array.get_orthogonal_selection)
    get_mask_selection = _selecting(zarr.Array.get_mask_selection)
    get_coordinate_selection = _selecting(zarr.Array.get_coordinate_selection)
    get_block_selection = _selecting(zarr.Array.get_block_selection)

    def read_box(self, box: Box | None = None, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Read the values of a box of half-open ranges, one for each axis; everything by default.

        Parameters
        ----------
        box
            Start and end for each axis.
        out
            C-contiguous array of the box's shape and this array's type to read into, such as that of the last
            block: fresh memory costs about as much as decoding.

        Raises
        ------
        InputError
            The box is not within the array, or *out* does not fit it.
        TooLargeError
            It does not fit into memory (`memory.memory_limit`).
        CorruptObjectError
            A chunk is missing or damaged.
        MalformedError
            A chunk does not decode, although it has its digest.
        """
        ranges = [(0, length) for length in self.shape] if box is None else list(box)
        if len(ranges) != self.ndim or any(
            a < 0 or b > n for (a, b), n in zip(ranges, self.shape, strict=True)
        ):
            raise InputError(f"array {self.path!r} of shape {self.shape} has no box {ranges}")
        values = self._room(tuple(max(stop - start, 0) for start, stop in ranges), out)
        if self._codec is None:
            values[...] = super().__getitem__(tuple(slice(*part) for part in ranges))
            return values
        grid = self._grid
        if grid.overlap(ranges) <= SHARD_SIZE:
            axes = [grid.parts(axis, *part) for axis, part in enumerate(ranges)]
            self._plan(grid.numbers(axes), list(product(*axes))).fill(values)
            return values
        # Of a grid of very many chunks, those that are stored.
        values[...] = self.fill_value
        found = [grid.coordinates(number) for number, _ in self._node.entries.items()]
        touched = [at for at in found if grid.overlaps(at, ranges)]
        pieces = [
            tuple(
                grid.part(axis, at, *part) for axis, (at, part) in enumerate(zip(each, ranges, strict=True))
            )
            for each in touched
        ]
        self._plan(np.array([grid.number(at) for at in touched], np.int64), pieces).fill(values)
        return values

    def read_rows(
        self,
        rows: npt.NDArray[np.int64],
        out: npt.NDArray[Any] | None = None,
        *,
        within: Box | None = None,
    ) -> npt.NDArray[Any]:
        """Read some indices of the first axis, and a box of the other axes.

        Parameters
        ----------
        rows
            Indices, int64[n], in any order.
        out
            Where they go, as of `read_box`.
        within
            Start and end for each other axis; by default they are read whole.

        Raises
        ------
        InputError
            The array has no such rows or box, or *out* does not fit them.
        TooLargeError, CorruptObjectError, MalformedError
            As `read_box` says.
        """
        values = self._room((len(rows), *_lengths(self._rest(within))), out)
        deque(self.row_parts(rows, values, within=within), maxlen=0)
        return values

    def row_parts(
        self, rows: npt.NDArray[np.int64], memory: npt.NDArray[Any], *, within: Box | None = None
    ) -> Iterator[npt.NDArray[Any]]:
        """Read as `read_rows` does, part by part into the same memory, which each part overwrites.

        Parameters
        ----------
        rows
            Indices, int64[n], in any order.
        memory
            C-contiguous array of this array's type, as many rows as a part may have.
        within
            Start and end for each other axis; by default they are read whole.

        Raises
        ------
        InputError
            The array has no such rows or box, or *memory* does not fit them.
        TooLargeError, CorruptObjectError, MalformedError
            As `read_box` says.
        """
        rows, box = np.asarray(rows, np.int64), self._rest(within)
        if (
            rows.ndim != 1
            or not self.ndim
            or (len(rows) and not 0 <= rows.min() <= rows.max() < self.shape[0])
        ):
            raise InputError(f"array {self.path!r} of shape {self.shape} does not have these rows: {rows}")
        self._room((len(memory), *_lengths(box)), memory)
        grid, step = self._grid, max(1, len(memory))
        rest = [grid.parts(axis, *part) for axis, part in enumerate(box, 1)]
        # Rows whose chunks are found at once, a whole number of parts.
        many = step * max(1, SHARD_SIZE // max(1, step * math.prod(map(len, rest))))
        for begin in range(0, len(rows), many):
            some = [rows[at : at + step] for at in range(begin, min(begin + many, len(rows)), step)]
            if self._codec is None:
                for part in some:
                    selection: Any = (part, *(slice(*ends) for ends in box))
                    memory[: len(part)] = super().get_orthogonal_selection(selection)
                    yield memory[: len(part)]
                continue
            axes = [[grid.parts_of(0, part), *rest] for part in some]
            plan = self._plan(
                np.concatenate([grid.numbers(each) for each in axes]),
                [piece for each in axes for piece in product(*each)],
            )
            first = 0
            for part, each in zip(some, axes, strict=True):
                last = first + math.prod(map(len, each))
                plan.fill(memory[: len(part)], first, last)
                first = last
                yield memory[: len(part)]

    def _rest(self, within: Box | None) -> Box:
        """Ranges of all axes but the first."""
        lengths = self.shape[1:]
        box = [(0, length) for length in lengths] if within is None else list(within)
        if len(box) != len(lengths) or any(
            not 0 <= a <= b <= n for (a, b), n in zip(box, lengths, strict=True)
        ):
            raise InputError(f"array {self.path!r} of shape {self.shape} has no box {box} within its rows")
        return box

    def _room(self, shape: tuple[int, ...], out: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        """Memory for what is read."""
        if out is None:
            return room(shape, self.dtype, f"a part of shape {shape} of array {self.path!r}")
        if out.shape != shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise InputError(
                f"out must be C-contiguous, {shape} of {self.dtype}, not {out.shape} of {out.dtype}"
            )
        return out

    def _plan(self, numbers: npt.NDArray[np.int64], pieces: Sequence[Sequence[ChunkPart]]) -> "_Plan":
        codec = self._codec
        assert codec is not None, "decoded here"
        return _Plan(self, codec, self._grid.chunks, numbers, pieces, self._node.entries.located(numbers))

    def write_rows(self, values: npt.NDArray[Any], first: int = 0) -> None:
        """Write *values*, whole in all axes but the first, from row *first* on.

        Parameters
        ----------
        values
            Rows of the array's type, shape (rows, …).
        first
            Number of the first row that is written.

        Raises
        ------
        InputError
            They are not rows of this array.
        """
        rows = (len(values), self.shape[0] - first) if self.ndim and values.ndim else (first, 0)
        if values.shape[1:] != self.shape[1:] or values.ndim != self.ndim or first < 0 or rows[0] > rows[1]:
            raise InputError(
                f"values of shape {values.shape} are no rows of {self.path!r}, whose shape is {self.shape}"
            )
        values = values.astype(self.dtype, copy=False)
        codec = self._codec
        if codec is None or not self.ndim or first % self.chunks[0]:
            with _told(f"rows of array {self.path!r}", {}):
                self[slice(first, first + len(values)) if self.ndim else ()] = values
            return
        writer, draft = self._store.writer, self._store.drafts.edit(self.path)
        assert writer is not None and draft is not None, "opened for writing"
        tail = (first + len(values)) % self.chunks[0] if first + len(values) < self.shape[0] else 0
        whole = len(values) - tail
        number = self._grid.number((first // self.chunks[0], *[0] * (self.ndim - 1)))
        entries = encode_chunks(values[:whole], self.chunks, codec, self.fill_value, writer)
        draft.changes.update(enumerate(entries, number))
        if tail:
            self[first + whole : first + len(values)] = values[whole:]

    def append_rows(self, values: npt.NDArray[Any]) -> None:
        """Add rows at the end of the first axis.

        Parameters
        ----------
        values
            Rows of the array's type, shape (rows, …).

        Raises
        ------
        InputError
            The other axes or the type differ.
        """
        if values.shape[1:] != self.shape[1:] or not np.can_cast(values.dtype, self.dtype, "safe"):
            raise InputError(
                f"array {self.path!r} has rows of shape {self.shape[1:]} and type {self.dtype}, "
                f"not {values.shape[1:]} and {values.dtype}"
            )
        first = self.shape[0]
        self.grow(len(values))
        self.write_rows(values.astype(self.dtype, copy=False), first)

    def grow(self, rows: int) -> None:
        """Make the first axis longer; the new rows hold the fill value.

        Parameters
        ----------
        rows
            Length of the first axis from now on.
        """
        draft = self._store.drafts.edit(self.path)
        assert draft is not None, "opened for writing"
        shape = (self.shape[0] + rows, *self.shape[1:])
        draft.meta = {**draft.meta, "shape": list(shape)}
        # zarr's own resize takes an event loop. What it keeps besides the metadata differs by version: so begin anew.
        zarr.Array.__init__(self, zarr.AsyncArray(self.metadata.update_shape(shape), self.store_path))

    def entries(self) -> Mapping[int, Entry]:
        """Return the stored chunks by C-order number, with their statistics."""
        return dict(self._node.entries.items())

    @property
    def digest(self) -> str:
        """Identity of the content."""
        return self._node.digest

    @property
    def url(self) -> str:
        """The lake it belongs to."""
        return self._store.objects.storage.url

    @property
    def address(self) -> Address:
        """Where that lake is opened again."""
        return self._store.objects.address

    @property
    def _store(self) -> ZarrStore:
        store = self.store_path.store
        assert isinstance(store, ZarrStore), "made by `of`"
        return store

    @property
    def _node(self) -> Node:
        return self._store.tree[self.path]

    @property
    def _codec(self) -> Codec | None:
        """What decodes its chunks here; None where zarr-python has to, or values are not bytes of their own."""
        return None if self.dtype.hasobject or self.dtype.kind == "T" else Codec.of(self._node.meta)

    @property
    def _grid(self) -> Grid:
        return Grid.of(self._node.meta)


@dataclass(frozen=True)
class _Plan:
    """Chunks of an array by number, what of each goes where, and where they are stored."""

    array: Array
    codec: Codec
    chunks: tuple[int, ...]
    numbers: npt.NDArray[np.int64]
    pieces: Sequence[Sequence[ChunkPart]]
    located: ObjectPlaces

    def fill(self, values: npt.NDArray[Any], first: int = 0, last: int | None = None) -> None:
        """Read chunks of a range, and decode them into their places, by threads."""
        last = len(self.numbers) if last is None else last
        # Never 0: a type may have no bytes.
        stride = max(1, math.prod(self.chunks) * values.itemsize)
        storage = self.array._store.objects.storage
        tasks = AT_ONCE if storage.far else 1 if workers() == 1 else 4 * workers()
        most = max(1, min(RUN_SIZE // stride, (last - first) // tasks))
        runs = list(self.located.runs(first, last, min(storage.run_size, RUN_SIZE), most))
        each = gathered if storage.far else mapped
        deque(each(partial(self._decode, values), runs), maxlen=0)

    def _decode(self, values: npt.NDArray[Any], run: tuple[int, int]) -> None:
        size = math.prod(self.chunks) * values.itemsize
        chunk: npt.NDArray[Any] | None = None
        with borrowed() as memory:
            for at, data in enumerate(contents(self.array._store.objects, self.located, *run), run[0]):
                piece = self.pieces[at]
                # A view, by the ellipsis, of an array without axes too.
                into: Any = (*[part.into for part in piece], ...)
                target = values[into]
                if data is None:
                    target[...] = self.array.fill_value
                    continue
                try:
                    # A list is made sooner than a generator.
                    if all([part.whole for part in piece]) and target.flags.c_contiguous:  # noqa: C419
                        self.codec.decode_into(data, target)
                        continue
                    # Before there is memory for what the metadata say.
                    self.codec.check_size(data, size)
                    if chunk is None:
                        chunk = self._room(values.dtype, memory)
                    self.codec.decode_into(data, chunk)
                    target[...] = chunk[tuple(part.of for part in piece)]
                except MalformedError as error:
                    raise self._malformed(at, error) from error

    def _room(self, dtype: np.dtype[Any], memory: bytearray) -> npt.NDArray[Any]:
        """Memory for a chunk of which only a part is wanted."""
        count = math.prod(self.chunks)
        if not 0 < count * dtype.itemsize <= len(memory):
            return room(self.chunks, dtype, f"a chunk of shape {self.chunks}")
        return np.frombuffer(memory, dtype, count).reshape(self.chunks)

    def _malformed(self, at: int, error: Exception) -> MalformedError:
        array, (digest, _, place) = self.array, self.located.object(at)
        where = f"object {digest} in {array._store.objects.where(digest, place)}"
        key = array._grid.key(int(self.numbers[at]))
        return MalformedError(f"array {array.path!r}: chunk {key}, {where}, has its digest, but {error}")


def create_array(
    store: ZarrStore,
    name: str,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    *,
    chunks: Sequence[int] | None = None,
    dimension_names: Sequence[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
    codec: Mapping[str, Any] = BLOSC_LZ4,
) -> Array:
    """Create an empty array in a store that can be written.

    Parameters
    ----------
    store
        The tree of a transaction.
    name
        Name of the array's node.
    shape
        Length of each axis.
    dtype
        Type of the values.
    chunks
        Shape of a chunk; about 1 MiB along the first axis by default.
    dimension_names
        Name of each axis; none by default.
    attributes
        Attributes of the array.
    codec
        Zarr v3 JSON of the compressor, or of `differences`.

    Raises
    ------
    InputError
        The codec cannot encode such an array.
    """
    kind = stored_dtype(dtype, name)
    described = plain_json(
        {"attributes": attributes or {}, "dimensions": dimension_names}, "what describes an array"
    )
    # zarr-python writes the metadata, into a scratch store: it knows the document, and adds no parent groups.
    scratch = zarr.create_array(
        {},
        shape=tuple(shape),
        dtype=kind,
        chunks=tuple(chunks or default_chunks(shape, kind.itemsize)),
        filters=[],
        **_coding(name, codec, kind, len(shape)),
        fill_value=np.nan if kind.kind == "f" else None,
        dimension_names=described["dimensions"],
        attributes=described["attributes"],
    )
    store.drafts.put(checked_name(name), "array", metadata_document(scratch), {})
    return Array.of(store, name)


def codecs_json(
    name: str, dtype: np.dtype[Any], chunks: Sequence[int], codec: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Return the codecs of an array as its metadata lists them.

    Parameters
    ----------
    name
        Name of the array, for the error.
    dtype
        Type of the values.
    chunks
        Shape of a chunk.
    codec
        Zarr v3 JSON of the compressor, or of `differences`.

    Raises
    ------
    InputError
        The codec cannot encode such an array.
    """
    coding = _coding(name, codec, dtype, len(chunks))
    made = zarr.create_array({}, shape=tuple(chunks), dtype=dtype, chunks=tuple(chunks), filters=[], **coding)
    found: list[Mapping[str, Any]] = metadata_document(made)["codecs"]
    return found


def append_chunks(array: Array, rows: int, entries: Sequence[Entry]) -> None:
    """Append rows whose chunks are stored already, each chunk one row high.

    Parameters
    ----------
    array
        An array of a transaction.
    rows
        Number of rows to append.
    entries
        What `encode_chunks` returned, in C order of the grid.
    """
    first = array.shape[0]
    array.grow(rows)
    start = array._grid.number((first, *[0] * (array.ndim - 1)))
    draft = array._store.drafts.edit(array.path)
    assert draft is not None and array.chunks[0] == 1, "made for appending rows"
    draft.changes.update(enumerate(entries, start))


def encode_chunks(
    values: npt.NDArray[Any],
    chunks: tuple[int, ...],
    codec: Codec,
    fill_value: Any,
    writer: ObjectWriter,
) -> list[Entry]:
    """Store *values* chunk by chunk: entries in C order of the grid, with statistics.

    Parameters
    ----------
    values
        Values of the array's type.
    chunks
        Shape of a chunk.
    codec
        Encodes each chunk.
    fill_value
        Value that fills the rest of a chunk at the edge.
    writer
        Stores the objects.
    """
    grid = Grid(values.shape, chunks)

    def encode(at: tuple[int, ...]) -> tuple[bytes, Digest, dict[str, float]]:
        part = values[tuple(slice(i * c, (i + 1) * c) for i, c in zip(at, chunks, strict=True))]
        chunk = np.ascontiguousarray(part)
        if part.shape != chunks:
            chunk = room(chunks, values.dtype, f"a chunk of shape {chunks}")
            chunk[...] = fill_value
            chunk[tuple(slice(length) for length in part.shape)] = part
        data = codec.encode(chunk)
        return data, digest_of(data), chunk_statistics(part)

    entries = []
    for data, digest, statistics in mapped(
        encode, grid.overlapping([(0, length) for length in values.shape])
    ):
        # Threads encode, but chunks are packed in order: equal arrays make equal packs.
        entries.append(Entry(digest, len(data), writer.add(data, digest), statistics))
    return entries


def _coding(name: str, codec: Any, kind: np.dtype[Any], dimensions: int) -> dict[str, Any]:
    """What zarr-python is told of a codec, which must suit the array."""
    if not isinstance(codec, Mapping) or codec.get("name") != differences.NAME:
        return {"compressors": [checked_compressor(name, codec)]}
    try:
        differences.checked(codec.get("configuration") or {}, dimensions)
    except ValueError as error:
        raise InputError(f"array {name!r}: {error}") from None
    if not differences.takes(kind):
        raise InputError(f"array {name!r} is of {kind}; {differences.NAME} takes integers and reals")
    return {"serializer": Differences.from_dict(codec), "compressors": None}


def default_chunks(shape: Sequence[int], itemsize: int) -> list[int]:
    """Return the shape of a chunk of about a MiB: as many whole rows as fit, or parts of a row along its last axes.

    Parameters
    ----------
    shape
        Length of each axis.
    itemsize
        Bytes of a value.
    """
    chunks = [1] * len(shape)
    room = max(CHUNK_BYTES // itemsize, 1)
    for axis in reversed(range(len(shape))):
        chunks[axis] = max(1, min(shape[axis], room))
        room = max(room // chunks[axis], 1)
    return chunks


def _lengths(box: Box) -> tuple[int, ...]:
    return tuple(stop - start for start, stop in box)


def _commit(store: ZarrStore) -> str:
    return "a transaction" if store.origin is None else f"commit {store.origin[1].id}"
