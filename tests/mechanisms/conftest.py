"""Fixtures of the room where cells are made."""

import pytest

from neurolake.mechanisms.library import Library, load


@pytest.fixture(scope="session")
def library(cache: None) -> Library:
    """Our own mechanisms, in this process."""
    return load()
