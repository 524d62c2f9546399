"""Tables: Parquet files in a fixed encoding, their fields, statistics and reading."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from ..digest import Digest, digest_of_file
from ..errors import CorruptObjectError, InputError, MalformedError, StorageError, TooLargeError
from ..names import listed
from ..nodes.entry import Entry
from ..nodes.node import Node
from ..nodes.shown import About, Shown
from ..objects.bulk import read_all
from ..objects.store import Address, ObjectStore, Place
from .parquet import Source, joined
from .types import BY_NAME, plain

if TYPE_CHECKING:
    import pyarrow.compute as pc
    import pyarrow.dataset as pds

# Bounds of a file that can be trusted: those of real numbers exclude NaN.
_BOUNDED = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "string")


class Table(Shown):
    """A table of a snapshot.

    Parameters
    ----------
    name, node
        Which.
    objects
        Where its files are.

    Raises
    ------
    MalformedError
        An entry of the table has no number of rows.
    """

    def __init__(self, name: str, node: Node, objects: ObjectStore) -> None:
        self.name = name
        self._node = node
        self._objects = objects
        self.files: tuple[Entry, ...] = tuple(entry for _, entry in node.entries.items())
        if any("rows" not in entry.stats for entry in self.files):
            raise MalformedError(f"table {name!r} has a file without a number of rows")

    def _about(self) -> About:
        line = (
            f"<Table {self.name!r}: {self.rows:,} rows, {len(self.columns)} columns, {len(self.files)} files>"
        )
        facts = {"one row is": self.doc, "sorted by": ", ".join(self.sorted_by) or "nothing"}
        described = [(field, field.get("doc", {})) for field in self.fields]
        rows = [(f["name"], f["type"], doc.get("unit", ""), doc.get("meaning", "")) for f, doc in described]
        return About(line, facts, ("column", "type", "unit", "meaning"), rows)

    def __len__(self) -> int:
        return self.rows

    @property
    def url(self) -> str:
        """The lake it belongs to."""
        return self._objects.storage.url

    @property
    def address(self) -> Address:
        """Where that lake is opened again."""
        return self._objects.address

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the node, as JSON has them."""
        return dict(self._node.meta.get("attributes") or {})

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
        """Return local files, which may be missing, for a caller that needs only names and schemas.

        Small files in manifests and packs are copied first.
        """
        return [
            self._objects.local_path(entry.digest, entry.place) if entry.place.alone else self._path(entry)
            for entry in self.files
        ]

    def paths(self, files: Sequence[Entry] | None = None) -> list[str]:
        """Return the local files of the table, verified as the lake's policy says, for programs that read them in place.

        Remote files, and small ones in manifests and packs, are copied to this machine first.

        Parameters
        ----------
        files
            Entries of the table; all by default.
        """
        chosen = self.files if files is None else files
        return list(map(str, self._objects.verified_paths(_stored(chosen))))

    def scan_paths(
        self,
        files: Sequence[Entry] | None = None,
        single: Callable[[Sequence[Entry]], Sequence[str]] | None = None,
    ) -> list[str]:
        """Return local files with the rows of the table in their order, for programs that filter what they read in place.

        Neighbouring small files are one; where some files are asked for, rows of others may be among theirs.

        Parameters
        ----------
        files
            Entries of the table whose rows are needed; all by default.
        single
            Returns what is read for each of some files that are not joined; `paths` by default.
        """
        return list(map(str, self._joined(files, single or self.paths)))

    def _joined(
        self, files: Sequence[Entry] | None, single: Callable[[Sequence[Entry]], Sequence[Source]]
    ) -> list[Source | Path]:
        # A file that is in the table twice has the same bounds twice.
        wanted = {entry.digest for entry in (self.files if files is None else files)}
        chosen = {at for at, entry in enumerate(self.files) if entry.digest in wanted}
        return joined(self.files, chosen, self._objects, single, alike=not self.evolved)

    def sources(self, files: Sequence[Entry] | None = None) -> list[Path | bytes]:
        """Return what Arrow reads the files of the table from: local files, and the bytes of small ones.

        Parameters
        ----------
        files
            Entries of the table; all by default.
        """
        chosen = self.files if files is None else files
        alone = [entry for entry in chosen if entry.place.alone]
        small = [entry for entry in chosen if not entry.place.alone]
        files_there = iter(self._objects.verified_paths(_stored(alone)))
        read = iter(read_all(self._objects, _stored(small)))
        return [next(files_there) if entry.place.alone else next(read) for entry in chosen]

    def matching(self, where: "pc.Expression | None") -> tuple[Entry, ...]:
        """Return the files whose bounds do not rule out matching rows; reads none of them.

        Parameters
        ----------
        where
            Condition on the rows; None for all files.
        """
        if where is None:
            return self.files
        schema = self.schema()
        self._check_where(where, schema)
        return matching(self.files, schema, where)

    def rows_of(self, entry: Entry) -> pa.Table:
        """Read all rows of one of the table's files, with those of the table's columns that the file has.

        Parameters
        ----------
        entry
            Entry of the file.
        """
        try:
            return plain(_read_whole(self._source(entry)))
        except (pa.ArrowException, OSError) as error:
            raise self.unreadable(error, [entry]) from error

    def unreadable(
        self, error: Exception, files: Sequence[Entry] | None = None, asked: bool = False
    ) -> Exception:
        """Return what to raise where Parquet files could not be read: only bytes without their digest are damaged.

        Parameters
        ----------
        error
            What Arrow or DuckDB said.
        files
            Those that were read; all by default.
        asked
            Whether something was asked of the rows, which may be what failed.
        """
        read = self.files if files is None else files
        # What is no file of its own was verified when it was read or copied.
        paths = {
            self._objects.local_path(entry.digest, entry.place): entry for entry in read if entry.place.alone
        }
        unsigned = [field["name"] for field in self.fields if field["type"] == "uint64"]
        return unreadable(error, f"table {self.name!r}", paths, asked=asked, unsigned=unsigned)

    def to_arrow(
        self, columns: Sequence[str] | None = None, where: "pc.Expression | None" = None
    ) -> pa.Table:
        """Read rows as an Arrow table.

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
        try:
            sources = self._joined(files, self.sources)
        except StorageError:
            # Without a cache they are read one by one.
            sources = [*self.sources(files)]
        try:
            if not sources:
                return schema.empty_table().select(columns or schema.names)
            return scanned(sources, schema).to_table(columns=columns, filter=where)
        except (pa.ArrowException, OSError, OverflowError) as error:
            raise self.unreadable(error, files, asked=where is not None) from error

    def to_pandas(self, columns: Sequence[str] | None = None, where: "pc.Expression | None" = None) -> Any:
        """Read rows as a pandas DataFrame; parameters as of `to_arrow`.

        Parameters
        ----------
        columns
            Names of the columns to read; all by default.
        where
            Condition on the rows.
        """
        return self.to_arrow(columns, where).to_pandas()

    def schema(self) -> pa.Schema:
        """Arrow schema of the columns, their documentation as metadata.

        Raises
        ------
        CorruptObjectError
            The types in the table's metadata cannot be read.
        """
        if not self.files:
            raise MalformedError(f"table {self.name!r} has no files; a table without rows has an empty file")
        fields = [BY_NAME.get(str(field["type"])) for field in self.fields]
        if None not in fields:
            return pa.schema([_arrow_field(field) for field in self.fields])
        # Types with parts of their own are told by the files.
        parts = [
            _schema_of(self._source(entry)) for entry in (self.files if self.evolved else self.files[:1])
        ]
        return pa.unify_schemas(parts, promote_options="permissive")

    def _check_where(self, where: "pc.Expression | None", schema: pa.Schema) -> None:
        try:
            if where is not None:
                schema.empty_table().filter(where)
        except (pa.ArrowException, TypeError, OverflowError) as error:
            raise InputError(f"table {self.name!r} cannot be filtered by this condition: {error}") from error

    def check_columns(self, columns: Sequence[str] | None) -> None:
        """Raise `InputError` if one of *columns* is not there.

        Parameters
        ----------
        columns
            Names of columns; None stands for all.

        Raises
        ------
        InputError
            The table has no such column.
        """
        unknown = [column for column in columns or () if column not in self.columns]
        if unknown:
            raise InputError(
                f"table {self.name!r} has no column {unknown[0]!r}; it has {listed(self.columns)}"
            )

    def _path(self, entry: Entry) -> Path:
        return self._objects.verified_path(entry.digest, entry.size, entry.place)

    def _source(self, entry: Entry) -> Path | bytes:
        return self._objects.readable(entry.digest, entry.size, entry.place)


def unreadable(
    error: Exception,
    what: str,
    files: Mapping[Path, Entry],
    *,
    asked: bool = False,
    unsigned: Sequence[str] = (),
) -> Exception:
    """Return what to raise where local Parquet files could not be read; `Table.unreadable` says more.

    Parameters
    ----------
    error
        What Arrow or DuckDB said.
    what
        The table, in words.
    files
        Entries of the files that were read, by local path.
    asked
        Whether something was asked of the rows, which may be what failed.
    unsigned
        Its columns of uint64, which conditions have to be given typed numbers for.
    """
    for path, entry in files.items():
        if not path.is_file() or digest_of_file(path) != entry.digest:
            return CorruptObjectError(f"{what} cannot be read: {path} is damaged or missing: {error}")
    if isinstance(error, MemoryError):
        return TooLargeError(
            f"{what} does not fit into memory: read some of its columns, rows by a condition, or a part after the other "
            f"by .dask() or SQL: {error}"
        )
    if asked and all(map(_is_parquet, files)):
        hint = f"; give numbers for {', '.join(unsigned)} as pyarrow.scalar(n, 'uint64')" if unsigned else ""
        return InputError(f"{what} cannot be asked so: {error}{hint}")
    one = f" ({next(iter(files))})" if len(files) == 1 else ""
    return MalformedError(f"{what} cannot be read, although its files are as they were written{one}: {error}")


def scanned(sources: Sequence[Path | bytes], schema: pa.Schema) -> "pds.Dataset":
    """Return a dataset of Parquet files in their order.

    Parameters
    ----------
    sources
        Local files, and bytes of files, at least one.
    schema
        Arrow schema of the rows.
    """
    from pyarrow import dataset as pds  # brings pandas, which takes a while to import

    if all(isinstance(source, Path) for source in sources):
        return pds.dataset([str(source) for source in sources], schema, format="parquet")
    form, disk = pds.ParquetFileFormat(), LocalFileSystem()
    fragments = [
        form.make_fragment(pa.py_buffer(source))
        if isinstance(source, bytes)
        else form.make_fragment(str(source), disk)
        for source in sources
    ]
    return pds.FileSystemDataset(fragments, schema, form, disk)


def matching(files: Sequence[Entry], schema: pa.Schema, where: "pc.Expression") -> tuple[Entry, ...]:
    """Return the files of a table whose bounds do not rule out matching rows; reads none of them.

    Parameters
    ----------
    files
        Entries of the table.
    schema
        Arrow schema of the table.
    where
        Condition on the rows.
    """
    from pyarrow import dataset as pds

    form, disk = pds.ParquetFileFormat(), LocalFileSystem()
    # Fragments are named by ordinal: a file may be in a table twice.
    fragments = [form.make_fragment(str(at), disk, _bounds(entry, schema)) for at, entry in enumerate(files)]
    dataset = pds.FileSystemDataset(fragments, schema, form, disk)
    try:
        return tuple(files[int(fragment.path)] for fragment in dataset.get_fragments(where))
    except pa.ArrowException:
        # A condition that Arrow cannot compare rules nothing out; the read of the rows reports it.
        return tuple(files)


def _is_parquet(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (pa.ArrowException, OSError, ValueError):
        return False
    return True


def _bounds(entry: Entry, schema: pa.Schema) -> "pc.Expression":
    """What is true of every row of a file, as its statistics tell."""
    from pyarrow import dataset as pds

    known = pds.scalar(True)
    nested = {field.name for field in schema if pa.types.is_nested(field.type)}
    for column, (low, high, nulls) in entry.stats.get("columns", {}).items():
        index = schema.get_field_index(column)
        # Files from before bounds were told of whole columns only: those of a part of *nested* have its path.
        if any(column.startswith(f"{name}.") for name in nested):
            continue
        if index < 0 or low is None or str(kind := schema.field(index).type) not in _BOUNDED:
            continue
        # Given their type, bounds may be above what an int64 holds.
        least, most = pa.scalar(low, kind), pa.scalar(high, kind)
        within = (pds.field(column) >= least) & (pds.field(column) <= most)
        known = known & (within | pds.field(column).is_null() if nulls else within)
    return known


def _arrow_field(field: Mapping[str, Any]) -> pa.Field:
    kind = BY_NAME[str(field["type"])]
    return pa.field(field["name"], kind, field.get("nullable", True), field.get("doc") or None)


def _stored(files: Sequence[Entry]) -> list[tuple[Digest, int, Place]]:
    return [(entry.digest, entry.size, entry.place) for entry in files]


def _opened(source: Path | bytes) -> Any:
    return pa.BufferReader(source) if isinstance(source, bytes) else source


def _read_whole(source: Path | bytes) -> pa.Table:
    return pq.read_table(_opened(source), partitioning=None)


def _schema_of(source: Path | bytes) -> pa.Schema:
    try:
        return pq.read_schema(_opened(source))
    except (pa.ArrowException, OSError) as error:
        what = source if isinstance(source, Path) else "a small file"
        raise CorruptObjectError(f"{what} cannot be read: {error}") from error
