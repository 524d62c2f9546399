"""Commands that bring results into a lake, and write them out again."""

from pathlib import Path
from typing import Annotated

import typer

from ..lake.console import LakePath, Ref, err, out, progress
from ..lake.errors import InputError, NotFoundError
from .lfp import commands as lfp_commands
from .runs.commands import app as runs_app
from .runs.commands import run_command

__all__ = ["app", "export_simrun_command", "ingest_simrun_command", "run_command"]

LEFT_OUT = 3

app = typer.Typer()
ingest_app = typer.Typer(help="Bring results into a lake.", no_args_is_help=True)
export_app = typer.Typer(
    help="Write results out of a lake, in the format they came in.", no_args_is_help=True
)
app.add_typer(ingest_app, name="ingest")
app.add_typer(export_app, name="export")
ingest_app.add_typer(lfp_commands.ingest_app)
export_app.add_typer(lfp_commands.export_app)
app.add_typer(runs_app)


@ingest_app.command("simrun")
def ingest_simrun_command(
    results: Annotated[Path, typer.Argument(help="A folder with simrun directories at any depth.")],
    lake: LakePath,
    label: Annotated[
        list[str] | None,
        typer.Option(help="NAME=REGEX: a column of `trials`, cut from sim_trial_index. May be repeated."),
    ] = None,
    on_error: Annotated[
        str, typer.Option(help="stop: at the first bad file, with nothing stored; skip: leave its run out.")
    ] = "stop",
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler, such as tcp://host:8786.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes of this machine; default: cores.")
    ] = None,
    soma_threshold: Annotated[float, typer.Option(help="Somatic spike threshold in mV.")] = 0.0,
    dendrite_threshold: Annotated[float, typer.Option(help="Dendritic spike threshold in mV.")] = -30.0,
    message: Annotated[str | None, typer.Option("--message", "-m", help="The commit's message.")] = None,
) -> None:
    """Ingest simrun results of the In Silico Framework, in one commit.

    The lake is made if it is not there. Run again, it adds what is new and nothing else.

    Example: neurolake ingest simrun results/ --lake my-lake --label whisker='stim_([A-E][1-4])'
    """
    from ..lake import Lake
    from .simrun.ingest import ingest_simrun

    try:
        target = Lake.open(lake)
    except NotFoundError:
        target = Lake.create(lake)
    with progress("Ingesting") as advance:
        report = ingest_simrun(
            target,
            results,
            labels=dict(map(_label, label or [])),
            on_error=on_error,
            scheduler=scheduler,
            processes=processes,
            soma_threshold=soma_threshold,
            dendrite_threshold=dendrite_threshold,
            message=message,
            progress=advance,
        )
    for notice in report.notices():
        err.print(notice, style="yellow")
    out.print(report.summary(target.url))
    if not report.complete:
        raise typer.Exit(LEFT_OUT)


@ingest_app.command("sonata")
def ingest_sonata_command(
    source: Annotated[
        Path, typer.Argument(help="simulation_config.json, circuit_config.json or an HDF5 file.")
    ],
    lake: LakePath,
    name: Annotated[
        str | None, typer.Option(help="What to call it in the names of nodes; default: its folder.")
    ] = None,
    electrodes: Annotated[
        str,
        typer.Option(
            help="Weights as sonata (mV/nA) or bluerecording (V/nA, columns by sorted name) has them."
        ),
    ] = "sonata",
    on_error: Annotated[
        str, typer.Option(help="stop: nothing is stored; skip: leave out files and attributes that are bad.")
    ] = "stop",
    message: Annotated[str | None, typer.Option("--message", "-m", help="The commit's message.")] = None,
) -> None:
    """Ingest a SONATA circuit, simulation or HDF5 file, in one commit.

    The lake is made if it is not there. Run again, it adds what is new and nothing else.

    Example: neurolake ingest sonata simulation_config.json --lake my-lake --name run1
    """
    from ..lake import Lake
    from .sonata.ingest import ingest_sonata

    try:
        target = Lake.open(lake)
    except NotFoundError:
        target = Lake.create(lake)
    with progress("Ingesting") as advance:
        report = ingest_sonata(
            target,
            source,
            name=name,
            electrodes=electrodes,
            on_error=on_error,
            message=message,
            progress=advance,
        )
    for notice in [*report.notices, *(f"left out: {error}" for error in report.failures)]:
        err.print(notice, style="yellow")
    out.print(report.summary(target.url))
    if not report.complete:
        raise typer.Exit(LEFT_OUT)


def _label(text: str) -> tuple[str, str]:
    name, equals, expression = text.partition("=")
    if not equals:
        raise InputError(f"--label {text}: write NAME=REGEX, such as whisker='stim_([A-E][1-4])'")
    return name, expression


@export_app.command("simrun")
def export_simrun_command(
    folder: Annotated[Path, typer.Argument(help="Where to write; empty or not there yet.")],
    lake: LakePath,
    at: Ref = "main",
    run: Annotated[list[str] | None, typer.Option(help="Only this run directory. May be repeated.")] = None,
) -> None:
    """Write ingested results out as the simrun tree they came from.

    Example: neurolake export simrun copy/ --lake my-lake
    """
    from ..lake import Lake
    from .simrun.export import export_simrun

    with progress("Exporting") as advance:
        files, size = export_simrun(Lake.open(lake).at(at), folder, runs=run, progress=advance)
    out.print(f"Wrote {files} files ({size / 1e6:,.1f} MB) to {folder}")


@export_app.command("sonata")
def export_sonata_command(
    folder: Annotated[Path, typer.Argument(help="Where to write; empty or not there yet.")],
    lake: LakePath,
    at: Ref = "main",
    run: Annotated[
        list[str] | None, typer.Option(help="Only the ingest of this name. May be repeated.")
    ] = None,
    dialect: Annotated[
        str,
        typer.Option(help="source: the files that came in; libsonata: what libsonata and bluepysnap read."),
    ] = "source",
) -> None:
    """Write circuits, spikes, reports and weights out as SONATA.

    Example: neurolake export sonata copy/ --lake my-lake --run run1
    """
    from ..lake import Lake
    from .sonata.export import export_sonata

    with progress("Exporting") as advance:
        files, size = export_sonata(
            Lake.open(lake).at(at), folder, runs=run, dialect=dialect, progress=advance
        )
    out.print(f"Wrote {files} files ({size / 1e6:,.1f} MB) to {folder}")
