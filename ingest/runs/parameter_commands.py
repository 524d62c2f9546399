"""Commands on files of parameters."""

from pathlib import Path
from typing import Annotated

import typer

from ...lake.console import out
from ...lake.errors import InputError

app = typer.Typer(help="Parameter files (.param): show them, make them.", no_args_is_help=True)


@app.command("show")
def show_command(
    file: Annotated[Path, typer.Argument(help="A .param file.", show_default=False)],
    name: Annotated[str | None, typer.Argument(help="Only this part, such as neuron.Soma.")] = None,
) -> None:
    """Show a parameter file as a tree.

    Example: neurolake parameters show cell.param neuron.Soma

    Raises
    ------
    InputError
        The file has no parameter of that name.
    """
    from ..text.tree import parameters

    value = parameters(file)
    for key in name.split(".") if name else ():
        if not isinstance(value, dict) or key not in value:
            raise InputError(f"{file}: there is no parameter {name!r}")
        value = value[key]
    out.print(repr(value))


@app.command("evoked")
def evoked_command(
    template: Annotated[Path, typer.Argument(help=".param with an entry per cell type.", show_default=False)],
    cells: Annotated[Path, typer.Argument(help="NumberOfConnectedCells.csv.", show_default=False)],
    evoked: Annotated[Path, typer.Argument(help="Folder of evoked activity.", show_default=False)],
    synapses: Annotated[Path, typer.Option(help="The .syn that the network refers to.")],
    connections: Annotated[Path, typer.Option(help="The .con that the network refers to.")],
    to: Annotated[Path, typer.Option(help="Folder to write network_WHISKER.param into.")],
    whisker: Annotated[list[str] | None, typer.Option(help="May be repeated; default: all nine.")] = None,
    offset: Annotated[float, typer.Option(help="When the evoked activity begins, in ms.")] = 245.0,
) -> None:
    """Write network parameters for a deflected whisker, or for each of the nine around C2.

    Example: neurolake parameters evoked ongoing.param cells.csv evoked --synapses a.syn --connections a.con --to nets
    """
    from .evoked import WHISKERS, evoked_parameters

    made = {
        one: evoked_parameters(
            template,
            cells,
            evoked,
            whisker=one,
            synapse_file=synapses,
            connection_file=connections,
            offset=offset,
        )
        for one in whisker or WHISKERS
    }
    to.mkdir(parents=True, exist_ok=True)
    for one, tree in made.items():
        path = tree.save(to / f"network_{one}.param")
        out.print(f"{path}: {len(tree.network)} populations")
