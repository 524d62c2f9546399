"""The command that maps the synapses of a cell."""

from pathlib import Path
from typing import Annotated

import typer

from ...lake.console import SIMULATE, out

app = typer.Typer()


@app.command("map", rich_help_panel=SIMULATE)
def map_command(
    morphology: Annotated[Path, typer.Argument(help="The cell (.hoc) at its place.", show_default=False)],
    output: Annotated[Path, typer.Option(help="Folder to write into.")],
    cell_type: Annotated[str, typer.Option(help="Of the cell, as in the affinities.")],
    cell_numbers: Annotated[Path, typer.Option(help="nrCells.csv.")],
    affinities: Annotated[Path, typer.Option(help="ConnectionsV8.csv.")],
    boutons: Annotated[Path, typer.Option(help="Folder COLUMN/CELL TYPE/*.am.")],
    excitatory_targets: Annotated[Path, typer.Option(help="Field of targets of excitatory axons (.am).")],
    inhibitory_targets: Annotated[Path, typer.Option(help="Field of targets of inhibitory axons (.am).")],
    inhibitory: Annotated[list[str] | None, typer.Option(help="An inhibitory cell type; repeat.")] = None,
    realisations: Annotated[int, typer.Option(help="How many are drawn.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
) -> None:
    """Draw the synapses on a cell: .syn, .con, a summary and landmarks.

    Example: neurolake map cell.hoc --output out --cell-type L5tt --cell-numbers nrCells.csv
    --affinities ConnectionsV8.csv --boutons boutons --excitatory-targets EX.am --inhibitory-targets INH.am
    """
    from .mapping import map_synapses

    made = map_synapses(
        morphology,
        output,
        cell_type=cell_type,
        cell_numbers=cell_numbers,
        affinities=affinities,
        boutons=boutons,
        targets={"EXC": excitatory_targets, "INH": inhibitory_targets},
        inhibitory=inhibitory or [],
        realisations=realisations,
        seed=seed,
    )
    out.print(f"{made.synapses}: {made.count} synapses")
