"""Line sources beside their axis: exact values, ours, and the formula that BlueRecording 0.7 computes with."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from neurolake.kernels.lfp import line_source_potential

Floats = npt.NDArray[np.float64]
pytestmark = pytest.mark.skipif(
    np.finfo(np.longdouble).eps > 1e-18, reason="exact values need a long double that is longer than a double"
)


class Pairs(NamedTuple):
    """Segments and a contact beside each, in µm, float64[n, 3]."""

    start: Floats
    end: Floats
    contact: Floats


def pairs(count: int, length: float, distance: Any) -> Pairs:
    """Segments of one length in any direction, and contacts between their ends at that distance from the axis."""
    rng = np.random.default_rng(7)
    start, along, aside = rng.uniform(-500, 500, (count, 3)), *rng.normal(size=(2, count, 3))
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    aside -= (aside * along).sum(axis=1, keepdims=True) * along
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    place = length * rng.uniform(0.05, 0.95, (count, 1))
    contact = start + along * place + aside * np.reshape(distance, (-1, 1))
    return Pairs(start, start + along * length, contact)


def exact(given: Pairs) -> npt.NDArray[np.longdouble]:
    """Mean of 1/distance along each segment: the distance from the axis is a cross product, so nothing cancels."""
    start, end, contact = (values.astype(np.longdouble) for values in given)
    length = np.sqrt(((end - start) ** 2).sum(axis=1))
    axis, away = (end - start) / length[:, None], contact - end
    h = (away * axis).sum(axis=1)
    r = np.sqrt((np.cross(away, axis) ** 2).sum(axis=1))
    return (np.arcsinh((h + length) / r) - np.arcsinh(h / r)) / length


def holt_and_koch(given: Pairs) -> Floats:
    """The same by three logarithms (Holt and Koch 1999), the squared distance from the axis as |d|² - h².

    BlueRecording computes so, in double precision.
    """
    step, away = given.end - given.start, given.contact - given.end
    length = np.linalg.norm(step, axis=1)
    h = (away * step).sum(axis=1) / length
    l = h + length  # as in the paper
    r2 = np.abs((away * away).sum(axis=1) - h * h)
    near, far = np.sqrt(h * h + r2), np.sqrt(l * l + r2)
    with np.errstate(all="ignore"):
        before, beside = np.log((near - h) / (far - l)), np.log((near - h) * (far + l) / r2)
        beyond = np.log((far + l) / (near + h))
    return np.where(h < 0, np.where(l < 0, before, beside), beyond) / length


def ours(given: Pairs) -> Floats:
    """By our kernel; 4 pi sigma is 1."""
    sigma = 1 / (4 * np.pi)
    each = zip(*given, strict=True)
    return np.array(
        [line_source_potential([s], [e], None, [c], sigma, minimum_distance=None)[0, 0] for s, e, c in each]
    )


def errors(found: Floats, given: Pairs) -> Floats:
    right = exact(given)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(found - right) / right, np.float64)


@pytest.mark.parametrize(
    ("distance", "theirs", "bound"),
    # Theirs grows with the inverse square of the distance.
    [
        (10.0, 1e-15, 1e-14),
        (0.1, 2e-12, 1e-13),
        (1e-3, 2e-8, 1e-11),
        (1e-4, 1.5e-6, 1e-10),
        (1e-5, 1.5e-4, 1e-9),
    ],
)
def test_the_nearer_the_axis_the_more_digits_their_formula_loses(
    distance: float, theirs: float, bound: float
) -> None:
    given = pairs(200, 100.0, distance)
    lost = errors(holt_and_koch(given), given)
    assert theirs / 10 < np.median(lost) < theirs * 10
    assert errors(ours(given), given).max() < bound


def test_some_coefficients_in_a_million_are_off_by_more_than_a_billionth() -> None:
    count, reach = 1_000_000, 3.0
    given = pairs(count, 150.0, reach * np.sqrt(np.random.default_rng(8).uniform(0, 1, count)))
    off = errors(holt_and_koch(given), given)
    assert 1e-6 <= (off > 1e-9).mean() <= 1e-5
    worst = np.argsort(-off)[:200]
    own = Pairs(*(values[worst] for values in given))
    assert errors(ours(own), own).max() < 1e-12
    # On the axis to rounding, theirs may be of any size.
    beside = pairs(2000, 150.0, 1e-5)
    assert 1e-4 < errors(holt_and_koch(beside), beside).max() < 1e-2
