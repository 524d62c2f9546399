"""A snapshot as tasks carry it: the lake's address and the commit, opened where the task runs."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..lake import Snapshot


@dataclass(frozen=True)
class Located:
    """Opens a snapshot; equal content has equal dask keys.

    Parameters
    ----------
    url, commit
        Where it is.
    content
        Digest of what is in it.
    """

    url: str
    commit: str
    content: str

    def __call__(self) -> Any:
        """The snapshot."""
        return _opened(self.url, self.commit)

    def __dask_tokenize__(self) -> Any:
        return self.content


def located(snapshot: Snapshot) -> Located:
    """Where *snapshot* is."""
    return Located(snapshot.objects.storage.url, snapshot.commit.id, snapshot.commit.snapshot)


# A process asks few snapshots, each of them often: views and verified files are not made anew for every task.
@lru_cache(maxsize=4)
def _opened(url: str, commit: str) -> Any:
    from .base import Lake

    return Lake.open(url).at(commit)
