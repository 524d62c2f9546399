"""Tables: Parquet files in a fixed encoding, their fields, statistics and reading."""

import base64
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from .entry import Entry
from .errors import CorruptObjectError, InputError
from .nodes import Node
from .objects import ObjectStore, ObjectWriter
from .threads import mapped

ROW_GROUP = 2**20
FILE_ROWS = 2 * ROW_GROUP
SUFFIX = ".parquet"
_LONGEST_STATISTIC = 64
_SAMPLED_ROWS = 65536
# Types that hold every value of another exactly.
_WIDER: Mapping[str, tuple[str, ...]] = {
    "int8": ("int16", "int32", "int64", "float", "double"),
    "int16": ("int32", "int64", "float", "double"),
    "int32": ("int64", "double"),
    "uint8": ("uint16", "uint32", "uint64", "int16", "int32", "int64", "float", "double"),
    "uint16": ("uint32", "uint64", "int32", "int64", "float", "double"),
    "uint32": ("uint64", "int64", "double"),
    "float": ("double",),
    "null": ("string", "int64", "double", "bool"),
}
_UNITS = ("s", "ms", "us", "ns")
_SCALARS = [
    *(pa.type_for_alias(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.binary(), pa.null()),
    *(pa.date32(), pa.date64()),
    *(pa.timestamp(unit, zone) for unit in _UNITS for zone in (None, "UTC")),
    *(pa.duration(unit) for unit in _UNITS),
]
_TYPES = {str(kind): kind for kind in (*_SCALARS, *map(pa.list_, _SCALARS))}
# What a file's bounds can be trusted for: NaN lies outside the bounds of real numbers.
_BOUNDED = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "string")


def plain(table: pa.Table) -> pa.Table:
    """*table* without dictionaries, chunking or pandas' metadata: one stored form for equal content.

    Raises
    ------
    InputError
        Two columns have one name.
    """
    if len(set(table.column_names)) < table.num_columns:
        raise InputError(f"columns need different names, not {', '.join(table.column_names)}")
    fields = [
        pa.field(field.name, _plain_type(field.type), field.nullable, field.metadata)
        for field in table.schema
    ]
    return table.cast(pa.schema(fields)).combine_chunks()


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_large_string(kind):
        return pa.string()
    return kind


def fields_of(schema: pa.Schema) -> list[dict[str, Any]]:
    """Fields as JSON: ``name``, ``type`` (Arrow's name for it), ``nullable``, and the documentation."""
    return [
        {
            "name": field.name,
            "type": str(field.type),
            "nullable": field.nullable,
            **({"doc": _document(field)} if field.metadata else {}),
        }
        for field in schema
    ]


def _document(field: pa.Field) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in sorted(field.metadata.items())}


