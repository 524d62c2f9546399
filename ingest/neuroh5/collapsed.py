"""A circuit as files of NeuroH5, whatever it came from."""

from collections.abc import Mapping

from ...lake import Snapshot
from ...lake.errors import InputError
from ..hdf5.layout import Item
from .cells import Index


def collapsed_files(snapshot: Snapshot, circuit: str) -> tuple[dict[str, list[Item]], Mapping[int, Index]]:
    """Files by name, as they are to be laid out, and the indexes that they share."""
    raise InputError(f"{circuit!r} did not come from NeuroH5")
