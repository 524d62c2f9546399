"""Wait for an answer that may take too long, or whose caller stops waiting."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from ..lake.errors import QueryTimeoutError

GRACE_S = 2.0


class StuckError(Exception):
    """The work was asked to stop and goes on; ``__cause__`` is the reason."""


def wait_for(work: Callable[[], None], stop: Callable[[], None], seconds: float | None = None) -> None:
    """Do *work* in a thread, so that Ctrl-C and a limit of time work whatever the thread is busy with.

    Parameters
    ----------
    work
        What to do.
    stop
        What makes *work* end soon.
    seconds
        How long it may take.

    Raises
    ------
    QueryTimeoutError
        It took longer.
    KeyboardInterrupt
        Ctrl-C was pressed.
    StuckError
        Either of these, and the work does not end: only the end of the process ends it.
    Exception
        What *work* raises.
    """
    failures: list[BaseException] = []
    presses: list[int] = []
    # Set when the work ended, or when there is a reason to stop it.
    event = threading.Event()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            failures.append(error)
        event.set()

    def press(number: int, frame: object) -> None:
        presses.append(number)
        event.set()

    thread = threading.Thread(target=run, daemon=True)
    with _interrupts_to(press):
        thread.start()
        in_time = event.wait(seconds)
        if presses or not in_time:
            stop()
            thread.join(GRACE_S)
    reason = KeyboardInterrupt() if presses else QueryTimeoutError(f"no answer within {seconds or 0:g} s")
    if thread.is_alive() and (presses or not in_time):
        raise StuckError from reason
    if presses or not in_time:
        raise reason
    if failures:
        raise failures[0]


@contextlib.contextmanager
def _interrupts_to(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Call *handler* for each Ctrl-C, so that a second one interrupts nothing halfway."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
