"""Writers of objects: packs that go to the storage while the next one is filled."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from neurolake.lake.digest import digest_of
from neurolake.lake.errors import CorruptObjectError, NeurolakeError, StorageError
from neurolake.lake.objects.bulk import ObjectPlaces, contents
from neurolake.lake.objects.packs import PACK_SIZE, pack_key
from neurolake.lake.objects.store import RUN_SIZE, Digest, ObjectStore, ObjectWriter, Place
from neurolake.lake.storage.local import LocalStorage

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


def read(
    store: ObjectStore,
    places: Sequence[tuple[Digest, int, Place] | None],
    size: int = RUN_SIZE,
    most: int = 1000,
) -> list[bytes | None]:
    """Bytes of objects at places, read as what is read in bulk."""
    located = ObjectPlaces(len(places))
    for at, place in enumerate(places):
        if place is not None:
            located.put(at, *place)
    runs = located.runs(0, len(places), size, most)
    return [data for run in runs for data in map(copied, contents(store, located, *run))]


def copied(data: memoryview | bytes | None) -> bytes | None:
    return None if data is None else bytes(data)


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


class Counting(LocalStorage):
    """Counts reads."""

    reads = 0

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self.reads += 1
        return super().read(key, offset, length)

    def read_into(self, key: str, offset: int, room: memoryview) -> int:
        self.reads += 1
        return super().read_into(key, offset, room)


class TestRuns:
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Counting:
        return Counting(tmp_path, durable=False)

    @pytest.fixture
    def wanted(self, storage: Counting) -> dict[Digest, tuple[bytes, tuple[Digest, int, Place]]]:
        """Objects of all kinds: a pack of 40, one inline, one alone, and a pack of 3."""
        generator, found = np.random.default_rng(3), {}
        writer = ObjectWriter(storage)
        for number in range(45):
            data = generator.bytes(100 if number == 40 else 9 * 2**20 if number == 41 else 10_000)
            digest = digest_of(data)
            found[digest] = data, (digest, len(data), writer.add(data, digest))
            if number == 41:
                writer.flush()
        writer.flush()
        return found

    def test_equal_reading_one_by_one(self, storage: Counting, wanted) -> None:
        store = ObjectStore(storage)
        places = [place for _, place in wanted.values()]
        assert read(store, places) == [data for data, _ in wanted.values()]
        assert storage.reads == 3
        assert read(store, places[::-1]) == [data for data, _ in reversed(wanted.values())]
        assert read(store, []) == []
        assert read(store, [places[3], None, None, places[4]]) == [
            wanted[places[3][0]][0],
            None,
            None,
            wanted[places[4][0]][0],
        ]

    def test_runs_are_not_long(self, storage: Counting, wanted) -> None:
        store = ObjectStore(storage)
        places = [place for _, place in wanted.values()][:40]
        assert read(store, places, size=100_000) == [d for d, _ in wanted.values()][:40]
        assert storage.reads == 4
        assert read(store, places, most=5) == [d for d, _ in wanted.values()][:40]
        assert storage.reads == 4 + 8

    def test_of_what_is_not_written_yet(self, storage: Counting) -> None:
        writer, store = ObjectWriter(storage), ObjectStore(storage)
        contents = [bytes([k]) * 1000 for k in range(3)]
        places = [(digest_of(data), len(data), writer.add(data, digest_of(data))) for data in contents]
        assert read(store, places) == contents
        assert storage.reads == 0

    def test_damage_is_told_of_the_object_that_has_it(
        self, storage: Counting, wanted, tmp_path: Path
    ) -> None:
        store, places = ObjectStore(storage), [place for _, place in wanted.values()]
        digest, _, place = places[17]
        path = tmp_path / pack_key(str(place.pack))
        data = bytearray(path.read_bytes())
        data[place.offset + 5] ^= 1
        path.write_bytes(data)
        with pytest.raises(CorruptObjectError, match=digest):
            read(store, places)
        assert len(read(store, places[18:])) == 27
        path.write_bytes(data[: place.offset])
        with pytest.raises(CorruptObjectError, match=digest):
            read(store, places[17:])
        path.unlink()
        with pytest.raises(CorruptObjectError, match=f"object {places[0][0]} is missing"):
            read(store, places)

    @pytest.mark.parametrize(("offset", "size"), [(2**62, 2**62 - 1), (10**9, 100), (0, 2**62)])
    def test_places_that_no_file_has(self, storage: Counting, wanted, offset: int, size: int) -> None:
        store, (digest, _, place) = ObjectStore(storage), next(place for _, place in wanted.values())
        with pytest.raises(NeurolakeError, match=digest):
            read(store, [(digest, size, Place(place.pack, offset))])
