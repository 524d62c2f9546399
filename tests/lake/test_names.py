"""Node names, at their one door."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolake.lake import Lake
from neurolake.lake.errors import NodeNameError
from neurolake.lake.names import MAX_NAME, MAX_PART, checked_name, listed


@pytest.mark.parametrize(
    "name", ["a", "run/3/soma.v", "…", "a b", "a:b", "a/.b", "x" * MAX_PART, "/".join(["x" * 199] * 5)]
)
def test_allowed(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "non-empty"),
        (None, "non-empty"),
        (3, "non-empty"),
        ("/", "may not be empty"),
        ("/a", "may not be empty"),
        ("a/", "may not be empty"),
        ("a//b", "may not be empty"),
        (".", "'.'"),
        ("../../etc/passwd", "'..'"),
        ("a/../b", "'..'"),
        ("a\\b", "backslashes"),
        ("a\nb", "control characters"),
        ("a\x00", "control characters"),
        ("a\x7f", "control characters"),
        ("a\ud800", "control characters"),
        ("x" * (MAX_PART + 1), f"at most {MAX_PART}"),
        ("/".join(["x"] * (MAX_NAME // 2 + 1)), f"at most {MAX_NAME}"),
    ],
)
def test_refused(name: str, message: str) -> None:
    with pytest.raises(NodeNameError, match=message):
        checked_name(name)


@given(st.text())
def test_what_passes_is_a_relative_path_and_utf8(name: str) -> None:
    try:
        checked_name(name)
    except NodeNameError:
        return
    assert name.encode() and not name.startswith("/") and ".." not in name.split("/")


def test_every_way_in_is_checked(lake: Lake) -> None:
    import pyarrow as pa

    with lake.transaction("none") as tx:
        for write in (
            lambda: tx.put_file("../x", b""),
            lambda: tx.write_array("../x", [1]),
            lambda: tx.write_table("../x", pa.table({"x": [1]})),
            lambda: tx.append_table("../x", pa.table({"x": [1]})),
            lambda: tx.append_files("../x", [None], []),
        ):
            with pytest.raises(NodeNameError):
                write()
    assert len(lake.log()) == 1


def test_a_list_in_words_has_an_end() -> None:
    assert listed(["a", 2]) == "a, 2" and listed([]) == ""
    assert listed(map(str, range(1_234)), most=3) == "0, 1, 2 and 1,231 more"
