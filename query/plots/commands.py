"""The command that draws."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ...lake.console import ASK, LakePath, Ref, out

if TYPE_CHECKING:
    from .view import KindName, Of

app = typer.Typer()


@app.command("plot", rich_help_panel=ASK)
def plot_command(
    kind: Annotated[
        str,
        typer.Argument(
            help="raster, psth, traces, mean, density, activations, bars, kernels; of circuits: cells, distances, "
            "degrees, matrix, tree, population-raster, rates, spectrogram; of glia: domains, vessels, astrocyte, "
            "glia-distributions, places.",
            show_default=False,
        ),
    ],
    lake: LakePath,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="File to write: .png, .svg, .pdf or .html.", show_default=False),
    ],
    at: Ref = "main",
    trials: Annotated[str | None, typer.Option(help="Condition in SQL, such as \"stimulus = 'C2'\".")] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="What groups trials, or synapses: a column or SQL. May be given again."),
    ] = None,
    of: Annotated[str | None, typer.Option(help="spikes or activations; in psth and bars.")] = None,
    window: Annotated[tuple[float, float] | None, typer.Option(help="Begin and end in ms.")] = None,
    bin: Annotated[float | None, typer.Option(help="Width of time bins in ms.")] = None,
    site: Annotated[str | None, typer.Option(help="Recording site; soma by default.")] = None,
    voltage: Annotated[
        tuple[float, float] | None, typer.Option(help="Lowest and highest voltage to draw, mV.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Reduced model whose kernels to draw.")] = None,
    circuit: Annotated[
        str | None, typer.Option(help="Which circuit, where there are several; of spikes also a run of one.")
    ] = None,
    population: Annotated[str | None, typer.Option(help="Only this population of a circuit.")] = None,
    projection: Annotated[str | None, typer.Option(help="Only these edges, such as STIM__PYR.")] = None,
    node: Annotated[int | None, typer.Option(min=0, help="Number of the cell; in tree, astrocyte.")] = None,
    report: Annotated[str | None, typer.Option(help="Which report; in spectrogram.")] = None,
    axis: Annotated[
        str | None, typer.Option(help="x, y or z, across which the plane cuts; in domains.")
    ] = None,
    level: Annotated[float | None, typer.Option(help="Where the plane cuts, µm; in domains.")] = None,
    title: Annotated[str | None, typer.Option(help="Text above the figure.")] = None,
    width: Annotated[float, typer.Option(help="In inches.")] = 7.2,
    height: Annotated[float | None, typer.Option(help="In inches; by default as the kind wants.")] = None,
) -> None:
    """Draw spikes, voltages, activations, reduced models or circuits of a lake. The figure states the commit.

    Example: neurolake plot psth --window 245 295 --bin 1 -o psth.png --lake my-lake

    Raises
    ------
    InputError
        The arguments do not fit together, or the lake does not hold what the kind needs.
    """
    # Matplotlib, Arrow and DuckDB take a while to import; --help does without them.
    from ...lake.errors import InputError
    from ..base import Lake
    from .plots import plot

    snapshot = Lake.open(lake).at(at)
    try:
        plot(
            snapshot,
            cast("KindName", kind),
            output,
            trials=trials,
            by=by or None,
            of=cast("Of", of),
            window=window,
            bin=bin,
            site=site,
            voltage=voltage,
            model=model,
            circuit=circuit,
            population=population,
            projection=projection,
            node=node,
            report=report,
            axis=axis,
            level=level,
            title=title,
            width=width,
            height=height,
        )
    except ImportError as error:
        raise InputError(str(error)) from error
    out.say(f"Wrote {output}")
