"""Commands that build circuits of glia."""

from pathlib import Path
from typing import Annotated

import typer

from ...lake.console import Branch, Json, LakePath, err, out
from ..building.commands import mapped, tell_problems, tell_report


def ngv_command(
    manifest: Annotated[Path, typer.Argument(help="ArchNGV's MANIFEST.yaml.", show_default=False)],
    lake: LakePath,
    name: Annotated[str, typer.Option(help="What to call the circuit.", show_default=False)],
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of all random numbers; default: the manifest's.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only tell what is wrong; build nothing.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this stage, such as domains. May be repeated.")
    ] = None,
    neurons: Annotated[
        str | None, typer.Option(help="Circuit of the lake that has the neurons; default: the manifest's.")
    ] = None,
    map: Annotated[
        list[str] | None,
        typer.Option(help="FROM=TO: what a beginning of file names becomes. May be repeated."),
    ] = None,
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler, such as tcp://host:8786.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes of this machine; default: threads of this one.")
    ] = None,
    branch: Branch = "main",
    message: Annotated[str | None, typer.Option("--message", "-m", help="The commit's message.")] = None,
    json: Json = False,
) -> None:
    """Build astrocytes between vessels and neurons: somata to gap junctions, each stage computed once.

    Build again after a change, and only what follows from the change is computed.

    Example: neurolake build ngv MANIFEST.yaml --lake my-lake --name cortex

    Raises
    ------
    InputError
        The manifest has errors, or an option cannot be used.
    """
    from .stages import check_ngv, ngv

    maps = mapped(map, "FROM=TO")
    if check:
        tell_problems(check_ngv(manifest, maps), manifest, json)
        return
    report = ngv(
        lake,
        manifest,
        name,
        seed=seed,
        only=only,
        neurons=neurons,
        maps=maps,
        scheduler=scheduler,
        processes=processes,
        branch=branch,
        message=message,
        progress=lambda stage: err.detail(f"{stage} …"),
    )
    tell_report(report, json)


def ngv_example_command(
    folder: Annotated[
        Path, typer.Argument(help="Where to write; empty or not there yet.", show_default=False)
    ],
    astrocytes: Annotated[int, typer.Option(min=10, help="How many astrocytes to make room for.")] = 500,
) -> None:
    """Write an example of a circuit with glia: atlas, vessels, neurons with synapses, and the manifest.

    Example: neurolake build ngv-example my-glia
    """
    from .example import write_example_ngv

    out.say(f"Wrote {write_example_ngv(folder, astrocytes)}: neurolake build ngv takes it")
