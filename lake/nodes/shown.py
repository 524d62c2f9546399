"""Things that explain themselves: a line in a terminal, a small table in a notebook."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple, TypeVar

MOST_ROWS = 50
MOST_OPEN = 16
"""Rows of a table that is seen without a click."""
_LONGEST = 200
# The notebook's own colours, whatever they are: grey lines are seen on light and dark.
_STYLE = (
    "div.neurolake{overflow-x:auto;max-width:100%}"
    "div.neurolake table{border-collapse:collapse;margin:.3em 0;font-size:.92em;width:auto}"
    "div.neurolake tr{background:none}"
    "div.neurolake th,div.neurolake td{text-align:left;vertical-align:top;padding:.15em .9em .15em 0;"
    "border:0;border-bottom:1px solid rgba(128,128,128,.3);max-width:42em;overflow-wrap:break-word}"
    "div.neurolake thead th{white-space:nowrap}"
    "div.neurolake tbody th{font-weight:normal;opacity:.7;white-space:nowrap}"
    "div.neurolake td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "div.neurolake small{font-weight:normal;opacity:.7}"
    "div.neurolake summary{cursor:pointer;margin-top:.2em}"
)
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
        title = about.line.split("\n")[0].removeprefix("<").removesuffix(">")
        facts = "".join(
            f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in about.facts.items()
        )
        parts = [
            f"<strong>{_text(title)}</strong>",
            f"<table><tbody>{facts}</tbody></table>" if facts else "",
        ]
        if about.columns:
            rows = table_html([(name, "") for name in about.columns], about.rows[:MOST_ROWS])
            more = len(about.rows) - MOST_ROWS
            rows += f"<p>and {more:,} more</p>" if more > 0 else ""
            opened = " open" if len(about.rows) <= MOST_OPEN else ""
            parts.append(
                f"<details{opened}><summary>{_text(about.columns[0])}: {len(about.rows):,}</summary>{rows}</details>"
            )
        return framed_html("".join(parts))


def framed_html(body: str) -> str:
    """Return HTML as all things of ours are shown in notebooks, light or dark.

    Parameters
    ----------
    body
        HTML.
    """
    return f'<div class="neurolake">{body}<style>{_STYLE}</style></div>'


def table_html(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as HTML; numbers stand to the right.

    Parameters
    ----------
    columns
        Names, and what is told below each: its type, or nothing.
    rows
        Values; None is an empty field.
    """
    head = "".join(
        f"<th>{_text(name)}{f'<br><small>{_text(kind)}</small>' if kind else ''}</th>"
        for name, kind in columns
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_row, rows))}</tbody></table>"


class ShownList(Shown, list[Item]):
    """A list that explains itself."""


def _said(thing: Shown) -> About:
    try:
        return thing._about()
    # A repr that raises hides what a user wants to look at.
    except Exception as error:  # noqa: BLE001
        return About(f"<{type(thing).__name__} that cannot be read: {type(error).__name__}: {error}>")


def _row(values: Sequence[object]) -> str:
    return f"<tr>{''.join(map(_cell, values))}</tr>"


def _cell(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td class="n">{_text(f"{value:.10g}" if isinstance(value, float) else value)}</td>'
    return f"<td>{'' if value is None else _text(value)}</td>"


def _text(value: object) -> str:
    text = str(value)
    return escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
