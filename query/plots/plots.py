"""Figures of a snapshot by name: what ``neurolake plot`` and ``neurolake.plot`` draw. Each states its commit.

Needs the extra ``neurolake[plot]`` (matplotlib).
"""

import html
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np

from ...catalog.vocabulary.trials import TRIALS
from ...lake.core import Lake
from ...lake.errors import InputError
from ..base import Snapshot, snapshot_of
from .data import Limits
from .kinds import KINDS
from .style import WIDTH_INCH, page
from .view import KindName, Of, View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf", ".html")
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="{footer}">
<title>{title}</title>
<style>body {{ margin: 0; background: white; }} svg {{ display: block; width: 100%; height: 100vh; }}</style>
{svg}
</html>
"""


def plot(
    lake: Lake | Snapshot | str | Path,
    kind: KindName,
    output: str | Path | None = None,
    *,
    at: str | datetime = "main",
    trials: str | None = None,
    by: str | Sequence[str] | None = None,
    of: Of | None = None,
    window: tuple[float, float] | None = None,
    bin: float | None = None,
    site: str | None = None,
    voltage: tuple[float, float] | None = None,
    model: str | None = None,
    circuit: str | None = None,
    population: str | None = None,
    projection: str | None = None,
    node: int | None = None,
    report: str | None = None,
    axis: str | None = None,
    level: float | None = None,
    title: str | None = None,
    width: float = WIDTH_INCH,
    height: float | None = None,
) -> "Figure":
    """Draw a figure, and write it if *output* is given.

    Parameters
    ----------
    lake
        An open lake, the path or URL of one, or a snapshot.
    kind
        ``raster`` (spikes of each trial), ``psth`` (rates over time), ``traces`` (all voltages, counted by pixels),
        ``mean`` (mean ± SD of the voltage), ``density`` (of the voltage over time), ``activations`` (over time and
        distance from the soma), ``bars`` (mean ± standard error over trials), ``kernels`` (of a reduced model). Of circuits:
        ``cells`` (where somata are), ``distances`` (of edges, beside those of all pairs), ``degrees``, ``matrix`` (edges by
        source and target), ``tree`` (of a cell, with its synapses by source), ``population-raster``, ``rates`` (by BAKS), and
        ``spectrogram`` (of a report). Of circuits of glia: ``domains`` (cut by a plane), ``vessels`` (and somata of astrocytes),
        ``astrocyte`` (with its domain, endfeet and synapses), ``glia-distributions`` (beside the configured ones), and
        ``places`` (of astrocytes, beside random ones: g and L).
    output
        A file; its ending determines the format (png, svg, pdf, or html: a page of its own). Its metadata name the commit, too.
    at
        Branch, commit or time to draw; not used for a snapshot.
    trials
        Condition on trials in SQL; all trials by default (all kinds but ``kernels``).
    by
        What groups trials: columns of ``trials`` or SQL over them; the stimulus by default in ``raster`` and
        ``psth``. Of activations: what groups synapses (`neurolake.query.trials.activations.keys`), EI by default.
    of
        ``spikes``, which is the default, or ``activations`` (``psth`` and ``bars``).
    window
        Begin and end in ms; the whole trial by default.
    bin
        Width of time bins in ms; 1 by default, and 5 in a ``psth`` of spikes (``psth`` and ``activations``). Of distances: in
        µm, 50 by default; of places: in µm, a 250th of the window by default.
    site
        Recording site; the soma by default (``traces``, ``mean`` and ``density``).
    voltage
        Lowest and highest voltage in mV; by default as the voltages are (``traces`` and ``density``).
    model
        Name of a node that `neurolake.query.models.stored.save_model` wrote (``kernels``).
    circuit
        Name of the circuit; may be omitted where there is one (all kinds of circuits).
    population
        Only this population (``cells``, ``population-raster``, ``rates``), or that of the cell (``tree``).
    projection
        Only this population of edges (``distances``, ``degrees``, ``matrix``).
    node
        Number of the cell, 0 by default (``tree``, ``astrocyte``).
    report
        Name of a report; may be omitted where there is one (``spectrogram``).
    axis, level
        The plane that cuts: ``x``, ``y`` or ``z`` (the default), and where in µm; by default in the middle (``domains``).
    title
        Text above the figure; by default the number of trials, and the condition that they meet.
    width, height
        Size in inches; by default the height follows from the kind.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot.

    Raises
    ------
    InputError
        The kind, an option of it, or the ending of *output* is unknown; nothing meets the conditions.
    NotFoundError, QueryError
        The lake does not hold what is to be drawn; a condition is not valid SQL.
    ImportError
        matplotlib is not installed; it comes with ``neurolake[plot]``.
    """
    if output is not None and Path(output).suffix.lower() not in SUFFIXES:
        raise InputError(f"{output}: a figure is written as {', '.join(SUFFIXES)}; end the name so")
    options = {
        "trials": trials,
        "by": by,
        "of": of,
        "window": window,
        "bin": bin,
        "site": site,
        "voltage": voltage,
        "model": model,
        "circuit": circuit,
        "population": population,
        "projection": projection,
        "node": node,
        "report": report,
        "axis": axis,
        "level": level,
    }
    view = _view(kind, {name: value for name, value in options.items() if value is not None})
    if not (width > 0 and (height is None or height > 0)):
        raise InputError(f"a figure of {width} x {height} inches; both must be above 0")
    snapshot = snapshot_of(lake, at)
    sketch = KINDS[kind].read(snapshot, view)
    footer = origin(snapshot)
    heading = _heading(snapshot, kind, view) if title is None else title
    figure = page(width, height or sketch.height, title=heading, footer=footer)
    sketch.draw(figure)
    if output is not None and Path(output).suffix.lower() == ".html":
        Path(output).write_text(_page(figure, heading, footer), encoding="utf-8")
    elif output is not None:
        key = {".pdf": "Subject"}.get(Path(output).suffix.lower(), "Description")
        figure.savefig(output, metadata={"Title": heading, key: footer})
    return figure


def _page(figure: "Figure", heading: str, footer: str) -> str:
    """A page that needs nothing else."""
    body = io.StringIO()
    figure.savefig(body, format="svg", metadata={"Date": None})
    svg = body.getvalue()
    return _PAGE.format(title=html.escape(heading), footer=html.escape(footer), svg=svg[svg.index("<svg") :])


def origin(snapshot: Snapshot) -> str:
    """Return which lake and commit a figure shows: name, id and date.

    Parameters
    ----------
    snapshot
        The commit that is drawn.
    """
    name = snapshot.objects.storage.url.rstrip("/").rsplit("/", 1)[-1]
    return f"neurolake · {name} · commit {snapshot.commit.id[:12]} · {snapshot.commit.time:%Y-%m-%d}"


def _view(kind: str, options: dict[str, Any]) -> View:
    if kind not in KINDS:
        raise InputError(f"there is no plot {kind!r}; there are: {', '.join(KINDS)}")
    heeded = KINDS[kind].options
    if unknown := sorted(set(options) - heeded):
        raise InputError(f"{kind} has no option {unknown[0]!r}; it has: {', '.join(sorted(heeded))}")
    for name in ("window", "voltage"):
        if options.get(name) is not None:
            options[name] = _limits(name, options[name])
    if "by" in options:
        options["by"] = (options["by"],) if isinstance(options["by"], str) else tuple(options["by"])
    if options.get("axis", "z") not in ("x", "y", "z"):
        raise InputError(f"axis is {options['axis']!r}; expected x, y or z")
    if options.get("of", "spikes") not in ("spikes", "activations"):
        raise InputError(f"of is {options['of']!r}; expected spikes or activations")
    return View(**options)


def _limits(name: str, value: Sequence[float]) -> Limits:
    ends = tuple(map(float, value))
    if len(ends) != 2 or not (np.isfinite(ends).all() and ends[0] < ends[1]):
        raise InputError(f"{name} is {value!r}; expected two finite numbers, the lower one first")
    return ends


def _heading(snapshot: Snapshot, kind: str, view: View) -> str:
    if "trials" not in KINDS[kind].options or TRIALS.name not in snapshot.tables:
        return view.model or view.circuit or view.report or ""
    ((n,),) = snapshot.sql(f"select count(*) from trials where ({view.trials}\n)").fetchall()  # noqa: S608
    condition = "" if view.trials == "true" else f" with {shorten(view.trials, 80, placeholder=' …')}"
    return f"{n:,} trials{condition}"
