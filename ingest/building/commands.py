"""Commands that build circuits."""

from pathlib import Path
from typing import Annotated, Literal, cast

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
        problems = problems_of(configuration)
        if json:
            print_json(problems)
        for problem in () if json else problems:
            out.print(str(problem))
        errors = sum(problem.level == "error" for problem in problems)
        if errors:
            raise InputError(f"{errors} errors in {configuration}")
        if not json:
            out.say(f"{configuration}: no errors, {len(problems)} notices")
        return
    report = network(
        lake,
        configuration,
        name,
        seed=seed,
        only=only,
        reproduce=cast("Literal['miv'] | None", reproduce),
        morphologies=morphologies,
        maps=dict(_pair(text) for text in map or ()),
        scheduler=scheduler,
        processes=processes,
        branch=branch,
        message=message,
        progress=lambda step: err.detail(f"{step} …"),
    )
    if json:
        print_json(report)
    else:
        out.say(str(report))


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals or not old:
        raise InputError(f"--map {text}: write OLD=NEW")
    return old, new
