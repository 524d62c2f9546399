"""Contacts that record while currents come: the same as of currents that were kept, however they come."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.kernels.lfp import signal
from neurolake.mechanisms.trial import contacts
from neurolake.mechanisms.trial.contacts import ContactSums
from neurolake.mechanisms.trial.recording import Collected, SegmentFrames


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    block=st.integers(1, 12),
    n_groups=st.integers(0, 3),
)
def test_blocks_of_any_size_give_what_kept_currents_give(
    seed: int, sizes: list[int], block: int, n_groups: int
) -> None:
    draw = np.random.default_rng(seed)
    factors, currents = draw.normal(size=(3, 7)), draw.normal(size=(sum(sizes), 7)).astype(np.float32)
    groups = draw.integers(0, n_groups, 7) if n_groups else None
    found = Collected()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contacts, "BLOCK_BYTES", 12 * max(1, n_groups) * block)
        sums = ContactSums("probe", factors, found, groups, n_groups=n_groups or None)
    lengths: list[int] = []
    begin, memory = 0, np.empty((10, 7), np.float32)
    for size in sizes:
        memory[:size] = currents[begin : begin + size]
        time = np.arange(begin, begin + size) * 0.1
        sums(SegmentFrames(time, {"i_membrane": memory[:size], "v": memory[:size]}))
        memory[:] = np.nan
        begin += size
        lengths.append(begin)
    sums.finish()
    sums.finish()
    made = found.frames()
    expected = np.moveaxis(
        signal(factors, currents.astype(np.float64), groups, n_groups=n_groups or None), -1, 0
    )
    assert made.values["probe"].dtype == np.float32
    np.testing.assert_allclose(made.values["probe"], expected, rtol=1e-6, atol=1e-6)
    assert np.array_equal(made.time, np.arange(begin) * 0.1)


def test_blocks_are_bounded_and_summed_over_processes() -> None:
    seen: list[tuple[int, ...]] = []

    def sink(frames: SegmentFrames) -> None:
        seen.append(frames.values["p"].shape)

    def total(values: Any) -> Any:
        return 2 * values

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contacts, "BLOCK_BYTES", 4 * 2 * 5)
        sums = ContactSums("p", np.ones((2, 4)), sink, total=total)
    sums(SegmentFrames(np.arange(12.0), {"i_membrane": np.ones((12, 4), np.float32)}))
    sums.finish()
    assert seen == [(5, 2), (5, 2), (2, 2)]
    found = Collected()
    twice = ContactSums("p", np.ones((2, 4)), found, total=total)
    twice(SegmentFrames(np.arange(2.0), {"i_membrane": np.ones((2, 4), np.float32)}))
    twice.finish()
    assert (found.frames().values["p"] == 8).all()
