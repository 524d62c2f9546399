"""Commands and code as a page prints them."""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence

from typer.testing import CliRunner

from neurolake.cli import app


def blocks(page: str, language: str) -> list[str]:
    """What stands in the blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def run_commands(
    printed: Iterable[str], more: Callable[[list[str]], Sequence[str]] = lambda words: ()
) -> list[str]:
    """Run the lines of blocks in the working folder, one after another, each with what *more* adds; what they print.

    In this process: that a process of its own starts is tested elsewhere, and costs more than most commands do.
    """
    lines = [line for block in printed for line in block.splitlines() if line]
    assert lines, "no command is printed"
    outputs = []
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "neurolake", line
        done = CliRunner().invoke(app, [*words, *more(words)])
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
        outputs.append(done.output)
    return outputs
