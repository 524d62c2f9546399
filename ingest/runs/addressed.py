"""Files of databases that parameters name by an address, ``mdb://<id>/<key>/<file>``, in lakes that are registered."""

from pathlib import Path, PurePosixPath

import pyarrow.dataset as pds

from ...catalog.vocabulary.trials import FILES
from ...kernels.places import cache_folder
from ...lake import Lake, Snapshot
from ...lake.digest import digest_of
from ...lake.errors import NotFoundError
from ...lake.opened import registered_place
from ...lake.storage.local import write_whole

ADDRESS = "mdb://"
_STORED = "isf"
"""What names of nodes begin with that users of the dictionary stored."""


def addressed_file(address: str) -> Path:
    """Return a copy of the file at an address, in this user's cache.

    Parameters
    ----------
    address
        Of a file in a managed folder; in those that hold the files of results, such as ``morphology``, one of its name.

    Raises
    ------
    NotFoundError
        No such lake is registered, or it has no such file.
    """
    unique_id, _, rest = address.removeprefix(ADDRESS).partition("/")
    snapshot = Lake.open(registered_place(unique_id)).head
    node = _node(snapshot, rest)
    if node is None:
        raise NotFoundError(f"lake {unique_id!r} has no file {rest!r}")
    content = snapshot.files[node]
    path = cache_folder() / "files" / digest_of(content) / PurePosixPath(rest).name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return path


def _node(snapshot: Snapshot, rest: str) -> str | None:
    """The node of a file that is stored there, or of the one file of that name among those of results."""
    node = snapshot.tree.get(f"{_STORED}/{rest}")
    if node is not None and node.kind == "file":
        return f"{_STORED}/{rest}"
    if FILES.name not in snapshot.tables:
        return None
    rows = snapshot.tables[FILES.name].to_arrow(["path", "node"], pds.field("node").is_valid()).to_pylist()
    name = PurePosixPath(rest).name
    nodes = {row["node"] for row in rows if PurePosixPath(row["path"]).name == name}
    return nodes.pop() if len(nodes) == 1 else None
