"""The command that finds touches."""

from typing import Annotated, Any

import typer

from ...lake.console import Branch, Json, LakePath, err, out, print_json


def touches_command(
    circuit: Annotated[
        str, typer.Argument(help="The circuit, with the trees of its cells.", show_default=False)
    ],
    source: Annotated[str, typer.Argument(help="Population.", show_default=False)],
    lake: LakePath,
    target: Annotated[
        str | None, typer.Argument(help="Another population; default: between cells of the first.")
    ] = None,
    reach: Annotated[float, typer.Option(min=0.0, help="Largest distance of surfaces, in µm.")] = 0.0,
    keep: Annotated[
        str, typer.Option(help="The nearest touch of two sections or cells, or all: sections, cells, all.")
    ] = "sections",
    branch: Branch = "main",
    message: Annotated[str | None, typer.Option("--message", "-m", help="The commit's message.")] = None,
    json: Json = False,
) -> None:
    """Find where cells touch, as edges SOURCE__TARGET__touches: appositions of neurons, gap junctions of glia.

    Cells are capsules between the points of their trees. Repeat it after a change, and it is computed anew; else it is found.

    Example: neurolake build touches ca1 PYR PVBC --lake my-lake --reach 2
    """
    from .touches import touches

    kept: Any = keep  # told of by name where it is none of these

    report = touches(
        lake,
        circuit,
        source,
        target,
        reach=reach,
        keep=kept,
        branch=branch,
        message=message,
        progress=lambda step: err.detail(f"{step} …"),
    )
    if json:
        print_json(report)
    else:
        out.say(str(report))
