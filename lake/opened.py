"""Lakes that tasks open: one for each address and process."""

from functools import lru_cache
from typing import TypeVar

from .core import Lake
from .objects.identity import check_identity
from .objects.store import Address

Opened = TypeVar("Opened", bound=Lake)


def opened(address: Address, kind: type[Opened]) -> Opened:
    """The lake at *address*, as *kind* opens it; the same one whenever this process asks.

    What is verified and read once is not read again for every task.

    Raises
    ------
    NotFoundError
        There is no lake, or another one, which was made there later.
    """
    found = _opened(address, kind)
    assert isinstance(found, kind), "made by it"
    return found


@lru_cache(maxsize=16)
def _opened(address: Address, kind: type[Lake]) -> Lake:
    lake = kind.open(address.url)
    check_identity(lake.storage, address.lake)
    return lake
