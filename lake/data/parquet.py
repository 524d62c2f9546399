"""Parquet files in the one encoding of the lake, with their statistics; and small ones joined for programs that need paths.

A lake with a commit for each row has as many small files as rows. Opening one takes DuckDB about a tenth of a
millisecond, and copying one as much. Neighbours are therefore joined in the user's cache, in blocks that stay the same
while the table grows (`joined`).
"""

import base64
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from ..digest import digest_of
from ..errors import NeurolakeError
from ..nodes.entry import Entry
from ..objects.bulk import read_all
from ..objects.store import ObjectStore, ObjectWriter
from ..threads import mapped

ROW_GROUP = 2**20
FILE_ROWS = 2 * ROW_GROUP
_LONGEST_STATISTIC = 64
_SAMPLED_ROWS = 65536
_INCOMPRESSIBLE = 2048
BLOCK = 256
# So few are copied one by one, where only some of a block are asked for.
FEW = 4

Source = TypeVar("Source")


def write_files(table: pa.Table, writer: ObjectWriter) -> list[Entry]:
    """Store a table as Parquet files in the order of its rows, all at once.

    Parameters
    ----------
    table
        Rows in the stored form of `plain`.
    writer
        Stores the objects.
    """
    starts = range(0, max(table.num_rows, 1), FILE_ROWS)
    return list(mapped(lambda start: write_file(table.slice(start, FILE_ROWS), writer), starts))


def write_file(table: pa.Table, writer: ObjectWriter) -> Entry:
    """Store a table as one Parquet file.

    Parameters
    ----------
    table
        Rows in the stored form of `plain`.
    writer
        Stores the objects.
    """
    buffer = ParquetBuffer(table.schema, compressed=table.nbytes > _INCOMPRESSIBLE)
    buffer.write(table)
    return add_file(buffer.finish(), writer)


class ParquetBuffer:
    """A Parquet file under construction, in the one encoding of the lake: zstd-1 (nothing for a few rows), one thread.

    Columns have dictionaries, except those of real numbers that rarely repeat among the first rows: these are
    split into byte streams, which makes them smaller by a fifth (measured on spike times in full precision).

    Parameters
    ----------
    schema
        Arrow schema of the file.
    compressed
        Whether columns are compressed: a few values are no smaller for it, and each column takes 20 µs.
    """

    def __init__(self, schema: pa.Schema, *, compressed: bool = True) -> None:
        self._schema = schema
        self._compression: dict[str, Any] = (
            {"compression": "zstd", "compression_level": 1} if compressed else {"compression": "none"}
        )
        self._sink = pa.BufferOutputStream()
        self._file: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Add rows, in row groups of about a million.

        Columns of text may be dictionaries; columns of reals may have NaN if they have some in the first rows.

        Parameters
        ----------
        table
            Rows of the file's schema.
        """
        if self._file is None:
            self._file = self._begun(table)
        self._file.write_table(table.replace_schema_metadata(), row_group_size=ROW_GROUP)

    def finish(self) -> memoryview:
        """Return the bytes of the file."""
        if self._file is None:
            self.write(self._schema.empty_table())
        assert self._file is not None, "begun by writing"
        self._file.close()
        return memoryview(self._sink.getvalue())

    def _begun(self, table: pa.Table) -> pq.ParquetWriter:
        # Options go by paths: a column whose name is the path of a part of another has none of its own.
        parts = {path for path, own in _leaves(self._schema) if own is None}
        plain = [field.name for field in self._schema if field.name not in parts]
        split = [name for name in plain if _rarely_repeats(table[name])]
        # Dictionaries are written as they are, but the file says that its columns are text.
        written = pa.schema([pa.field(field.name, field.type, field.nullable) for field in table.schema])
        file = pq.ParquetWriter(
            self._sink,
            written,
            store_schema=False,
            **self._compression,
            use_dictionary=[name for name in plain if name not in split] or False,
            column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT") or None,
            # Bounds leave NaN out, and readers then rule out row groups that have some.
            write_statistics=[name for name in plain if not _has_nan(table[name])] or False,
        )
        file.add_key_value_metadata({"ARROW:schema": base64.b64encode(self._schema.serialize()).decode()})
        return file


def _has_nan(column: pa.ChunkedArray) -> bool:
    # Who only reads does without Arrow's functions, which take a while to import.
    import pyarrow.compute as pc

    return pa.types.is_floating(column.type) and bool(pc.any(pc.is_nan(column)).as_py())


def _rarely_repeats(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(column.type) or pa.types.is_float16(column.type):
        return False
    import pyarrow.compute as pc

    sample = column.slice(0, _SAMPLED_ROWS)
    return bool(pc.count_distinct(sample).as_py() > len(sample) / 2)


def add_file(data: memoryview, writer: ObjectWriter) -> Entry:
    """Store the bytes of a Parquet file, with the statistics in its footer.

    Parameters
    ----------
    data
        The whole file.
    writer
        Stores the objects.
    """
    file = pq.ParquetFile(pa.BufferReader(data))
    metadata = file.metadata
    digest, place = writer.add_file(data)
    stats = {"rows": metadata.num_rows, "columns": _column_statistics(metadata, file.schema_arrow)}
    return Entry(digest, len(data), place, stats)


def _leaves(schema: pa.Schema) -> Iterator[tuple[str, str | None]]:
    """Parquet's path of each of its columns, in order, and the name of the column that it is; None for a part of one."""

    def parts(path: str, kind: pa.DataType) -> Iterator[str]:
        if pa.types.is_struct(kind):
            for field in kind:
                yield from parts(f"{path}.{field.name}", field.type)
        elif pa.types.is_map(kind):
            for name, inner in (("key", kind.key_type), ("value", kind.item_type)):
                yield from parts(f"{path}.key_value.{name}", inner)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            yield from parts(f"{path}.list.element", kind.value_type)
        else:
            yield path

    for field in schema:
        paths = list(parts(field.name, field.type))
        nested = pa.types.is_nested(field.type)
        yield from ((path, None if nested else field.name) for path in paths)


