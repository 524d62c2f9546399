"""Kept answers: computed once for all who ask, given up when nobody waits, found again in the cache, or not if they are damaged."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from neurolake.query.serving import kept as module
from neurolake.query.serving.kept import Kept, Leave, StoppedError


@pytest.fixture(autouse=True)
def everything_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_S", -1.0)


class Answer:
    """An answer that waits until it is let go, and counts how often it was computed."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.times = 0

    def __call__(self, pause: Callable[[], None]) -> bytes:
        self.times += 1
        self.begun.set()
        while not self.go.wait(0.01):
            pause()
        return b"answer"


def test_many_ask_and_it_is_computed_once(tmp_path: Path) -> None:
    kept, answer = Kept(tmp_path), Answer()
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(kept.get, ["one"], answer) for _ in range(20)]
        answer.begun.wait(30)
        answer.go.set()
        assert {one.result() for one in asked} == {b"answer"}
    assert answer.times == 1
    assert kept.get(["one"], answer) == b"answer" and answer.times == 1
    assert kept.get(["another"], lambda pause: b"other") == b"other"


def test_it_is_given_up_when_the_last_one_goes(tmp_path: Path) -> None:
    kept, answer = Kept(tmp_path), Answer()
    first, second = Leave(), Leave()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(kept.get, ["x"], answer, first)
        answer.begun.wait(30)
        other = pool.submit(kept.get, ["x"], answer, second)
        while not second._told:
            time.sleep(0.01)
        first.leave()
        with pytest.raises(TimeoutError):
            one.result(0.1)
        second.leave()
        for asked in (one, other):
            with pytest.raises(StoppedError):
                asked.result(30)
    answer.go.set()
    assert kept.get(["x"], answer) == b"answer" and answer.times == 2


def test_who_has_gone_already_waits_for_nothing() -> None:
    gone = Leave()
    gone.leave()
    with pytest.raises(StoppedError):
        Kept(None).get(["x"], lambda pause: b"never", gone)


def test_another_server_finds_it_unless_it_is_damaged(tmp_path: Path) -> None:
    Kept(tmp_path).get(["x"], lambda pause: b"answer")
    assert Kept(tmp_path).get(["x"], lambda pause: b"another") == b"answer"
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert Kept(tmp_path).get(["x"], lambda pause: b"another") == b"another"


def test_an_error_is_told_to_all_and_forgotten(tmp_path: Path) -> None:
    kept = Kept(tmp_path)

    def fails(pause: Callable[[], None]) -> bytes:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.get(["x"], fails)
    assert kept.get(["x"], lambda pause: b"answer") == b"answer"


def test_what_was_not_asked_for_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ON_DISK", 3000)
    monkeypatch.setattr(module, "IN_MEMORY", 1000)
    kept, made = Kept(tmp_path), []

    def get(name: str) -> None:
        kept.get([name], lambda pause: made.append(name) or bytes(900))  # type: ignore[func-returns-value]

    for name in "abcdef":
        get(name)
        time.sleep(0.02)
    assert len(list(tmp_path.iterdir())) == 3
    get("f")
    get("d")
    get("a")
    assert made == [*"abcdef", "a"]
