"""Commits of all branches as a picture: a line for each commit, lanes for what goes on side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from .log import Commit

_STEP, _LANE, _WIDE = 26, 16, 900
# Okabe and Ito (2008): told apart with all common kinds of colour vision.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


@dataclass(frozen=True)
class CommitGraph:
    """Commits, newest first, with the names that mean them; a notebook shows it as a picture.

    Attributes
    ----------
    commits
        The commits.
    names
        Branches and tags by the commit's id.
    """

    commits: Sequence[Commit]
    names: Mapping[str, Sequence[str]]

    @property
    def lanes(self) -> list[int]:
        """The lane of each commit: a commit goes on in the lane of its first child."""
        open_: list[str | None] = []
        found = []
        for record in self.commits:
            if record.id not in open_:
                open_ = _placed(open_, record.id)
            lane = open_.index(record.id)
            open_ = [None if waited == record.id else waited for waited in open_]
            for parent in (one.id for one in record.parents):
                if parent in open_:
                    continue
                if open_[lane] is None:
                    open_[lane] = parent
                else:
                    open_ = _placed(open_, parent)
            found.append(lane)
        return found

    def __repr__(self) -> str:
        lines = (
            f"{'  ' * lane}* {record.id[:8]}{self._named(record)} {record.message}"
            for lane, record in zip(self.lanes, self.commits, strict=True)
        )
        return "\n".join(lines)

    def _named(self, record: Commit) -> str:
        names = self.names.get(record.id, ())
        return f" [{', '.join(names)}]" if names else ""

    def _repr_html_(self) -> str:
        # As a part of the notebook's page the picture has its colour of text; as a picture of its own it is black on dark.
        return f'<div style="overflow-x:auto">{self._repr_svg_()}</div>'

    def _repr_svg_(self) -> str:
        lanes = self.lanes
        place = {record.id: at for at, record in enumerate(self.commits)}
        left = 24 + _LANE * (max(lanes, default=0) + 1)
        tall = _STEP * len(self.commits)

        def x(at: int) -> int:
            return 12 + _LANE * lanes[at]

        def y(at: int) -> int:
            return _STEP * at + _STEP // 2

        parts = []
        for at, record in enumerate(self.commits):
            for to in (place[parent.id] for parent in record.parents if parent.id in place):
                middle = y(at) + _STEP // 2
                curve = f"C{x(at)} {middle} {x(to)} {middle} {x(to)} {y(at) + _STEP}"
                parts.append(
                    f'<path d="M{x(at)} {y(at)} {curve} L{x(to)} {y(to)}" fill="none" stroke="#888"/>'
                )
        for at, record in enumerate(self.commits):
            colour = _COLOURS[lanes[at] % len(_COLOURS)]
            when = f"{record.time:%Y-%m-%d %H:%M}"
            told = f"{record.message:.80}  {record.author}, {when}"
            parts.append(f'<circle cx="{x(at)}" cy="{y(at)}" r="5" fill="{colour}"/>')
            parts.append(
                f'<text x="{left}" y="{y(at) + 4}"><tspan font-family="monospace">{record.id[:8]}</tspan>'
                f'<tspan font-weight="bold">{escape(self._named(record))}</tspan> {escape(told)}</text>'
            )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDE}" height="{tall}" viewBox="0 0 {_WIDE} {tall}" '
            f'font-family="sans-serif" font-size="12" fill="currentColor">{"".join(parts)}</svg>'
        )


def _placed(lanes: Sequence[str | None], name: str) -> list[str | None]:
    """The lanes with *name* in the first free one, or in a new one."""
    placed = [*lanes]
    if None in placed:
        placed[placed.index(None)] = name
    else:
        placed.append(name)
    return placed
