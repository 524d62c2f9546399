"""The command that makes films."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ...lake.console import ASK, LakePath, Ref, out, progress
from ...lake.errors import InputError

if TYPE_CHECKING:
    from .film import Against

app = typer.Typer()


@app.command("animate", rich_help_panel=ASK)
def animate_command(
    trial: Annotated[str, typer.Argument(help="trial_id or sim_trial_index.", show_default=False)],
    lake: LakePath,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write: .mp4, .gif or .html.", show_default=False)
    ],
    at: Ref = "main",
    variable: Annotated[str, typer.Option(help="What was recorded of all segments.")] = "v",
    against: Annotated[str, typer.Option(help="space, or distance from the soma.")] = "space",
    window: Annotated[tuple[float, float] | None, typer.Option(help="Begin and end in ms.")] = None,
    frames: Annotated[int, typer.Option(help="How many pictures at most.")] = 200,
    fps: Annotated[float, typer.Option(help="Pictures in a second.")] = 25.0,
    limits: Annotated[
        tuple[float, float] | None, typer.Option(help="Values at both ends of the colours.")
    ] = None,
    synapses: Annotated[bool, typer.Option("--synapses", help="Show synapses that are activated.")] = False,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only synapses of this cell type. May be given again.")
    ] = None,
    azimuth: Annotated[float, typer.Option(help="From where the cell is seen, degrees.")] = 0.0,
    elevation: Annotated[float, typer.Option(help="The same upwards, degrees.")] = 0.0,
    turn: Annotated[float, typer.Option(help="How far the cell turns, degrees.")] = 0.0,
    camera: Annotated[
        list[str] | None,
        typer.Option(
            help="TIME,AZIMUTH,ELEVATION[,ZOOM[,X,Y,Z]]: from where the cell is seen at a time; the camera moves between them. "
            "May be given again."
        ),
    ] = None,
    width: Annotated[int, typer.Option(help="In pixels.")] = 800,
    height: Annotated[int, typer.Option(help="In pixels.")] = 800,
    processes: Annotated[int | None, typer.Option(min=1, help="Processes that draw; default: cores.")] = None,
) -> None:
    """Make a film of a trial: the voltage, or another variable, of all segments over time.

    Example: neurolake animate 48 --synapses --window 100 140 -o cell.mp4 --lake my-lake
    """
    from ..base import Lake
    from .films import animate

    with progress("Drawing", objects=True) as advance:
        made = animate(
            Lake.open(lake),
            trial,
            output,
            at=at,
            variable=variable,
            against=cast("Against", against),
            window=window,
            frames=frames,
            fps=fps,
            limits=limits,
            synapses=tuple(types) if types else synapses,
            azimuth=azimuth,
            elevation=elevation,
            turn=turn,
            camera=[_numbers(text) for text in camera or ()],
            width=width,
            height=height,
            processes=processes,
            progress=advance,
        )
    out.say(f"Wrote {made}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--camera {text}: expected TIME,AZIMUTH,ELEVATION[,ZOOM[,X,Y,Z]], numbers with commas between them"
        ) from None
