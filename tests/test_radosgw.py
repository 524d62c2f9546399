"""On a real S3 server, Ceph's radosgw: ``NEUROLAKE_RADOSGW=1``, or ``make test-s3``."""

from datetime import timedelta

import pytest
from commit_race import check_race
from storage_suite import StorageSuite, raced

import neurolake
from neurolake import StorageError
from neurolake.lake.storage.base import Storage
from neurolake.lake.storage.locations import storage_at


class TestSuite(StorageSuite):
    @pytest.fixture
    def storage(self, radosgw: str) -> Storage:
        return storage_at(radosgw)


class TestRace:
    @pytest.mark.parametrize("race", range(10))
    def test_one_of_sixteen_creates(self, radosgw: str, race: int) -> None:
        storage = storage_at(radosgw)
        won = raced(storage, "log/0", 16)
        assert len(won) == 1
        assert storage.read("log/0") == won[0]

    def test_no_commit_is_lost(self, radosgw: str) -> None:
        check_race(radosgw, writers=8, commits=50)

    def test_no_commit_is_lost_to_garbage_collection(self, radosgw: str) -> None:
        check_race(radosgw, writers=8, commits=50, grace=timedelta(0))


class TestCredentials:
    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("AWS_SECRET_ACCESS_KEY", "the secret key is not the one of the access key"),
            ("AWS_ACCESS_KEY_ID", "the server does not know the access key"),
        ],
    )
    def test_wrong(self, radosgw: str, monkeypatch: pytest.MonkeyPatch, name: str, told: str) -> None:
        monkeypatch.setenv(name, "WRONGWRONGWRONG")
        with pytest.raises(StorageError, match=told) as caught:
            neurolake.create(radosgw)
        assert "WRONGWRONG" not in str(caught.value)
