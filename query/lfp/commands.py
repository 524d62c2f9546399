"""Commands for extracellular potentials."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...lake.console import Branch, LakePath, Listing, Ref, out
from ...lake.errors import InputError

if TYPE_CHECKING:
    from ..base import Lake

app = typer.Typer(help="Extracellular potentials: coefficients, signals, figures.", no_args_is_help=True)

_SEGMENTS = "Table of segments, such as segments/cells."
_ELECTRODES = "Table of electrodes, such as electrodes/probe."


@app.command("electrodes")
def electrodes_command(
    lake: LakePath,
    name: Annotated[str | None, typer.Argument(help="A table of electrodes; all by default.")] = None,
    at: Ref = "main",
) -> None:
    """List tables of electrodes, or the contacts of one.

    Bring them in with: neurolake ingest electrodes FILE

    Example: neurolake lfp electrodes electrodes/probe --lake my-lake
    """
    from .inputs import electrodes_of
    from .nouns import Lfp

    snapshot = _open(lake).at(at)
    if name is None:
        table = Listing("table", "contacts")
        for node in Lfp(snapshot).electrodes:
            table.add_row(node, f"{snapshot.tables[node].rows:,}")
        out.print(table)
        return
    contacts = electrodes_of(snapshot.tables[name])
    table = Listing("name", "x (µm)", "y (µm)", "z (µm)", "type", "layer", "region", "probe")
    for i, own in enumerate(contacts.name):
        place = [f"{value:.10g}" for value in contacts.position[i]]
        texts = (contacts.type[i], contacts.layer[i], contacts.region[i], contacts.probe[i])
        table.add_row(own, *place, *texts)
    out.print(table)


@app.command("coefficients")
def coefficients_command(
    segments: Annotated[str, typer.Argument(help=_SEGMENTS, show_default=False)],
    electrodes: Annotated[str, typer.Argument(help=_ELECTRODES, show_default=False)],
    lake: LakePath,
    method: Annotated[
        str | None,
        typer.Option(
            help="line, point, slice, reciprocity, dipole_reciprocity or csd; default: each contact's type."
        ),
    ] = None,
    sigma: Annotated[str, typer.Option(help="S/m: one number, or three along x, y, z with commas.")] = "0.3",
    minimum_distance: Annotated[str | None, typer.Option(help="radius (default), none or µm.")] = None,
    soma: Annotated[str | None, typer.Option(help="point (default) or line.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(help="fields/NAME for all contacts, or CONTACT=fields/NAME. May be repeated."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE: another option of the method. May be repeated.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float64 or float32 of what is kept.")] = "float64",
    branch: Branch = "main",
) -> None:
    """Compute what contacts record per membrane current of segments, and keep it in the lake.

    Prints the name of the node that holds it.

    Example: neurolake lfp coefficients segments/cells electrodes/probe --sigma 0.3 --lake my-lake
    """
    from ..derive.derivation import derive
    from .forward import coefficients

    given: dict[str, Any] = {name: _value(value) for name, value in map(_pair, option or [])}
    given |= {} if soma is None else {"soma": soma}
    if minimum_distance is not None:
        given["minimum_distance"] = None if minimum_distance == "none" else _value(minimum_distance)
    given |= {"segments": segments, "electrodes": electrodes, "method": method, "sigma": _value(sigma)}
    given |= {"fields": _fields(field or []), "dtype": dtype}
    _report(derive(_open(lake), coefficients, None, branch=branch, at=None, params=given))


def _fields(texts: list[str]) -> Any:
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    return dict(map(_pair, texts)) or None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise InputError(f"{text!r}: write NAME=VALUE")
    return name, value


def _value(text: str) -> Any:
    """A number, several with commas, or text."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return text
    return numbers[0] if len(numbers) == 1 else numbers


