"""Differences and decimals: every bit pattern comes back, and smooth series become small words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurolake.kernels.coding import (
    as_decimals,
    best_order,
    decimal_places,
    finite_differences,
    from_decimals,
    summed,
)

KINDS = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


@st.composite
def series(draw: st.DrawFn) -> np.ndarray:
    """Any bit patterns of any type; also longer than what is worked on at a time."""
    kind = np.dtype(draw(st.sampled_from(KINDS)))
    data = draw(st.binary(max_size=300)) * draw(st.sampled_from([1, 1, 60]))
    return np.frombuffer(data[: len(data) // kind.itemsize * kind.itemsize], kind).copy()


class TestDifferences:
    @settings(deadline=None)  # the first example compiles
    @given(values=series(), order=st.integers(1, 15))
    def test_every_bit_comes_back(self, values: np.ndarray, order: int) -> None:
        words = finite_differences(values, order)
        assert words.dtype == np.dtype(f"u{values.itemsize}")
        summed(words, order, reals=values.dtype.kind == "f")
        assert words.tobytes() == values.tobytes()

    @settings(deadline=None)  # the first example compiles
    @given(
        values=hnp.arrays("i8", st.integers(0, 40), elements=st.integers(-100, 100)), order=st.integers(1, 6)
    )
    def test_of_integers_they_are_those_of_numpy(self, values: np.ndarray, order: int) -> None:
        expected = np.diff(values, order, prepend=np.zeros(order, "i8"))
        words = finite_differences(values, order)
        assert np.where(words % 2, -((words + 1) // 2).astype("i8"), words // 2).tolist() == expected.tolist()

    def test_order_of_reals_is_that_of_their_integers(self) -> None:
        values = np.array([-np.inf, -2.0, -1.0, -1e-310, -0.0, 0.0, 5e-324, 1.0, np.inf])
        words = finite_differences(values, 1)
        # Upward steps are even words.
        assert (words[1:] % 2 == 0).all() and (words[1:] > 0).all() and words[5] == 2

    @pytest.mark.parametrize("order", range(2, 8))
    def test_best_order_of_polynomials(self, order: int) -> None:
        """Of a polynomial of degree k - 1 the differences of order k vanish, those of order k - 1 do not."""
        values = np.ones(2000, "i8")
        for _ in range(order - 1):
            values = np.cumsum(values)
        assert best_order(values) == order

    @pytest.mark.parametrize("kind", KINDS)
    def test_noise_is_left_alone(self, kind: str) -> None:
        data = np.random.default_rng(1).bytes(8 * 5000)
        assert best_order(np.frombuffer(data, kind)) == 0

    def test_short_series_are_left_alone(self) -> None:
        assert [best_order(np.arange(float(n))) for n in range(21)] == [0] * 21

    @pytest.mark.parametrize(
        "values",
        [np.zeros(3, "c8"), np.zeros((2, 2)), np.zeros(6)[::2], np.zeros(3, ">f8"), np.zeros(3, bool)],
    )
    def test_what_is_refused(self, values: np.ndarray) -> None:
        with pytest.raises(ValueError, match="expected"):
            finite_differences(values, 1)
        with pytest.raises(ValueError, match="expected"):
            best_order(values)

    @pytest.mark.parametrize("order", [0, -1, 16])
    def test_orders_that_are_refused(self, order: int) -> None:
        with pytest.raises(ValueError, match="expected 1 to 15"):
            finite_differences(np.zeros(3), order)
        with pytest.raises(ValueError, match="expected 1 to 15"):
            summed(np.zeros(3, "u8"), order, reals=True)


class TestDecimals:
    @settings(deadline=None)  # the first example compiles
    @given(
        numbers=hnp.arrays("i8", st.integers(1, 200), elements=st.integers(-(10**14), 10**14)),
        places=st.integers(0, 14),
        strange=hnp.arrays("i8", 3, elements=st.integers(-(2**63), 2**63 - 1)),
    )
    def test_every_bit_comes_back(self, numbers: np.ndarray, places: int, strange: np.ndarray) -> None:
        text = [f"{number}e-{places}" for number in numbers]
        values = np.concatenate([np.array(text, float), strange.view("f8"), [-0.0, np.nan, np.inf, 1 / 3]])
        integers, exceptions = as_decimals(values, places)
        from_decimals(integers, places)
        back = integers.view("f8").copy()
        back[exceptions] = values[exceptions]
        assert back.tobytes() == values.tobytes()
        # What was printed with so many places is no exception.
        assert {i for i in exceptions.tolist() if i < len(numbers)} == set()
        assert set(range(len(numbers) + 3, len(values))) <= set(exceptions.tolist())

    @pytest.mark.parametrize("places", range(16))
    def test_places_are_found(self, places: int) -> None:
        numbers = np.random.default_rng(2).integers(-(10**9), 10**9, 5000)
        values = np.array([f"{number}e-{places}" for number in numbers], float)
        assert decimal_places(values) == places
        values[::200] = 1 / 3
        assert decimal_places(values) == places

    def test_reals_without_places(self) -> None:
        values = np.random.default_rng(3).random(5000)
        assert decimal_places(values) is None and decimal_places(np.empty(0)) is None
        # The first that are looked at are decimal, most are not.
        values[:: 5000 // 16] = 0.5
        assert decimal_places(values) is None

    @pytest.mark.parametrize("places", [-1, 23])
    def test_places_that_are_refused(self, places: int) -> None:
        with pytest.raises(ValueError, match="expected 0 to 22"):
            as_decimals(np.zeros(3), places)
        with pytest.raises(ValueError, match="expected 0 to 22"):
            from_decimals(np.zeros(3, "i8"), places)

    def test_types_that_are_refused(self) -> None:
        for wrong in (np.zeros(3, "f4"), np.zeros((2, 2)), np.zeros(6)[::2]):
            with pytest.raises(ValueError, match="a series of float64"):
                decimal_places(wrong)
            with pytest.raises(ValueError, match="a series of float64"):
                as_decimals(wrong, 1)
