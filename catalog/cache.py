"""Catalog files: one immutable DuckDB file for each snapshot, in the user's cache; losing them loses nothing.

A file is in a folder of its own, named by the snapshot's digest, beside the digest of the file: what is
damaged is made anew. It has no paths and nothing of the log in it, for these change while a snapshot stays.
"""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb

from ..lake.digest import digest_of_file
from ..lake.nodes.node import Tree, tree_digest
from .build import SCHEMA, Piece, describe, fill, kept_pieces, pieces
from .schema import literal

VERSION = 1
KEPT = 8
_FILE, _DIGEST, _PART = "catalog.duckdb", "digest", ".part"


class CatalogCache:
    """The catalog files of one lake.

    Parameters
    ----------
    cache
        The lake's folder in the user's cache.
    """

    def __init__(self, cache: Path) -> None:
        self.folder = cache / f"catalogs-{VERSION}"

    def path(self, tree: Tree) -> Path:
        """Return the path of the file that describes a tree, which may be missing.

        Parameters
        ----------
        tree
            Nodes of a snapshot, by name.
        """
        return self.folder / tree_digest(tree) / _FILE

    def find(self, tree: Tree) -> Path | None:
        """Return the file that describes a tree, if it exists; remove a damaged one.

        Parameters
        ----------
        tree
            Nodes of a snapshot, by name.
        """
        path = self.path(tree)
        folder = path.parent
        try:
            sound = (folder / _DIGEST).read_text() == digest_of_file(path)
        except (OSError, ValueError):
            sound = False
        if not sound:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(folder)
        return path

    def build(self, tree: Tree) -> Path:
        """Make the file that describes a tree from the one that has most in common with it.

        Parameters
        ----------
        tree
            Nodes of a snapshot, by name.

        Raises
        ------
        OSError
            The cache cannot be written.
        """
        part = self.folder / f"{uuid.uuid4().hex}{_PART}"
        part.mkdir(parents=True)
        try:
            self._copy_nearest(tree, part / _FILE)
            try:
                write_file(part / _FILE, tree)
            except duckdb.Error:
                # What it was made from is unsound, or of another DuckDB.
                (part / _FILE).unlink(missing_ok=True)
                write_file(part / _FILE, tree)
            (part / _DIGEST).write_text(digest_of_file(part / _FILE))
            # Another process may have been faster: its file is as good.
            with contextlib.suppress(OSError):
                part.rename(self.path(tree).parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._prune()
        return self.path(tree)

    def _copy_nearest(self, tree: Tree, path: Path) -> None:
        wanted = pieces(tree)
        with duckdb.connect() as connection:
            shared = [(len(wanted & _pieces_of(file, connection)), file) for file in self._files()]
        most, nearest = max(shared, default=(0, path))
        if most:
            with contextlib.suppress(OSError):
                shutil.copyfile(nearest, path)

    def _files(self) -> Iterator[Path]:
        for folder in sorted(self.folder.iterdir(), key=_used_at, reverse=True):
            if folder.suffix != _PART:
                yield folder / _FILE

    def _prune(self) -> None:
        for file in list(self._files())[KEPT:]:
            shutil.rmtree(file.parent, ignore_errors=True)


def write_file(path: Path, tree: Tree) -> None:
    """Make a DuckDB file describe a tree.

    Parameters
    ----------
    path
        The file, which may exist and describe another tree.
    tree
        Nodes of a snapshot, by name.
    """
    fresh = not path.exists()
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(str(path))} as {SCHEMA}")
        fill(connection, tree, fresh=fresh)
        if fresh:
            describe(connection)
        connection.execute(f"checkpoint {SCHEMA}")
        connection.execute(f"detach {SCHEMA}")


def _pieces_of(path: Path, connection: duckdb.DuckDBPyConnection) -> set[Piece]:
    with contextlib.suppress(duckdb.Error):
        connection.execute(f"attach {literal(str(path))} as {SCHEMA} (read_only)")
        try:
            return kept_pieces(connection)
        finally:
            connection.execute(f"detach {SCHEMA}")
    return set()


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
