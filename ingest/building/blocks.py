"""Tables that are made block by block, by threads of this process or by workers, each block as files of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from ...lake.data.parquet import FILE_ROWS, write_file
from ...lake.nodes.entry import Entry
from ...lake.objects.store import ObjectWriter
from ...lake.storage.base import Storage
from ...lake.threads import mapped
from ..workers import workers

Result = TypeVar("Result")

ROWS = 2**20
"""Rows that a block should have: a few seconds of work at most, and some tens of MB."""


@dataclass(frozen=True)
class Workers:
    """The processes that make blocks.

    Parameters
    ----------
    scheduler
        Address of a dask scheduler.
    processes
        Processes of this machine; with neither, threads of this process.
    """

    scheduler: str | None = None
    processes: int | None = None

    def blocks(
        self,
        work: Callable[..., Mapping[str, pa.Table]],
        arguments: Sequence[tuple[Any, ...]],
        storage: Storage,
    ) -> Iterator[dict[str, list[Entry]]]:
        """Store the tables that *work* makes of each tuple of arguments; the files of each, in the order of the tuples.

        Parameters
        ----------
        work
            A function of a module, for other processes import it.
        arguments
            Arguments of each call.
        storage
            The lake's.
        """
        return self.results(stored, [(work, given, storage) for given in arguments])

    def results(self, work: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]) -> Iterator[Result]:
        """Call a function of a module with each tuple of arguments; yield the results in their order.

        Parameters
        ----------
        work
            A function of a module, for other processes import it.
        arguments
            Arguments of each call.
        """
        if self.scheduler is None and (self.processes or 1) <= 1:
            yield from mapped(lambda given: work(*given), arguments)
            return
        with workers(len(arguments), scheduler=self.scheduler, processes=self.processes) as each:
            waiting: dict[int, Result] = {}
            following = 0
            for at, made in each(work, arguments):
                waiting[at] = made
                while following in waiting:
                    yield waiting.pop(following)
                    following += 1


def stored(
    work: Callable[..., Mapping[str, pa.Table]], arguments: tuple[Any, ...], storage: Storage
) -> dict[str, list[Entry]]:
    """Store the tables of one block; return the files of each, by name.

    Parameters
    ----------
    work
        Makes the tables, by name.
    arguments
        What it is called with.
    storage
        Storage that holds the lake.
    """
    writer, made = ObjectWriter(storage), {}
    for name, table in work(*arguments).items():
        # One file after another: other threads are at other blocks.
        starts = range(0, table.num_rows, FILE_ROWS)
        made[name] = [write_file(table.slice(start, FILE_ROWS), writer) for start in starts]
    writer.flush()
    return made


def spans(rows: Sequence[float], most: int = ROWS) -> list[tuple[int, int]]:
    """Divide cells that follow each other into blocks.

    Parameters
    ----------
    rows
        How many rows each cell is expected to have.
    most
        Rows of a block; one cell may have more.

    Returns
    -------
    First cell, and the one after the last, of each block.
    """
    found, first, held = [], 0, 0.0
    for at, count in enumerate(rows):
        if at > first and held + count > most:
            found.append((first, at))
            first, held = at, 0.0
        held += count
    return [*found, (first, len(rows))] if len(rows) else []
