"""Answers about commits, which never change: in memory, and those that took long also in the user's cache."""

import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from blake3 import blake3

from ...lake.digest import canonical_json
from ...lake.errors import NeurolakeError

IN_MEMORY = 128 * 2**20
"""Bytes of answers that are kept in memory."""
ON_DISK = 256 * 2**20
"""Bytes of answers in the cache, above which those that were not asked for the longest time go."""
SLOW_S = 0.2
"""What took longer goes to the cache."""
_VERSION = 1
_SUFFIX = ".answer"


class StoppedError(NeurolakeError):
    """Nobody waits for this answer any more."""


class Waiting:
    """Those who wait for one answer, which is given up when the last of them goes before it is there.

    Attributes
    ----------
    answer
        The answer, when it is there.
    """

    def __init__(self) -> None:
        self.answer: Future[bytes] = Future()
        self._count = 0
        self._lock = threading.Lock()

    def come(self) -> None:
        """One more waits."""
        with self._lock:
            self._count += 1

    def go(self) -> None:
        """One of them waits no more."""
        with self._lock:
            self._count -= 1

    def check(self) -> None:
        """Go on if anybody waits.

        Raises
        ------
        StoppedError
            Nobody does.
        """
        if self._count <= 0:
            raise StoppedError("nobody waits for this answer")


class Kept:
    """Answers by what was asked, each computed once however many ask for it at the same time.

    Parameters
    ----------
    folder
        Folder of the cache; None to keep answers in memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._under_way: dict[str, Waiting] = {}
        # Cheap answers come between two that take all processors.
        self._busy = threading.BoundedSemaphore(2)

    def get(
        self, key: Any, make: Callable[[Callable[[], None]], bytes], leave: "Leave | None" = None
    ) -> bytes:
        """Return an answer: a kept one, one that another thread computes now, or a new one.

        Parameters
        ----------
        key
            What is asked, as JSON has it, the commit included.
        make
            Computes the answer; it is given what to call from time to time, which raises `StoppedError` when nobody waits.
        leave
            What tells that whoever asks has gone.

        Raises
        ------
        StoppedError
            Whoever asked has gone, and so has everybody else.
        """
        name = _name(key)
        leave = leave or Leave()
        while True:
            with self._lock:
                if (found := self._remembered(name)) is not None:
                    return found
                waiting = self._under_way.get(name)
                ours = waiting is None
                if waiting is None:
                    waiting = self._under_way[name] = Waiting()
                waiting.come()
            try:
                with leave.telling(waiting.go):
                    return self._made(name, make, waiting) if ours else waiting.answer.result()
            except StoppedError:
                # The one that computed it went; this one did not.
                if leave.left:
                    raise

    def found(self, key: Any) -> bytes | None:
        """Return an answer if it is kept.

        Parameters
        ----------
        key
            What is asked; see `get`.
        """
        name = _name(key)
        with self._lock:
            known = self._remembered(name)
        if known is None and (known := self._stored(name)) is not None:
            with self._lock:
                self._remember(name, known)
        return known

    def _made(self, name: str, make: Callable[[Callable[[], None]], bytes], waiting: Waiting) -> bytes:
        try:
            found = self._stored(name)
            if found is None:
                with self._busy:
                    waiting.check()
                    began = time.perf_counter()
                    found = make(waiting.check)
                if time.perf_counter() - began > SLOW_S:
                    self._store(name, found)
            with self._lock:
                self._remember(name, found)
            waiting.answer.set_result(found)
            return found
        except BaseException as error:
            waiting.answer.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._under_way[name]

    def _remembered(self, name: str) -> bytes | None:
        found = self._memory.get(name)
        if found is not None:
            self._memory.move_to_end(name)
        return found

    def _remember(self, name: str, found: bytes) -> None:
        self._size += len(found) - len(self._memory.pop(name, b""))
        self._memory[name] = found
        while self._size > IN_MEMORY:
            _, old = self._memory.popitem(last=False)
            self._size -= len(old)

    def _stored(self, name: str) -> bytes | None:
        """An answer from the cache, if it is there and whole: its digest stands before it."""
        if self._folder is None:
            return None
        path = self._folder / f"{name}{_SUFFIX}"
        with contextlib.suppress(OSError):
            body = path.read_bytes()
            if blake3(body[32:]).digest() == body[:32]:
                os.utime(path)
                return body[32:]
        return None

    def _store(self, name: str, found: bytes) -> None:
        # A cache that cannot be written costs time, and nothing else.
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            part = self._folder / f"{name}.{os.getpid()}.{threading.get_ident()}"
            part.write_bytes(blake3(found).digest() + found)
            part.replace(self._folder / f"{name}{_SUFFIX}")
            self._clear()

    def _clear(self) -> None:
        assert self._folder is not None, "it was written to"
        facts = [(path.stat(), path) for path in self._folder.glob(f"*{_SUFFIX}")]
        size = sum(fact.st_size for fact, _ in facts)
        for fact, path in sorted(facts, key=lambda one: one[0].st_mtime):
            if size <= ON_DISK:
                return
            path.unlink(missing_ok=True)
            size -= fact.st_size


def _name(key: Any) -> str:
    return blake3(canonical_json([_VERSION, key])).hexdigest()


class Leave:
    """Tells when whoever asked has gone.

    Attributes
    ----------
    left
        Whether they have.
    """

    def __init__(self) -> None:
        self.left = False
        self._lock = threading.Lock()
        self._told: list[Callable[[], None]] = []

    def leave(self) -> None:
        """They have: tell it to all that is done for them."""
        with self._lock:
            self.left = True
            told, self._told = self._told, []
        for tell in told:
            tell()

    @contextlib.contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Call something as soon as they have gone, if that is while the block runs or was before it.

        Parameters
        ----------
        tell
            What to call, once at most, from any thread.
        """
        with self._lock:
            gone = self.left
            if not gone:
                self._told.append(tell)
        if gone:
            tell()
        try:
            yield
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._told.remove(tell)