def _column_statistics(metadata: pq.FileMetaData, schema: pa.Schema) -> dict[str, list[Any]]:
    """Per column ``[min, max, nulls]`` over all row groups, where Parquet knows them exactly; none for parts of columns."""
    found: dict[str, list[Any]] = {}
    leaves = list(_leaves(schema))
    assert len(leaves) == metadata.num_columns, "a Parquet column for each leaf"
    for column, (_, name) in enumerate(leaves):
        if name is None:
            continue
        groups = [metadata.row_group(group).column(column) for group in range(metadata.num_row_groups)]
        parts = [group.statistics for group in groups]
        if not parts or any(part is None or part.null_count is None for part in parts):
            continue
        nulls = sum(part.null_count for part in parts)
        if not all(map(_knows_bounds, parts)):
            continue
        bounds = [part for part in parts if part.has_min_max]
        low = min((part.min for part in bounds), default=None)
        high = max((part.max for part in bounds), default=None)
        if _fits(low) and _fits(high):
            found[name] = [low, high, nulls]
    return found


def _fits(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_STATISTIC
    # JSON has no infinity.
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _knows_bounds(part: pq.Statistics) -> bool:
    # Parquet leaves out bounds where all is null or NaN, and where they are too long.
    return part.has_min_max or not part.num_values or part.physical_type in ("FLOAT", "DOUBLE")


def joined(
    files: Sequence[Entry],
    chosen: Collection[int],
    objects: ObjectStore,
    single: Callable[[Sequence[Entry]], Sequence[Source]],
    *,
    alike: bool,
) -> list[Source | Path]:
    """Return what holds the rows of a table in their order, and perhaps rows of small files that were not chosen.

    Parameters
    ----------
    files
        All files of the table.
    chosen
        Positions of those to read.
    objects
        Reads them, and has the cache.
    single
        Returns what is read for each of some files that are not joined.
    alike
        Whether all files have the same columns.

    Returns
    -------
    list
        Local files, and what *single* returns.
    """
    may_join = alike and objects.verification != "always" and objects.cache is not None
    found: list[Source | Path] = []
    waiting: list[Entry] = []
    for (alone, _), some in groupby(enumerate(files), lambda one: (one[1].place.alone, one[0] // BLOCK)):
        numbered = list(some)
        block = [entry for _, entry in numbered]
        wanted = [entry for at, entry in numbered if at in chosen]
        few = len(wanted) <= (1 if len(wanted) == len(block) else FEW)
        path = None if alone or few or not may_join else _joined(block, objects)
        if path is None:
            waiting += wanted
        else:
            found += [*(single(waiting) if waiting else ()), path]
            waiting = []
    return [*found, *(single(waiting) if waiting else ())]


def _joined(block: Sequence[Entry], objects: ObjectStore) -> Path | None:
    """A file with the rows of others; None where they do not go together, which who reads them tells."""
    name = digest_of(b"joined" + b"".join(bytes.fromhex(entry.digest) for entry in block))
    try:
        return objects.made_path(name, lambda: _bytes(block, objects))
    except NeurolakeError:
        raise
    except (pa.ArrowException, OSError, ValueError):
        return None


def _bytes(block: Sequence[Entry], objects: ObjectStore) -> memoryview:
    stored = read_all(objects, [(entry.digest, entry.size, entry.place) for entry in block])
    parts = [pq.ParquetFile(pa.BufferReader(data)).read() for data in stored]
    rows = pa.concat_tables(parts)
    buffer = ParquetBuffer(rows.schema)
    buffer.write(rows)
    return buffer.finish()
