"""Weights as BlueRecording 0.7 has them: written in its layout, and compared; beside BlueRecording itself where it is installed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import neurolake as nl
from neurolake.ingest.lfp.weights import write_weights
from neurolake.lake.errors import InputError
from neurolake.query.circuits.reports import ElectrodeWeights

h5py = pytest.importorskip("h5py")

KEYS = {"node_id": [2, 2, 2, 5, 5], "section_id": [0, 1, 2, 0, 7], "segment_id": [0, 0, 0, 0, 3]}
SEGMENTS = {**KEYS, "label": ["Soma", "AIS", "Dendrite", "Soma", "Myelin"]}


def coefficients(values: Any, types: tuple[str, ...] = ("LineSource", "ObjectiveCSD_Sphere")) -> xr.DataArray:
    """Coefficients of two electrodes and five segments in mV/nA."""
    labels = {key: ("segment", np.array(ids)) for key, ids in KEYS.items()}
    places = {axis: ("electrode", np.array([1.5, 2])) for axis in "xyz"}
    return xr.DataArray(
        values,
        {"electrode": ["B", "A"], "type": ("electrode", list(types)), **places, **labels},
        ("electrode", "segment"),
        attrs={"units": "mV/nA or 1"},
    )


VALUES = np.arange(10.0).reshape(2, 5)


def test_weights_are_written_as_it_writes_them(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.h5", coefficients(VALUES), "cells", units="V/nA", segments=SEGMENTS)
    with h5py.File(tmp_path / "w.h5") as file:
        found = {name: file[f"cells/{name}"][:].tolist() for name in ("node_ids", "offsets", "neurite_types")}
        assert found == {"node_ids": [2, 5], "offsets": [0, 3, 5], "neurite_types": [0, 1, 2, 0, 6]}
        assert file["cells/neurite_types"].dtype == np.int32
        # What is in a volume has no unit, so none is converted.
        expected = np.stack([VALUES[0] * 1e-3, VALUES[1]], axis=1)
        np.testing.assert_allclose(file["electrodes/cells/scaling_factors"][:], expected, rtol=1e-15)
        assert [file[f"electrodes/{name}/cells"][()] for name in "BA"] == [0, 1]
        assert file["electrodes/A/type"].asstr()[()] == "ObjectiveCSD_Sphere"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"units": "V"}, "units of weights are mV/nA or V/nA, not 'V'"),
        (
            {"segments": {**SEGMENTS, "segment_id": [0, 0, 0, 0, 2]}},
            "does not tell the neurite of node_id 5, section_id 7, segment_id 3",
        ),
        (
            {"segments": {**SEGMENTS, "label": ["Soma", "Ear", "Axon", "Soma", "Soma"]}},
            "neurite of node_id 2, section_id 1",
        ),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path: Path, options: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        write_weights(tmp_path / "w.h5", coefficients(VALUES), "cells", **options)
    assert list(tmp_path.iterdir()) == []


def test_weights_come_back_as_they_went(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.h5", coefficients(VALUES), "cells", units="V/nA", segments=SEGMENTS)
    lake = nl.create(tmp_path / "lake", durable=False)
    nl.ingest(lake, tmp_path / "w.h5", name="run", electrodes="bluerecording")
    table = lake.head.tables["electrodes/run/w/cells.compartments"].to_arrow().to_pydict()
    assert table["neurite"] == ["soma", "axon", "dend", "soma", "myelin"]
    assert table["node_id"] == KEYS["node_id"]
    weights = ElectrodeWeights(lake.head, "electrodes/run/w/cells")
    np.testing.assert_allclose(weights.get(units="mV/nA").data[:, 0], VALUES[0], rtol=1e-15)
