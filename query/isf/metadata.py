"""Author, time and provenance of each key of an ISF database."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .keys import Key
from .session import written_by

if TYPE_CHECKING:
    from .database import Database


class Metadata(Mapping[Key, dict[str, Any]]):
    """Author, time and provenance of each key of a database, as its commit records them.

    Parameters
    ----------
    database
        The database.
    """

    def __init__(self, database: "Database") -> None:
        self._database = database

    def __getitem__(self, key: Key) -> dict[str, Any]:
        """Provenance of a key.

        Returns
        -------
        dict
            ``dumper`` (form it is stored in), ``time`` (UTC, as `time.gmtime` has it), ``hostname``, ``version``
            (neurolake's), ``full-revisionid`` and ``dirty`` (of the writer's git checkout; None outside of one),
            ``module_versions``, ``author``, ``commit`` and ``message``.

        Raises
        ------
        NotFoundError
            There is no such key, or its history has expired.
        """
        node, form = self._database._node(key)
        record = written_by(self._database._session.snapshot, node)
        made, code = record.provenance, record.provenance.get("code") or {}
        return {
            "dumper": form,
            "time": tuple(record.time.utctimetuple()),
            "hostname": made.get("host"),
            "version": made.get("neurolake"),
            "full-revisionid": code.get("commit"),
            "dirty": code.get("dirty"),
            "module_versions": {name: made.get(name) for name in ("neurolake", "python")},
            "author": record.author,
            "commit": record.id,
            "message": record.message,
        }

    def __iter__(self) -> Iterator[Key]:
        return iter(self._database)

    def __len__(self) -> int:
        return len(self._database)
