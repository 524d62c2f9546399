"""Commands that simulate trials into a lake."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...lake.console import SIMULATE, Json, LakePath, err, out, print_json, progress
from ...lake.errors import INCOMPLETE, InputError, NotFoundError

if TYPE_CHECKING:
    from .runs import RunReport

app = typer.Typer()

Mapped = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help="Where files are that parameters name on another machine: OLD=NEW, for what a path begins with or is "
        "called, or a folder to look in for that name. May be repeated.",
    ),
]
Scheduler = Annotated[str | None, typer.Option(help="Dask scheduler, such as tcp://host:8786.")]
Processes = Annotated[int | None, typer.Option(min=1, help="Processes of this machine; default: cores.")]
Mechanisms = Annotated[
    list[Path] | None, typer.Option(help="Folder of .mod files besides our own. May be repeated.")
]
Record = Annotated[
    str, typer.Option(help="soma, site and all-segments: with variables, as soma,all-segments:v,i_membrane.")
]
DtRecord = Annotated[
    float | None, typer.Option(help="Interval of frames of all segments in ms; default: every time step.")
]
Lfp = Annotated[
    list[str] | None,
    typer.Option(
        "--lfp",
        help="Table of electrodes, coefficients or weights of the lake, such as electrodes/probe, or NAME=NODE: what they "
        "record is kept as lfp/RUN/NUMBER/NAME. May be repeated.",
    ),
]
Morphology = Annotated[Path | None, typer.Option(help="Use this .hoc or .swc file.")]
Values = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="PATH=VALUE: a parameter that is to be another than in its file, such as "
        "neuron.Soma.properties.Ra=150; VALUE is JSON, or else text. May be repeated.",
    ),
]


def assignment(text: str, option: str) -> tuple[str, Any]:
    """Return the name and the value of ``NAME=VALUE``; the value is JSON, or else text.

    Parameters
    ----------
    text
        What was given.
    option
        The option's name, for the message.

    Raises
    ------
    InputError
        It has no name or no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InputError(f"{option} {text}: write NAME=VALUE")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


def probes(given: list[str] | None) -> dict[str, str]:
    """Return nodes of electrodes or coefficients by the names of their signals.

    Parameters
    ----------
    given
        Nodes, or ``NAME=NODE``.

    Raises
    ------
    InputError
        A name is there twice, or is no part of a node's name.
    """
    from ..lfp.online import named_probes

    named: list[tuple[str, str]] = []
    for text in given or []:
        name, equals, node = text.partition("=")
        named += [(name, node)] if equals else named_probes(text).items()
    found = named_probes(dict(named))
    if len(found) < len(named):
        raise InputError("--lfp: two signals have the same name; write NAME=NODE")
    return found


@app.command("run", rich_help_panel=SIMULATE)
def run_command(
    cell: Annotated[Path, typer.Option(help="Parameter file of the cell.")],
    lake: LakePath,
    trials: Annotated[int, typer.Option(min=1, help="How many trials the run is to have.")],
    network: Annotated[
        Path | None, typer.Option(help="Parameter file of the network; none: no input.")
    ] = None,
    tstop: Annotated[float | None, typer.Option(help="End of a trial in ms; default: the cell's.")] = None,
    name: Annotated[
        str | None, typer.Option(help="The run is NAME/seed<seed>; default: name of the network's file.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of all that is random; default: the run's that goes on, or drawn.")
    ] = None,
    record: Record = "soma,site",
    dt_record: DtRecord = None,
    lfp: Lfp = None,
    synapses: Annotated[Path | None, typer.Option(help="Use this .syn file.")] = None,
    connections: Annotated[Path | None, typer.Option(help="Use this .con file.")] = None,
    morphology: Morphology = None,
    mechanisms: Mechanisms = None,
    mapped: Mapped = None,
    values: Values = None,
    scheduler: Scheduler = None,
    processes: Processes = None,
    json: Json = False,
) -> None:
    """Simulate trials of a cell and its network with NEURON, into a lake, which is made if it is not there.

    Finished trials are committed in batches; Ctrl-C keeps them, and the same command goes on with the others.

    Example: neurolake run --cell cell.param --network network.param --trials 200 --tstop 300 --lake my-lake
    """
    from .runs import run

    with _told(lake, json) as (target, advance, tell):
        tell(
            run(
                target,
                cell,
                network,
                trials=trials,
                t_stop=tstop,
                name=name,
                seed=seed,
                record=record,
                dt_record=dt_record,
                lfp=probes(lfp),
                morphology=morphology,
                synapses=synapses,
                connections=connections,
                mechanisms=mechanisms or (),
                paths=mapped or (),
                values=dict(assignment(text, "--set") for text in values or []),
                scheduler=scheduler,
                processes=processes,
                progress=advance,
            )
        )


@contextmanager
def _told(lake: str, json: bool, *, create: bool = True) -> Iterator[tuple[Any, Any, Any]]:
    """The lake, what shows progress, and what tells of a report; what was kept is told."""
    from ...lake import Lake

    try:
        target = Lake.open(lake)
    except NotFoundError:
        if not create:
            raise
        target = Lake.create(lake)
    reports: list[RunReport] = []
    with progress("Simulating", objects=True) as advance:
        yield target, advance, reports.append
    for report in reports:
        for notice in [*report.notices, *map(str, report.failures)]:
            err.print(notice, style="yellow")
        if json:
            print_json(report)
        else:
            out.say(report.summary(target.url))
    if any(report.failures for report in reports):
        raise typer.Exit(INCOMPLETE)


@app.command("rerun", rich_help_panel=SIMULATE)
def rerun_command(
    lake: LakePath,
    name: Annotated[str, typer.Option(help="The new run of a run R is NAME/R.")],
    trial: Annotated[
        list[str] | None,
        typer.Option(help="sim_trial_index of a trial, or a run. May be repeated; default: all."),
    ] = None,
    modify: Annotated[
        list[str] | None,
        typer.Option(help="FUNCTION=JSON, such as scale_weights='{\"factor\": 0.5}'. May be repeated."),
    ] = None,
    tstop: Annotated[float | None, typer.Option(help="End of a trial in ms; default: as it was.")] = None,
    record: Record = "soma,site",
    dt_record: DtRecord = None,
    lfp: Lfp = None,
    morphology: Morphology = None,
    mechanisms: Mechanisms = None,
    mapped: Mapped = None,
    scheduler: Scheduler = None,
    processes: Processes = None,
    json: Json = False,
) -> None:
    """Simulate stored trials again, with the activations that they had, and something changed.

    Example: neurolake rerun --lake my-lake --name weak --modify 'scale_weights={"factor": 0.5}'
    """
    from .reruns import rerun

    with _told(lake, json, create=False) as (target, advance, tell):
        for report in rerun(
            target,
            trial,
            name=name,
            modify=list(map(_modification, modify or [])),
            t_stop=tstop,
            record=record,
            dt_record=dt_record,
            lfp=probes(lfp),
            morphology=morphology,
            mechanisms=mechanisms,
            paths=mapped or (),
            scheduler=scheduler,
            processes=processes,
            progress=advance,
        ):
            tell(report)


def _modification(text: str) -> tuple[str, dict[str, Any]]:
    name, equals, arguments = text.partition("=")
    try:
        found = json.loads(arguments) if equals else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(f"--modify {text}: write FUNCTION=JSON, the JSON being a dictionary of arguments")
    return name, found
