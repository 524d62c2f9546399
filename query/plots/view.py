"""What a figure shows, and a figure whose data are known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .data import Limits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KindName = Literal[
    "raster",
    "psth",
    "traces",
    "mean",
    "density",
    "activations",
    "bars",
    "kernels",
    "cells",
    "distances",
    "degrees",
    "matrix",
    "tree",
    "population-raster",
    "rates",
    "spectrogram",
    "domains",
    "vessels",
    "astrocyte",
    "glia-distributions",
    "places",
]
Of = Literal["spikes", "activations"]


@dataclass(frozen=True)
class View:
    """What a figure shows; see `neurolake.query.plots.plots.plot`."""

    trials: str = "true"
    by: tuple[str, ...] = ()
    of: Of = "spikes"
    window: Limits | None = None
    bin: float | None = None
    site: str = "soma"
    voltage: Limits | None = None
    model: str | None = None
    circuit: str | None = None
    population: str | None = None
    projection: str | None = None
    node: int | None = None
    report: str | None = None
    axis: str | None = None
    level: float | None = None


@dataclass(frozen=True)
class Sketch:
    """A figure whose data are known: its height in inches, and the function that draws it.

    Parameters
    ----------
    height
        Height in inches.
    draw
        Function that draws into a figure.
    """

    height: float
    draw: "Callable[[Figure], None]"
