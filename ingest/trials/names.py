"""What runs and trials are called: in the lake, and in folders of simrun results."""

import re
from pathlib import Path, PurePosixPath

from ...catalog.vocabulary.trials import FILE
from ...lake.digest import digest_of
from ...lake.errors import IngestError, InputError
from ...lake.names import checked_name

_DATE = re.compile(r"(?:^|_)([0-9]{8}-[0-9]{4})(?=_|$)")


_SEED = re.compile(r"(?:^|_)seed_?([0-9]+)(?=_|$)")


_PID = re.compile(r"(?:^|_)pid_?([0-9]+)(?=_|$)")


_DATE_AND_NUMBER = re.compile(r"[0-9]{8}-[0-9]{4}_([0-9]+)")


def identity(path: Path, prefix: str) -> tuple[str | None, int | None, int | None]:
    """Return date, seed and process id, from the prefix if it has them, else from the directory's name.

    Parameters
    ----------
    path
        The run directory.
    prefix
        First part of the names of its files.
    """
    directory = path.name
    date = _DATE.search(directory)
    seed = _SEED.search(prefix) or _SEED.search(directory)
    pid = _PID.search(prefix) or _PID.search(directory) or re.fullmatch("([0-9]+)", prefix)
    if pid is None and seed is None:
        pid = _DATE_AND_NUMBER.fullmatch(directory)
    return date and date[1], seed and number_of(seed[1], path), pid and number_of(pid[1], path)


def number_of(digits: str, path: Path) -> int:
    """Return the number in a file or directory name.

    Parameters
    ----------
    digits
        Decimal digits.
    path
        The file, for messages.

    Raises
    ------
    IngestError
        int64 cannot hold the number.
    """
    number = int(digits)
    if number >= 2**63:
        raise IngestError(f"expected a number below 2^63 in a name, found {digits}", path)
    return number


def sim_trial_index(run_name: str, number: int) -> str:
    """Return the framework's key of a trial: the run's relative path and the trial number in six digits.

    Parameters
    ----------
    run_name
        Path of the run directory below the results.
    number
        Number of the trial in the run.
    """
    return f"{run_name}/{number:06d}"


def stimulus(index: str) -> str:
    """Return the stimulus in a `sim_trial_index`: its first token, or the second after 'stim'.

    Tokens are separated by '_' and '/': `C2_evoked/results/...` and `stim_C2/results/...` give 'C2'.

    Parameters
    ----------
    index
        Key of the trial.
    """
    first, *rest = re.split("[_/]", index)
    return rest[0] if first == "stim" and rest else first


def checked_run(name: str) -> str:
    """Return *name* if a run may have it: relative, and without parts that an export could not be ingested with.

    Parameters
    ----------
    name
        The name to check.

    Raises
    ------
    InputError
        It is not.
    """
    if name != name.strip() or "_running" in name or "\t" in name:
        raise InputError(f"a run may not be called {name!r}: no spaces around it, no tabs, no '_running'")
    return checked_name(name)


def parameter_file(run: str, kind: str) -> str:
    """Return the path of a run's parameter file in an export.

    Parameters
    ----------
    run
        Name of the run.
    kind
        ``neuron`` or ``network``.
    """
    return f"{run}/{prefix_of(run)}_{kind}_model.param"


def prefix_of(run: str) -> str:
    """Return what names of a run's files begin with: the last token of its directory's name, as ISF looks for it.

    Parameters
    ----------
    run
        Name of the run.
    """
    return PurePosixPath(run).name.rsplit("_", 1)[-1]


def file_node(path: str, content: bytes) -> str:
    """Return the node that holds a file, named by its content.

    Parameters
    ----------
    path
        Path of the file, for its suffix.
    content
        Bytes of the file.
    """
    return FILE.of(content=f"{digest_of(content)}{PurePosixPath(path).suffix}")
