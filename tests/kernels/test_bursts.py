"""Bursts against a plain reading of their definitions."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.kernels.trains.bursts import burst_events, voltage_bursts

SAMPLES = np.arange(20.0)
TRAIN = st.lists(st.sampled_from([-3.0, 0.5, 2.0, 3.5, 7.0, 7.25, 11.0, 19.0, 30.0]), max_size=7).map(sorted)
TRAINS = st.lists(TRAIN, max_size=3)
LEVELS = st.sampled_from([-70.0, -55.0, -40.0, np.nan])


def columns(trains):
    trial = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    return trial, np.array([time for train in trains for time in train], float)


def bursts_of(train, trace):
    found = []
    for spike, after in pairwise(train):
        between = trace[(spike <= SAMPLES) & (after > SAMPLES)]
        between = between[~np.isnan(between)]
        if between.size and between.min() >= -55.0:
            if found and found[-1][3]:
                found[-1] = (found[-1][0], after, found[-1][2] + 1, True)
            else:
                found.append((spike, after, 2, True))
        elif found:
            found[-1] = (*found[-1][:3], False)
    return [burst[:3] for burst in found]


@settings(deadline=None)  # the first example compiles
@given(TRAINS, st.data())
def test_voltage_bursts_are_the_definition(trains, data):
    level = st.lists(LEVELS, min_size=20, max_size=20)
    voltage = np.array([data.draw(level) for _ in trains], float).reshape(len(trains), 20)
    expected = [
        (trial, *burst)
        for trial, (train, trace) in enumerate(zip(trains, voltage, strict=True))
        for burst in bursts_of(train, trace)
    ]
    found = voltage_bursts(*columns(trains), voltage, SAMPLES)
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected


def events_of(train, longest):
    found, k = [], 0
    while k < len(train):
        fits = [
            n
            for n in range(len(longest), 0, -1)
            if k + n < len(train) and train[k + n] - train[k] <= longest[n - 1]
        ]
        n = fits[0] if fits else 0
        intervals = [train[k + m] - train[k] if m <= n else None for m in range(1, len(longest) + 1)]
        found.append((train[k], n, intervals))
        k += n + 1
    return found


TIMES = st.lists(st.floats(0, 200) | st.sampled_from([0.0, 10.0, 20.0, 30.0, 40.0]), max_size=9).map(sorted)


@settings(deadline=None)  # the first example compiles
@given(st.lists(TIMES, max_size=3), st.sampled_from([(10.0, 30.0), (), (10.0, 5.0, 60.0)]))
def test_events_are_the_definition(trains, longest):
    expected = [(trial, *event) for trial, train in enumerate(trains) for event in events_of(train, longest)]
    found = burst_events(*columns(trains), longest=longest)
    intervals = [[None if np.isnan(x) else x for x in row] for row in found.intervals]
    rows = zip(found.trial.tolist(), found.time.tolist(), found.event_class.tolist(), intervals, strict=True)
    assert list(rows) == expected


def test_a_triplet_is_tried_before_a_doublet():
    found = burst_events([0] * 6, [0.0, 10.0, 30.0, 41.0, 50.0, 90.0])
    assert found.event_class.tolist() == [2, 1, 0]
    assert found.time.tolist() == [0.0, 41.0, 90.0]


BAD = [
    (
        lambda: voltage_bursts([0], [1.0], np.zeros((1, 3)), SAMPLES),
        r"voltage has shape \(1, 3\), sample_times \(20,\)",
    ),
    (
        lambda: voltage_bursts([1], [1.0], np.zeros((1, 20)), SAMPLES),
        r"trial\[0\] is 1; expected 0 <= trial < 1",
    ),
    (lambda: voltage_bursts([0], [1.0], np.zeros(20), SAMPLES), r"voltage has shape \(20,\)"),
    (lambda: voltage_bursts([0], [1.0], np.zeros((1, 20)), SAMPLES[::-1]), r"sample_times\[1\] = 18.0 after"),
    (lambda: voltage_bursts([], [], np.zeros((1, 20)), SAMPLES, cutoff=np.nan), "cutoff is NaN"),
    (lambda: burst_events([0, 0], [2.0, 1.0]), r"time\[1\] = 1.0 after time\[0\] = 2.0 in trial 0"),
    (lambda: burst_events([0], [np.nan]), r"time\[0\] is NaN"),
    (lambda: burst_events([0], [1.0], longest=(10.0, -1.0)), r"longest\[1\] is -1.0; expected 0 ms or more"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_errors_say_what_and_where(call, message):
    with pytest.raises(ValueError, match=message):
        call()
