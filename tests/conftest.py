"""Fixtures shared by all rooms."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: ``NEUROLAKE_DATA``, or ``../shared/data`` beside the checkout."""
    folder = Path(os.environ.get("NEUROLAKE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: set NEUROLAKE_DATA, or put it at {folder}")
    return folder


@pytest.fixture(scope="session")
def isf_data(shared_data: Path) -> Path:
    """Real results of the In Silico Framework."""
    return shared_data / "isf"
