"""Packs: bytes one after another, and a footer that the name vouches for."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolake.lake.digest import digest_of
from neurolake.lake.errors import CorruptObjectError
from neurolake.lake.objects.packs import MAGIC, PackWriter, pack_content, pack_key


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_round_trip(contents: list[bytes]) -> None:
    writer = PackWriter()
    offsets = [writer.add(digest_of(content), content) for content in contents]
    assert len(writer) == len(contents) and writer.size == sum(map(len, contents))
    name, data = writer.finish()
    found = pack_content(data, name)
    assert found == [
        (digest_of(content), at, len(content)) for at, content in zip(offsets, contents, strict=True)
    ]
    assert [data[at : at + length] for _, at, length in found] == contents


def test_bytes() -> None:
    writer = PackWriter()
    digest = digest_of(b"ab")
    writer.add(digest, memoryview(b"ab"))
    name, data = writer.finish()
    footer = bytes.fromhex(digest) + struct.pack("<QQQ", 0, 2, 1) + b"NLPACK01"
    assert data == b"ab" + footer
    assert name == digest_of(footer)
    assert MAGIC == b"NLPACK01"


@given(st.data())
def test_damage_of_the_footer(data: st.DataObject) -> None:
    writer = PackWriter()
    for content in (b"first", b"second"):
        writer.add(digest_of(content), content)
    name, pack = writer.finish()
    at = data.draw(st.integers(len(b"firstsecond"), len(pack) - 1))
    damaged = bytearray(pack)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CorruptObjectError, match=name):
        pack_content(bytes(damaged), name)
    with pytest.raises(CorruptObjectError, match=name):
        pack_content(pack[:at], name)


def test_huge_count() -> None:
    data = struct.pack("<Q", 2**64 - 1) + MAGIC
    with pytest.raises(CorruptObjectError, match="footer"):
        pack_content(data, digest_of(data))


@pytest.mark.parametrize("name", ["../../etc/passwd", "AB" * 32, "ab" * 31, "", "ab" * 33, None, 7])
def test_only_digests_name_packs(name: str) -> None:
    with pytest.raises(CorruptObjectError, match="where a digest belongs"):
        pack_key(name)
