"""Widgets: a trial's cell in space over time, and traces of trials, as the page shows them."""

import functools
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...lake.core import Lake
from ...lake.errors import InputError
from ...lake.extras import needed
from ..animations.embedding import PAGES, loader, packed, player_style
from ..animations.film import Look
from ..animations.films import read_film
from ..animations.page import film_data
from ..base import Snapshot, snapshot_of
from ..trials.voltages import recording, rows_of

WidgetKind = Literal["cell", "traces"]

MOST_TRACES = 20
MOST_SAMPLES = 400_000
_HEIGHT = ".player { --tall: 480px; border-radius: 8px; overflow: hidden; }"
_MODULES = {"cell": ("player.js", "player"), "traces": ("traces.js", "traces")}
_ESM = """
{loader}
export default {{
  async render({{ model, el }}) {{
    const shown = await loaded("{module}");
    return shown.{function}(el, model.get("content"));
  }},
}};
"""


def widget(
    lake: Lake | Snapshot | str | Path,
    kind: WidgetKind,
    *,
    at: str | datetime = "main",
    trial: int | str | None = None,
    variable: str = "v",
    synapses: bool | Sequence[str] = False,
    frames: int = 1000,
    trials: str = "true",
    site: str = "soma",
    window: tuple[float, float] | None = None,
) -> Any:
    """Return a widget for Jupyter, VS Code and marimo, which needs neither a network nor a server.

    Parameters
    ----------
    lake
        An open lake, the path or URL of one, or a snapshot.
    kind
        ``cell``: a trial's cell in space, coloured by a variable over time; ``traces``: voltages of some trials.
    at
        Branch, commit or time; not used for a snapshot.
    trial, variable, synapses, frames
        Of a cell; see `neurolake.animate`.
    trials
        Which traces: a condition on ``trials`` in SQL; the first 20 that meet it are shown.
    site
        Recording site of traces.
    window
        Begin and end in ms; all times by default.

    Returns
    -------
    anywidget.AnyWidget
        To be the last value of a cell.

    Raises
    ------
    InputError
        The kind is none of these, a cell has no trial, or nothing meets the condition.
    NotFoundError
        As `neurolake.animate`.
    MissingPackageError
        anywidget is not installed; it comes with ``neurolake[notebook]``.
    """
    if kind not in _MODULES:
        raise InputError(f"there is no widget {kind!r}; there are: {', '.join(_MODULES)}")
    snapshot = snapshot_of(lake, at)
    if kind == "traces":
        return _made(kind)(content=_traces(snapshot, trials, site, window))
    if trial is None:
        raise InputError("say which trial's cell to show: trial=…")
    look = Look("space", (0.0, 1.0), (), 800, 800)
    film = read_film(
        snapshot,
        trial,
        variable=variable,
        window=window,
        frames=frames,
        limits=None,
        synapses=synapses,
        look=look,
    )
    return _made(kind)(content={**film_data(film), "style": player_style() + _HEIGHT})


def _traces(snapshot: Snapshot, trials: str, site: str, window: tuple[float, float] | None) -> dict[str, Any]:
    source = recording(snapshot, site)
    rows = rows_of(snapshot, source, trials)[:MOST_TRACES]
    first, last = source.span(*(window or (None, None)))
    if last <= first:
        raise InputError(f"{source.array.path} has no sample in {window}")
    step = max(1, -(-(last - first) * len(rows) // MOST_SAMPLES))
    values = np.stack([np.asarray(source.array[int(row), first:last], np.float32)[::step] for row in rows])
    arrays: dict[str, np.ndarray] = {
        "time": np.asarray(source.times[first:last:step], np.float64),
        "values": values,
    }
    labels = [f"trial {source.trials[row]}" if len(source.trials) else f"row {row}" for row in rows]
    style = (PAGES / "vendor" / "uplot.css").read_text()
    return {"arrays": packed(arrays), "labels": labels, "unit": "mV", "style": style}


@functools.cache
def _made(kind: str) -> Any:
    """The class of widgets of a kind."""
    with needed("widgets", "notebook"):
        import anywidget
        import traitlets
    module, function = _MODULES[kind]
    members = {
        "_esm": _ESM.format(loader=loader(module), module=module, function=function),
        "content": traitlets.Dict().tag(sync=True),
        "__module__": __name__,
        "__doc__": f"A widget of the kind {kind}.",
    }
    return type(f"{kind.capitalize()}Widget", (anywidget.AnyWidget,), members)
