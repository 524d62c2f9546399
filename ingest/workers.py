"""Processes that share the work of an ingest: dask's, here or on a cluster."""

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from ..lake.errors import InputError, StorageError
from ..lake.extras import needed

Result = TypeVar("Result")

Each = Callable[[Callable[..., Result], Sequence[tuple[Any, ...]]], Iterator[tuple[int, Result]]]


@contextlib.contextmanager
def workers(
    tasks: int,
    *,
    scheduler: str | None = None,
    processes: int | None = None,
    died: Callable[[int], Any] | None = None,
) -> Iterator[Each[Any]]:
    """Return a function that runs another over tuples of arguments and yields (position, result) as they end.

    Parameters
    ----------
    tasks
        How many are to come: a single one runs in this process.
    scheduler
        Address of a dask scheduler, ``tcp://host:8786``; without it, processes of this machine.
    processes
        How many of those; one for each core by default.
    died
        What to yield for a task whose process died several times, from its position; the others go on.

    Raises
    ------
    InputError
        No scheduler answers at that address.
    StorageError
        A process died while it worked, and there is no *died*.
    Exception
        What a task raises; the others are cancelled.
    """
    wanted = min(processes or os.cpu_count() or 1, tasks)
    if not tasks or (scheduler is None and wanted <= 1):
        yield _here
        return
    # distributed takes most of a second to import, and a small ingest does without it.
    import dask

    with needed("several processes", "simulate"):
        from distributed import LocalCluster

    with contextlib.ExitStack() as stack:
        # What goes wrong is raised here; what workers log of it would only hide that.
        stack.enter_context(dask.config.set({"logging": {"distributed": "critical"}}))
        if scheduler is None:
            with _interrupts_held():
                cluster = LocalCluster(
                    n_workers=wanted,
                    threads_per_worker=1,
                    processes=True,
                    # None would ask for the usual port, and warn where another ingest has it.
                    dashboard_address=":0",
                    memory_limit=0,
                    silence_logs=logging.CRITICAL,
                )
            scheduler = stack.enter_context(cluster)
        client = stack.enter_context(_connected(scheduler))
        yield lambda work, arguments: _on_cluster(client, work, arguments, died)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits till the end of the block, and never reaches the processes started in it.

    A terminal interrupts all of them; only this one is to answer, and ends the others.
    """
    # Processes inherit the mask, but starting the tracker would lift it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _connected(scheduler: Any) -> Any:
    from distributed import Client

    try:
        return Client(scheduler, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"no dask scheduler answers at {scheduler}: {error}") from error


def _here(work: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Result]]:
    for position, values in enumerate(arguments):
        yield position, work(*values)


def _on_cluster(
    client: Any,
    work: Callable[..., Result],
    arguments: Sequence[tuple[Any, ...]],
    died: Callable[[int], Result] | None,
) -> Iterator[tuple[int, Result]]:
    from distributed import KilledWorker, as_completed

    futures = {client.submit(work, *values, pure=False): at for at, values in enumerate(arguments)}
    try:
        for future in as_completed(list(futures), loop=client.loop):
            try:
                result = future.result()
            except KilledWorker as error:
                if died is None:
                    message = "a process of the ingest died several times: was memory short?"
                    raise StorageError(message) from error
                result = died(futures[future])
            yield futures[future], result
            # What has been handed over need not be kept in the worker's memory.
            future.release()
    finally:
        client.cancel(list(futures))
