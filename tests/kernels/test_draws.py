"""The counter-based generator: its published test vectors, and numbers that are uniform and independent."""

import numba
import numpy as np
import pytest
from scipy import stats

from neurolake.kernels.draws import (
    exponential,
    key_word,
    normal,
    normal_quantile,
    stream,
    threefry,
    truncated_normal,
    truncated_normals,
    uniforms,
)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0xC2B6E3A8C2C69865, 0x6F81ED42F350084D)),
        ((2**64 - 1,) * 2, (2**64 - 1,) * 2, (0xE02CB7C4D95D277A, 0xD06633D0893B8B68)),
        (
            (0xA4093822299F31D0, 0x082EFA98EC4E6C89),
            (0x243F6A8885A308D3, 0x13198A2E03707344),
            (0x263C7D30BB0F0AF1, 0x56BE8361D3311526),
        ),
    ],
)
def test_known_answers_of_the_authors(key, counter, expected):
    words = threefry(*(np.uint64(word) for word in (*key, *counter)))
    assert tuple(int(word) for word in words) == expected


@numba.njit
def grid(seed, trial, name, cells, draws):
    numbers = np.empty((cells, draws, 2))
    for cell in range(cells):
        for draw in range(draws):
            numbers[cell, draw] = uniforms(seed, trial, name, cell, draw)
    return numbers


def sample(seed=1, trial=2, name="spiketrain/L5tt_C2", cells=200, draws=200):
    return grid(np.uint64(seed), np.uint64(trial), stream(*name.split("/")), cells, draws)


def test_numbers_are_uniform_and_uncorrelated_in_every_direction():
    """80,000 numbers: a deviation of the distribution by 0.01, or a correlation of 0.02, fails (power > 0.99)."""
    numbers = sample()
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 1e-3
    centred = numbers - 0.5
    limit = 4 / np.sqrt(40_000)
    for other in (centred[::-1], centred[:, ::-1], np.roll(centred, 1, 0), np.roll(centred, 1, 1)):
        assert abs(np.mean(centred[..., 0] * other[..., 1]) * 12) < limit
        assert abs(np.mean(centred[..., 0] * other[..., 0]) * 12 - (other is centred)) < limit


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"trial": 3}, {"name": "release/L5tt_C2"}, {"name": "spiketrain/L5tt_C3"}]
)
def test_neighbouring_keys_and_streams_have_nothing_in_common(other):
    one, two = sample(cells=100), sample(cells=100, **other)
    assert not np.isin(one, two).any()
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 4 / np.sqrt(one.size)


def test_deviates_have_their_distributions():
    pairs = sample().reshape(-1, 2)
    assert stats.kstest([normal(*pair) for pair in pairs[:20_000]], "norm").pvalue > 1e-3
    assert stats.kstest([exponential(first) for first, _ in pairs[:20_000]], "expon").pvalue > 1e-3


def test_the_extremes_are_finite():
    assert exponential(1.0) == 0
    assert 36 < exponential(2.0**-53) < 37
    assert np.isfinite(normal(2.0**-53, 1.0))


def test_streams_are_the_same_in_every_process():
    assert int(stream("release", "L5tt_C2")) == 0xD0E8545467AD92DB


@numba.njit
def signed(seed, trial):
    return uniforms(seed, trial, np.uint64(3), 4, 5)


def test_signed_keys_count_as_words():
    assert signed(1, 2) == signed(np.uint64(1), np.uint64(2))
    assert signed(-1, 2) == signed(np.uint64(2**64 - 1), np.uint64(2))


@pytest.mark.parametrize("number", [-1, 2**64])
def test_a_key_that_is_no_word(number):
    with pytest.raises(ValueError, match="seed is"):
        key_word(number, "seed")


@pytest.mark.parametrize("probability", [1e-300, 1e-30, 1e-9, 0.01, 0.075, 0.3, 0.5, 0.925, 0.99, 1 - 1e-12])
def test_the_normal_quantile_is_that_of_scipy(probability):
    assert normal_quantile(probability) == pytest.approx(stats.norm.ppf(probability), rel=1e-14)
    assert normal_quantile(0.0) == -np.inf and normal_quantile(1.0) == np.inf


@pytest.mark.parametrize(
    ("mean", "deviation", "low", "high"),
    [(5.6, 0.74, 0.1, 20.0), (2.0, 2.0, 0.0, 15.0), (0.0, 1.0, 9.0, 11.0), (0.0, 1.0, -11.0, -9.0)],
)
def test_a_truncated_normal_is_scipys_also_far_out(mean, deviation, low, high):
    given = np.linspace(0.0, 1.0, 101)
    found = [truncated_normal(u, mean, deviation, low, high) for u in given]
    bounds = (low - mean) / deviation, (high - mean) / deviation
    expected = stats.truncnorm.ppf(given, *bounds, mean, deviation)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    assert truncated_normal(0.3, 4.0, 0.0, 5.0, 6.0) == 5.0


def test_truncated_normals_are_of_their_distribution_and_each_cells_own():
    found = truncated_normals(20_000, 2.0, 2.0, 0.0, 15.0, seed=1, purpose="endfeet", population="glia")
    assert stats.kstest(found, stats.truncnorm(-1.0, 6.5, 2.0, 2.0).cdf).pvalue > 1e-3
    fewer = truncated_normals(10, 2.0, 2.0, 0.0, 15.0, seed=1, purpose="endfeet", population="glia")
    np.testing.assert_array_equal(fewer, found[:10])
    free = truncated_normals(20_000, 1.0, 2.0, -np.inf, np.inf, seed=1, purpose="other", population="glia")
    assert stats.kstest(free, stats.norm(1.0, 2.0).cdf).pvalue > 1e-3
    with pytest.raises(ValueError, match="expected finite numbers that rise"):
        truncated_normals(1, 0.0, 1.0, 2.0, 1.0, seed=1, purpose="other", population="glia")
