"""What a lake's server answers, by path; see docs/serve.md."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ...lake.errors import NeurolakeError, NotFoundError
from . import cells, glia, images, lakes, potentials, tables, trials
from .access import Access
from .asking import Question, Served
from .bodies import Json
from .kept import Leave

PAGES = Path(__file__).parents[1] / "pages"

Endpoint = Callable[[Question], Response]

ENDPOINTS: dict[str, Endpoint] = {
    "lake": lakes.lake,
    "commits": lakes.commits,
    "changes": lakes.changes,
    "nodes": lakes.nodes,
    "columns": lakes.columns,
    "upkeep": lakes.upkeep,
    "health": lakes.health,
    "runs": lakes.runs,
    "rows": tables.rows,
    "sql": tables.sql,
    "plan": tables.plan,
    "words": tables.words,
    "raster": trials.raster,
    "psth": trials.psth,
    "mean": trials.mean,
    "traces": trials.traces,
    "trace": trials.trace,
    "trial": trials.trial,
    "activations": trials.activations,
    "cells": cells.cells,
    "cell": cells.cell,
    "frames": cells.values,
    "somata": cells.somata,
    "spikes": cells.spikes,
    "partners": cells.partners,
    "astrocytes": glia.astrocytes,
    "signals": potentials.signals,
    "potential": potentials.potential,
    "heat": images.heat,
    "figure": images.figure,
    "lineage": images.lineage,
}
"""What can be asked below ``/api/``, by name."""


def application(served: Served, port: int) -> Access:
    """Return what answers requests to a lake; it changes nothing in it.

    Parameters
    ----------
    served
        The lake.
    port
        The port that it will be served at.
    """
    routes = [
        *(Route(f"/api/{name}", _answering(endpoint, served)) for name, endpoint in ENDPOINTS.items()),
        Route("/api/{rest:path}", _unknown),
        Route("/", _page),
        Mount("/", StaticFiles(directory=PAGES)),
    ]
    return Access(Starlette(routes=routes), port)


_FIRST: tuple[tuple[Endpoint, dict[str, Any]], ...] = (
    (trials.traces, {}),
    (trials.mean, {}),
    (trials.psth, {"of": "activations", "bin": 5}),
)
"""What the page of trials asks for first, and takes long."""
_MOST_SAMPLES = 2 * 10**9
"""Of voltages that are looked at before anybody asks."""


def prepare(served: Served, leave: Leave) -> None:
    """Compute what the page of trials shows first, so that nobody waits for it; of lakes beyond some size nothing.

    Parameters
    ----------
    served
        The lake.
    leave
        What tells that it is not needed any more.
    """
    for endpoint, given in _FIRST:
        # What is wrong is told to whoever asks.
        with contextlib.suppress(NeurolakeError):
            question = Question(QueryParams({key: str(value) for key, value in given.items()}), served, leave)
            shapes = [node.meta["shape"] for node in question.snapshot.tree.values() if node.kind == "array"]
            if max((math.prod(shape) for shape in shapes), default=0) > _MOST_SAMPLES:
                return
            if not leave.left:
                endpoint(question)
    with contextlib.suppress(NeurolakeError):
        if not leave.left:
            trials.count_activations(Question(QueryParams(), served, leave))


def _answering(endpoint: Endpoint, served: Served) -> Callable[[Request], Awaitable[Response]]:
    """What calls an endpoint, in a thread, tells errors in words, and ends what nobody waits for any more."""

    def answer(question: Question) -> Response:
        try:
            return endpoint(question)
        except NotFoundError as error:
            return _refused(error, 404)
        except (NeurolakeError, ValueError) as error:
            return _refused(error, 400)
        except Exception as error:
            logging.getLogger(__name__).exception("no answer to /api/%s", endpoint.__name__)
            return Json({"error": f"neurolake failed: {type(error).__name__}: {error}", "kind": "fault"}, 500)

    async def answered(request: Request) -> Response:
        question = Question(request.query_params, served)

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            question.leave.leave()

        watching = asyncio.create_task(watch())
        try:
            return await run_in_threadpool(answer, question)
        finally:
            watching.cancel()

    return answered


def _refused(error: Exception, status: int) -> Response:
    return Json({"error": str(error), "kind": type(error).__name__}, status)


def _unknown(request: Request) -> Response:
    name = request.path_params["rest"]
    return Json(
        {"error": f"there is no /api/{name}; there are: {', '.join(ENDPOINTS)}", "kind": "NotFoundError"}, 404
    )


def _page(request: Request) -> Response:
    return FileResponse(PAGES / "index.html")
