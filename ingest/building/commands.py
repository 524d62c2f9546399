"""Commands that build circuits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from ...lake.console import Branch, Json, LakePath, err, out, print_json
from ...lake.errors import InputError

app = typer.Typer(help="Build circuits from a configuration.", no_args_is_help=True)


@app.command("network")
def network_command(
    configuration: Annotated[
        Path, typer.Argument(help="YAML with MiV-Simulator's keys.", show_default=False)
    ],
    lake: LakePath,
    name: Annotated[
        str | None, typer.Option(help="What to call the circuit; default: its Model Name.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all random numbers.")] = 0,
    check: Annotated[bool, typer.Option("--check", help="Only tell what is wrong; build nothing.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this step, such as connections. May be repeated.")
    ] = None,
    reproduce: Annotated[
        str | None, typer.Option(help="miv: place synapses as MiV-Simulator does, for its statistics.")
    ] = None,
    morphologies: Annotated[
        Path | None, typer.Option(help="Folder with POPULATION.swc, where the configuration names no file.")
    ] = None,
    map: Annotated[
        list[str] | None,
        typer.Option(help="OLD=NEW: what a beginning of file names becomes. May be repeated."),
    ] = None,
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler, such as tcp://host:8786.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes of this machine; default: threads of this one.")
    ] = None,
    branch: Branch = "main",
    message: Annotated[str | None, typer.Option("--message", "-m", help="The commit's message.")] = None,
    json: Json = False,
) -> None:
    """Build a network: cells, trees, synapses, edges and inputs, each step computed once.

    Build again after a change, and only what follows from the change is computed.

    Example: neurolake build network Microcircuit_Small.yaml --lake my-lake --name ca1

    Raises
    ------
    InputError
        The configuration has errors, or an option cannot be used.
    """
    from .network import check as problems_of
    from .network import network

    if check:
        tell_problems(problems_of(configuration), configuration, json)
        return
    report = network(
        lake,
        configuration,
        name,
        seed=seed,
        only=only,
        reproduce=cast("Literal['miv'] | None", reproduce),
        morphologies=morphologies,
        maps=mapped(map, "OLD=NEW"),
        scheduler=scheduler,
        processes=processes,
        branch=branch,
        message=message,
        progress=lambda step: err.detail(f"{step} …"),
    )
    tell_report(report, json)


def mapped(given: Sequence[str] | None, form: str) -> dict[str, str]:
    """Return what ``--map`` says: what beginnings of file names become.

    Parameters
    ----------
    given
        Texts of that option.
    form
        How the command's help writes one, such as ``OLD=NEW``.

    Raises
    ------
    InputError
        One is no such pair.
    """
    pairs = [(text, *text.partition("=")) for text in given or ()]
    for text, old, equals, _ in pairs:
        if not equals or not old:
            raise InputError(f"--map {text}: write {form}")
    return {old: new for _, old, _, new in pairs}


def tell_problems(problems: Sequence[Any], path: Path, json: bool) -> None:
    """Print what is wrong with a configuration.

    Parameters
    ----------
    problems
        Problems with a ``level``, which is ``error`` for those that forbid to build.
    path
        The configuration.
    json
        Whether JSON is wanted.

    Raises
    ------
    InputError
        There are errors.
    """
    if json:
        print_json(problems)
    for problem in () if json else problems:
        out.print(str(problem))
    errors = sum(problem.level == "error" for problem in problems)
    if errors:
        raise InputError(f"{errors} errors in {path}")
    if not json:
        out.say(f"{path}: no errors, {len(problems)} notices")


def tell_report(report: object, json: bool) -> None:
    """Print what a build did.

    Parameters
    ----------
    report
        Says it as text.
    json
        Whether JSON is wanted.
    """
    if json:
        print_json(report)
    else:
        out.say(str(report))
