"""Branches and tags: names for commits."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from .errors import InputError, NotFoundError
from .history import History
from .log import MAIN, Pointer, Record, Space, checked_ref_name


class Refs(Mapping[str, Record]):
    """The branches, or the tags, of a lake: names and the commits they mean now.

    Parameters
    ----------
    history
        Of which lake.
    space
        ``"log"`` for branches, ``"tags"`` for tags.
    author
        Who changes them.
    """

    def __init__(self, history: History, space: Space, author: str) -> None:
        self._history = history
        self._log = history.log
        self._space: Space = space
        self._kind = "branch" if space == "log" else "tag"
        self._author = author

    def __getitem__(self, name: str) -> Record:
        target = self._log.points_at(checked_ref_name(name), self._space)
        if target is None:
            raise NotFoundError(f"there is no {self._kind} {name!r}; there are: {', '.join(self) or 'none'}")
        return self._log.read(target)

    def __iter__(self) -> Iterator[str]:
        return iter(self._log.names(self._space))

    def __len__(self) -> int:
        return len(self._log.names(self._space))

    def __repr__(self) -> str:
        return f"<{self._kind}: {', '.join(f'{name} {record.id[:8]}' for name, record in self.items())}>"

    def create(self, name: str, at: str | datetime = MAIN) -> Record:
        """Give the commit that *at* means a new name.

        Raises
        ------
        InputError
            The name is taken, or not allowed.
        NotFoundError
            *at* means no commit.
        """
        if name in self:
            raise InputError(f"{self._kind} {name!r} exists; choose another name, or move it")
        return self._point(name, self._history.resolve(at), f"Create {self._kind} {name}")

    def move(self, name: str, to: str | datetime, *, force: bool = False) -> Record:
        """Let *name* mean another commit.

        Parameters
        ----------
        force
            Needed where the new commit does not follow the old one, whose work the name then no longer
            shows. The reflog does.

        Raises
        ------
        InputError
            The commit does not follow the old one, and *force* is not set.
        """
        old, new = self[name], self._history.resolve(to)
        if not force and all(record.id != old.id for record in self._log.ancestors(new)):
            raise InputError(
                f"{new.id[:12]} does not follow {old.id[:12]}, which {self._kind} {name!r} means now; "
                "say force to move it all the same"
            )
        return self._point(name, new, f"Move {self._kind} {name} from {old.id[:12]}")

    def delete(self, name: str) -> None:
        """Forget a name; its commits stay, and the reflog can bring it back.

        Raises
        ------
        InputError
            It is the main branch.
        NotFoundError
            There is no such name.
        """
        if self._space == "log" and name == MAIN:
            raise InputError(f"branch {MAIN!r} cannot be deleted")
        old = self[name]
        message = f"Delete {self._kind} {name} at {old.id[:12]}"
        self._log.point(name, None, message=message, author=self._author, space=self._space)

    def reflog(self, name: str) -> list[Record | Pointer]:
        """What a name has meant, newest first; also of a name that was deleted."""
        return list(self._log.reflog(name, self._space))

    def _point(self, name: str, record: Record, message: str) -> Record:
        self._log.point(name, record.reference, message=message, author=self._author, space=self._space)
        return record
