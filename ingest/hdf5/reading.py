"""HDF5 files: opened and checked, with errors that name file and dataset."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...lake import Transaction
from ...lake.errors import IngestError, NeurolakeError
from ...lake.names import in_one_line
from .layout import Item, described, hdf5

Ids = NDArray[np.int64]

SUFFIXES = (".h5", ".hdf5")
SMALL_BYTES = 16 * 2**20
MOST_COMPRESSED = 2000
"""Bytes that one stored byte may stand for; deflate makes 1,032 of one at most."""
_KINDS = {"iu": "whole numbers", "f": "real numbers", "iuf": "numbers"}


@dataclass
class IngestContext:
    """What an ingest goes on with.

    Parameters
    ----------
    transaction
        Where to write.
    skip
        Whether what does not fit is left out, with a notice, instead of stopping all.
    advance
        Called with the number of bytes that were read.
    sizes
        Number of nodes by population, as far as it is known.
    notices
        Lines for the user.
    strays
        Whether edges may be of nodes that their population does not have; they are told.
    """

    transaction: Transaction
    skip: bool
    advance: Callable[[int], None]
    sizes: dict[str, int] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    strays: bool = False


class HDF5File:
    """An HDF5 file that is being ingested.

    Parameters
    ----------
    path
        Where it is.
    file
        The file, opened by h5py.

    Attributes
    ----------
    claims
        Where the values of its datasets went: node and part by path.
    """

    def __init__(self, path: Path, file: Any) -> None:
        self.path = path
        self.file = file
        self.claims: dict[str, tuple[str, str]] = {}
        self.used: set[str] = set()
        self.at = "/"

    def error(self, where: Any, reason: str) -> IngestError:
        """Return an error of this file.

        Parameters
        ----------
        where
            Group, dataset or path.
        reason
            What is wrong, and what was expected.
        """
        return IngestError(f"{getattr(where, 'name', where)}: {reason}", self.path)

    def groups(self, name: str) -> dict[str, Any]:
        """Return the groups below a group of the root; none if it is missing.

        Parameters
        ----------
        name
            Name of the group at the root.
        """
        found = self.file.get(name)
        return {} if found is None else {key: found[key] for key in found if _is_group(found[key])}

    def dataset(
        self,
        group: Any,
        name: str,
        kinds: str = "iu",
        *,
        length: int | None = None,
        shape: Sequence[int | None] | None = None,
    ) -> Any:
        """Return a dataset that must exist.

        Parameters
        ----------
        group
            Group of the HDF5 file.
        name
            Name of the dataset in the group.
        kinds
            Kinds of NumPy's types that it may have.
        length, shape
            What it must have; None of *shape* is any length.

        Raises
        ------
        IngestError
            It is not there, or has another type or shape; names file and dataset.
        """
        where = f"{group.name.rstrip('/')}/{name}"
        found = group.get(name)
        self.at = where
        # Neither a group nor a named type has values.
        if not hasattr(found, "shape"):
            raise self.error(where, "there is no such dataset")
        wanted = (length,) if shape is None else tuple(shape)
        if found.shape is None or len(found.shape) != len(wanted):
            raise self.error(where, f"its shape is {found.shape}, expected {len(wanted)} axes")
        if any(b is not None and a != b for a, b in zip(found.shape, wanted, strict=True)):
            raise self.error(where, f"its shape is {found.shape}, expected {wanted}")
        if found.dtype.kind not in kinds:
            raise self.error(where, f"its type is {found.dtype}, expected {_KINDS.get(kinds, kinds)}")
        self.used.add(found.name)
        return found

    def bounded(self, dataset: Any) -> Any:
        """Return a dataset that is not much larger than what the file holds of it.

        A damaged or malicious file of a few kilobytes may say that a dataset has terabytes.

        Parameters
        ----------
        dataset
            Dataset of the file.

        Raises
        ------
        IngestError
            No filter of HDF5 makes bytes of this size so small; names file and dataset.
        """
        self.at = dataset.name
        if dataset.shape is None or dataset.nbytes <= SMALL_BYTES:
            return dataset
        stored = dataset.id.get_storage_size()
        if dataset.nbytes > MOST_COMPRESSED * stored:
            raise self.error(
                dataset, f"it says that it has {dataset.nbytes:,} bytes, but the file holds {stored:,} of it"
            )
        return dataset

    def check_contents(self) -> None:
        """Check all datasets of the file as `bounded` does, and that nothing leads out of it.

        Raises
        ------
        IngestError
            A dataset is too large for what the file holds of it; or there is a soft link, which an export would not write,
            or a link to another file, which is not what was asked for.
        """
        h5py = hdf5()
        waiting = ["/"]
        # Hard links may lead in a circle.
        seen = {h5py.h5o.get_info(self.file.id).addr}
        while waiting:
            group = self.file[waiting.pop()]
            self.at = group.name
            for name in group:
                where = f"{group.name.rstrip('/')}/{name}"
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    raise self.error(where, f"it leads to another file, {link.filename}")
                if isinstance(link, h5py.SoftLink):
                    raise self.error(
                        where, f"it is a link to {link.path}; h5repack makes a file without links"
                    )
                self.at = where
                found = group[name]
                address = h5py.h5o.get_info(found.id).addr
                if hasattr(found, "shape"):
                    self.bounded(found)
                elif isinstance(found, h5py.Group) and address not in seen:
                    seen.add(address)
                    waiting.append(where)

    def ids(self, dataset: Any, below: int | None = None) -> Ids:
        """Read a dataset of ids.

        Parameters
        ----------
        dataset
            Dataset of the file.
        below
            Number that all ids must be less than.

        Raises
        ------
        IngestError
            One is negative, or not *below*; names file, dataset, position and value.
        """
        self.at = dataset.name
        stored = dataset[...]
        values: Ids = stored.astype(np.int64)
        wrong = values < 0 if below is None else (values < 0) | (values >= below)
        if wrong.any():
            at = int(np.argmax(wrong))
            limit = "0 or more" if below is None else f"0 to {below - 1}"
            raise self.error(dataset, f"id {stored[at]} at position {at}, expected {limit}")
        return values

    def claim(self, dataset: Any, node: str, part: str = "") -> None:
        """Note which node holds the values of a dataset.

        Parameters
        ----------
        dataset
            Dataset of the file.
        node
            Name of the node.
        part
            Part of the node, such as a column.
        """
        self.claims[dataset.name] = node, part

    def unclaimed(self, groups: Iterable[str]) -> list[str]:
        """Return the datasets with values below some groups of the root that nothing was made of, sorted.

        Parameters
        ----------
        groups
            Names of groups at the root.
        """
        found: list[str] = []

        def look(path: str, item: Any) -> None:
            if (
                hasattr(item, "dtype")
                and item.shape
                and item.size
                and f"/{path}" not in self.claims.keys() | self.used
            ):
                found.append(f"/{path}")

        self.file.visititems(look)
        return sorted(path for path in found if path.split("/")[1] in set(groups))

    def layout(self, name: str) -> list[Item]:
        """Return all groups and datasets; those that no node claims are kept whole.

        Parameters
        ----------
        name
            Name of the file in the layout.

        Raises
        ------
        IngestError
            One of these is too large, or of a type that SONATA does not have.
        """
        found: dict[str, Any] = {"/": self.file}
        self.file.visititems(lambda path, item: found.setdefault(f"/{path}", item) and None)
        items = []
        for path, item in found.items():
            self.at = path
            try:
                items.append(described(name, path, item, self.claims.get(path)))
            except ValueError as error:
                raise self.error(path, str(error)) from error
        return items


def root_of(path: Path) -> frozenset[str]:
    """Return the names at the root of an HDF5 file; none if the path is no HDF5 file.

    Parameters
    ----------
    path
        Any path.

    Raises
    ------
    IngestError
        HDF5 cannot read it.
    InputError
        h5py is not installed.
    """
    if path.suffix not in SUFFIXES or not path.is_file():
        return frozenset()
    with opened(path) as found:
        return frozenset(found.file)


def _is_group(found: Any) -> bool:
    return not hasattr(found, "dtype")


@contextmanager
def opened(path: Path) -> Iterator[HDF5File]:
    """Open a file for ingest.

    Parameters
    ----------
    path
        The HDF5 file.

    Raises
    ------
    IngestError
        HDF5 cannot read it, or a part of it: it is cut short, damaged or something else.
    """
    h5py = hdf5()
    source: HDF5File | None = None
    try:
        with h5py.File(path, "r") as file:
            source = HDF5File(path, file)
            strange = file.visit(lambda name: name if isinstance(name, bytes) else None)
            if strange is not None:
                raise source.error(repr(strange), "the name is not UTF-8")
            yield source
    except NeurolakeError:
        raise
    # h5py answers damage with any of these.
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, MemoryError) as error:
        where = "" if source is None else f"{source.at}: "
        raise IngestError(f"{where}HDF5 cannot read it: {in_one_line(error)}", path) from error
