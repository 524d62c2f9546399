"""Processes that share work: every result with its position, errors as they were, no process left alone."""

import os
import signal

import dask
import pytest
from worker_tasks import blocked_signals, die, die_of_13, square

from neurolake import InputError, StorageError
from neurolake.ingest.workers import workers


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_with_their_positions(processes: int) -> None:
    with workers(10, processes=processes) as each:
        results = dict(each(square, [(number,) for number in range(10)]))
    assert {at: value for at, (value, _) in results.items()} == {at: at * at for at in range(10)}
    others = {process for _, process in results.values()} - {os.getpid()}
    assert bool(others) == (processes == 2)


def test_a_single_task_runs_here() -> None:
    with workers(1, processes=8) as each:
        assert list(each(square, [(3,)])) == [(0, (9, os.getpid()))]


def test_nothing_to_do_needs_no_scheduler() -> None:
    with workers(0, scheduler="tcp://127.0.0.1:1") as each:
        assert list(each(square, [])) == []


@pytest.mark.parametrize("numbers", [[13], [1, 13, 2]])
def test_errors_are_raised_as_they_were(scheduler: str, numbers: list[int]) -> None:
    with workers(len(numbers), scheduler=scheduler) as each, pytest.raises(InputError, match="13 is refused"):
        list(each(square, [(number,) for number in numbers]))


def test_a_scheduler_that_does_not_answer() -> None:
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "300ms"}),
        pytest.raises(InputError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:1"),
        workers(1, scheduler="tcp://127.0.0.1:1"),
    ):
        pass


def test_a_process_that_dies() -> None:
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        workers(2, processes=2) as each,
        pytest.raises(StorageError, match="a process of the ingest died"),
    ):
        list(each(die, [(), ()]))


def test_others_go_on_where_somebody_is_told_of_a_death() -> None:
    with workers(3, processes=2, died=lambda position: f"task {position} died") as each:
        found = dict(each(die_of_13, [(number,) for number in (1, 13, 2)]))
    assert found == {0: 1, 1: "task 1 died", 2: 2}


def test_an_interrupt_reaches_this_process_alone() -> None:
    before = blocked_signals()
    with workers(2, processes=2) as each:
        assert blocked_signals() == before
        assert all(signal.SIGINT in mask for _, mask in each(blocked_signals, [(), ()]))
