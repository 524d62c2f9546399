"""What every storage must do, on a local disk; `test_s3` has the same on S3."""

from pathlib import Path

import pytest
from storage_suite import StorageSuite

from neurolake.lake.storage.base import Storage
from neurolake.lake.storage.local import LocalStorage


class TestDurable(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return LocalStorage(tmp_path)


class TestQuick(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return LocalStorage(tmp_path, durable=False)
