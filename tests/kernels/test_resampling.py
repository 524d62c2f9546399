"""Sections with points at equal distances: on the way that there was, its ends kept."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.kernels.shapes.resampling import resampled


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 1.0, 4.0]))
def test_points_are_at_equal_distances_of_the_way(seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, 5)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    points = np.cumsum(rng.normal(0, 2, (offsets[-1], 3)), axis=0)
    diameter = rng.uniform(1, 2, len(points))
    found, thick, after = resampled(points, diameter, offsets, density)
    for k, size in enumerate(sizes):
        old, new = points[offsets[k] : offsets[k + 1]], found[after[k] : after[k + 1]]
        across, width = diameter[offsets[k] : offsets[k + 1]], thick[after[k] : after[k + 1]]
        path = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(old, axis=0), axis=1))])
        assert len(new) == (max(int(1 + path[-1] * density), 2) if size > 1 else 1)
        along = np.linspace(0, path[-1], len(new))
        expected = np.stack([np.interp(along, path, old[:, axis]) for axis in range(3)], axis=1)
        np.testing.assert_allclose(new, expected, atol=1e-9)
        np.testing.assert_allclose(width, np.interp(along, path, across), atol=1e-9)
        np.testing.assert_array_equal(new[[0, -1]], old[[0, -1]])


def test_a_density_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="density is 0"):
        resampled(np.zeros((2, 3)), np.ones(2), [0, 2], 0)
