"""Every check names the first element that is wrong, wherever it is."""

import numpy as np
import pytest

from neurolake.kernels import checks, jit

# In the first block of a check's loop, at its borders, and past it.
PLACES = (0, 1, 4095, 4096, 4097, 9999)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_nan_is_named(place, dtype):
    times = np.zeros(10_000, dtype)
    times[[place, -1]] = np.nan
    with pytest.raises(ValueError, match=rf"^time\[{place}\] is NaN; expected a time$"):
        checks.event_times("time", times)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.uint32, np.int64])
def test_the_first_code_out_of_range_is_named(place, dtype):
    codes = np.zeros(10_000, dtype)
    codes[[place, -1]] = 7
    with pytest.raises(ValueError, match=rf"^group\[{place}\] is 7; expected 0 <= group < 7$"):
        checks.codes("group", codes, 7, 10_000)
    assert checks.codes("group", codes, 8, 10_000).dtype == dtype


@pytest.mark.parametrize("place", PLACES[1:])
def test_the_first_fall_is_named(place):
    values = np.arange(10_000.0)
    values[place] = -1
    message = rf"^edges\[{place}\] = -1.0 after edges\[{place - 1}\] = {place - 1}.0; expected rising edges$"
    with pytest.raises(ValueError, match=message):
        checks.rising("edges", values)


@pytest.mark.parametrize("bad", [-1e-300, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("place", PLACES)
def test_distances_are_finite_and_not_negative(bad, place):
    values = np.zeros(10_000)
    values[place] = bad
    with pytest.raises(ValueError, match=rf"^distance\[{place}\] is {bad}; expected a finite"):
        checks.distances("distance", values)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 3.0], [-np.inf, np.inf]])
def test_rising_numbers_pass(values):
    assert checks.rising("x", values).tolist() == values
    assert checks.is_rising(np.array(values))


def test_negative_codes_and_dtypes():
    with pytest.raises(ValueError, match=r"trial\[1\] is -1"):
        checks.codes("trial", [0, -1], 2, 2)
    with pytest.raises(ValueError, match="trial has dtype float64; expected integers"):
        checks.codes("trial", [0.0], 2, 1)
    with pytest.raises(ValueError, match="trial has dtype bool; expected integers"):
        checks.whole_numbers("trial", [True])
    assert checks.codes("trial", [], 2, 0).dtype == np.int64
    assert checks.traces("v", np.zeros((2, 3), np.float16)).dtype == np.float64


@pytest.mark.parametrize("place", PLACES)
def test_threads_name_the_first_too(monkeypatch, place):
    monkeypatch.setattr(jit, "SERIAL_SIZE", 0)
    values = np.arange(10_000.0)
    values[[place, -1]] = np.nan
    with pytest.raises(ValueError, match=rf"^time\[{place}\] is NaN"):
        checks.event_times("time", values)
    values = np.arange(10_000)
    values[place] = 10_000
    with pytest.raises(ValueError, match=rf"^trial\[{place}\] is 10000"):
        checks.codes("trial", values, 10_000, 10_000)
    assert checks.is_rising(values) == (place == 9999)
    values[place] = place
    assert checks.is_rising(values)
