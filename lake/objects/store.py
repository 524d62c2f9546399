"""Immutable objects: where content goes by its size, and verified reads of it."""

import base64
import contextlib
import functools
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..digest import Digest, checked_digest, digest_of, digest_of_file
from ..errors import CorruptObjectError, MalformedError, NeurolakeError, NotFoundError
from ..storage.base import Storage
from ..threads import gathered
from .condemned import Condemned
from .copies import Copies
from .identity import SMALL_FILES, check_identity
from .packs import PACK_SIZE, PackWriter, pack_key

INLINE_SIZE = 512
FILE_INLINE_SIZE = 8 * 2**10
FILE_SUFFIX = ".parquet"
ALONE_SIZE = 8 * 2**20
# Most that is read at once: little enough for every thread to hold one.
RUN_SIZE = 2 * 2**20

_SUFFIX = re.compile(r"(?P<copy>\.[0-9a-f]{4,12})?(?P<ending>\.[a-z]{1,16})?")
_LONGEST = 2**63

Verification = Literal["first", "always", "never"]


@dataclass(slots=True)
class Place:
    """Where the bytes of an object are; no part of its identity.

    At most one of the two is set: `inline` holds tiny content itself, `pack` names a pack and `offset` the
    position in it. With neither, the object is a file of its own. Until its pack is written, `held` is what
    will be written.
    """

    pack: str | None = None
    offset: int = 0
    inline: bytes | None = None
    suffix: str = ""
    held: PackWriter | None = field(default=None, repr=False, compare=False)

    @property
    def alone(self) -> bool:
        """Whether the object is a file of its own."""
        return self.inline is None and self.pack is None and self.held is None

    def to_json(self) -> Any:
        """Return the location in the form of log records and snapshots."""
        if self.inline is not None:
            return {"inline": base64.b64encode(self.inline).decode()}
        if self.pack is not None:
            return {"pack": self.pack, "offset": self.offset}
        return {"suffix": self.suffix} if self.suffix else {}

    @classmethod
    def from_json(cls, value: Any) -> "Place":
        """Return the location of JSON from `to_json`, checked.

        Parameters
        ----------
        value
            JSON of a location.
        """
        pack, inline = value.get("pack"), value.get("inline")
        return cls(
            None if pack is None else checked_digest(pack),
            checked_length(value.get("offset", 0)),
            None if inline is None else base64.b64decode(inline, validate=True),
            checked_suffix(value.get("suffix", "")),
        )


def checked_length(value: object) -> int:
    """Return *value* if it can be a length, a position or a count.

    Parameters
    ----------
    value
        A value read from storage.

    Raises
    ------
    MalformedError
        It is not.
    """
    if type(value) is not int or not 0 <= value < _LONGEST:
        raise MalformedError(f"a manifest says {value!r:.80} where a length belongs")
    return value


def checked_suffix(text: object) -> str:
    """Return *text* if it is allowed as the suffix of an object.

    Parameters
    ----------
    text
        A value read from storage.

    Raises
    ------
    MalformedError
        It is not a dot and 1 to 16 small letters, or nothing; before that there may be a dot and 4 to 12
        hexadecimal digits, which tell a copy from the first object of that digest.
    """
    if not isinstance(text, str) or not _SUFFIX.fullmatch(text):
        raise MalformedError(f"a manifest names {text!r:.80} where the suffix of an object belongs")
    return text


def _copy_name(digest: Digest, place: Place) -> str:
    # What others read in place are Parquet files, wherever the lake has them.
    return object_key(digest, place.suffix if place.alone else FILE_SUFFIX)


def object_key(digest: str, suffix: str = "") -> str:
    """Return the storage's key of an object that is a file of its own.

    Parameters
    ----------
    digest
        Digest of the bytes.
    suffix
        End of the file's name, such as ``.parquet``; empty by default.
    """
    return f"objects/{checked_digest(digest)[:2]}/{digest}{checked_suffix(suffix)}"


def place_key(digest: str, place: Place) -> str | None:
    """Return the storage's key at a location; None if the object is inline or not written yet.

    Parameters
    ----------
    digest
        Digest of the object.
    place
        Where the bytes are.
    """
    if place.inline is not None or (place.held is not None and place.pack is None):
        return None
    return object_key(digest, place.suffix) if place.pack is None else pack_key(place.pack)


class Address(NamedTuple):
    """Location and id of a lake: what a task carries to open it in another process.

    Parameters
    ----------
    url
        What opens it.
    lake
        Its id; another lake may be made at the same place.
    """

    url: str
    lake: str


