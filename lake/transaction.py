"""Transactions: edits of a tree that become one commit, or nothing."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy.typing as npt
import pyarrow as pa

from .data import tables
from .data.parquet import write_files
from .data.rewriting import renamed, without_rows
from .data.types import as_array, as_arrow
from .data.types import plain as plain_table
from .digest import canonical_json, digest_of, plain_json
from .drafts import Drafts
from .errors import ConflictError, InputError, NotFoundError
from .history.log import FOLD_AFTER, Commit, Reference, new_uuid
from .history.merge import merged
from .history.trees import History, store_tree
from .names import checked_name
from .nodes.entries import OVERLAY_SIZE
from .nodes.entry import Entry
from .nodes.fields import fields_of, merged_fields
from .nodes.naming import check_file, check_names
from .nodes.node import Node, Tree, tree_digest
from .nodes.placement import packed, rescued
from .nodes.shown import About, Shown
from .objects.store import ObjectWriter
from .provenance import provenance
from .threads import gathered, pause

# Zarr takes longer to import than most transactions; those of tables and files do without it.
if TYPE_CHECKING:
    import pyarrow.compute as pc

    from .data.arrays import Array
    from .data.compression import Compression
    from .data.zarrstore import ZarrStore

INLINE_CHANGES = 64 * 1024


class Transaction(Shown):
    """Edits on top of the tip of a branch.

    As a context manager it commits on the way out, unless an exception passes. Nothing is visible to
    anybody before, and everything at once after. Once it has ended so, all that writes raises `ReadOnlyError`.

    Parameters
    ----------
    history, branch
        What to build on.
    message, author
        Kept in the commit.
    notes
        JSON to keep in the commit's provenance.
    attempts
        How often to try again when other writers commit first.

    Raises
    ------
    InputError
        *attempts* is less than 1.
    """

    def __init__(
        self,
        history: History,
        branch: str,
        message: str,
        *,
        author: str,
        notes: Mapping[str, Any] | None = None,
        attempts: int = 100,
    ) -> None:
        if not isinstance(message, str) or not isinstance(author, str):
            raise InputError(f"message and author are text, not {message!r} and {author!r}")
        plain_json([message, author], "message and author")
        self._history = history
        self._branch = branch
        self._message = message
        self._author = author
        self.notes: dict[str, Any] = dict(notes or {})
        self._attempts = attempts
        self._tip, self._number = history.log.head(branch)
        self.drafts = Drafts(history.tree(self._tip), history.read_shard)
        self.writer = history.objects.writer()
        self.committed: Commit | None = None
        # One for all attempts at a commit: the storage may have made it and failed to say so.
        self._uuid = new_uuid()
        self._merging: list[Reference] = []
        self._layout: Callable[[Tree, ObjectWriter], Tree] | None = None

    @property
    def record(self) -> Commit | None:
        """The old name of `committed`; it goes with the next version."""
        warnings.warn("Transaction.record has become Transaction.committed", FutureWarning, stacklevel=2)
        return self.committed

    def _about(self) -> About:
        about = self.drafts.summary()._about()
        return about._replace(line=f"<Transaction on {self._branch}, {self._message!r}: {about.line}>")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A commit that failed may be tried again; hence this ends once it is made.
        if kind is None:
            self.commit()
        self.drafts.end("has been committed" if kind is None else "was abandoned, because its block failed")

    @property
    def tip(self) -> Commit:
        """The commit that this builds on."""
        return self._tip

    @property
    def store(self) -> "ZarrStore":
        """The tree as a Zarr store that writes into this transaction."""
        from .data.zarrstore import ZarrStore

        return ZarrStore(self._history.objects, self.drafts, self.writer)

    def write_table(
        self,
        name: str,
        table: pa.Table,
        *,
        doc: str = "",
        sorted_by: Sequence[str] = (),
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a table; an existing node of that name is replaced.

        Parameters
        ----------
        name
            Name of the table.
        table
            Rows in the order to keep. The metadata of a field (``unit``, ``doc``, ``source`` …) is its
            documentation.
        doc
            What one row is.
        sorted_by
            Columns by which *table* is sorted; what is appended later must follow on.
        attributes
            Attributes of the node, as JSON has them.
        """
        self.drafts.check_open()
        table = plain_table(as_arrow(table))
        meta = {
            "fields": fields_of(table.schema),
            "doc": plain_json(doc, "doc"),
            "sorted_by": list(sorted_by),
            "attributes": plain_json(dict(attributes or {}), "attributes"),
        }
        self.drafts.put(checked_name(name), "table", meta, dict(enumerate(write_files(table, self.writer))))

    def append_table(
        self,
        name: str,
        table: pa.Table,
        *,
        doc: str = "",
        sorted_by: Sequence[str] = (),
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Append rows to a table, which is made if it is missing.

        Parameters
        ----------
        name
            Name of the table.
        table
            Rows, as of `write_table`.
        doc, sorted_by, attributes
            Of a table that is made, as of `write_table`; one that is there keeps its own.

        Raises
        ------
        InputError
            *name* is no table, or a column has another type there.
        """
        self.drafts.check_open()
        if name not in self.drafts:
            self.write_table(name, table, doc=doc, sorted_by=sorted_by, attributes=attributes)
            return
        table = plain_table(as_arrow(table))
        if table.num_rows:
            fields = fields_of(table.schema)
            self.append_files(name, write_files(table, self.writer), fields)

    def delete_rows(self, name: str, where: "pc.Expression") -> int:
        """Delete the rows of a table that match; return their number.

        Parameters
        ----------
        name
            Name of the table.
        where
            A pyarrow expression such as ``pyarrow.dataset.field("trial_id") == 7``.

        Raises
        ------
        NotFoundError
            There is no table *name*.
        InputError
            *where* asks of a column what its type cannot answer.
        """
        self.drafts.check_open()
        files, deleted = without_rows(self._required_table(name), where, self.writer)
        if deleted:
            self.drafts.put(name, "table", self.drafts[name].meta, dict(enumerate(files)))
        return deleted

    def replace_rows(self, name: str, table: pa.Table, where: "pc.Expression") -> int:
        """Delete the rows that match and append others; return the number of deleted rows.

        Parameters
        ----------
        name
            Name of the table.
        table
            Rows to append, as of `append_table`.
        where
            Condition of the rows to delete, as of `delete_rows`.

        Raises
        ------
        NotFoundError, InputError
            As `delete_rows` and `append_table` do.
        """
        deleted = self.delete_rows(name, where)
        self.append_table(name, table)
        return deleted

    def rename_columns(self, name: str, names: Mapping[str, str]) -> None:
        """Rename columns of a table; all its files are written anew.

        Parameters
        ----------
        name
            Name of the table.
        names
            New names by old ones.

        Raises
        ------
        NotFoundError
            There is no table *name*.
        InputError
            A column is not there, or a name would be there twice.
        """
        self.drafts.check_open()
        files = renamed(self._required_table(name), names, self.writer)
        meta = self.drafts[name].meta
        fields = [{**field, "name": names.get(field["name"], field["name"])} for field in meta["fields"]]
        order = [names.get(column, column) for column in meta.get("sorted_by", [])]
        self.drafts.put(name, "table", {**meta, "fields": fields, "sorted_by": order}, dict(enumerate(files)))

    def _required_table(self, name: str) -> tables.Table:
        table = self.table(name)
        if table is None:
            raise NotFoundError(f"there is no table {name!r}")
        return table

    def append_files(
        self,
        name: str,
        files: Sequence[Entry],
        fields: list[dict[str, Any]],
        *,
        doc: str = "",
        sorted_by: Sequence[str] = (),
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Append Parquet files that workers wrote (`tables.add_file`) to a table.

        A table that is not there is made; *doc*, *sorted_by* and *attributes* are then its own.

        Parameters
        ----------
        name
            Name of the table.
        files
            Entries of the files, in order.
        fields
            The files' fields, from `fields_of`.
        doc, sorted_by
            Description of a table that is made, as of `write_table`.
        attributes
            Attributes of the node, as JSON has them.

        Raises
        ------
        InputError
            *name* is no table, a column has another type there, or there are no files to make it of.
        """
        self.drafts.check_open()
        node = self.drafts.get(name)
        if node is None:
            if not files:
                raise InputError(f"table {name!r} needs a file to begin with, if only one without rows")
            described = plain_json(
                {"doc": doc, "sorted_by": list(sorted_by), "attributes": dict(attributes or {})},
                "what describes a table",
            )
            meta = {**described, "fields": fields}
            self.drafts.put(checked_name(name), "table", meta, dict(enumerate(files)))
            return
        if node.kind != "table":
            raise InputError(f"{name!r} is of kind {node.kind!r}, not a table")
        merged = merged_fields(name, node.meta["fields"], fields)
        evolved = {} if fields == node.meta["fields"] else {"evolved": True}
        self.drafts.append(name, list(files), {**node.meta, "fields": merged, **evolved})

    def write_array(
        self,
        name: str,
        values: npt.ArrayLike,
        *,
        chunks: Sequence[int] | None = None,
        dimension_names: Sequence[str] | None = None,
        attributes: Mapping[str, Any] | None = None,
        codec: Mapping[str, Any] | None = None,
        compression: "Compression" = "auto",
    ) -> "Array":
        """Write a Zarr v3 array; an existing node of that name is replaced.

        Parameters
        ----------
        name
            Name of the array.
        values
            Numbers of any shape; their type is kept.
        chunks
            Shape of a chunk; about 1 MiB along the first axis by default.
        dimension_names
            Name of each axis; none by default.
        attributes
            Attributes of the node, as JSON has them.
        codec
            Zarr v3 JSON of the codec; by default *compression* chooses.
        compression
            What the codec is chosen for, by a sample of the values: ``"auto"``, small and still fast; ``"fast"``;
            ``"small"``; or ``"portable"``, small by what all readers of Zarr have.

        Raises
        ------
        InputError
            The values are no array that Zarr can hold (`data.types`), and it says what to use instead; or the codec
            cannot encode them.
        """
        from .data.arrays import create_array, default_chunks
        from .data.compression import chosen_codec

        data = as_array(values, name)
        parts = list(chunks or default_chunks(data.shape, data.itemsize))
        array = create_array(
            self.store,
            name,
            data.shape,
            data.dtype,
            chunks=parts,
            dimension_names=dimension_names,
            attributes=attributes,
            codec=codec or chosen_codec(compression, data, parts, dimension_names),
        )
        array.write_rows(data)
        return array

    def append_array(self, name: str, values: npt.ArrayLike) -> "Array":
        """Append *values* along the first axis.

        Parameters
        ----------
        name
            Name of the array.
        values
            Rows, shape (rows, …).

        Raises
        ------
        NotFoundError
            There is no array *name*.
        InputError
            The other axes, or the type, differ.
        """
        self.drafts.check_open()
        array = self.array(name)
        array.append_rows(as_array(values, name))
        return array

    def array(self, name: str) -> "Array":
        """Return an array of this transaction, to be read and written in place.

        Parameters
        ----------
        name
            Name of the array.
        """
        from .data.arrays import Array

        return Array.of(self.store, name)

    def put_file(
        self, name: str, content: bytes | str | PathLike[str], *, attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Store a small file.

        Parameters
        ----------
        name
            Name of the file's node.
        content
            Its bytes, or a path to read them from.
        attributes
            Attributes of the node, as JSON has them.
        """
        self.drafts.check_open()
        data = content if isinstance(content, bytes) else Path(content).read_bytes()
        check_file(checked_name(name), data)
        digest = digest_of(data)
        entry = Entry(digest, len(data), self.writer.add(data, digest))
        self.drafts.put(name, "file", plain_json(dict(attributes or {}), "attributes"), {0: entry})

    def table(self, name: str) -> tables.Table | None:
        """Return a table as it is in this transaction; None if it is missing.

        Parameters
        ----------
        name
            Name of the table.
        """
        node = self.drafts.get(name)
        found = node is not None and node.kind == "table"
        return tables.Table(name, node, self._history.objects) if node is not None and found else None

    def merge(
        self, base: Tree, changes: Mapping[str, Node | None], *, parent: Reference | None = None
    ) -> None:
        """Apply the changes that another side made since *base*.

        Parameters
        ----------
        base
            The tree that both sides started from.
        changes
            The other side's nodes by name; None removes one.
        parent
            The other side's commit, where it is merged.

        Raises
        ------
        ConflictError
            They do not commute with what the branch holds.
        """
        self.drafts.check_open()
        self.drafts.apply(merged(base, dict(self.drafts), changes))
        self._merging += [] if parent is None else [parent]

    def lay_out(self, layout: Callable[[Tree, ObjectWriter], Tree]) -> None:
        """Let the next commit store the whole tree as *layout* makes it: the same content in other locations.

        It is called with what the tree is by then, more than once if other writers commit first, and flushes.

        Parameters
        ----------
        layout
            Called with the tree and a writer; returns the tree to commit, and flushes.
        """
        self.drafts.check_open()
        self._layout = layout

    def depends_on(self, *names: str) -> None:
        """Make the commit fail if another writer changes any of these nodes first, even by appending.

        For changes that were computed from what the nodes held, such as the next free number.

        Parameters
        ----------
        names
            Names of nodes.
        """
        self.drafts.check_open()
        self.drafts.depends.update(names)

    def delete(self, name: str) -> None:
        """Delete a node.

        Parameters
        ----------
        name
            Name of the node.

        Raises
        ------
        NotFoundError
            There is none of that name.
        """
        self.drafts.check_open()
        if name not in self.drafts:
            raise NotFoundError(f"there is no node {name!r} to delete")
        self.drafts.delete(name)

    def commit(self) -> Commit | None:
        """Make the edits the next commit of the branch; None, and no commit, if they change nothing.

        When this returns, the commit survives a power failure, and the transaction may go on with the next.

        Raises
        ------
        ConflictError
            Another writer committed a change of the same nodes first; or, if it names no nodes, too many
            others committed first, or one did while a commit was being merged.
        NodeNameError
            A new name means two things, as `nodes.naming` says.
        StorageError
            The storage failed. Where it does not say whether the commit was made, calling this again does
            not make it twice.
        ReadOnlyError
            The ``with`` block of the transaction has ended, which committed it already.
        """
        self.drafts.check_open()
        self.writer.flush()
        for attempt in range(self._attempts):
            pause(attempt)
            if attempt:
                self._rebase()
            changes = self.drafts.changes()
            if not changes and not self._merging and self._layout is None:
                return None
            if self._append(self._rescued(changes)):
                return self.committed
        raise ConflictError(f"{self._attempts} other commits came first; try again later")

    def _rescued(self, changes: dict[str, Node | None]) -> dict[str, Node | None]:
        """The changes, standing on nothing that garbage collection is about to delete (see `garbage`)."""
        if not self.writer.refresh():
            return changes
        tree, objects = self._history.tree(self._tip), self._history.objects
        copied = rescued(changes, tree, objects, self.writer)
        if copied:
            self.writer.flush()
            self.drafts.apply(copied)
        return {**changes, **copied}

    def _rebase(self) -> None:
        if self._merging:
            raise ConflictError("another writer committed first; merge again with its newest commit")
        tip, number = self._history.log.head(self._branch)
        self.drafts.rebase(self._history.tree(tip))
        self._tip, self._number = tip, number

    def _append(self, changes: Mapping[str, Node | None]) -> bool:
        """Make the changes the next commit; False if more is to be done."""
        old = self._history.tree(self._tip)
        folded = self._folded(changes)
        kept = {name: node for name, node in old.items() if name not in folded}
        tree: Tree = kept | {name: node for name, node in folded.items() if node is not None}
        check_names(tree, old)
        tree = tree if self._layout is None else self._layout(tree, self.writer)
        fields: dict[str, Any] = {
            "uuid": self._uuid,
            "parents": [self._tip.reference.to_json(), *(other.to_json() for other in self._merging)],
            "time": datetime.now(UTC).isoformat(),
            "author": self._author,
            "message": self._message,
            "provenance": provenance(plain_json(self.notes, "notes")),
            "snapshot": tree_digest(tree),
            "depth": self._tip.depth + 1,
            "changes": {name: node and node.change_from(old.get(name)) for name, node in folded.items()},
        }
        if (
            self._layout
            or fields["depth"] >= FOLD_AFTER
            or len(canonical_json(fields["changes"])) > INLINE_CHANGES
        ):
            tree = {name: packed(node, self.writer) for name, node in tree.items()}
            self.writer.flush()
            fields |= {"depth": 0, "tree": store_tree(tree, self.writer)}
            fields["changes"] = {name: None if node is None else {} for name, node in folded.items()}
        # Everything the record names is on the disk before the record is.
        self._history.objects.storage.flush()
        for other in self._merging:
            self._history.log.secure(other)
        record = self._history.log.append(self._branch, self._number + 1, fields)
        if not isinstance(record, Commit):
            return False
        self.committed = self._tip = record
        self._number, self._uuid = record.number, new_uuid()
        self._merging.clear()
        self._layout = None
        if record.snapshot != fields["snapshot"]:
            # An attempt that was not heard of any more; what was edited since is still to be committed.
            self.drafts.stand_on(self._history.tree(record))
            return False
        self._history.keep(record, tree)
        self.drafts.settle(tree)
        return True

    def _folded(self, changes: Mapping[str, Node | None]) -> dict[str, Node | None]:
        """The changes, with shards written of what has become too much to lie over them."""
        large = {
            name: packed(node, self.writer)
            for name, node in changes.items()
            if node is not None and len(node.entries.overlay) > OVERLAY_SIZE
        }
        if large:
            # Shards tell places, which a pack has only once it is closed.
            self.writer.flush()
        return {**changes, **dict(zip(large, gathered(self._fold, [*large.values()]), strict=True))}

    def _fold(self, node: Node) -> Node:
        return Node(node.kind, node.meta, node.entries.folded(self.writer, self._history.keep_shard))
