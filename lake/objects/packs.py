"""Packs: many small immutable objects in one file, which describes itself.

A pack is the objects' bytes one after another, then a footer and a trailer::

    footer    per object: digest (32 bytes), offset (u64), length (u64), little-endian
    trailer   number of objects (u64), the bytes ``NLPACK01``

Its name is the digest of footer and trailer, so packs with equal content in equal order are one pack. A last row
of length 0 (`PackWriter.finish`) gives a pack another name, where the first one is condemned.
"""

import struct

import numpy as np

from ..digest import Digest, checked_digest, digest_of
from ..errors import CorruptObjectError

MAGIC = b"NLPACK01"
PACK_SIZE = 64 * 2**20
# A pack that is full, its last object (under 8 MiB), and the footer of the smallest objects.
_ROOM = PACK_SIZE + 16 * 2**20
_ROW = struct.Struct("<32sQQ")
_TRAILER = struct.Struct("<Q8s")


class PackWriter:
    """Gathers objects until the pack is large enough."""

    def __init__(self) -> None:
        # Fresh memory costs more than the copy into it, and least in one piece: the system makes it of large pages.
        self._data = np.empty(_ROOM, np.uint8)
        self._rows: list[bytes] = []
        self.size = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, digest: Digest, data: bytes | memoryview) -> int:
        """Append an object; return its offset.

        Parameters
        ----------
        digest
            Digest of the bytes.
        data
            The bytes.
        """
        offset = self.size
        self._put(offset, data)
        self._rows.append(_ROW.pack(bytes.fromhex(digest), offset, len(data)))
        self.size += len(data)
        return offset

    def read(self, offset: int, length: int) -> bytes:
        """Read bytes that were added; other threads may go on adding.

        Parameters
        ----------
        offset
            Where the bytes begin.
        length
            Number of bytes.
        """
        return self._data[offset : offset + length].tobytes()

    def finish(self, salt: int | None = None) -> tuple[Digest, memoryview]:
        """Return name and bytes of the pack; with a *salt*, another name for the same content.

        The salt is a last row of no bytes, whose digest is that number: no object has it.

        Parameters
        ----------
        salt
            A number, different in each copy of a pack; None for the first.
        """
        salted = [] if salt is None else [_ROW.pack(salt.to_bytes(32, "big"), self.size, 0)]
        rows = [*self._rows, *salted]
        footer = b"".join([*rows, _TRAILER.pack(len(rows), MAGIC)])
        self._put(self.size, footer)
        return digest_of(footer), self._data[: self.size + len(footer)].data

    def _put(self, offset: int, data: bytes | memoryview) -> None:
        end = offset + len(data)
        if end > len(self._data):
            self._data = np.concatenate([self._data, np.empty(end, np.uint8)])
        self._data[offset:end] = np.frombuffer(data, np.uint8)


def pack_key(pack: str) -> str:
    """Return the storage's key of a pack.

    Parameters
    ----------
    pack
        Name of the pack, the digest of its content.
    """
    return f"packs/{checked_digest(pack)[:2]}/{pack}.pack"


def pack_content(data: bytes, pack: str) -> list[tuple[Digest, int, int]]:
    """Return digest, offset and length of every object in the bytes of a pack.

    Parameters
    ----------
    data
        Bytes of the pack.
    pack
        Name of the pack, the digest of its content.

    Raises
    ------
    CorruptObjectError
        The footer is not the one that the pack is named by.
    """
    count, magic = _TRAILER.unpack(data[-_TRAILER.size :]) if len(data) >= _TRAILER.size else (0, b"")
    start = len(data) - _TRAILER.size - count * _ROW.size
    if magic != MAGIC or start < 0 or digest_of(memoryview(data)[start:]) != pack:
        raise CorruptObjectError(f"pack {pack}: its footer is damaged")
    rows = _ROW.iter_unpack(memoryview(data)[start : -_TRAILER.size])
    return [(Digest(digest.hex()), offset, length) for digest, offset, length in rows]
