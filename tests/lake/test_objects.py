"""Writers of objects: packs that go to the storage while the next one is filled."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neurolake.lake.digest import digest_of
from neurolake.lake.errors import StorageError
from neurolake.lake.local import LocalStorage
from neurolake.lake.objects import Digest, ObjectStore, ObjectWriter, Place
from neurolake.lake.packs import PACK_SIZE

SIZE = 2**22
Content = tuple[bytes, Digest]


class Failing(LocalStorage):
    """A disk that refuses so many writes."""

    refusals = 0

    def write(self, key: str, data: bytes | memoryview) -> bool:
        if self.refusals:
            self.refusals -= 1
            raise StorageError("the disk is full")
        return super().write(key, data)


@pytest.fixture
def storage(tmp_path: Path) -> Failing:
    return Failing(tmp_path, durable=False)


@pytest.fixture
def write_packs() -> Callable[[ObjectWriter], list[tuple[Content, Place]]]:
    """Add three packs and a little more."""
    generator = np.random.default_rng(1)
    contents = [generator.bytes(SIZE) for _ in range(3 * PACK_SIZE // SIZE + 1)]
    pairs = [(data, digest_of(data)) for data in contents]
    return lambda writer: [((data, digest), writer.add(data, digest)) for data, digest in pairs]


def test_all_is_readable_at_any_time(storage: Failing, write_packs) -> None:
    writer, store = ObjectWriter(storage), ObjectStore(storage)
    placed = write_packs(writer)
    for _ in range(2):
        for (data, digest), place in placed:
            assert store.read(digest, SIZE, place) == data
        writer.flush()
    assert {place.held for _, place in placed} == {None}
    assert len({place.pack for _, place in placed}) == len(list(storage.list("packs/"))) == 4


def test_what_failed_behind_the_back_is_tried_again(storage: Failing, write_packs) -> None:
    writer, store = ObjectWriter(storage), ObjectStore(storage)
    storage.refusals = 1
    placed = write_packs(writer)
    writer.flush()
    assert storage.refusals == 0
    for (data, digest), place in placed:
        assert place.pack is not None and store.read(digest, SIZE, place) == data


def test_a_full_disk_is_told_until_there_is_room(storage: Failing, write_packs) -> None:
    writer, store = ObjectWriter(storage), ObjectStore(storage)
    placed = write_packs(writer)
    storage.refusals = 1000
    extra = np.random.default_rng(2).bytes(SIZE)
    place = writer.add(extra, digest_of(extra))
    for _ in range(2):
        with pytest.raises(StorageError, match="full"):
            writer.flush()
    assert place.pack is None and store.read(digest_of(extra), SIZE, place) == extra
    storage.refusals = 0
    writer.flush()
    for (data, digest), stored in [*placed, ((extra, digest_of(extra)), place)]:
        assert stored.pack is not None and store.read(digest, SIZE, stored) == data
