"""What was meant, where a query names what is not there."""

import difflib
import re
from collections.abc import Collection, Mapping

_NO_TABLE = re.compile(r'Table with name "?([^"!]+?)"? does not exist')
_NO_COLUMN = re.compile(r'column(?: named)? "([^"]+)"')
_OWNER = re.compile(r'Values list "([^"]+)"')
_OFFERED = re.compile(r'\nDid you mean "[^"\n]*"\??')


def with_nearest(message: str, tables: Mapping[str, Collection[str]]) -> str:
    """Return DuckDB's error with the nearest existing names.

    Parameters
    ----------
    message
        What DuckDB says.
    tables
        Columns by table.
    """
    if table := _NO_TABLE.search(message):
        # DuckDB knows of the tables that were asked for already, and of its own.
        return _OFFERED.sub("", message) + _hint(table[1], tables, "tables")
    column = _NO_COLUMN.search(message)
    if column and "Candidate" not in message and "Did you mean" not in message:
        owner = _OWNER.search(message)
        asked = [tables[owner[1]]] if owner and owner[1] in tables else tables.values()
        return message + _hint(column[1], {name for names in asked for name in names}, "columns")
    return message


def _hint(name: str, known: Collection[str], kind: str) -> str:
    near = difflib.get_close_matches(name, known, 3, 0.5)
    if near:
        return f"\nDid you mean {' or '.join(f'{chr(34)}{found}{chr(34)}' for found in near)}?"
    return f"\nThe {kind} are: {', '.join(sorted(known))}"