@app.command("signal")
def signal_command(
    report: Annotated[
        str,
        typer.Argument(
            help="Report of membrane currents, such as reports/run/i_membrane/cells.", show_default=False
        ),
    ],
    coefficients: Annotated[str, typer.Argument(help="Node of coefficients.", show_default=False)],
    lake: LakePath,
    by: Annotated[
        str | None, typer.Option(help="population, cell, or a column of the nodes such as mtype.")
    ] = None,
    nodes: Annotated[str | None, typer.Option(help="Table of nodes; default: that of the report.")] = None,
    t_start: Annotated[float | None, typer.Option(help="First time in ms.")] = None,
    t_stop: Annotated[float | None, typer.Option(help="Time in ms to stop before.")] = None,
    units: Annotated[
        str | None, typer.Option(help="nA, pA … of the currents, whatever the report says.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave out nodes that only one of both has.")
    ] = False,
    weights: Annotated[
        bool,
        typer.Option("--weights", help="COEFFICIENTS are weights of an electrodes file that was ingested."),
    ] = False,
    branch: Branch = "main",
) -> None:
    """Multiply a report's membrane currents with coefficients, and keep the signal in the lake.

    Prints the name of the node that holds it.

    Example: neurolake lfp signal reports/run/i_membrane/cells NODE --by mtype --lake my-lake
    """
    from ..derive.derivation import derive
    from .electrode_files import weights as labelled
    from .signals import signal

    target = _open(lake)
    factors = labelled(target, coefficients, report, branch=branch).path if weights else coefficients
    asked: dict[str, Any] = {
        "report": report,
        "coefficients": factors,
        "by": by,
        "nodes": nodes,
        "partial": partial,
    }
    asked |= {"t_start": t_start, "t_stop": t_stop, "units": units}
    _report(derive(target, signal, None, branch=branch, at=None, params=asked))


@app.command("plot")
def plot_command(
    signal: Annotated[str, typer.Argument(help="Node of a signal.", show_default=False)],
    lake: LakePath,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write: .png, .svg or .pdf.", show_default=False)
    ],
    segments: Annotated[str | None, typer.Option(help="Table of segments to draw beside the signal.")] = None,
    group: Annotated[str | None, typer.Option(help="Group to draw, of a signal that has some.")] = None,
    plane: Annotated[str, typer.Option(help="xz, yz or xy: across and along.")] = "xz",
    window: Annotated[tuple[float, float] | None, typer.Option(help="Begin and end in ms.")] = None,
    at: Ref = "main",
) -> None:
    """Draw a signal: traces at the contacts, maps over depth and time, cells with the contacts.

    Example: neurolake lfp plot NODE --segments segments/cells -o lfp.png --lake my-lake
    """
    from ..plots.plots import origin
    from .figures import signal_page

    snapshot = _open(lake).at(at)
    values = _by_electrode(_group(snapshot.xarray(signal), group))
    if window is not None:
        values = values.sel(time=slice(*window))
    cells = None if segments is None else snapshot.tables[segments]
    title = "" if group is None else f"{values.attrs.get('by', 'group')} {group}"
    signal_page(values, cells, plane=plane, title=title, footer=origin(snapshot)).savefig(output)
    out.say(f"Wrote {output}")


def _group(values: Any, group: str | None) -> Any:
    if "group" not in values.dims:
        if group is not None:
            raise InputError("the signal has no groups")
        return values
    labels = [str(label) for label in values["group"].values]
    if group not in labels:
        raise InputError(f"the signal has groups: --group is one of {', '.join(labels)}")
    return values.isel(group=labels.index(group))


def _by_electrode(values: Any) -> Any:
    """A signal [electrode, time]: what was recorded during a simulation has time first."""
    return values.transpose("electrode", "time") if set(values.dims) == {"electrode", "time"} else values


def _report(made: Any) -> None:
    shape = " x ".join(f"{size:,} {dim}" for dim, size in made.xarray().sizes.items())
    out.print(f"{made.path}  ({shape}, {made.attrs['units']})")


def _open(url: str) -> "Lake":
    # Zarr, Arrow and DuckDB take a while to import; --help does without them.
    from ..base import Lake

    return Lake.open(url)
