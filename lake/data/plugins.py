"""What zarr-python and numcodecs take from other packages: none that is broken keeps us from starting, and what is missing is told.

Modules that import either of them import this one before.
"""

import importlib
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType, TracebackType
from typing import Any

from ..errors import FormatError, InputError, MissingPackageError

COMPRESSORS = (
    *("blosc", "crc32c", "gzip", "zstd"),
    *(
        f"numcodecs.{name}"
        for name in (
            *("adler32", "blosc", "bz2", "crc32", "crc32c", "fletcher32", "gzip", "jenkins_lookup3"),
            *("lz4", "lzma", "shuffle", "zlib", "zstd"),
        )
    ),
)
"""Codecs that `Transaction.write_array` takes, without those of further packages: they make bytes of bytes."""

PACKAGES = {"numcodecs.zfpy": "zfpy", "numcodecs.pcodec": "pcodec", "numcodecs.crc32c": "google-crc32c"}
"""What codecs that are named here are made of, and our dependencies do not bring."""


def import_leniently(name: str) -> ModuleType:
    """Import a package without those of its modules that fail, as if their dependencies were not installed.

    numcodecs does without a plug-in that is missing, but not without one whose import fails in another way.

    Parameters
    ----------
    name
        Dotted name of the package.

    Raises
    ------
    ImportError
        It is not there.
    Exception
        It fails to import, and not for one of its modules.
    """
    while True:
        before = set(sys.modules)
        try:
            return importlib.import_module(name)
        except ImportError:
            raise
        except Exception as error:
            failed = _failed(error.__traceback__, name)
            if failed is None or sys.modules.get(failed, error) is None:
                raise
            for module in set(sys.modules) - before:
                if module == name or module.startswith(f"{name}."):
                    del sys.modules[module]
            sys.modules[failed] = None  # type: ignore[assignment]  # an import of it is an ImportError


def _failed(trace: TracebackType | None, package: str) -> str | None:
    """The innermost module of a package that a traceback goes through."""
    found = None
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        found = module if module.startswith(f"{package}.") else found
        trace = trace.tb_next
    return found


import_leniently("numcodecs")


def check_codecs(name: str, codecs: Any) -> None:
    """Refuse to read an array whose codecs are not there.

    Parameters
    ----------
    name
        Of the array.
    codecs
        As its Zarr metadata lists them.

    Raises
    ------
    MissingPackageError
        The package of one is not installed, or cannot be imported; says which.
    FormatError
        One is unknown.
    """
    for codec in _all(codecs):
        try:
            _class(codec)
        except KeyError:
            raise FormatError(
                f"array {name!r} is encoded by {codec!r}, which neither Zarr nor an installed package knows"
            ) from None
        except MissingPackageError as error:
            raise MissingPackageError(f"array {name!r}: {error}") from None


def checked_compressor(name: str, codec: Any) -> dict[str, Any]:
    """Return *codec* if an array can be written with it.

    Parameters
    ----------
    name
        Of the array.
    codec
        Zarr v3 JSON of a compressor.

    Raises
    ------
    MissingPackageError
        Its package is not installed, or cannot be imported; says which.
    InputError
        It is no compressor, or not configured as it should be; says what is.
    """
    from zarr.abc.codec import BytesBytesCodec

    if not isinstance(codec, Mapping) or not isinstance(codec.get("name"), str):
        raise InputError(
            f"array {name!r}: codec is {codec!r}; expected Zarr's JSON, such as {{'name': 'zstd'}}"
        )
    own = str(codec["name"])
    try:
        kind = _class(own)
    except KeyError:
        kind = None
    except MissingPackageError as error:
        raise MissingPackageError(f"array {name!r}: {error}") from None
    if kind is None or not issubclass(kind, BytesBytesCodec):
        raise InputError(
            f"array {name!r}: {own!r} is no compressor; expected one of {', '.join(COMPRESSORS)}"
        )
    try:
        kind.from_dict(dict(codec))
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
        raise InputError(f"array {name!r}: codec {own!r} cannot have this configuration: {error}") from error
    return dict(codec)


def _all(codecs: Any) -> Iterator[str]:
    """Names of codecs, and of those within shards."""
    for codec in codecs:
        named: Mapping[str, Any] = {"name": codec} if isinstance(codec, str) else codec
        yield str(named.get("name"))
        inner = named.get("configuration") or {}
        for key in ("codecs", "index_codecs"):
            yield from _all(inner.get(key) or ())


def _class(name: str) -> Any:
    """The class of a codec; KeyError for an unknown one, MissingPackageError where its package is missing."""
    from numcodecs.registry import codec_registry, entries
    from zarr.registry import get_codec_class

    package, own = PACKAGES.get(name), name.removeprefix("numcodecs.")
    if package is not None and own not in {*codec_registry, *entries}:
        raise MissingPackageError(
            f"codec {name!r} needs {package}, which is not there: pip install {package}"
        )
    try:
        return get_codec_class(name)
    except KeyError:
        raise
    except Exception as error:  # whatever an installed plug-in fails with
        raise MissingPackageError(f"the package of codec {name!r} cannot be imported: {error}") from error
