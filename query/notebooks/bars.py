"""Bars that tell how far a long function is: in a notebook as a picture, elsewhere as a line."""

import sys
import time
from html import escape
from typing import Any

_PAUSE_S = 0.1


class ProgressBar:
    """A bar for the functions that take ``progress``: ``nl.run(…, progress=nl.ProgressBar("Simulating"))``.

    In a notebook it is shown once and changes; without one it is a line of standard error.

    Parameters
    ----------
    what
        What is done, such as ``Simulating``.
    """

    def __init__(self, what: str = "Working") -> None:
        self.what = what
        self.done, self.total = 0.0, 0.0
        self._began: float | None = None
        self._shown = 0.0
        self._handle: Any = None

    def __call__(self, done: float, total: float) -> None:
        """Show that so much is done.

        Parameters
        ----------
        done, total
            How much of how much, in any unit.
        """
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        self.done, self.total = float(done), float(total)
        if done < total and now - self._shown < _PAUSE_S:
            return
        self._shown = now
        shell = _shell()
        if shell is None:
            sys.stderr.write(f"\r{self!r}\033[K" + ("\n" if done >= total else ""))
            sys.stderr.flush()
        elif self._handle is None:
            self._handle = sys.modules["IPython.display"].display(self, display_id=True)
        else:
            self._handle.update(self)

    @property
    def part(self) -> float:
        """How much is done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0

    def __repr__(self) -> str:
        return f"{self.what}: {self.part:.0%}, {self._times()}"

    def _repr_html_(self) -> str:
        return (
            f'<label>{escape(self.what)} <progress max="1" value="{self.part:.4f}"></progress> '
            f"{self.done:g} of {self.total:g}, {escape(self._times())}</label>"
        )

    def _times(self) -> str:
        passed = 0.0 if self._began is None else self._shown - self._began
        if self.part >= 1.0:
            return f"done in {passed:.0f} s"
        left = passed * (1 - self.part) / self.part if self.part else 0.0
        return f"{passed:.0f} s, {left:.0f} s left" if left else f"{passed:.0f} s"


def _shell() -> Any:
    """The shell of a notebook's kernel; None elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if shell is not None and getattr(shell, "kernel", None) is not None else None
