"""A writing process is killed at random moments: what it had acknowledged is there, and nothing by halves."""

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lake_contents import contents, rows

from neurolake.lake import Lake

ROUNDS = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 20

# A process that has imported everything forks those that are to be killed.
WRITER = """
import os, signal, sys, time
import numpy as np
from lake_contents import rows
from neurolake.lake import Lake

def acknowledge(record, file):
    os.write(file, record.id.encode() + b"\\n")
    os.fsync(file)

def write(url, acknowledged):
    lake = Lake.open(url)
    file = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    at = lake["t"].rows
    while True:
        branch = "main"
        if at % 4 == 3:
            branch = "side"
            lake.branches.move("side", "main", force=True)
            with lake.transaction(f"note {at}") as tx:
                tx.put_file("note", b"%d" % at)
        with lake.transaction(f"{at}", branch=branch) as tx:
            tx.append_table("t", rows(at))
            tx.append_array("a", np.full(200, at))
            tx.put_file("last", b"%d" % at + bytes(600))
            if at % 10 == 9:
                for number in range(150):
                    tx.put_file(f"many/{number}", b"%d" % at + bytes(450))
        if branch == "side":
            acknowledge(lake.merge("side"), file)
        else:
            acknowledge(tx.committed, file)
        at += 1

for line in sys.stdin:
    url, acknowledged, delay = line.split()
    child = os.fork()
    if not child:
        write(url, acknowledged)
    time.sleep(float(delay))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "it ended by itself"
    print("killed", flush=True)
"""


@contextlib.contextmanager
def killer() -> Iterator[Callable[..., None]]:
    """Start a writer and kill it after some time."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITER]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdin is not None and process.stdout is not None

        def kill(*arguments: object) -> None:
            assert process.stdin is not None and process.stdout is not None
            print(*arguments, file=process.stdin, flush=True)
            assert process.stdout.readline() == "killed\n"

        yield kill
        process.stdin.close()
    assert process.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs POSIX")
def test_kill(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    with lake.transaction("begin") as tx:
        tx.write_table("t", rows())
        tx.write_array("a", [0] * 0, chunks=(100,))
    lake.branches.create("side")
    acknowledged, chance = tmp_path / "acknowledged", random.Random(ROUNDS)
    acknowledged.touch()
    with killer() as kill:
        for turn in range(ROUNDS):
            kill(lake.url, acknowledged, chance.uniform(0.01, 0.25))
            check(Lake.open(lake.url, verification="always"), acknowledged.read_text().split())
            if turn % 10 == 9:
                assert not Lake.open(lake.url).verify().damages
        # How soon the first commit is acknowledged depends on how busy the machine is.
        delay = 0.25
        while not acknowledged.read_text() and delay < 60:
            delay *= 2
            kill(lake.url, acknowledged, delay)
            check(Lake.open(lake.url, verification="always"), acknowledged.read_text().split())
    assert acknowledged.read_text()


def check(lake: Lake, acknowledged: list[str]) -> None:
    known = {record.id for record in lake.log()}
    assert known.issuperset(acknowledged)
    found = contents(lake.head)
    count = len(found["t"])
    assert [row["x"] for row in found["t"]] == list(range(count))
    assert found["a"] == [at for at in range(count) for _ in range(200)]
    if count:
        assert found["last"] == b"%d" % (count - 1) + bytes(600)
    folded = (count // 10) * 10 - 1
    many = {value for name, value in found.items() if name.startswith("many/")}
    assert many == ({b"%d" % folded + bytes(450)} if folded > 0 else set())
    assert contents(lake.at("side"))
