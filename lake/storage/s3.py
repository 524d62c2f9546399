"""A storage on S3, or on a server that speaks its language; needs the extra ``neurolake[s3]``."""

import contextlib
import random
import re
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from ..errors import InputError, NotFoundError, StorageError
from ..threads import gathered
from .aws import endpoint, profile_settings
from .base import Storage, StoredObject
from .local import TEMPORARY

PAGE = 1000
_PART = 16 * 2**20
_PARTS = 10_000
_SMALL = 2**20
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")

# Seven tries in about three seconds: a busy server has its moment, a wrong address is soon told.
_RETRIES: Any = {
    "max_retries": 6,
    "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=10), "base": 3},
    "retry_timeout": timedelta(seconds=60),
}
_WAITS = (0.1, 0.3, 0.6, 1.0, 2.0)
# A slow line may take long for a part; a silent one is given up.
_PATIENCE: Any = {"connect_timeout": "5s", "read_timeout": "60s", "timeout": "30min"}

_REASONS = {
    "NoSuchBucket": "there is no such bucket; make it first",
    "SignatureDoesNotMatch": "the secret key is not the one of the access key",
    "InvalidAccessKeyId": "the server does not know the access key",
    "AccessDenied": "the credentials do not allow this",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token is not valid",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_REGION",
    "RequestTimeTooSkewed": "the clocks of this machine and of the server differ",
}

# Storages that this process has seen refuse a second create.
_exclusive: set[tuple[str | None, str]] = set()


class _UnansweredError(StorageError):
    """It is not known whether the request was carried out."""


class _BeyondEndError(StorageError):
    """The range begins where the object has ended."""


