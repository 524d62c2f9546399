"""Keys of an ISF database as an indented tree."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .database import Database


def print_tree(
    database: "Database", max_depth: int | None, max_lines: int | None, max_lines_per_key: int | None
) -> None:
    """Print the keys of a database as a tree.

    Parameters
    ----------
    database
        The database.
    max_depth, max_lines, max_lines_per_key
        See `Database.ls`.
    """
    lines = list(_lines(database, max_depth, None, max_lines_per_key))
    print("\n".join([*lines[:max_lines], *_more(len(lines), max_lines)]))


def _lines(
    database: "Database", depth: int | None, most: int | None, most_below: int | None
) -> Iterator[str]:
    """Lines of a database: *most* of its keys, and *most_below* of each of those below it."""
    if depth == 0:
        return
    keys = database.keys()
    for key in keys[:most]:
        yield str(key)
        if (below := database.sub_database(key)) is not None:
            rest = _lines(below, None if depth is None else depth - 1, most_below, most_below)
            yield from (f"    {line}" for line in rest)
    yield from _more(len(keys), most)


def _more(count: int, most: int | None) -> list[str]:
    return [] if most is None or count <= most else [f"... ({count - most} more)"]