def merged_fields(
    name: str, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Fields of a table after files with *new* fields join those with *old*; new columns come last.

    Raises
    ------
    InputError
        A column has a type that neither holds all values of the other.
    """
    later = {field["name"]: field for field in new}
    fields = [
        field if field["name"] not in later else {**field, "type": _wider(name, field, later[field["name"]])}
        for field in old
    ]
    have = {field["name"] for field in old}
    return [*fields, *(field for field in new if field["name"] not in have)]


def _wider(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if old["type"] == new["type"]:
        return str(old["type"])
    for narrow, wide in ((old["type"], new["type"]), (new["type"], old["type"])):
        if wide in _WIDER.get(narrow, ()):
            return str(wide)
    raise InputError(
        f"table {name!r}: column {old['name']!r} is {old['type']}, what is appended has {new['type']}, and "
        "neither holds all values of the other; cast it first"
    )


def write_files(table: pa.Table, writer: ObjectWriter) -> list[Entry]:
    """Store *table*, which `plain` has seen, as Parquet files in the order of its rows, written at once."""
    starts = range(0, max(table.num_rows, 1), FILE_ROWS)
    return list(mapped(lambda start: write_file(table.slice(start, FILE_ROWS), writer), starts))


def write_file(table: pa.Table, writer: ObjectWriter) -> Entry:
    """Store *table*, which `plain` has seen, as one Parquet file."""
    buffer = ParquetBuffer(table.schema)
    buffer.write(table)
    return add_file(buffer.finish(), writer)


class ParquetBuffer:
    """A Parquet file under construction, in the one encoding of the lake: zstd-1, one thread.

    Columns have dictionaries, except those of real numbers that rarely repeat among the first rows: these are
    split into byte streams, which makes them smaller by a fifth (measured on spike times in full precision).
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._sink = pa.BufferOutputStream()
        self._file: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Add rows, in row groups of about a million.

        Columns of text may be dictionaries; columns of reals may have NaN if they have some in the first rows.
        """
        if self._file is None:
            self._file = self._begun(table)
        self._file.write_table(table.replace_schema_metadata(), row_group_size=ROW_GROUP)

    def finish(self) -> memoryview:
        """The bytes of the file."""
        if self._file is None:
            self.write(self._schema.empty_table())
        assert self._file is not None, "begun by writing"
        self._file.close()
        return memoryview(self._sink.getvalue())

    def _begun(self, table: pa.Table) -> pq.ParquetWriter:
        split = [field.name for field in self._schema if _rarely_repeats(table[field.name])]
        # Dictionaries are written as they are, but the file says that its columns are text.
        written = pa.schema([pa.field(field.name, field.type, field.nullable) for field in table.schema])
        file = pq.ParquetWriter(
            self._sink,
            written,
            store_schema=False,
            compression="zstd",
            compression_level=1,
            use_dictionary=[field.name for field in self._schema if field.name not in split] or False,
            column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT") or None,
            # Bounds leave NaN out, and readers then rule out row groups that have some.
            write_statistics=[field.name for field in self._schema if not _has_nan(table[field.name])]
            or False,
        )
        file.add_key_value_metadata({"ARROW:schema": base64.b64encode(self._schema.serialize()).decode()})
        return file


def _has_nan(column: pa.ChunkedArray) -> bool:
    return pa.types.is_floating(column.type) and bool(pc.any(pc.is_nan(column)).as_py())


def _rarely_repeats(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(column.type) or pa.types.is_float16(column.type):
        return False
    sample = column.slice(0, _SAMPLED_ROWS)
    return bool(pc.count_distinct(sample).as_py() > len(sample) / 2)


def add_file(data: memoryview, writer: ObjectWriter) -> Entry:
    """Store the bytes of a Parquet file with the statistics that it tells of itself."""
    metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
    digest, place = writer.add_alone(data, SUFFIX)
    stats = {"rows": metadata.num_rows, "columns": _column_statistics(metadata)}
    return Entry(digest, len(data), place, stats)


def _column_statistics(metadata: pq.FileMetaData) -> dict[str, list[Any]]:
    """Per column ``[min, max, nulls]`` over all row groups, where Parquet knows them exactly."""
    found: dict[str, list[Any]] = {}
    for column in range(metadata.num_columns):
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
            found[groups[0].path_in_schema] = [low, high, nulls]
    return found


def _fits(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_STATISTIC
    # JSON has no infinity.
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _knows_bounds(part: pq.Statistics) -> bool:
    # Parquet leaves out bounds where all is null or NaN, and where they are too long.
    return part.has_min_max or not part.num_values or part.physical_type in ("FLOAT", "DOUBLE")


class Table:
    """A table of a snapshot.

    Parameters
    ----------
    name, node
        Which.
    objects
        Where its files are.
    """

    def __init__(self, name: str, node: Node, objects: ObjectStore) -> None:
        self.name = name
        self._node = node
        self._objects = objects
        self.files: tuple[Entry, ...] = tuple(entry for _, entry in node.entries.items())

    def __repr__(self) -> str:
        return (
            f"<Table {self.name!r}: {self.rows:,} rows, {len(self.columns)} columns, {len(self.files)} files>"
        )

    def __len__(self) -> int:
        return self.rows

    @property
    def url(self) -> str:
        """The lake it belongs to."""
        return self._objects.storage.url

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(entry.stats["rows"] for entry in self.files)

    @property
    def digest(self) -> str:
        """Identity of the content."""
        return self._node.digest

    @property
    def fields(self) -> list[Mapping[str, Any]]:
        """Name, type and documentation of each column."""
        return list(self._node.meta["fields"])

    @property
    def columns(self) -> list[str]:
        """Column names."""
        return [field["name"] for field in self.fields]

    @property
    def sorted_by(self) -> list[str]:
        """Columns by which rows are in order, within a file and from file to file."""
        return list(self._node.meta.get("sorted_by", []))

    @property
    def doc(self) -> str:
        """What one row is."""
        return str(self._node.meta.get("doc", ""))

    @property
    def evolved(self) -> bool:
        """Whether files differ in columns or their types."""
        return bool(self._node.meta.get("evolved"))

    def unverified_paths(self) -> list[Path]:
        """Where the local files are, or will be: for what looks at names and schemas only."""
        return [self._objects.local_path(entry.digest, entry.place) for entry in self.files]

    def paths(self, files: Sequence[Entry] | None = None) -> list[str]:
        """The local files (all, or these), verified as the lake's policy says, for who reads them in place."""
        chosen = self.files if files is None else files
        # Remote files come several at a time.
        with ThreadPoolExecutor(min(8, max(1, len(chosen)))) as pool:
            return [str(path) for path in pool.map(self._path, chosen)]

    def matching(self, where: pds.Expression | None) -> tuple[Entry, ...]:
        """Files whose bounds do not rule out that rows of theirs match; none is read."""
        if where is None:
            return self.files
        schema = self.schema()
        self._check_where(where, schema)
        return matching(self.files, schema, where)

    def rows_of(self, entry: Entry) -> pa.Table:
        """All rows of one of its files, with the table's columns as far as the file has them."""
        try:
            return plain(pq.read_table(self._path(entry), partitioning=None))
        except (pa.ArrowException, OSError) as error:
            raise CorruptObjectError(f"table {self.name!r} cannot be read: {error}") from error

    def to_arrow(self, columns: Sequence[str] | None = None, where: pds.Expression | None = None) -> pa.Table:
        """Rows as an Arrow table.

        Parameters
        ----------
        columns
            Those to read; all by default.
        where
            A pyarrow expression, such as ``pyarrow.dataset.field("trial_id") == 7``; files and row groups
            that cannot match are not read.

        Raises
        ------
        InputError
            A column is not there, or *where* asks of one what its type cannot answer.
        CorruptObjectError
            A file is damaged.
        """
        self.check_columns(columns)
        schema = self.schema()
        self._check_where(where, schema)
        files = self.matching(where)
        paths = self.paths(files)
        try:
            if not paths:
                return schema.empty_table().select(columns or schema.names)
            return pds.dataset(paths, schema, format="parquet").to_table(columns=columns, filter=where)
        except (pa.ArrowException, OSError) as error:
            raise CorruptObjectError(f"table {self.name!r} cannot be read: {error}") from error

    def to_pandas(self, columns: Sequence[str] | None = None, where: pds.Expression | None = None) -> Any:
        """Rows as a pandas DataFrame; parameters as of `to_arrow`."""
        return self.to_arrow(columns, where).to_pandas()

    def schema(self) -> pa.Schema:
        """Arrow schema of the columns, their documentation as metadata."""
        if not self.files:
            raise CorruptObjectError(f"table {self.name!r} has no files; one without rows has an empty one")
        fields = [_TYPES.get(str(field["type"])) for field in self.fields]
        if None not in fields:
            return pa.schema([_arrow_field(field) for field in self.fields])
        # Types with parts of their own are told by the files.
        parts = [_schema_of(self._path(entry)) for entry in (self.files if self.evolved else self.files[:1])]
        return pa.unify_schemas(parts, promote_options="permissive")

    def _check_where(self, where: pds.Expression | None, schema: pa.Schema) -> None:
        try:
            if where is not None:
                schema.empty_table().filter(where)
        except (pa.ArrowException, TypeError) as error:
            raise InputError(f"table {self.name!r} cannot be filtered so: {error}") from error

    def check_columns(self, columns: Sequence[str] | None) -> None:
        """Raise `InputError` if one of *columns* is not there."""
        unknown = [column for column in columns or () if column not in self.columns]
        if unknown:
            have = ", ".join(self.columns)
            raise InputError(f"table {self.name!r} has no column {unknown[0]!r}; it has {have}")

    def _path(self, entry: Entry) -> Any:
        return self._objects.verified_path(entry.digest, entry.size, entry.place)


def matching(files: Sequence[Entry], schema: pa.Schema, where: pds.Expression) -> tuple[Entry, ...]:
    """Those of a table's files whose bounds do not rule out that rows of theirs match; none is read."""
    form, disk = pds.ParquetFileFormat(), LocalFileSystem()
    # Fragments are named by ordinal: a file may be in a table twice.
    fragments = [form.make_fragment(str(at), disk, _bounds(entry, schema)) for at, entry in enumerate(files)]
    dataset = pds.FileSystemDataset(fragments, schema, form, disk)
    return tuple(files[int(fragment.path)] for fragment in dataset.get_fragments(where))


def _bounds(entry: Entry, schema: pa.Schema) -> pds.Expression:
    """What is true of every row of a file, as its statistics tell."""
    known = pds.scalar(True)
    for column, (low, high, nulls) in entry.stats.get("columns", {}).items():
        # A file from before the column was widened has bounds of another type: cast by the comparison.
        index = schema.get_field_index(column)
        if index < 0 or low is None or str(schema.field(index).type) not in _BOUNDED:
            continue
        within = (pds.field(column) >= low) & (pds.field(column) <= high)
        known = known & (within | pds.field(column).is_null() if nulls else within)
    return known


def _arrow_field(field: Mapping[str, Any]) -> pa.Field:
    kind = _TYPES[str(field["type"])]
    return pa.field(field["name"], kind, field.get("nullable", True), field.get("doc") or None)


def _schema_of(path: Any) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise CorruptObjectError(f"{path} cannot be read: {error}") from error
