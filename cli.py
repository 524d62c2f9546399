"""The command line: the commands of all rooms; everything they do can be done from Python."""

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from . import __version__
from .ingest import commands as ingest_commands
from .ingest.lfp.commands import lfp_app
from .lake import commands as lake_commands
from .lake.console import SIMULATE, Commands, Terminal, out, tell
from .lake.errors import NeurolakeError, StorageError
from .query import commands as query_commands
from .query.lfp import commands as lfp_commands

app = typer.Typer(
    name="neurolake",
    help="A versioned, content-addressed data lake for neural simulation.",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# What compares files is below what asks lakes, and a group has one app.
lfp_commands.app.add_typer(lfp_app)
for room in (lake_commands, ingest_commands, query_commands):
    app.add_typer(room.app)


def main() -> None:
    """Run the command line; an error of neurolake's, or Ctrl-C, becomes one line and an exit code."""
    try:
        app(prog_name="neurolake")
    except (NeurolakeError, OSError, KeyboardInterrupt) as error:
        # OSError: the terminal or pipe, an output file, a network; the lake's own mishaps come as StorageError.
        if Terminal.verbose:
            traceback.print_exception(error)
        sys.exit(tell(error))
    except UnicodeEncodeError as error:
        if error.encoding.startswith("utf"):
            raise
        letters = ascii(error.object[error.start : error.end][:20])
        told = f"what reads this takes {error.encoding}, which has no {letters}; set PYTHONIOENCODING=utf-8, or use --output"
        sys.exit(tell(StorageError(told)))


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"neurolake {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command("demo", rich_help_panel=SIMULATE)
def demo_command(
    folder: Annotated[Path, typer.Argument(help="Where results, lake and figure go.")],
    trials: Annotated[int, typer.Option(min=2, help="Trials for each of the two stimuli.")] = 24,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes to simulate in; default: cores.")
    ] = None,
) -> None:
    """Simulate a neuron with synapses into a lake, ask it, write the results out, and draw a figure.

    Example: neurolake demo demo
    """
    from . import open
    from .ingest.demo import write_demo_model
    from .mechanisms.demo.input import STIMULUS_MS
    from .query.plots.overview import DEMO_QUERIES, save_overview

    model, lake, figure = write_demo_model(folder / "model"), str(folder / "lake"), folder / "overview.png"
    for seed, network in enumerate(model.networks.values(), 1):
        options = f"--trials {trials} --seed {seed} --lake {lake}"
        _step(f"neurolake run --cell {model.cell} --network {network} {options}")
        ingest_commands.run_command(model.cell, lake, trials, network, seed=seed, processes=processes)
    for query in DEMO_QUERIES:
        _step(f'neurolake sql "{query}" --lake {lake}')
        query_commands.sql_command(lake, query)
    if not (folder / "results").exists():
        _step(f"neurolake export simrun {folder / 'results'} --lake {lake}")
        ingest_commands.export_simrun_command(folder / "results", lake)
    save_overview(open(lake).head, figure, stimulus_time=STIMULUS_MS)
    out.print(f"\nThe figure is {figure}; ask more with: neurolake describe --lake {lake}")
    out.print(f"Look at it in the browser with: neurolake serve --lake {lake} --open")


def _step(command: str) -> None:
    out.print(f"\n$ {command}", style="bold")
