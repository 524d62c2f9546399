"""Registered functions: by name and version, unchanged, and never two for one name and version."""

from typing import Any

import pytest

import neurolake
from neurolake import InputError
from neurolake.query.derive.kernels import kernel_of, known_kernel, versions_of


def test_a_decorated_function_is_itself() -> None:
    def double(x: int) -> int:
        return 2 * x

    registered = neurolake.kernel(version="3", name="twice", whole=True)(double)
    assert registered is double and registered(4) == 8
    made = kernel_of(double)
    assert (made.name, made.version, made.whole) == ("twice", "3", True)
    assert made.home.endswith("double") and made.identity() == {"kernel": "twice", "version": "3"}
    assert known_kernel({"kernel": "twice", "version": "3"}) == made
    assert known_kernel({"kernel": "twice", "version": "4"}) is None and "3" in versions_of("twice")


def test_defining_it_again_replaces_it() -> None:
    def define(number: int) -> Any:
        @neurolake.kernel(version="1", name="again")
        def function(x: int) -> int:
            return number

        return function

    define(1)
    assert kernel_of(define(2)).function(0) == 2
    found = known_kernel({"kernel": "again", "version": "1"})
    assert found is not None and found.function(0) == 2 and versions_of("again") == ["1"]


def test_without_a_version_the_code_is_looked_up() -> None:
    def define(number: int) -> Any:
        @neurolake.kernel(name="by-code")
        def function(x: int) -> int:
            return number

        return function

    first, second = kernel_of(define(1)), kernel_of(define(2))
    assert first.version is None and first.identity() != second.identity()
    assert known_kernel(first.identity()) == first and known_kernel(second.identity()) == second
    assert versions_of("by-code") == []


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "-x", "x" * 101])
def test_names_and_versions_are_plain(name: str) -> None:
    with pytest.raises(InputError, match="of a kernel is of letters, digits"):
        neurolake.kernel(version=name or " ")(lambda x: x)
    if name:
        with pytest.raises(InputError, match="the name of a kernel"):
            neurolake.kernel(version="1", name=name)(lambda x: x)


def test_a_function_that_nobody_registered() -> None:
    assert kernel_of(lambda x: x).name == "lambda"
    with pytest.raises(InputError, match="a kernel is a function, not str"):
        kernel_of("mean")  # type: ignore[arg-type]
