"""Fixtures of the room where cells are made."""

import json
from typing import Any

import pytest
from pyramids import small_pyramid

from neurolake.mechanisms.cell.morphology import Morphology
from neurolake.mechanisms.library import Library, load

PROPERTIES = {"Ra": 100.0, "cm": 1.0, "ions": {"ek": -85.0, "ena": 50.0}}
HAY_SOMA = {
    "pas": {"g": 3.0e-5, "e": -90.0},
    "NaTa_t": {"gNaTa_tbar": 2.0},
    "SKv3_1": {"gSKv3_1bar": 0.7},
    "K_Pst": {"gK_Pstbar": 0.002},
    "Ih": {"gIhbar": 2e-4},
}
PARAMETERS: dict[str, Any] = {
    "neuron": {
        "Soma": {"properties": PROPERTIES, "mechanisms": {"range": HAY_SOMA}},
        "Dendrite": {"properties": PROPERTIES, "mechanisms": {"range": {"pas": HAY_SOMA["pas"]}}},
        "ApicalDendrite": {"properties": PROPERTIES, "mechanisms": {"range": {"pas": HAY_SOMA["pas"]}}},
    }
}


@pytest.fixture(scope="session")
def library(cache: None) -> Library:
    """Our own mechanisms, in this process."""
    return load()


@pytest.fixture(scope="session")
def pyramid() -> Morphology:
    """A small pyramidal cell."""
    return small_pyramid()


@pytest.fixture
def parameters() -> dict[str, Any]:
    """Parameters for it, to be changed at will."""
    fresh: dict[str, Any] = json.loads(json.dumps(PARAMETERS))  # a deep copy would keep what parts share
    for part in fresh["neuron"].values():
        for mechanism in part["mechanisms"]["range"].values():
            mechanism["spatial"] = "uniform"
    return fresh
