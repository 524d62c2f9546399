"""docs/data.md: the vocabulary as a page. ``python -m neurolake.catalog.vocabulary.page docs/data.md`` writes it."""

import sys
from collections.abc import Iterator
from pathlib import Path

from .kinds import ArrayKind, Kind, TableKind
from .known import SECTIONS

_HEAD = """# What a lake holds

Names, columns, units and meanings of what neurolake's own commands write; anything else may stand beside it. This page is made of
`catalog/vocabulary` by `make docs`; `neurolake describe NODE` prints the same of a lake. In names, `{circuit}` stands for
one part of a name, and `{run:path}` for one or more.
"""


def page() -> str:
    """Return the text of the page."""
    return "\n".join([_HEAD, *(line for heading in SECTIONS for line in _section(heading))])


def _section(heading: str) -> Iterator[str]:
    module, kinds = SECTIONS[heading]
    yield f"## {heading}\n"
    yield f"{module.__doc__.strip()}\n"
    for kind in kinds:
        yield from _kind(kind)


def _kind(kind: Kind) -> Iterator[str]:
    yield f"### `{kind.name}`\n"
    if isinstance(kind, TableKind):
        order = f" Sorted by {', '.join(f'`{name}`' for name in kind.sorted_by)}." if kind.sorted_by else ""
        yield f"Table; one row is {kind.doc}.{order}\n"
        yield "| column | type | unit | meaning | source |"
        yield "|---|---|---|---|---|"
        for field in kind.schema:
            told = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
            cells = (
                f"`{field.name}`",
                str(field.type),
                *(told.get(key, "") for key in ("unit", "meaning", "source")),
            )
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        if kind.optional:
            yield f"\nMay be missing: {', '.join(f'`{name}`' for name in kind.optional)}."
        if kind.single:
            names = ", ".join(f"`{name}`" for name in kind.single)
            yield f"\nIn single precision where the source has them so: {names}."
        yield f"\nBesides: {kind.more}.\n" if kind.more else ""
    elif isinstance(kind, ArrayKind):
        axes, unit = ", ".join(kind.axes), f" in {kind.unit}" if kind.unit else ""
        yield f"Array [{axes}] of {kind.dtype or 'the type of the source'}{unit}: {kind.doc}.\n"
        yield from (f"- attribute `{name}`: {meaning}" for name, meaning in kind.attributes.items())
        yield ""
    else:
        yield f"{kind.stored_as.capitalize()}: {kind.doc}.\n"


def main() -> None:
    """Write the page to the file that the command line names."""
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
