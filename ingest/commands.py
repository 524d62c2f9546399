"""Commands that bring results into a lake, and write them out again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperGroup

from ..lake.console import (
    CIRCUITS,
    SIMULATE,
    WRITE,
    Branch,
    Json,
    LakePath,
    Ref,
    err,
    out,
    print_json,
    progress,
)
from ..lake.errors import INCOMPLETE, InputError
from .building.commands import app as build_app
from .contacts.commands import touches_command
from .glia.commands import ngv_command, ngv_example_command
from .lfp import commands as lfp_commands
from .networks.commands import app as networks_app
from .runs.commands import app as runs_app
from .runs.commands import run_command
from .runs.parameter_commands import app as parameters_app
from .simrun.map_command import app as map_app
from .sweeps.commands import app as sweeps_app
from .synthesis.commands import app as synthesis_app

if TYPE_CHECKING:
    from .source import Ingested, OnError

__all__ = ["app", "export_simrun_command", "ingest_simrun_command", "run_command"]

OnErrorOption = Annotated[str, typer.Option(help="stop: nothing is stored; skip: leave out what is bad.")]
Message = Annotated[str | None, typer.Option("--message", "-m", help="The commit's message.")]

RECOGNISE = "auto"


class Recognising(TyperGroup):
    """Commands by format; what names none of them is a path, whose format is recognised."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the command that recognises a path before arguments that begin with no command.

        Parameters
        ----------
        ctx
            Click's context.
        args
            Arguments of the command line.
        """
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [RECOGNISE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer()
ingest_app = typer.Typer(
    cls=Recognising,
    help="Bring results into a lake: `neurolake ingest PATH` recognises what it is, and the commands have all options.",
    no_args_is_help=True,
)
export_app = typer.Typer(
    help="Write results out of a lake, in the format they came in.", no_args_is_help=True
)
app.add_typer(ingest_app, name="ingest", rich_help_panel=WRITE)
app.add_typer(export_app, name="export", rich_help_panel=WRITE)
ingest_app.add_typer(lfp_commands.ingest_app)
export_app.add_typer(lfp_commands.export_app)
app.add_typer(runs_app)
app.add_typer(sweeps_app)
build_app.command("touches")(touches_command)
app.add_typer(networks_app)
app.add_typer(build_app, name="build", rich_help_panel=CIRCUITS)
app.add_typer(synthesis_app, name="synthesis", rich_help_panel=CIRCUITS)
build_app.command("ngv")(ngv_command)
build_app.command("ngv-example")(ngv_example_command)
app.add_typer(parameters_app, name="parameters", rich_help_panel=SIMULATE)
app.add_typer(map_app)


@ingest_app.command(RECOGNISE)
def ingest_command(
    path: Annotated[Path, typer.Argument(help="A file or folder of a known format.", show_default=False)],
    lake: LakePath,
    format: Annotated[
        str | None,
        typer.Option(
            help="simrun, sonata, neuroh5, ngv, electrodes, field or segments; by default what PATH is."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What the names of nodes contain; by default as the file or folder is.")
    ] = None,
    nodes: Annotated[str | None, typer.Option(help="Table of the cells that have the morphologies.")] = None,
    on_error: OnErrorOption = "stop",
    branch: Branch = "main",
    message: Message = None,
    json: Json = False,
) -> None:
    """Recognise what PATH is and ingest it, in one commit; `neurolake ingest PATH` is the same.

    The lake is made if it is not there. Run again, it adds what is new and nothing else.

    Example: neurolake ingest auto results/ --lake my-lake
    """
    from .door import ingest
    from .formats import recognised

    if format is None:
        source, what = recognised(path)
        (err.detail if json else out.say)(f"{path} is {what}.")
        format = source.name
    with progress("Ingesting") as advance:
        report = ingest(
            lake,
            path,
            format=format,
            name=name,
            nodes=nodes,
            on_error=_on_error(on_error),
            branch=branch,
            message=message,
            progress=advance,
        )
    _tell(report, json)


@ingest_app.command("simrun")
def ingest_simrun_command(
    results: Annotated[Path, typer.Argument(help="A folder with simrun directories at any depth.")],
    lake: LakePath,
    label: Annotated[
        list[str] | None,
        typer.Option(help="NAME=REGEX: a column of `trials`, cut from sim_trial_index. May be repeated."),
    ] = None,
    on_error: OnErrorOption = "stop",
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler, such as tcp://host:8786.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes of this machine; default: cores.")
    ] = None,
    soma_threshold: Annotated[float, typer.Option(help="Somatic spike threshold in mV.")] = 0.0,
    dendrite_threshold: Annotated[float, typer.Option(help="Dendritic spike threshold in mV.")] = -30.0,
    branch: Branch = "main",
    message: Message = None,
    json: Json = False,
) -> None:
    """Ingest simrun results of the In Silico Framework, in one commit.

    The lake is made if it is not there. Run again, it adds what is new and nothing else.

    Example: neurolake ingest simrun results/ --lake my-lake --label whisker='stim_([A-E][1-4])'
    """
    from ..lake import Lake
    from .simrun.ingest import ingest_simrun

    target = Lake.of(lake, create=True)
    with progress("Ingesting") as advance:
        report = ingest_simrun(
            target,
            results,
            labels=dict(map(_label, label or [])),
            on_error=_on_error(on_error),
            scheduler=scheduler,
            processes=processes,
            soma_threshold=soma_threshold,
            dendrite_threshold=dendrite_threshold,
            branch=branch,
            message=message,
            progress=advance,
        )
    _tell(report, json)


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
            help="Weights as sonata (mV/nA) or bluerecording (V/nA; before 0.7 columns by sorted name) has them."
        ),
    ] = "sonata",
    on_error: OnErrorOption = "stop",
    branch: Branch = "main",
    message: Message = None,
    json: Json = False,
) -> None:
    """Ingest a SONATA circuit, simulation or HDF5 file, in one commit.

    The lake is made if it is not there. Run again, it adds what is new and nothing else.

    Example: neurolake ingest sonata simulation_config.json --lake my-lake --name run1
    """
    from ..lake import Lake
    from .sonata.ingest import ingest_sonata

    target = Lake.of(lake, create=True)
    with progress("Ingesting") as advance:
        report = ingest_sonata(
            target,
            source,
            name=name,
            electrodes=electrodes,
            on_error=_on_error(on_error),
            branch=branch,
            message=message,
            progress=advance,
        )
    _tell(report, json)


@ingest_app.command("neuroh5")
def ingest_neuroh5_command(
    files: Annotated[
        list[Path], typer.Argument(help="HDF5 files of one network together, or the folder that has them.")
    ],
    lake: LakePath,
    name: Annotated[
        str | None,
        typer.Option(help="What to call the circuit; default: the file, or the folder of several."),
    ] = None,
    repeated: Annotated[
        str,
        typer.Option(
            help="Cells that a step wrote several times, because it ran twice: error, or take the first or last."
        ),
    ] = "error",
    branch: Branch = "main",
    message: Message = None,
    json: Json = False,
) -> None:
    """Ingest files of NeuroH5, which MiV-Simulator writes and reads, as one circuit, in one commit.

    The lake is made if it is not there. Run again, it adds what is new and nothing else.

    Example: neurolake ingest neuroh5 cells.h5 connections.h5 --lake my-lake --name net
    """
    from ..lake import Lake
    from .neuroh5.ingest import ingest_neuroh5

    target = Lake.of(lake, create=True)
    with progress("Ingesting") as advance:
        report = ingest_neuroh5(
            target,
            files,
            name=name,
            repeated=repeated,
            branch=branch,
            message=message,
            progress=advance,
        )
    _tell(report, json)


@ingest_app.command("ngv")
def ingest_ngv_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="ngv_config.json, a folder of a build or of inputs, or files; together one circuit."
        ),
    ],
    lake: LakePath,
    name: Annotated[str | None, typer.Option(help="What to call the circuit; default: the folder.")] = None,
    neurons: Annotated[
        str | None, typer.Option(help="Circuit of the lake that has the neurons, whose files are left alone.")
    ] = None,
    on_error: OnErrorOption = "stop",
    branch: Branch = "main",
    message: Message = None,
    json: Json = False,
) -> None:
    """Ingest a circuit of neurons, glia and vessels, as ArchNGV writes it, in one commit.

    The lake is made if it is not there. Run again, it adds what is new and nothing else.

    Example: neurolake ingest ngv build/ngv_config.json --lake my-lake --name column
    """
    from ..lake import Lake
    from .ngv.ingest import ingest_ngv

    target = Lake.of(lake, create=True)
    with progress("Ingesting") as advance:
        report = ingest_ngv(
            target,
            paths,
            name=name,
            neurons=neurons,
            on_error=_on_error(on_error),
            branch=branch,
            message=message,
            progress=advance,
        )
    _tell(report, json)


@build_app.command("example")
def build_example_command(
    folder: Annotated[
        Path, typer.Argument(help="Where to write; empty or not there yet.", show_default=False)
    ],
) -> None:
    """Write the configuration of an example network, and the trees of its cells.

    Example: neurolake build example my-network
    """
    from .demo import write_demo_network

    out.say(f"Wrote {write_demo_network(folder)}: neurolake build network takes it")


def _on_error(text: str) -> "OnError":
    if text not in ("stop", "skip"):
        raise InputError(f"--on-error is 'stop' or 'skip', not {text!r}")
    return cast("OnError", text)


def _tell(report: "Ingested", json: bool) -> None:
    for problem in report.problems():
        err.print(problem, style="yellow")
    if json:
        print_json(report)
    else:
        out.say(report.summary())
    if not report.complete:
        raise typer.Exit(INCOMPLETE)


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
    out.say(f"Wrote {files} files ({size / 1e6:,.1f} MB) to {folder}")


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
    out.say(f"Wrote {files} files ({size / 1e6:,.1f} MB) to {folder}")


@export_app.command("neuroh5")
def export_neuroh5_command(
    folder: Annotated[Path, typer.Argument(help="Where to write; empty or not there yet.")],
    lake: LakePath,
    at: Ref = "main",
    name: Annotated[str | None, typer.Option(help="The circuit; may be left out if there is one.")] = None,
    dialect: Annotated[
        str,
        typer.Option(
            help="source: the files that came in; collapsed: files of Cells, Connections, inputs, results."
        ),
    ] = "source",
) -> None:
    """Write a circuit as files of NeuroH5, which MiV-Simulator reads.

    Example: neurolake export neuroh5 copy/ --lake my-lake --name net --dialect collapsed
    """
    from ..lake import Lake
    from .neuroh5.export import export_neuroh5

    with progress("Exporting") as advance:
        files, size = export_neuroh5(
            Lake.open(lake).at(at), folder, name=name, dialect=dialect, progress=advance
        )
    out.say(f"Wrote {files} files ({size / 1e6:,.1f} MB) to {folder}")


@export_app.command("ngv")
def export_ngv_command(
    folder: Annotated[Path, typer.Argument(help="Where to write; empty or not there yet.")],
    lake: LakePath,
    name: Annotated[
        str | None, typer.Option(help="The circuit; may be left out if the lake has one.")
    ] = None,
    at: Ref = "main",
    dialect: Annotated[
        str,
        typer.Option(help="source: the files that came in; archngv: the tree that ArchNGV writes and reads."),
    ] = "source",
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this part: config, neurons, astrocytes, vasculature, gliovascular, neuroglial, glialglial, domains, "
            "endfeet, morphologies, atlas, mesh, vessels, touches or files; with archngv also graph and vtk, "
            "which are vessels in other formats. May be repeated."
        ),
    ] = None,
) -> None:
    """Write a circuit of neurons, glia and vessels, for ArchNGV, libsonata and bluepysnap.

    Example: neurolake export ngv circuit/ --lake my-lake --name column
    """
    from ..lake import Lake
    from .ngv.export import export_ngv

    with progress("Exporting") as advance:
        files, size = export_ngv(
            Lake.open(lake).at(at), folder, name=name, dialect=dialect, only=only, progress=advance
        )
    out.say(f"Wrote {files} files ({size / 1e6:,.1f} MB) to {folder}")
