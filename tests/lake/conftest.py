"""Fixtures of the tests of the store."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from neurolake.lake import Lake

# Writing to a disk that others use takes no predictable time.
settings.register_profile("lake", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lake")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake that does not wait for the disk."""
    return Lake.create(tmp_path / "lake", durable=False)


@pytest.fixture
def new_lake(tmp_path: Path) -> Callable[[str], Lake]:
    """Make further empty lakes by name."""
    return lambda name: Lake.create(tmp_path / name, durable=False)
