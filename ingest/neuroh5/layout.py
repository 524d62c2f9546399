"""How a NeuroH5 file was laid out: besides groups and datasets, links to the same dataset and named types."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..hdf5.layout import Item, described, hdf5, type_json
from ..hdf5.reading import HDF5File

LINK, TYPE, OF_TYPE = "@link", "@type", "@of"
"""Parts of the layout: another name of a dataset, a named type, and a dataset of one."""


def check_links(source: HDF5File) -> None:
    """Follow all links of a file, before anything is read.

    Parameters
    ----------
    source
        The file that is open.

    Raises
    ------
    IngestError
        One leads out of the file, or nowhere.
    """
    for _ in _walked(source):
        pass


def laid_out(source: HDF5File, name: str) -> list[Item]:
    """Return all groups, datasets and named types of a file, each at its first name, its other names after it.

    Parameters
    ----------
    source
        The file that is open.
    name
        Name of the file in the layout.

    Raises
    ------
    IngestError
        A dataset that no node holds is too large or of a type that NeuroH5 does not have.
    """
    first: dict[Any, str] = {}
    types: dict[bytes, str] = {}
    items: list[Item] = []
    claims = _claims(source)
    for path, found in _walked(source):
        source.at = path
        address = _address(found)
        if address in first:
            items.append(Item(name, path, part=LINK, value=first[address].encode()))
            continue
        first[address] = path
        try:
            items.append(_item(name, path, found, claims.get(address), types))
        except ValueError as error:
            raise source.error(path, str(error)) from error
    return items


def _item(name: str, path: str, found: Any, claim: tuple[str, str] | None, types: dict[bytes, str]) -> Item:
    if isinstance(found, hdf5().Datatype):
        types[found.id.encode()] = path
        return Item(
            name, path, type=json.dumps(type_json(found.dtype, compounds=True), sort_keys=True), part=TYPE
        )
    item = described(name, path, found, claim, compounds=True)
    if hasattr(found, "dtype") and found.id.get_type().committed() and item.node is None:
        named = next(
            (path for path in types.values() if found.file[path].id.equal(found.id.get_type())), None
        )
        if named is not None:
            return replace(item, part=f"{OF_TYPE}{named}")
    return item


def _claims(source: HDF5File) -> dict[Any, tuple[str, str]]:
    """Where the values of datasets are now, by dataset rather than by name."""
    return {_address(source.file[path]): claim for path, claim in source.claims.items()}


def _address(found: Any) -> Any:
    return hdf5().h5o.get_info(found.id).addr


def _walked(source: HDF5File) -> Iterator[tuple[str, Any]]:
    """Everything by its path: `visititems` would tell one name only of a dataset that has several."""
    h5py = hdf5()
    seen: set[Any] = set()
    waiting: list[tuple[str, Any]] = [("/", source.file)]
    while waiting:
        path, found = waiting.pop()
        yield path, found
        if not isinstance(found, h5py.Group) or _address(found) in seen:
            continue
        seen.add(_address(found))
        root = path.rstrip("/")
        below = []
        for name in sorted(found):
            where = f"{root}/{name}"
            source.at = where
            link = found.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise source.error(where, f"it leads to another file, {link.filename}")
            if name not in found or found.get(name) is None:
                raise source.error(where, "it leads nowhere")
            below.append((where, found[name]))
        # Named types come before what is of them.
        below.sort(key=lambda pair: not isinstance(pair[1], h5py.Datatype))
        waiting.extend(reversed(below))
