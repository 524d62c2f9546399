"""Currents of files of NWB, as the Allen Institute records them: one sweep is the current of bmtk's IClamp.

Semantics are those of bmtk 1.1 (core, modules iclamp): ``sweep_id``, ``downsample`` (ms), ``sweep_window`` (ms) and ``delay`` (ms).
"""

import io

import numpy as np

from ...lake.errors import InputError
from ...mechanisms.entries import is_number
from ...mechanisms.stimuli.signals import Reals, Waveform, stairs
from ..hdf5.layout import hdf5
from .entries import InputEntry

NWB = ("nwb", "allen")
"""What inputs of files of NWB are called in ``input_type``."""
_NANO = 1e9


def nwb_sweep(entry: InputEntry) -> Waveform:
    """Return the current of a sweep in nA: each sample holds until the next one.

    Parameters
    ----------
    entry
        The input.

    Raises
    ------
    InputError
        The file is not there or is no NWB, has no such sweep, or an option is none.
    """
    named, sweep = str(entry.told["file"]), _sweep(entry)
    try:
        with hdf5().File(io.BytesIO(entry.simulation.file(named)), "r") as file:
            where = f"epochs/{sweep}/stimulus/timeseries"
            if where not in file:
                known = ", ".join(sorted(file["epochs"])[:10]) if "epochs" in file else "none"
                raise InputError(f"file {named}: there is no {where}; it has the epochs {known}")
            series = file[where]
            rate = float(series["starting_time"].attrs["rate"])
            level = np.asarray(series["data"][()], np.float64) * _NANO
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"file {named}: it cannot be read as a sweep of NWB: {error}") from error
    if not rate > 0 or level.ndim != 1 or not len(level):
        raise InputError(
            f"file {named}: {sweep} has {level.shape} samples at {rate:g} Hz, expected a row of some at a rate above 0"
        )
    return _chosen(entry, level, 1000.0 / rate)


def _sweep(entry: InputEntry) -> str:
    told = entry.told.get("sweep_id")
    if told is None or isinstance(told, bool):
        raise InputError(f"sweep_id is {told!r}, expected the number of a sweep")
    try:
        return f"Sweep_{int(told)}"
    except (TypeError, ValueError):
        return str(told)


def _chosen(entry: InputEntry, level: Reals, step: float) -> Waveform:
    """Some of the samples, as the input asks: every n-th, and those within a window."""
    if entry.told.get("downsample") is not None:
        asked = entry.number("downsample")
        if asked > step:
            level, step = level[:: round(asked / step)], asked
    window = entry.told.get("sweep_window")
    if window is not None:
        if not isinstance(window, list) or len(window) != 2 or not all(is_number(each) for each in window):
            raise InputError(f"sweep_window is {window!r}, expected two times in ms")
        low, high = map(float, window)
        time = np.arange(len(level)) * step
        inside = (time >= low) & (time <= high)
        if not 0 <= low < high or not inside.any():
            raise InputError(
                f"sweep_window is {window!r}: expected 0 <= begin < end, within the {time[-1] + step:g} ms of the sweep"
            )
        level = level[inside]
    edges = np.arange(len(level) + 1, dtype=np.float64) * step + entry.number("delay", 0.0)
    return stairs(edges, level)
