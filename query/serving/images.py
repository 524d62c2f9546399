"""Pictures: heat maps of arrays over time, figures of ``neurolake plot``, and lineage."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from starlette.responses import Response

from ...lake.errors import InputError, NotFoundError
from ..plots.plots import plot
from .asking import Question
from .bodies import Framed, Json

MOST_COLUMNS = 2_000
MOST_ROWS = 1_000


def heat(question: Question) -> Response:
    """Return an array of two axes as a picture, float32[row, column]: columns are means over parts of the time axis.

    Parameters
    ----------
    question
        ``array`` (the name of its node), ``columns`` (how many at most), and ``at``.

    Raises
    ------
    NotFoundError
        There is no such array.
    InputError
        It has other than two axes.
    """
    name = question.text("array")
    found = question.snapshot.xarray(name)
    if not isinstance(found, xr.DataArray):
        raise NotFoundError(f"{name!r} is a group, not an array")
    if found.ndim != 2 or not found.size:
        raise InputError(f"{name} has shape {found.shape}; a heat map shows two axes")
    time = next((dim for dim in found.dims if str(dim).startswith(("time", "frame"))), found.dims[-1])
    (row,) = (dim for dim in found.dims if dim != time)
    values = np.asarray(found.transpose(row, time).values, np.float32)
    columns = question.whole("columns", 1000, 1, MOST_COLUMNS)
    picture, begins = pooled(values, columns)
    if len(picture) > MOST_ROWS:
        picture = picture[:: -(-len(picture) // MOST_ROWS)]
    times = (
        np.asarray(found[time].values, np.float64)
        if time in found.coords
        else np.arange(values.shape[1], dtype=float)
    )
    head = {
        "array": name,
        "unit": str(found.attrs.get("units", "")),
        "row": str(row),
        "rows": [float(found[row].values.min()), float(found[row].values.max())]
        if row in found.coords
        else [0, len(values) - 1],
        "begin": float(times[0]),
        "end": float(times[-1]),
    }
    return Framed(head, {"image": picture, "time": times[begins]})


def pooled(
    values: npt.NDArray[np.float32], columns: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return means over parts of the columns of a picture, and where each part begins.

    Parameters
    ----------
    values
        Numbers, float32[row, column].
    columns
        How many parts at most.
    """
    begins = np.unique(
        np.linspace(0, values.shape[1], min(columns, values.shape[1]), endpoint=False).astype(np.int64)
    )
    counts = np.diff(np.append(begins, values.shape[1]))
    return (np.add.reduceat(values, begins, axis=1) / counts).astype(np.float32), begins


def figure(question: Question) -> Response:
    """Draw what ``neurolake plot`` draws, as SVG.

    Parameters
    ----------
    question
        ``kind`` and the options of `neurolake.plot`: ``trials``, ``by``, ``of``, ``begin`` and ``end`` in ms, ``bin``, ``site``, ``low`` and ``high``, ``model``,
        ``circuit``, ``population``, ``projection``, ``node``, ``report``; and ``at``.
    """
    names = ("trials", "of", "site", "model", "circuit", "population", "projection", "report")
    options: dict[str, Any] = {name: text for name in names if (text := question.text(name, ""))}
    if node := question.text("node", ""):
        options["node"] = question.whole("node", int(node) if node.isdecimal() else 0, 0, 2**53)
    made = plot(
        question.snapshot,
        question.text("kind"),  # type: ignore[arg-type]
        by=question.texts("by") or None,
        window=question.span("begin", "end"),
        voltage=question.span("low", "high"),
        bin=question.real("bin", None, 1e-6, 1e6),
        **options,
    )
    body = io.BytesIO()
    made.savefig(body, format="svg", metadata={"Date": None})
    return Response(body.getvalue(), media_type="image/svg+xml")


def lineage(question: Question) -> Response:
    """Return what a node was made from, and what was made from it.

    Parameters
    ----------
    question
        ``node`` and ``at``.
    """
    return Json(question.lake.lineage(question.text("node"), at=question.snapshot.commit.id).to_json())
