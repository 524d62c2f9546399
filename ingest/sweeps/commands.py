"""The command that sweeps parameters."""

import math
import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ...lake.console import SIMULATE, Json, LakePath, Listing, err, out, print_json, progress
from ...lake.errors import INCOMPLETE, InputError
from ..runs.commands import assignment

app = typer.Typer()

_RANGE = re.compile(r"(-?\d+):(-?\d+)")


@app.command("sweep", rich_help_panel=SIMULATE)
def sweep_command(
    function: Annotated[str, typer.Argument(help="What simulates: run or run-network.")],
    lake: LakePath,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="NAME=VALUE: an argument of neurolake's function of that name, for all combinations; VALUE is JSON, or "
            "else text. May be repeated.",
        ),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            help="PATH=V1,V2,V3: the values of an argument or of a parameter; A:B is all whole numbers from A on, below B, "
            "and [..] a list of JSON. Repeated, it is a grid.",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="CSV, JSON or YAML file of a grid, or of combinations, one a row."),
    ] = None,
    result: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=SQL: a scalar of each run, whose name is $run, or {run} within names of tables. May be repeated."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Of the sweep, and of its runs.")] = "sweep",
    scheduler: Annotated[
        str | None,
        typer.Option(help="Dask scheduler, such as tcp://host:8786, whose workers see the same files."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes of this machine; default: cores.")
    ] = None,
    json: Json = False,
) -> None:
    """Simulate a run for each combination of parameters; those that are done are skipped, those that failed tried again.

    Example: neurolake sweep run --with cell=cell.param --with trials=4 --with t_stop=150 --over seed=0:5 --lake my-lake

    Raises
    ------
    InputError
        There is no such function, or nothing to go over, or too much.
    """
    from ...lake import Lake
    from .prepared import OURS
    from .sweeps import sweep

    known = {one.name.replace("_", "-"): one.function for one in OURS.values()}
    if function not in known:
        raise InputError(f"sweep {function}: what can be swept is {', '.join(known)}")
    if (table is None) == (not over):
        raise InputError("give --over PATH=VALUES, or --table FILE")
    arguments = dict(assignment(text, "--with") for text in given or [])
    target = Lake.of(lake, create=True)
    asked: dict[str, Any] = {}
    for text in result or []:
        key, equals, query = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--result {text}: write NAME=SQL")
        asked[key.strip()] = query
    with progress("Sweeping", objects=True) as advance:
        report = sweep(
            partial(known[function], target, **arguments),
            table if table is not None else dict(_values(text) for text in over or []),
            name=name,
            results=asked,
            scheduler=scheduler,
            processes=processes,
            progress=advance,
        )
    for notice in [*report.notices, *(f"failed: {failure}" for failure in report.failures)]:
        err.print(notice, style="yellow")
    if json:
        print_json(report)
    else:
        frame = report.frame()
        listing = Listing(*frame.columns)
        for row in frame.itertuples(index=False):
            listing.add_row(*map(_shown, row))
        out.print(listing)
        out.say(report.summary(target.url))
    if report.failures:
        raise typer.Exit(INCOMPLETE)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return "" if value is None else str(value)


def _values(text: str) -> tuple[str, Any]:
    path, equals, values = text.partition("=")
    if not equals or not path.strip():
        raise InputError(f"--over {text}: write PATH=V1,V2,V3")
    bounds = _RANGE.fullmatch(values.strip())
    if bounds:
        return path.strip(), range(int(bounds[1]), int(bounds[2]))
    if values.strip().startswith("["):
        return assignment(text, "--over")
    return path.strip(), [assignment(f"{path}={value}", "--over")[1] for value in values.split(",")]
