"""The stores side by side: one array written, opened and read by neurolake, zarr, Icechunk and HDF5.

``python stores.py NAME FOLDER`` opens what NAME wrote there in a new process, nothing of it in memory, and prints
the seconds from the call that opens to the first value.
"""

import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import icechunk
import numcodecs.blosc
import numpy as np
import numpy.typing as npt
import zarr
from measure import emptied, tree_bytes

import neurolake as nl
from neurolake.query.lake import Lake

# neurolake keeps Blosc to one thread for its digests' sake. zarr encodes in threads, where Blosc does so anyway.
CODECS: Mapping[str, Mapping[str, Any]] = {
    f"{name}-{level} {shuffle}": {
        "name": "blosc",
        "configuration": {
            "cname": name,
            "clevel": level,
            "shuffle": shuffle,
            "blocksize": 0,
            "typesize": 4,
        },
    }
    for name, level in (("lz4", 5), ("lz4", 1), ("zstd", 1))
    for shuffle in ("shuffle", "bitshuffle")
}
NAME = "voltage"
_HDF5_SHUFFLES = {"shuffle": hdf5plugin.Blosc.SHUFFLE, "bitshuffle": hdf5plugin.Blosc.BITSHUFFLE}


@dataclass
class ArrayStore(ABC):
    """Writes one array into its *folder*, and opens it again."""

    folder: Path
    codec: Mapping[str, Any] = field(default_factory=lambda: CODECS["lz4-5 shuffle"])

    @abstractmethod
    def write(self, values: npt.NDArray[Any], chunks: tuple[int, ...]) -> None:
        """Store *values*; what the store promises of its writes is kept when this returns."""

    @abstractmethod
    def open(self) -> Any:
        """The array, from nothing that this process has in memory."""

    @property
    def bytes(self) -> int:
        return tree_bytes(self.folder)

    def clear(self) -> None:
        emptied(self.folder)


class Neurolake(ArrayStore):
    """Its defaults: fsync before the commit returns, every chunk verified when it is read."""

    def write(self, values: npt.NDArray[Any], chunks: tuple[int, ...]) -> None:
        with nl.create(self.folder).transaction("write") as transaction:
            transaction.write_array(NAME, values, chunks=chunks, codec=self.codec)

    def open(self) -> Any:
        # As `neurolake.open` does, which imports this at its first use.
        return Lake.open(self.folder)[NAME]


class Zarr(ArrayStore):
    """A file for every chunk; not flushed, not verified."""

    def write(self, values: npt.NDArray[Any], chunks: tuple[int, ...]) -> None:
        zarr_array(str(self.folder), values, chunks, self.codec)

    def open(self) -> Any:
        return zarr.open_array(str(self.folder), path=NAME, mode="r")


class Icechunk(ArrayStore):
    """One commit to a local repository; not flushed, not verified."""

    def write(self, values: npt.NDArray[Any], chunks: tuple[int, ...]) -> None:
        session = icechunk.Repository.create(self._storage).writable_session("main")
        zarr_array(session.store, values, chunks, self.codec)
        session.commit("write")

    def open(self) -> Any:
        session = icechunk.Repository.open(self._storage).readonly_session("main")
        return zarr.open_array(session.store, path=NAME, mode="r")

    @property
    def _storage(self) -> icechunk.Storage:
        return local_icechunk(self.folder)


class Hdf5(ArrayStore):
    """One file, the codec by hdf5plugin; not flushed, not verified."""

    def write(self, values: npt.NDArray[Any], chunks: tuple[int, ...]) -> None:
        settings = self.codec["configuration"]
        blosc = hdf5plugin.Blosc(settings["cname"], settings["clevel"], _HDF5_SHUFFLES[settings["shuffle"]])
        with h5py.File(self.folder / "store.h5", "w") as file:
            file.create_dataset(NAME, data=values, chunks=chunks, compression=blosc)

    def open(self) -> Any:
        return h5py.File(self.folder / "store.h5", "r")[NAME]


STORES: Mapping[str, type[ArrayStore]] = {
    "neurolake": Neurolake,
    "zarr": Zarr,
    "icechunk": Icechunk,
    "hdf5": Hdf5,
}


def local_icechunk(folder: Path) -> icechunk.Storage:
    """A local folder for Icechunk, which says each time that concurrent commits are not safe there."""
    icechunk.set_logs_filter("off")
    return icechunk.local_filesystem_storage(str(folder))


def open_icechunk(folder: Path) -> icechunk.Repository:
    """A repository, with nothing of it in memory."""
    return icechunk.Repository.open(local_icechunk(folder))


def change_row(repository: icechunk.Repository, at: int, values: npt.NDArray[Any]) -> None:
    """One commit of one changed row."""
    session = repository.writable_session("main")
    zarr.open_array(session.store, path=NAME)[at] = values
    session.commit("change")


def versions() -> dict[str, str]:
    """Of the packages that only this benchmark needs."""
    return {name: version(name) for name in ("icechunk", "deltalake", "h5py", "hdf5plugin", "numcodecs")}


def zarr_array(
    store: Any, values: npt.NDArray[Any], chunks: tuple[int, ...], codec: Mapping[str, Any]
) -> zarr.Array[Any]:
    """An array made and filled by zarr-python."""
    array = zarr.create_array(
        store,
        name=NAME,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunks,
        compressors=dict(codec),
        filters=[],
    )
    array[...] = values
    return array


def encoded_bytes(values: npt.NDArray[Any], codec: Mapping[str, Any]) -> int:
    """Size of *values* as one chunk."""
    settings = codec["configuration"]
    shuffle = {"shuffle": numcodecs.blosc.SHUFFLE, "bitshuffle": numcodecs.blosc.BITSHUFFLE}[
        settings["shuffle"]
    ]
    raw = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    name, level = settings["cname"].encode(), settings["clevel"]
    return len(numcodecs.blosc.compress(raw, name, level, shuffle, 0, typesize=values.itemsize))


def forget_pages(folder: Path) -> None:
    """Drop the operating system's copies of the files below *folder*, which must be on the disk already."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    store = STORES[name](folder)
    began = time.perf_counter()
    array = store.open()
    array[(0,) * array.ndim]
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
