"""A snapshot as tasks carry it: the lake's address and the commit, opened where the task runs."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..lake import Snapshot
from ..lake.objects.store import Address
from ..lake.opened import opened


@dataclass(frozen=True)
class Located:
    """Opens a snapshot; equal content has equal dask keys.

    Parameters
    ----------
    address, commit
        Where it is.
    content
        Digest of what is in it.
    """

    address: Address
    commit: str
    content: str

    def __call__(self) -> Any:
        """The snapshot."""
        return _snapshot(self.address, self.commit)

    def __dask_tokenize__(self) -> Any:
        return self.content


def located(snapshot: Snapshot) -> Located:
    """Return where a snapshot is, for other processes to open it.

    Parameters
    ----------
    snapshot
        The snapshot.
    """
    return Located(snapshot.objects.address, snapshot.commit.id, snapshot.commit.snapshot)


# A process reads few snapshots, each of them often: views and verified files are not created again for every task.
@lru_cache(maxsize=4)
def _snapshot(address: Address, commit: str) -> Any:
    from .base import Lake

    return opened(address, Lake).at(commit)
