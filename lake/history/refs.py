"""Branches and tags: names for commits."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from ..errors import InputError, NotFoundError
from .ancestry import follows
from .log import MAIN, Commit, Pointer, Space, checked_ref_name
from .trees import History


class Refs(Mapping[str, Commit]):
    """The branches, or the tags, of a lake: names and the commits they mean now.

    Parameters
    ----------
    history
        Of which lake.
    space
        ``"log"`` for branches, ``"tags"`` for tags.
    author
        Author of the changes.
    """

    def __init__(self, history: History, space: Space, author: str) -> None:
        self._history = history
        self._log = history.log
        self._space: Space = space
        self._kind = "branch" if space == "log" else "tag"
        self._author = author

    def __getitem__(self, name: str) -> Commit:
        return self._state(name)[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._log.names(self._space))

    def __len__(self) -> int:
        return len(self._log.names(self._space))

    def __repr__(self) -> str:
        return f"<{self._kind}: {', '.join(f'{name} {record.id[:8]}' for name, record in self.items())}>"

    def create(self, name: str, at: str | datetime = MAIN) -> Commit:
        """Create a branch or tag.

        Parameters
        ----------
        name
            The new name.
        at
            The commit, as of `Lake.at`.

        Raises
        ------
        InputError
            The name is taken, or not allowed.
        NotFoundError
            *at* means no commit.
        """
        new = self._history.resolve(at)
        while True:
            number, old = self._log.state(checked_ref_name(name), self._space)
            if old is not None:
                raise InputError(f"{self._kind} {name!r} exists; choose another name, or move it")
            if self._point(name, new, f"Create {self._kind} {name}", number):
                return new

    def move(self, name: str, to: str | datetime, *, force: bool = False) -> Commit:
        """Let *name* mean another commit.

        Parameters
        ----------
        name
            An existing name.
        to
            The commit, as of `Lake.at`.
        force
            Needed where the new commit does not follow the old one, whose work the name then no longer
            shows. The reflog does.

        Raises
        ------
        InputError
            The commit does not follow the old one, and *force* is not set.
        """
        new = self._history.resolve(to)
        while True:
            old, number = self._state(name)
            if not force and not follows(self._log, new, old):
                raise InputError(
                    f"{new.id[:12]} does not follow {old.id[:12]}, which {self._kind} {name!r} means now; "
                    "say force to move it all the same"
                )
            if self._point(name, new, f"Move {self._kind} {name} from {old.id[:12]}", number):
                return new

    def delete(self, name: str) -> None:
        """Delete a name; its commits stay, and the reflog can restore it.

        Parameters
        ----------
        name
            An existing name.

        Raises
        ------
        InputError
            It is the main branch.
        NotFoundError
            There is no such name.
        """
        if self._space == "log" and name == MAIN:
            raise InputError(f"branch {MAIN!r} cannot be deleted")
        while True:
            old, number = self._state(name)
            if self._point(name, None, f"Delete {self._kind} {name} at {old.id[:12]}", number):
                return

    def reflog(self, name: str) -> list[Commit | Pointer]:
        """List what a name has referred to, newest first; also for a deleted name.

        Parameters
        ----------
        name
            A name that exists or has existed.
        """
        return list(self._log.reflog(name, self._space))

    def _state(self, name: str) -> tuple[Commit, int]:
        """What a name means now, and the number of the record that says so."""
        number, target = self._log.state(checked_ref_name(name), self._space)
        if number is None or target is None:
            raise NotFoundError(f"there is no {self._kind} {name!r}; there are: {', '.join(self) or 'none'}")
        return self._log.read(target), number

    def _point(self, name: str, record: Commit | None, message: str, after: int | None) -> bool:
        target = None if record is None else record.reference
        return self._log.point(
            name, target, message=message, author=self._author, after=after, space=self._space
        )
