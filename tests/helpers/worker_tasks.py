"""Functions for other processes, which must be able to import them."""

import os
import signal

from neurolake import InputError


def square(number: int) -> tuple[int, int]:
    """Its square, and the process that found it."""
    if number == 13:
        raise InputError("13 is refused")
    return number * number, os.getpid()


def blocked_signals() -> set[signal.Signals]:
    """Signals that this process does not hear."""
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def die() -> None:
    """End without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_of_13(number: int) -> int:
    """The number itself, if it is not 13."""
    if number == 13:
        die()
    return number
