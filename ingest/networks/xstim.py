"""bmtk's extracellular stimulation: electrodes at places with one waveform, in a homogeneous medium.

Semantics are those of bmtk 1.1 (bionet, modules xstim and xstim_waveforms): amplitudes in mA, ``resistance`` in Ohm cm, an electrode as a
point or as a mesh of points that share its current, which is turned about its axes x, y, z and put with its mean at its position.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...lake.errors import InputError
from ...mechanisms.entries import is_number
from ...mechanisms.stimuli.signals import Reals, Waveform
from ..lfp.stimulation import PointField
from ..sonata.config import mesh_files
from .entries import InputEntry, numbers_of_table
from .sonata import DT

NANO = 1e6
"""nA in a mA."""
_SITES = ("pos_x", "pos_y", "pos_z", "rotation_x", "rotation_y", "rotation_z")
_MESH = ("x_pos", "y_pos", "z_pos")
_RESISTANCE = 300.0
_FOREVER = 1e9


def xstim_field(entry: InputEntry) -> PointField:
    """Return the field of an input.

    Parameters
    ----------
    entry
        The input.

    Raises
    ------
    InputError
        Something is wrong with it.
    """
    resistance = entry.number("resistance", _RESISTANCE)
    if not resistance > 0:
        raise InputError(f"resistance is {resistance:g}, expected more than 0 Ohm cm")
    return PointField(
        entry.name,
        *_points(entry),
        _waveform(entry),
        100.0 / resistance,
        frozenset(entry.cells()),
    )


def _points(entry: InputEntry) -> tuple[Reals, Reals]:
    """Places of all points in µm, float64[n, 3], and the share of the current that each has, float64[n]."""
    sites = entry.table("positions_file", " ", _SITES)
    centres = np.stack([sites[name] for name in _SITES[:3]], axis=1)
    angles = np.stack([sites[name] for name in _SITES[3:]], axis=1)
    meshes = _meshes(entry, len(centres))
    places, shares = [], []
    for centre, angle, mesh in zip(centres, angles, meshes, strict=True):
        turned = mesh @ _rotation(angle).T
        places.append(turned - turned.mean(axis=0) + centre)
        shares.append(np.full(len(mesh), 1.0 / len(mesh)))
    return np.concatenate(places), np.concatenate(shares)


def _meshes(entry: InputEntry, count: int) -> list[Reals]:
    named = mesh_files(entry.simulation.file(str(entry.told["positions_file"])))
    if not named:
        return [np.zeros((1, 3))] * count
    found = []
    for name in named:
        mesh = numbers_of_table(entry.simulation.file(name), name, " ", _MESH)
        if not len(mesh[_MESH[0]]):
            raise InputError(f"{name}: there are no points")
        found.append(np.stack([mesh[axis] for axis in _MESH], axis=1))
    return found


def _rotation(angles: Reals) -> Reals:
    """Turns about x, y and z by angles in radians, counterclockwise: the last one first."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    turned: Reals = about_x @ about_y @ about_z
    return turned


def _waveform(entry: InputEntry) -> Waveform:
    """In nA."""
    told = entry.told.get("waveform")
    if isinstance(told, str):
        if told.endswith(".csv"):
            columns = entry.table("waveform", "\t", ("time", "amplitude"))
            return _held(columns["time"], columns["amplitude"]).scaled(NANO)
        try:
            told = json.loads(entry.simulation.file(told))
        except ValueError as error:
            raise InputError(
                f"waveform {entry.told['waveform']}: it is neither .csv nor JSON: {error}"
            ) from error
    if not isinstance(told, Mapping):
        raise InputError(f"waveform is {told!r}, expected shape, amp, del and dur, or the name of a file")
    return _shaped(told, entry).scaled(NANO)


def _held(time: Reals, value: Reals) -> Waveform:
    """A broken line whose first value holds before it, and whose last one after it, as bmtk has it."""
    if not len(time) or (np.diff(time) < 0).any():
        raise InputError("waveform: expected times that ascend")
    ends = [min(0.0, time[0])], [max(_FOREVER, time[-1])]
    return Waveform(np.concatenate([ends[0], time, ends[1]]), np.concatenate([value[:1], value, value[-1:]]))


def _shaped(told: Mapping[str, Any], entry: InputEntry) -> Waveform:
    def number(key: str, default: float | None = None) -> float:
        value = told.get(key, default)
        if value is None or not is_number(value):
            raise InputError(f"waveform.{key} is {value!r}, expected a number")
        return float(value)

    shape, delay, duration = str(told.get("shape", "")).lower(), number("del"), number("dur")
    stop = delay + duration
    if shape == "dc":
        inside, time = np.full(2, number("amp")), np.array([delay, stop])
    elif shape == "sin":
        # Half a step: fields are those of the middles of steps.
        step = (entry.simulation.number("run", "dt") or DT) / 2
        time = np.append(np.arange(delay, stop, step), stop)
        angle = 2e-3 * np.pi * number("freq") * time + number("phase", np.pi)
        inside = number("amp") * np.sin(angle) + number("offset", 0.0)
    else:
        raise InputError(f"waveform.shape is {told.get('shape')!r}; there are dc and sin")
    return Waveform(
        np.concatenate([[delay], time, [stop]]),
        np.concatenate([[0.0], inside, [0.0]]),
    )
