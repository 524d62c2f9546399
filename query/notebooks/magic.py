"""The cell magic ``%%neurolake``: SQL on a lake, its answer as a table and, if wanted, as a variable."""

import shlex
from typing import Any

from ...lake.errors import InputError, NeurolakeError
from ..lake import Lake

USAGE = "%%neurolake LAKE [--at REF] [--as NAME]"


def ask(ipython: Any, line: str, cell: str) -> Any:
    """Answer a cell.

    Parameters
    ----------
    ipython
        The shell that the cell is run in.
    line
        Path or URL of the lake, or the name of a variable that holds one; ``--at`` names a commit, ``--as`` a variable for the answer.
    cell
        One SELECT; ``$name`` in it is the value of the notebook's variable of that name.

    Returns
    -------
    The answer, which the notebook shows as a table.

    Raises
    ------
    InputError
        The line is wrong.
    """
    words = shlex.split(line)
    given: dict[str, str] = {}
    for option in ("--at", "--as"):
        if option in words:
            at = words.index(option)
            if at + 1 >= len(words):
                raise InputError(f"{option} needs a value: {USAGE}")
            given[option] = words[at + 1]
            del words[at : at + 2]
    if len(words) != 1:
        raise InputError(f"say which lake: {USAGE}")
    known = ipython.user_ns
    found = known.get(words[0], words[0])
    lake = found if isinstance(found, Lake) else Lake.of(str(found))
    variables = {name: known[name] for name in _named(cell) if name in known}
    answer = lake.at(given.get("--at", "main")).sql(cell, **variables)
    if "--as" in given:
        known[given["--as"]] = answer
    return answer


def _named(query: str) -> set[str]:
    import re

    return set(re.findall(r"\$(\w+)", query))


def load(ipython: Any) -> None:
    """Offer the magic in a notebook; ``%load_ext neurolake`` calls it.

    Parameters
    ----------
    ipython
        The shell.
    """

    def neurolake(line: str, cell: str) -> Any:
        try:
            return ask(ipython, line, cell)
        except NeurolakeError as error:
            # In words, without our stack; as other magics tell of wrong use.
            from IPython.core.error import UsageError

            raise UsageError(str(error)) from None

    ipython.register_magic_function(neurolake, "cell", "neurolake")
