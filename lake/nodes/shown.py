"""Things that explain themselves: a line in a terminal, a small table in a notebook."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple, TypeVar

MOST_ROWS = 50
Item = TypeVar("Item")


class About(NamedTuple):
    """What a thing says of itself.

    Parameters
    ----------
    line
        In one line.
    facts
        What a notebook shows besides, by name.
    columns, rows
        A table below that; the first `MOST_ROWS` are shown.
    """

    line: str
    facts: Mapping[str, object] = {}
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()


class Shown:
    """A thing with a `repr` for terminals and one for notebooks; neither raises, whatever is damaged or gone."""

    def _about(self) -> About:
        """What it says of itself; may raise."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return _said(self).line

    def _repr_html_(self) -> str:
        about = _said(self)
        facts = "".join(_row((name, value)) for name, value in about.facts.items())
        head = "".join(f"<th>{_text(name)}</th>" for name in about.columns)
        rows = "".join(map(_row, about.rows[:MOST_ROWS]))
        more = len(about.rows) - MOST_ROWS
        parts = [
            f"<strong>{_text(about.line)}</strong>",
            f"<table><tbody>{facts}</tbody></table>" if facts else "",
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if head else "",
            f"<p>and {more:,} more</p>" if more > 0 else "",
        ]
        return f"<div>{''.join(parts)}</div>"


class ShownList(Shown, list[Item]):
    """A list that explains itself."""


def _said(thing: Shown) -> About:
    try:
        return thing._about()
    # A repr that raises hides what a user wants to look at.
    except Exception as error:  # noqa: BLE001
        return About(f"<{type(thing).__name__} that cannot be read: {type(error).__name__}: {error}>")


def _row(values: Sequence[object]) -> str:
    return f"<tr>{''.join(f'<td>{_text(value)}</td>' for value in values)}</tr>"


def _text(value: object) -> str:
    return escape(str(value))