class S3Storage(Storage):
    """Objects below a prefix of a bucket.

    Endpoint and credentials come from the environment or ``~/.aws``, as for AWS's own tools
    (``AWS_ENDPOINT_URL``, ``AWS_REGION``, ``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE`` …); the storage shows none
    of the keys. The server must refuse a write with ``If-None-Match: *`` to a key that is there: a process
    tries that before its first write.

    Parameters
    ----------
    url
        ``s3://bucket/prefix``.

    Raises
    ------
    InputError
        It is no such URL.
    StorageError
        The AWS configuration cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._bucket, self._prefix = _parsed(url)
        settings = profile_settings()
        self._endpoint = endpoint(settings)
        self._store = self._connected(settings, _RETRIES)
        # A client that tries a conditional write again by itself is told that it came too late: by itself.
        self._single = self._connected(settings, {"max_retries": 0})

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process finds its own credentials.
        return S3Storage, (self.url,)

    def __repr__(self) -> str:
        return f"S3Storage({self.url!r})"

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}" if self._prefix else f"s3://{self._bucket}"

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        try:
            with self._mishaps("read", key):
                if length is None:
                    tail: Any = {"range": {"offset": offset}} if offset else {}
                    return obstore.get(self._store, key, options=tail).bytes().to_bytes()
                if length:
                    return obstore.get_range(self._store, key, start=offset, length=length).to_bytes()
                obstore.head(self._store, key)
        except _BeyondEndError:
            pass
        return b""

    def read_all(self, keys: Sequence[str]) -> list[bytes | None]:
        return list(gathered(self._read_if_there, keys))

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        return list(gathered(self.size, keys))

    def write(self, key: str, data: bytes | memoryview) -> bool:
        self._require_exclusive()
        view = memoryview(data).cast("B")
        # Of a small object it takes longer to ask whether it is there than to send it.
        if len(view) <= _SMALL and self._put_absent(key, bytes(view)):
            return True
        # Objects are named by their content: one of the right length is the one we would write.
        if self.size(key) == len(view):
            return False
        self._put(key, view)
        return True

    def replace(self, key: str, data: bytes) -> None:
        self._put(key, memoryview(data))

    def create(self, key: str, data: bytes) -> bool:
        self._require_exclusive()
        return self._put_absent(key, data)

    def delete(self, key: str) -> None:
        with self._mishaps("delete", key), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    def delete_all(self, keys: Sequence[str]) -> None:
        # One request takes as many names as a page has.
        pages = [list(keys[start : start + PAGE]) for start in range(0, len(keys), PAGE)]
        deque(gathered(self._delete_page, pages), maxlen=0)

    def _delete_page(self, keys: list[str]) -> None:
        with self._mishaps("delete", keys[0]), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, keys)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with self._mishaps("list", prefix):
            for page in obstore.list(self._store, prefix or None, chunk_size=PAGE):
                for found in page:
                    yield StoredObject(found["path"], found["size"], found["last_modified"])

    def folders(self, prefix: str) -> Iterator[str]:
        with self._mishaps("list", prefix):
            found = obstore.list_with_delimiter(self._store, prefix or None)["common_prefixes"]
        return iter([folder.rstrip("/").rsplit("/", 1)[-1] for folder in found])

    def last(self, folder: str) -> str | None:
        page = self._names_after(folder, "")
        if len(page) < PAGE:
            direct = [name for name in page if "/" not in name]
            return folder + max(direct) if direct else None
        try:
            return folder + self._last_number(folder, int(page[-1]), len(page[-1]))
        except ValueError:
            # Names that are no numbers have no distances: nothing is left but to read them all.
            keys = (stored.key for stored in self.list(folder))
            return max((key for key in keys if "/" not in key.removeprefix(folder)), default=None)

    def now(self) -> datetime:
        folder = f"{TEMPORARY}/{uuid.uuid4().hex}/"
        with self._writing(folder):
            obstore.put(self._store, f"{folder}now", b"now")
        try:
            return next(self.list(folder)).modified
        finally:
            self.delete(f"{folder}now")

    def size(self, key: str) -> int | None:
        try:
            with self._mishaps("look at", key):
                return obstore.head(self._store, key)["size"]
        except NotFoundError:
            return None

    def secure(self, key: str) -> None:
        # What can be seen is safe.
        return None

    def flush(self) -> None:
        # S3 answers a write once it is safe.
        return None

    def _connected(self, settings: dict[str, str], retries: Any) -> S3Store:
        plain = {"allow_http": True} if str(self._endpoint).startswith("http://") else {}
        options: dict[str, Any] = {**settings, "client_options": {**_PATIENCE, **plain}}
        try:
            return S3Store(self._bucket, prefix=self._prefix or None, retry_config=retries, **options)
        except (BaseError, ValueError):
            # What the client says of a setting quotes it.
            raise StorageError(
                f"{self.url}: the AWS_… variables hold a setting that cannot be used"
            ) from None

    def _last_number(self, folder: str, newest: int, width: int) -> str:
        """The end of a row of numbered names, by strides that double until beyond it, and then halve."""
        stride, growing = PAGE, True
        while True:
            page = self._names_after(folder, f"{newest + stride:0{width}d}")
            newest = int(page[-1]) if page else newest
            if 0 < len(page) < PAGE or not (page or stride):
                return f"{newest:0{width}d}"
            growing = growing and bool(page)
            stride = 2 * stride if growing else stride // 2

    def _names_after(self, folder: str, name: str) -> Sequence[str]:
        """The first `PAGE` names in *folder* that come after *name*."""
        offset = folder + name if name else None
        with self._mishaps("list", folder):
            pages = obstore.list(self._store, folder, offset=offset, chunk_size=PAGE)
            return [found["path"].removeprefix(folder) for page in islice(pages, 1) for found in page]

    def _put(self, key: str, data: memoryview) -> None:
        part = max(_PART, -(-len(data) // _PARTS))
        with self._writing(key):
            obstore.put(self._store, key, data, chunk_size=part, max_concurrency=4)

    def _put_absent(self, key: str, data: bytes) -> bool:
        doubtful = False
        for wait in _WAITS:
            with contextlib.suppress(_UnansweredError):
                # After an attempt without an answer, what is there may be that attempt's.
                return self._put_once(key, data) or (doubtful and self.read(key) == data)
            doubtful = True
            time.sleep(random.uniform(wait / 2, wait))  # noqa: S311
        return self._put_once(key, data) or self.read(key) == data

    def _put_once(self, key: str, data: bytes) -> bool:
        try:
            with self._writing(key):
                obstore.put(self._single, key, data, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def _require_exclusive(self) -> None:
        """Refuse a server for which create means overwrite: writers would lose each other's commits."""
        if (self._endpoint, self.url) in _exclusive:
            return
        probe = f"{TEMPORARY}/{uuid.uuid4().hex}"
        try:
            self._put_absent(probe, b"first")
            again = self._put_absent(probe, b"second")
        finally:
            with contextlib.suppress(StorageError):
                self.delete(probe)
        if again:
            raise StorageError(
                f"{self.url}: this server overwrites what a write with If-None-Match: * must leave alone, so "
                "commits could be lost; use a server that has conditional writes"
            )
        _exclusive.add((self._endpoint, self.url))

    @contextlib.contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        try:
            with self._mishaps("write", key):
                yield
        except NotFoundError:
            # What can be missing for a write is the bucket.
            raise StorageError(f"cannot write {key} in {self.url}: {_REASONS['NoSuchBucket']}") from None

    @contextlib.contextmanager
    def _mishaps(self, what: str, key: str) -> Iterator[None]:
        """Say what failed; never in the server's or the client's words, which may quote keys."""
        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" not in str(error):
                raise NotFoundError(f"{self.url}: no object {key}") from None
            raise StorageError(self._told(what, key, error)) from None
        except AlreadyExistsError as error:
            # Amazon's answer where two writes met is 409, and says nothing of which of them is there.
            if _status(error) != 409:
                raise
            raise _UnansweredError(self._told(what, key, error)) from None
        except (BaseError, OSError, ValueError) as error:
            raise _kind(error)(self._told(what, key, error)) from None

    def _told(self, what: str, key: str, error: Exception) -> str:
        return f"cannot {what} {key} in {self.url}: {self._reason(error)}"

    def _reason(self, error: Exception) -> str:
        text = str(error)
        code = re.search(r"<Code>(\w{1,60})</Code>", text)
        # The address at which Amazon's machines find their own credentials.
        if "http://169.254." in text:
            return "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        if code is not None:
            return _REASONS.get(code[1], f"the server says {code[1]}")
        status = _status(error)
        if status == 403:
            return "the server refuses these credentials"
        if status is not None:
            return f"the server answers with status {status}"
        return f"{self._endpoint or 'the server'} does not answer"


def _status(error: Exception) -> int | None:
    found = re.search(r"status code: (\d{3})", str(error))
    return int(found[1]) if found else None


def _kind(error: Exception) -> type[StorageError]:
    status = _status(error)
    if status is None or status == 429 or status >= 500:
        return _UnansweredError
    return _BeyondEndError if status == 416 else StorageError


def _parsed(url: str) -> tuple[str, str]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    prefix = prefix.rstrip("/")
    if not _BUCKET.fullmatch(bucket) or {"", ".", ".."} & set(prefix.split("/") if prefix else ()):
        # The URL itself is not shown: users have put keys into it.
        raise InputError("a lake on S3 is s3://bucket/folder, without credentials, '..' or empty names in it")
    return bucket, prefix
