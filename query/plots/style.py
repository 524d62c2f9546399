"""How figures look: the palette, the page with its title and footer, and axes without ornament.

matplotlib comes with the extra ``neurolake[plot]``. pyplot and its global state are not used, so that figures can be
made in any thread and without a screen.
"""

import functools
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

from ...lake.extras import needed

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""The palette of Okabe & Ito (2008), distinguishable with all common kinds of colour vision; most contrast first."""

MAP = "viridis"
"""For amounts: perceptually uniform, and rising in lightness for all kinds of colour vision."""

INK, GREY = "#222222", "#8a8a8a"
WIDTH_INCH = 7.2  # two columns of a journal page
SMALL, NORMAL, LARGE = 7.0, 8.0, 10.0  # points
DPI = 200
_FOOTER_INCH = 0.16


def page(width: float, height: float, *, title: str = "", footer: str = "", gap: float = 0.03) -> "Figure":
    """Make an empty figure, with a title above and small text below.

    Parameters
    ----------
    width, height
        Size in inches.
    title
        Text above.
    footer
        Small text below.
    gap
        Space between axes, as a share of the figure.

    Raises
    ------
    MissingPackageError
        matplotlib is not installed.
    """
    with needed("figures", "plot"):
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    foot = _FOOTER_INCH / height
    layout = ConstrainedLayoutEngine(rect=(0, foot, 1, 1 - foot), hspace=gap, wspace=gap)
    figure = _shown(Figure)((width, height), dpi=DPI, layout=layout, facecolor="white")
    figure.suptitle(title, fontsize=LARGE, color=INK)
    figure.text(0.995, 0.03 / height, footer, ha="right", fontsize=6.5, color=GREY)
    return figure


@functools.cache
def _shown(kind: "type[Figure]") -> "type[Figure]":
    """Figures that a notebook shows: those that pyplot does not know are text there."""

    class ShownFigure(kind):  # type: ignore[misc, valid-type]
        def _repr_png_(self) -> bytes:
            body = io.BytesIO()
            self.savefig(body, format="png", dpi=110)
            return body.getvalue()

    return ShownFigure


def colours(n: int) -> list[str]:
    """Return a colour for each group: the palette, or evenly spaced ones of a map for more than it has.

    Parameters
    ----------
    n
        Number of groups.
    """
    if n <= len(COLOURS):
        return list(COLOURS[:n])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    # The lightest end of the map is hard to see on white.
    return [to_hex(colormaps[MAP](0.85 * k / (n - 1))) for k in range(n)]


def tidy(ax: "Axes", ylabel: str, xlabel: str = "") -> None:
    """Label axes, and hide the lines around them that carry no information.

    Parameters
    ----------
    ax
        Axes to label.
    ylabel, xlabel
        Text of either axis.
    """
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(INK)
    ax.tick_params(labelsize=SMALL, color=INK, labelcolor=INK, width=0.8, length=3)
    ax.set_ylabel(ylabel, fontsize=NORMAL, color=INK)
    if xlabel:
        ax.set_xlabel(xlabel, fontsize=NORMAL, color=INK)
