"""Sweeps: a run for each combination of parameters, keyed by its content, and a table of what came of them."""

import inspect
import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...lake import Lake
from ...lake.errors import InputError, NeurolakeError
from ..trials.names import checked_run
from ..workers import workers
from .combinations import Over, combinations
from .prepared import OURS, Arguments, Combination, Swept, failures_of, run_of, scalars_of
from .results import Result, asked, checked_results
from .rows import DONE, FAILED, Row, as_text, put_rows, stored_rows

if TYPE_CHECKING:
    import pandas as pd

BATCH = 32
"""How many combinations are noted in one commit, unless they take longer than `PATIENCE`."""
PATIENCE = 10.0
_TOLD = 8

Progress = Callable[[int, int], None]


@dataclass
class SweepReport:
    """What a sweep did.

    Attributes
    ----------
    sweep
        Its name.
    done, unchanged
        How many combinations were simulated now, and how many had been before.
    failures
        What failed and why; call the sweep again to try it again.
    notices
        What was odd and harmless.
    rows
        A row of the table ``sweeps`` for each combination, in order.
    commit
        The last commit; None where there was nothing to do.
    """

    sweep: str
    done: int = 0
    unchanged: int = 0
    failures: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    commit: str | None = None
    seconds: float = 0.0

    def frame(self) -> "pd.DataFrame":
        """Return a row for each combination, with a column for each parameter and each result."""
        import pandas as pd

        told = ("run", "state", "seconds")
        return pd.DataFrame(
            [
                {
                    **json.loads(row["parameters"]),
                    **json.loads(row["results"]),
                    **{name: row[name] for name in told},
                }
                for row in self.rows
            ]
        )

    def summary(self, lake: str) -> str:
        """Say in a few lines what was done.

        Parameters
        ----------
        lake
            Path or URL of the lake.
        """
        there = (
            f"{self.unchanged} combinations of {self.sweep} were there already.\n" if self.unchanged else ""
        )
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"{there}Simulated {self.done} combinations of {self.sweep} ({self.seconds:,.1f} s) into {lake}{failed}"


@dataclass(frozen=True)
class Simulated:
    """What became of one combination."""

    run: str | None
    failures: list[str]
    results: dict[str, Any]
    notices: list[str]
    seconds: float


