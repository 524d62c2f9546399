"""Where a hash occurs: commits, snapshots, nodes, chunks and files whose digest begins with it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..catalog.vocabulary.trials import FILES
from ..lake import Lake, Snapshot
from ..lake.digest import digest_of
from ..lake.errors import InputError

SHORTEST = 4


@dataclass(frozen=True)
class Occurrence:
    """One thing of a given digest.

    Parameters
    ----------
    kind
        ``commit``, ``snapshot``, ``node``, ``object`` (a chunk or a file of a table) or ``source`` (a file that
        was ingested).
    digest
        The whole digest.
    name
        Name of the node, path of the source, or message of the commit.
    place
        Key of an object in its node; empty for the other kinds.
    commit
        Id of the newest commit that has it.
    """

    kind: str
    digest: str
    name: str
    place: str
    commit: str

    def to_json(self) -> dict[str, str]:
        """Return it as one JSON object."""
        return asdict(self)


def find(lake: Lake, digest: str, *, branch: str = "main", everywhere: bool = False) -> list[Occurrence]:
    """Return everything in a lake whose BLAKE3 digest begins with some hexadecimal digits.

    Parameters
    ----------
    lake
        The lake to search.
    digest
        At least `SHORTEST` digits.
    branch
        Branch, tag, commit or time to look at.
    everywhere
        Whether to look at all commits before it as well; content of several commits is returned once, for the
        newest.

    Raises
    ------
    InputError
        *digest* is too short, or not hexadecimal.
    """
    digits = digest.lower()
    if len(digits) < SHORTEST or set(digits) - set("0123456789abcdef"):
        raise InputError(
            f"{digest!r}: a digest's first digits are wanted, at least {SHORTEST} of 0-9 and a-f"
        )
    newest = lake.at(branch)
    records = newest.history()
    found: dict[tuple[str, str, str, str], Occurrence] = {}
    for record in records:
        for one in _of_record(record, digits):
            found.setdefault((one.kind, one.digest, one.name, one.place), one)
    for record in records if everywhere else records[:1]:
        for one in _of_snapshot(lake.at(record.id), digits):
            found.setdefault((one.kind, one.digest, one.name, one.place), one)
    return list(found.values())


def digest_of_file(path: Path) -> str:
    """Return the digest by which a lake knows the content of a file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        return digest_of(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _of_record(record: Any, digits: str) -> Iterator[Occurrence]:
    if record.id.startswith(digits):
        yield Occurrence("commit", record.id, record.message, "", record.id)
    if record.snapshot.startswith(digits):
        yield Occurrence("snapshot", record.snapshot, record.message, "", record.id)


def _of_snapshot(snapshot: Snapshot, digits: str) -> Iterator[Occurrence]:
    commit = snapshot.commit.id
    for name, node in snapshot.tree.items():
        if node.digest.startswith(digits):
            yield Occurrence("node", node.digest, name, "", commit)
        for place, entry in node.entries.items():
            if entry.digest.startswith(digits):
                yield Occurrence("object", entry.digest, name, str(place), commit)
    if FILES.name in snapshot.tables:
        rows = snapshot.tables[FILES.name].to_arrow(["path", "digest"]).to_pylist()
        for row in rows:
            if row["digest"].startswith(digits):
                yield Occurrence("source", row["digest"], row["path"], "", commit)
