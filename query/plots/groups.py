"""Groups side by side: bars with errors, bands of mean and SD, kernels of reduced models.

Needs the extra ``neurolake[plot]`` (matplotlib).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .style import COLOURS, GREY, INK, SMALL, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FILL = COLOURS[5]
_UPRIGHT = 6  # more bars lie down, so that their names can be read


def bars(ax: "Axes", labels: Sequence[str], values: ArrayLike, errors: ArrayLike, *, label: str) -> None:
    """Draw a bar for each group, horizontal where there are many.

    Parameters
    ----------
    ax
        Axes to draw on.
    labels
        Names of the groups.
    values, errors
        Height and half the length of the error bar, shape (n_groups,), in the unit that *label* names; an
        error that is NaN is not drawn.
    label
        Text of the axis of values.

    Raises
    ------
    ValueError
        If there is not one value and error for each group.
    """
    heights, spread = np.asarray(values, float), np.asarray(errors, float)
    if heights.shape != (len(labels),) or spread.shape != heights.shape:
        raise ValueError(
            f"values have shape {heights.shape}, errors {spread.shape}; expected ({len(labels)},) for both"
        )
    place = np.arange(len(labels))
    error = {"ecolor": INK, "elinewidth": 0.9, "capsize": 2.0}
    if len(labels) > _UPRIGHT:
        ax.barh(place, heights, xerr=spread, color=_FILL, height=0.72, error_kw=error)
        ax.set_yticks(place, labels)
        ax.set_ylim(len(labels) - 0.4, -0.6)
        tidy(ax, "", label)
    else:
        ax.bar(place, heights, yerr=spread, color=_FILL, width=0.62, error_kw=error)
        ax.set_xticks(place, labels)
        tidy(ax, label)


def band(
    ax: "Axes", x: ArrayLike, mean: ArrayLike, deviation: ArrayLike, *, colour: str, label: str = ""
) -> None:
    """Draw a mean, and one deviation to both sides of it.

    Parameters
    ----------
    ax
        Axes to draw on.
    x
        Places along the axis, shape (n,).
    mean, deviation
        Mean and deviation of the values at these places, shape (n,).
    colour
        Colour, as matplotlib names it.
    label
        Text of the legend; none by default.

    Raises
    ------
    ValueError
        If shapes differ.
    """
    at, middle, width = (np.asarray(values, float) for values in (x, mean, deviation))
    if not at.shape == middle.shape == width.shape:
        raise ValueError(f"x, mean and deviation have shapes {at.shape}, {middle.shape}, {width.shape}")
    ax.fill_between(at, middle - width, middle + width, color=colour, alpha=0.25, linewidth=0)
    ax.plot(at, middle, color=colour, linewidth=1.2, label=label)
    ax.set_xlim(at[0], at[-1])


def kernels(ax: "Axes", x: ArrayLike, values: ArrayLike, *, colour: str, label: str) -> None:
    """Draw the weights of repeated fits in thin lines, and their mean in a thick one.

    Parameters
    ----------
    ax
        Axes to draw on.
    x
        Place of each weight along the axis, shape (n,).
    values
        Weights of each fit, shape (repetitions, n).
    colour
        Colour, as matplotlib names it.
    label
        Text of the legend.

    Raises
    ------
    ValueError
        If shapes do not match.
    """
    at, weights = np.asarray(x, float), np.asarray(values, float)
    if weights.ndim != 2 or weights.shape[1:] != at.shape:
        raise ValueError(f"weights have shape {weights.shape}; expected (repetitions, {len(at)})")
    ax.axhline(0, color=GREY, linewidth=0.6, zorder=0)
    if len(weights) > 1:
        ax.plot(at, weights.T, color=colour, linewidth=0.5, alpha=0.4)
    ax.plot(at, weights.mean(axis=0), color=colour, linewidth=1.3, label=label)
    ax.set_xlim(at[0], at[-1])


def legend(ax: "Axes", n_groups: int) -> None:
    """Name the groups, if there are several.

    Parameters
    ----------
    ax
        Axes to draw on.
    n_groups
        Number of groups.
    """
    if n_groups > 1:
        ax.legend(frameon=False, fontsize=SMALL, loc="best", handlelength=1.2)