class ObjectStore:
    """Reads and verifies objects of one storage.

    Parameters
    ----------
    storage
        Where the bytes are.
    cache
        A folder of this user on this machine, for what need not be computed twice; None for none.
    verification
        When a file that others read in place (Parquet, by DuckDB) is hashed: before its ``first`` use on
        this machine, ``always``, or ``never``. What neurolake itself reads is always verified.
    lake
        Id of the lake that the storage holds; empty for one that is being made.
    format
        Version of the format that its writers keep to.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        cache: Path | None = None,
        verification: Verification = "first",
        lake: str = "",
        format: int = 1,
    ) -> None:
        self.storage = storage
        self.lake = lake
        self.format = format
        self.cache = cache
        self.verification = verification
        self._copies = None if cache is None else Copies(storage, cache)
        self._verified: set[str] | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process makes its own lock, and learns what is verified from the cache.
        made = partial(
            ObjectStore,
            cache=self.cache,
            verification=self.verification,
            lake=self.lake,
            format=self.format,
        )
        return made, (self.storage,)

    def writer(self) -> "ObjectWriter":
        """Return what writes objects for one transaction, in the format of the lake."""
        return ObjectWriter(self.storage, small_files=self.format >= SMALL_FILES)

    @property
    def address(self) -> Address:
        """Where its lake is opened again, by this or another process."""
        return Address(self.storage.url, self.lake)

    def read(self, digest: Digest, size: int, place: Place) -> bytes:
        """Read an object, verified.

        Parameters
        ----------
        digest
            Digest of the object.
        size
            Length in bytes.
        place
            Where the bytes are.

        Raises
        ------
        CorruptObjectError
            It is missing, cut short, or does not have its digest.
        """
        # Another thread may write the pack meanwhile, and then forgets `held` last.
        held = place.held
        data = self._stored(digest, size, place) if held is None else held.read(place.offset, size)
        if len(data) != size or digest_of(data) != digest:
            raise CorruptObjectError(f"object {digest} in {self.where(digest, place)} is damaged")
        return data

    @property
    def folders(self) -> list[Path]:
        """What the files lie below that `verified_path` gives."""
        local = self.storage.local_path("objects")
        copies = None if self._copies is None else self._copies.folder
        return [folder for folder in (local, copies) if folder is not None]

    def local_path(self, digest: Digest, place: Place) -> Path:
        """Return the local file of an object that programs read in place; it may be missing.

        That is the object, where it is a file of its own on this machine, and a copy otherwise.

        Parameters
        ----------
        digest
            Digest of the object.
        place
            Where the bytes are.

        Raises
        ------
        NotFoundError
            There would have to be a copy, and there is no cache.
        """
        path = self._own_path(digest, place)
        if path is None and self._copies is not None:
            path = self._copies.path(_copy_name(digest, place))
        if path is None:
            raise NotFoundError(f"object {digest} has no file of its own that could be read in place")
        return path

    def _own_path(self, digest: Digest, place: Place) -> Path | None:
        """The object itself, where it is a file of its own on this machine."""
        return self.storage.local_path(object_key(digest, place.suffix)) if place.alone else None

    def readable(self, digest: Digest, size: int, place: Place) -> Path | bytes:
        """Return what Arrow reads an object from, checked as `verified_path` does: a local file, or the bytes of what is none.

        Parameters
        ----------
        digest
            Digest of the object.
        size
            Length in bytes.
        place
            Where the bytes are.

        Raises
        ------
        CorruptObjectError
            As `read` does.
        """
        return self.verified_path(digest, size, place) if place.alone else self.read(digest, size, place)

    def _stored(self, digest: Digest, size: int, place: Place) -> bytes:
        if place.inline is not None:
            return place.inline
        key = object_key(digest, place.suffix) if place.pack is None else pack_key(place.pack)
        try:
            return self.storage.read(key, place.offset, size)
        except NotFoundError as error:
            raise self._missing(digest, error) from error

    def _missing(self, digest: Digest, error: Exception) -> NeurolakeError:
        """What to say of an object that is missing: the whole lake may be."""
        try:
            if self.lake:
                check_identity(self.storage, self.lake)
        except NotFoundError as replaced:
            return replaced
        return CorruptObjectError(f"object {digest} is missing: {error}")

    def verified_path(self, digest: Digest, size: int, place: Place) -> Path:
        """Return a local file with the bytes of an object, checked as `verification` says.

        An object that is remote, in a manifest or in a pack is copied first, unless its copy is there, and verified on
        its way.

        Parameters
        ----------
        digest
            Digest of the object.
        size
            Length in bytes.
        place
            Where the bytes are.

        Raises
        ------
        CorruptObjectError
            As `read` does.
        """
        path = self.local_path(digest, place)
        copied = self._copied(digest, size, place)
        if self.verification == "never":
            return path
        try:
            identity = self._identity(digest, path)
        except OSError as error:
            raise self._missing(digest, error) from error
        if self.verification == "first" and identity in self._known_good():
            return path
        if copied is None:
            self.read(digest, size, place)
        elif not copied and digest_of_file(path) != digest:
            # Only the copy is damaged: another is as good as the object.
            path.unlink(missing_ok=True)
            return self.verified_path(digest, size, place)
        self._remember(identity)
        return path

    def verified_paths(self, wanted: Sequence[tuple[Digest, int, Place]]) -> list[Path]:
        """Return what `verified_path` returns, of several objects; those that are copied come several at a time.

        Parameters
        ----------
        wanted
            Digest, size and location of each object.

        Raises
        ------
        CorruptObjectError
            As `read` does.
        """
        return list(gathered(lambda one: self.verified_path(*one), wanted))

    def made_path(self, name: Digest, make: Callable[[], bytes | memoryview]) -> Path:
        """Return a file of the cache that is made of verified objects, made now unless it is there as it was made.

        Parameters
        ----------
        name
            Digest that tells what it is made of.
        make
            Returns its content.

        Raises
        ------
        NotFoundError
            There is no cache.
        StorageError
            The cache cannot be written.
        """
        if self._copies is None:
            raise NotFoundError("there is no cache to make files in")
        key = object_key(name, FILE_SUFFIX)
        path = self._copies.path(key)
        made = self._copies.keep(key, None, make)
        if not made and self.verification != "never" and self._identity(name, path) not in self._known_good():
            # Others may be reading it: it is replaced in one step.
            made = self._copies.keep(key, None, make, anew=True)
        if made:
            self._remember(self._identity(name, path))
        return path

    @staticmethod
    def _identity(digest: Digest, path: Path) -> str:
        """What a file that was found to be good is known by."""
        status = path.stat()
        return f"{digest} {status.st_ino} {status.st_size} {status.st_mtime_ns}"

    def _copied(self, digest: Digest, size: int, place: Place) -> bool | None:
        """Have a copy of an object here; whether it was made just now. None where none is needed."""
        if self._copies is None or self._own_path(digest, place) is not None:
            return None
        name = _copy_name(digest, place)
        if place.alone:
            return self._copies.fetch(name, digest, size)
        return self._copies.keep(name, size, lambda: self.read(digest, size, place))

    def where(self, digest: str, place: Place) -> str:
        """Return where an object is, in words.

        Parameters
        ----------
        digest
            Digest of the object.
        place
            Where the bytes are.
        """
        if place.inline is not None:
            return "a manifest"
        return object_key(digest, place.suffix) if place.pack is None else pack_key(place.pack)

    def _known_good(self) -> set[str]:
        with self._lock:
            if self._verified is None:
                self._verified = set()
                # A cache that cannot be used costs time, and nothing else.
                with contextlib.suppress(OSError, UnicodeDecodeError):
                    if self.cache is not None:
                        self._verified.update((self.cache / "verified").read_text().splitlines())
            return self._verified

    def _remember(self, identity: str) -> None:
        self._known_good().add(identity)
        if self.cache is None:
            return
        with contextlib.suppress(OSError):
            self.cache.mkdir(parents=True, exist_ok=True)
            # One short O_APPEND write is atomic among the processes of a machine.
            with (self.cache / "verified").open("ab", buffering=0) as file:
                file.write(f"{identity}\n".encode())


@dataclass
class _ClosedPack:
    """A pack on its way to the storage, and what stands in it."""

    name: Digest
    data: memoryview
    places: list[Place]
    written: Future[None] | None = None

    def begin(self, storage: Storage) -> None:
        """Write it while others go on."""
        self.written = _background(os.getpid()).submit(self._write, storage)

    def finish(self, storage: Storage) -> None:
        """Return when it is written; what failed in the background is tried once more."""
        if self.written is None or self.written.exception() is not None:
            self._write(storage)

    def _write(self, storage: Storage) -> None:
        storage.write(pack_key(self.name), self.data)
        for place in self.places:
            place.pack, place.held = self.name, None


@functools.cache
def _background(process: int) -> ThreadPoolExecutor:
    # A forked child has none of its parent's threads, hence one for each process.
    return ThreadPoolExecutor(1, thread_name_prefix="neurolake-pack")


class ObjectWriter:
    """Writes objects for one transaction or one worker; nothing is visible until a commit refers to it.

    Threads may share a writer. `flush` before handing out what was placed.

    Parameters
    ----------
    storage
        Storage that holds the lake.
    small_files
        Whether Parquet files of at most `FILE_INLINE_SIZE` bytes stand where their entries are, which needs no flush.
    """

    def __init__(self, storage: Storage, *, small_files: bool = False) -> None:
        self._storage = storage
        self._small_files = small_files
        self._condemned = Condemned(storage)
        self._pack = PackWriter()
        self._open: list[Place] = []
        self._closed: deque[_ClosedPack] = deque()
        self._placed: dict[Digest, Place] = {}
        self._lock = threading.Lock()

    def add(self, data: bytes | memoryview, digest: Digest) -> Place:
        """Store content of that digest: tiny inline, large as a file of its own, else in a pack; once.

        Parameters
        ----------
        data
            Bytes of the object.
        digest
            Digest of the bytes.
        """
        if len(data) <= INLINE_SIZE:
            return Place(inline=bytes(data))
        with self._lock:
            place = self._placed.get(digest)
            if place is None and len(data) < ALONE_SIZE:
                place = self._packed(digest, data)
        if place is None:
            place = self._placed[digest] = self._alone(digest, data, "")
        return place

    def add_alone(self, data: bytes | memoryview, suffix: str) -> tuple[Digest, Place]:
        """Store bytes as a file of its own, for programs that read it in place.

        Parameters
        ----------
        data
            Bytes of the object.
        suffix
            End of the file's name, such as ``.parquet``; empty by default.
        """
        digest = digest_of(data)
        return digest, self._alone(digest, data, suffix)

    def add_file(self, data: bytes | memoryview) -> tuple[Digest, Place]:
        """Store a Parquet file: small ones inline, where the format has that, others as files that are read in place.

        Parameters
        ----------
        data
            Bytes of the file.
        """
        if not self._small_files or len(data) > FILE_INLINE_SIZE:
            return self.add_alone(data, FILE_SUFFIX)
        return digest_of(data), Place(inline=bytes(data))

    def copy(self, data: bytes, digest: Digest, place: Place) -> Place:
        """Store an object once more, in the same form; under another name if that is condemned.

        Parameters
        ----------
        data
            Bytes of the object.
        digest
            Digest of the bytes.
        place
            Its present location.
        """
        if place.pack is not None:
            return self.add(data, digest)
        match = _SUFFIX.fullmatch(place.suffix)
        return self._alone(digest, data, (match and match["ending"]) or "")

    def refresh(self) -> bool:
        """Build no more on what was condemned meanwhile; whether garbage was ever collected here."""
        if not self._condemned.refresh():
            return False
        with self._lock:
            self._placed = {
                digest: place
                for digest, place in self._placed.items()
                if not self.condemned(place_key(digest, place) or "")
            }
        return True

    def condemned(self, key: str) -> bool:
        """Return whether the object at a key will be deleted, as of the last `refresh`.

        Parameters
        ----------
        key
            Key of the object in the storage.
        """
        return self._condemned.number(key) is not None

    def flush(self) -> None:
        """Close the open pack and make everything added survive a power failure."""
        with self._lock:
            self._close_pack()
            self._finish_packs(0)
        self._storage.flush()

    def _alone(self, digest: Digest, data: bytes | memoryview, suffix: str) -> Place:
        chosen, copy = suffix, -1
        # A key that is condemned is left to its deletion; the number that condemned it makes another key.
        while (number := self._condemned.number(object_key(digest, chosen))) is not None:
            copy = max(number, copy + 1)
            chosen = f".{copy:04x}{suffix}"
        self._storage.write(object_key(digest, chosen), data)
        return Place(suffix=chosen)

    def _packed(self, digest: Digest, data: bytes | memoryview) -> Place:
        place = Place(offset=self._pack.add(digest, data), held=self._pack)
        self._open.append(place)
        self._placed[digest] = place
        if self._pack.size >= PACK_SIZE:
            self._close_pack()
            # It goes to the disk while the next one is filled.
            self._closed[-1].begin(self._storage)
            self._finish_packs(1)
        return place

    def _close_pack(self) -> None:
        if not self._open:
            return
        name, data = self._pack.finish()
        salt = -1
        while (number := self._condemned.number(pack_key(name))) is not None:
            salt = max(number, salt + 1)
            name, data = self._pack.finish(salt)
        self._closed.append(_ClosedPack(name, data, self._open))
        self._pack = PackWriter()
        self._open = []

    def _finish_packs(self, left: int) -> None:
        """Return when all closed packs but the last *left* are written."""
        while len(self._closed) > left:
            self._closed[0].finish(self._storage)
            self._closed.popleft()
