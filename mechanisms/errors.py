"""The error of this room: a model that cannot be built, found before anything is simulated."""

from pathlib import Path


class ModelError(ValueError):
    """A morphology, parameter, mechanism or connectivity that a model cannot be made of.

    Parameters
    ----------
    reason
        What is wrong and what was expected.
    path
        The file at fault, where it is known.
    line
        The line number, counted from 1, where that is known.
    """

    def __init__(self, reason: str, path: str | Path | None = None, line: int | None = None) -> None:
        super().__init__(reason, path if path is None else str(path), line)
        self.reason = reason
        self.path = path if path is None else str(path)
        self.line = line

    def __str__(self) -> str:
        if self.path is None:
            return self.reason
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.reason}"
