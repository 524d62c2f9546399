"""Fields of electrodes from solvers, for coefficients by reciprocity; and as arrays of a lake."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...catalog.vocabulary import space
from ...kernels.lfp.field import Field
from ...lake import Lake, Transaction
from ...lake.errors import IngestError
from ...lake.names import checked_name, in_one_line
from ..hdf5.layout import hdf5

_MICRONS_PER_METRE = 1e6
_MV_PER_V = 1e3
_NANO = {"nA": 1.0, "uA": 1e3, "mA": 1e6, "A": 1e9}
_POTENTIAL, _ELECTRIC = "EM Potential", "EM E"


def store_field(
    lake: Lake, name: str, field: Field, *, branch: str = "main", message: str | None = None
) -> str:
    """Write a field as the group ``fields/<name>``, in one commit; return the node's name.

    The group holds ``potential`` [x, y, z] in mV, or ``ex``, ``ey`` and ``ez`` in V/m, each with its coordinates in
    µm and the attributes ``units`` and ``applied_current`` (nA). A component whose values are between the grid's
    points has the dimension ``x_between`` (or ``y_…``, ``z_…``) in place of ``x``, whose values are the middles.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    name
        Name of the field.
    field
        Potential or electric field on a grid.
    branch
        The branch to commit to.
    message
        Message of the commit; by default it names what is stored.
    """
    with lake.transaction(message or f"Store field {name}", branch=branch) as transaction:
        return put_field(transaction, name, field)


def put_field(transaction: Transaction, name: str, field: Field) -> str:
    """Write a field as the group ``fields/<name>``, in a transaction; return the node's name.

    Parameters
    ----------
    transaction
        Writes the nodes.
    name
        Name of the field.
    field
        Potential or electric field on a grid.
    """
    node = space.FIELD.of(contact=name)
    group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    transaction.drafts.put(checked_name(node), "group", group, {})
    attributes = {"applied_current": field.applied_current}
    for part, values, axis in _parts(field):
        dims = [f"{d}_between" if i == axis else d for i, d in enumerate("xyz")]
        units = {"units": (space.POTENTIAL if part == "potential" else space.ELECTRIC).unit}
        transaction.write_array(f"{node}/{part}", values, dimension_names=dims, attributes=units | attributes)
        for i, dim in enumerate(dims):
            places = field.axes[i] if i != axis else (field.axes[i][1:] + field.axes[i][:-1]) / 2
            kind = space.PLACES
            coordinate = kind.of(contact=name, component=part, axis=dim)
            transaction.write_array(
                coordinate, places, dimension_names=[dim], attributes={"units": kind.unit}
            )
    return node


def _parts(field: Field) -> Iterator[tuple[str, Any, int | None]]:
    """Name and values of each array, and the axis along which these are between the points."""
    if field.potential is not None:
        yield "potential", field.potential, None
    for axis, values in enumerate(field.electric or ()):
        yield f"e{'xyz'[axis]}", values, None if values.shape == field.shape else axis


def read_sim4life(path: str | Path, *, current_unit: str = "nA") -> Field:
    """Read the potential or the electric field that Sim4Life exported.

    Layout: ``/CurrentApplied``; ``/Meshes/<first>/axis_{x,y,z}`` in metres; below the last of ``/FieldGroups``
    ``AllFields/EM Potential(...)/_Object/Snapshots/0/comp0`` in V, or ``EM E(...)`` with comp0 to comp2 in V/m, each
    [x, y, z, (real, imaginary)], of which the real part counts.

    Parameters
    ----------
    path
        The HDF5 file.
    current_unit
        Of ``CurrentApplied``, which the file does not say: ``nA`` as BlueRecording takes it, or uA, mA, A.

    Raises
    ------
    IngestError
        The file is none of these, or cut short; names what is missing.
    InputError
        h5py is not installed.
    """
    if current_unit not in _NANO:
        raise IngestError(f"current_unit is {current_unit!r}; expected one of {', '.join(_NANO)}", path)
    h5py = hdf5()
    try:
        with h5py.File(path, "r") as file:
            current = float(file["CurrentApplied"][()]) * _NANO[current_unit]
            mesh = file["Meshes"][next(iter(file["Meshes"]))]
            axes = [np.asarray(mesh[f"axis_{axis}"][...], np.float64) * _MICRONS_PER_METRE for axis in "xyz"]
            fields = file["FieldGroups"][list(file["FieldGroups"])[-1]]["AllFields"]
            potential = [_MV_PER_V * values for values in _components(fields, _POTENTIAL, 1)]
            electric = _components(fields, _ELECTRIC, 3)
        return Field(axes, potential[0] if potential else None, electric or None, current)
    except IngestError:
        raise
    except (OSError, KeyError, RuntimeError, StopIteration, IndexError, TypeError, ValueError) as error:
        raise IngestError(f"it is not a field exported by Sim4Life: {in_one_line(error)}", path) from error


def _components(fields: Any, kind: str, count: int) -> list[Any]:
    """Real parts of the components of a field; none if it is not there."""
    name = next((name for name in fields if name.startswith(f"{kind}(")), None)
    if name is None:
        return []
    snapshot = fields[name]["_Object/Snapshots/0"]
    return [np.asarray(snapshot[f"comp{i}"][..., 0], np.float64) for i in range(count)]
