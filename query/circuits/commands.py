"""Commands on circuits: which there are, what is in one, and whether it fits together."""

from typing import Annotated

import typer

from ...lake.console import Json, LakePath, Listing, Ref, out, print_json
from ...lake.errors import INCOMPLETE

app = typer.Typer(help="Circuits: list, show and check them.", no_args_is_help=True)


@app.command("ls")
def ls_command(lake: LakePath, at: Ref = "main", json: Json = False) -> None:
    """List the circuits of a lake.

    Example: neurolake circuit ls --lake my-lake
    """
    from ..base import Lake
    from .contents import circuit, circuit_names

    snapshot = Lake.open(lake).at(at)
    found = {name: circuit(snapshot, name).counts for name in circuit_names(snapshot)}
    if json:
        print_json(found)
        return
    listing = Listing("circuit", "nodes", "edges")
    for name, counts in found.items():
        listing.add_row(name, *(f"{sum(counts[kind].values()):,}" for kind in ("nodes", "edges")))
    out.print(listing)


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="The circuit.", show_default=False)],
    lake: LakePath,
    at: Ref = "main",
    json: Json = False,
) -> None:
    """Show the populations of a circuit, and how they are connected.

    Example: neurolake circuit show ca1 --lake my-lake
    """
    from ..base import Lake
    from .contents import circuit

    found = circuit(Lake.open(lake).at(at), name)
    connectivity = [projection.summary() for projection in found.projections.values()]
    if json:
        print_json({"nodes": found.counts["nodes"], "projections": connectivity})
        return
    listing = Listing("population", "cells", "synapses")
    for population, count in found.counts["nodes"].items():
        synapses = f"{found.synapses[population].rows:,}" if population in found.synapses else ""
        listing.add_row(population, f"{count:,}", synapses)
    out.print(listing)
    if connectivity:
        listing = Listing("source", "target", "edges", "in-degree", "out-degree", "contacts", "distance (µm)")
        for row in connectivity:
            means = (f"{row[key]:.4g}" for key in ("in_degree", "out_degree", "contacts"))
            distance = "" if row["distance"] is None else f"{row['distance']:.4g}"
            listing.add_row(row["source"], row["target"], f"{row['edges']:,}", *means, distance)
        out.print("")
        out.print(listing)


@app.command("check")
def check_command(
    name: Annotated[str, typer.Argument(help="The circuit.", show_default=False)],
    lake: LakePath,
    at: Ref = "main",
    json: Json = False,
) -> None:
    """Check whether the tables of a circuit fit together; ends with exit code 3 if not.

    Example: neurolake circuit check ca1 --lake my-lake
    """
    from ..base import Lake
    from .contents import circuit

    found = circuit(Lake.open(lake).at(at), name).check()
    if json:
        rows = ("name", "passed", "failing")
        print_json(
            [
                {key: getattr(check, key) for key in rows} | {"rows": check.rows.to_dict("records")}
                for check in found
            ]
        )
    else:
        for check in found:
            out.print(str(check))
    if not all(check.passed for check in found):
        raise typer.Exit(INCOMPLETE)
