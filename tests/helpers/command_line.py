"""The command line in this process: that a process of its own starts is tested once, and costs more than most commands do."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from neurolake import cli
from neurolake.lake.console import Terminal


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run the command line in this process."""

    def run(*arguments: object, stdin: str = "") -> Ended:
        monkeypatch.setattr(sys, "argv", ["neurolake", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        monkeypatch.setattr(Terminal, "quiet", False)
        monkeypatch.setattr(Terminal, "verbose", False)
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Ended(code, *capfd.readouterr())

    return run