def sweep(
    run: Callable[..., Any],
    over: Over,
    *,
    name: str = "sweep",
    results: Mapping[str, Result] | None = None,
    scheduler: str | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> SweepReport:
    """Simulate a run for each combination of parameters, and note in the table ``sweeps`` what came of it.

    All combinations are checked before anything is simulated. A run is keyed by the digest of all that decides it, files
    included: what is done already, in this sweep or another one, is not simulated again, what failed is tried again, and
    a sweep that was interrupted goes on. Each run commits when it ends.

    A script that has work shared by processes calls this below ``if __name__ == "__main__":``, because the processes
    import the script.

    Parameters
    ----------
    run
        What simulates, with the arguments that all combinations share:
        ``functools.partial(nl.run, lake, "cell.param", trials=10, t_stop=300)``, or ``run_network`` with a circuit
        (``weights.PYR.AMPA`` and other paths are those of its ``values``). A function of yours takes ``lake``
        and ``name``, which its run is to have, and what is swept; numbers that it returns are results.
    over
        A grid of all combinations, ``{"neuron.Soma.properties.Ra": [100, 150], "seed": range(5)}``; or a table, whose
        rows are combinations: a list of mappings, a DataFrame; or a CSV, JSON or YAML file of one. A name is that of an
        argument of the function, such as ``seed``, or the path of a parameter: below an argument that is a mapping
        (``functions.soma_current_injection.amplitude``), or in the files of the model.
    name
        Of the sweep. Runs are called ``<name>/<key>``, or after the name that *run* was given.
    results
        Scalars of each run by name: a query in which ``$run`` is the run's name, and ``{run}`` the same within names of
        tables, such as ``"spikes/{run}/PYR"``; or a function of a snapshot and that name. Several columns, or a mapping, are ``name.part``. They are asked of all combinations each time.
    scheduler, processes
        Address of a dask scheduler, whose workers see the same files, or how many processes of this machine to use (by
        default all cores). Each simulates whole combinations.
    progress
        Called with combinations done and combinations to do.

    Returns
    -------
    SweepReport
        Its `frame` has a column for each parameter and result.

    Raises
    ------
    IngestError, InputError
        A combination, a query or a file cannot be used; all are named before anything is simulated.
    KeyboardInterrupt
        After the combinations that are finished were noted.
    """
    began = time.perf_counter()
    swept, asking = Swept.of(run), checked_results(results)
    chosen = _checked(swept, combinations(over), checked_run(name))
    lake = swept.lake()
    report = SweepReport(name)
    there = {(row["key"], row["extent"]): row for row in stored_rows(lake) if row["state"] == DONE}
    ledger = _Ledger(lake, name, swept.sweepable.name, asking, report, len(chosen))
    wanted = []
    for one in chosen:
        before = there.get((one.key, one.extent))
        if before is None:
            wanted.append(one)
        else:
            ledger.again(one, before)
    try:
        _simulate(swept, lake, wanted, ledger, scheduler, processes, progress)
    except KeyboardInterrupt as error:
        error.add_note(
            f"{report.done} finished combinations of {name} are kept; the same again goes on with the others."
        )
        raise
    finally:
        ledger.land()
    order = {one.key: at for at, one in enumerate(chosen)}
    report.rows.sort(key=lambda row: order[row["key"]])
    report.seconds = time.perf_counter() - began
    return report


def _checked(swept: Swept, rows: Sequence[Mapping[str, Any]], name: str) -> list[Combination]:
    """All combinations, each run once; everything that is wrong with them is told at once."""
    found: dict[str, Combination] = {}
    wrong: dict[str, str] = {}
    for row in rows:
        try:
            one = swept.combined(row, name)
            found.setdefault(one.key, one)
        except NeurolakeError as error:
            wrong.setdefault(str(error), f"{_told(row)}: {error}")
    if wrong:
        more = f"\nand {len(wrong) - _TOLD} more errors" if len(wrong) > _TOLD else ""
        raise InputError("\n".join(list(wrong.values())[:_TOLD]) + more)
    return list(found.values())


def _told(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={value}" for path, value in values.items())


def _simulate(
    swept: Swept,
    lake: Lake,
    wanted: Sequence[Combination],
    ledger: "_Ledger",
    scheduler: str | None,
    processes: int | None,
    progress: Progress | None,
) -> None:
    given = swept.given["lake"]
    # An open lake cannot be sent, but opened again where its storage is.
    where = given if isinstance(given, str | Path) else (type(given), lake.storage)
    tasks = [(swept.sweepable.function, where, one.arguments) for one in wanted]

    def died(position: int) -> Simulated:
        return Simulated(None, ["its process died"], {}, [], 0.0)

    with workers(len(tasks), scheduler=scheduler, processes=processes, died=died) as each:
        for done, (at, outcome) in enumerate(each(simulate_combination, tasks), 1):
            ledger.add(wanted[at], outcome)
            if progress is not None:
                progress(done, len(tasks))


def simulate_combination(function: Callable[..., Any], where: Any, arguments: Arguments) -> Simulated:
    """Simulate one combination in this process; return what goes wrong, rather than raise it.

    Parameters
    ----------
    function
        What simulates.
    where
        The lake: a path or URL, or its class and storage.
    arguments
        All arguments but the lake.
    """
    began = time.perf_counter()
    lake = where if isinstance(where, str | Path) else where[0](where[1])
    # One process for each combination: they are shared, not what is within them.
    alone = {"processes": 1} if "processes" in inspect.signature(function).parameters else {}
    try:
        more = OURS[function].again(Lake.of(lake), arguments["name"]) if function in OURS else {}
        report = function(lake=lake, **arguments, **alone, **more)
        failures = [str(failure) for failure in failures_of(report)]
        results, notices = scalars_of(report), [str(notice) for notice in getattr(report, "notices", ())]
        name = run_of(report, arguments["name"])
    # Any kind: mechanisms, modifiers and functions are other people's code.
    except Exception as error:  # noqa: BLE001
        name, failures, results, notices = None, [_reason(error)], {}, []
    return Simulated(name, failures, results, notices, time.perf_counter() - began)


def _reason(error: BaseException) -> str:
    if isinstance(error, NeurolakeError):
        return str(error)
    place = traceback.format_tb(error.__traceback__)[-1].strip().splitlines()[0]
    return f"{type(error).__name__}: {error} ({place})"


class _Ledger:
    """Asks results of finished combinations, and notes them in the lake in batches."""

    def __init__(
        self,
        lake: Lake,
        sweep: str,
        function: str,
        results: Mapping[str, Result],
        report: SweepReport,
        planned: int,
    ) -> None:
        self._planned = planned
        self._lake, self._sweep, self._function = lake, sweep, function
        self._results, self._report = results, report
        self._ready: list[Row] = []
        self._before = {(row["sweep"], row["key"]): row for row in stored_rows(lake)}
        self._last = time.monotonic()

    def again(self, one: Combination, before: Row) -> None:
        """Take a combination that was done before, here or in another sweep."""
        self._report.unchanged += 1
        row = {**before, "sweep": self._sweep, "parameters": as_text(one.values)}
        self._put(self._with_results(row, {}))

    def add(self, one: Combination, outcome: Simulated) -> None:
        """Take a combination that was simulated, or failed."""
        row: Row = {
            "sweep": self._sweep,
            "run": outcome.run,
            "function": self._function,
            "parameters": as_text(one.values),
            "results": as_text(outcome.results),
            "state": FAILED if outcome.failures else DONE,
            "reason": "; ".join(outcome.failures) or None,
            "seconds": outcome.seconds,
            "key": one.key,
            "extent": one.extent,
        }
        self._report.notices += [told for told in outcome.notices if told not in self._report.notices]
        if outcome.failures:
            told = f" and {len(outcome.failures) - 1} more" if len(outcome.failures) > 1 else ""
            self._report.failures.append(f"{_told(one.values)}: {outcome.failures[0]}{told}")
            self._put(row)
        else:
            self._report.done += 1
            self._put(self._with_results(row, outcome.results))

    def _with_results(self, row: Row, returned: Mapping[str, Any]) -> Row:
        found, wrong = asked(self._lake, row["run"], self._results)
        self._report.notices += wrong
        return {**row, "results": as_text({**json.loads(row["results"]), **returned, **found})}

    def _put(self, row: Row) -> None:
        self._report.rows.append(row)
        if self._before.get((row["sweep"], row["key"])) != row:
            self._ready.append(row)
        if len(self._ready) >= BATCH or time.monotonic() - self._last > PATIENCE:
            self.land()

    def land(self) -> None:
        """Commit what is not noted yet."""
        ready, self._ready = self._ready, []
        self._last = time.monotonic()
        if ready:
            self._report.commit = put_rows(self._lake, ready, self._planned)
