"""Plug-ins of our dependencies: broken ones keep nobody from starting, missing ones are told with their package."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.abc.codec import BytesBytesCodec
from zarr.registry import get_codec_class

import neurolake
from neurolake.lake import Lake
from neurolake.lake.data.plugins import (
    COMPRESSORS,
    PACKAGES,
    check_codecs,
    checked_compressor,
    import_leniently,
)
from neurolake.lake.errors import FormatError, InputError, MissingPackageError

FORMAT = Path(__file__).parents[2] / "docs" / "format.md"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake", durable=False)


def installed(folder: Path, name: str, version: str) -> None:
    """A distribution of that name and version, with a module that fails to import."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / f"{name}.py").write_text("raise OSError('built for another machine')\n")


@pytest.mark.parametrize("version", ["1.0.1.post0", "1.0.1"])
def test_a_broken_plug_in_of_numcodecs_keeps_nobody_from_starting(tmp_path: Path, version: str) -> None:
    """numcodecs 0.16 takes zfpy's version for numbers alone, and fails to import with another."""
    installed(tmp_path / "site", "zfpy", version)
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import numpy as np
        import neurolake as nl
        lake = nl.create(sys.argv[2])
        with lake.transaction("Store") as transaction:
            transaction.write_array("a", np.arange(3.0))
        print(lake["a"][...].tolist())
        import numcodecs
        print("zfpy" in numcodecs.registry.codec_registry, numcodecs.get_codec({"id": "zstd"}).codec_id)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "site"), str(tmp_path / "lake")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[0.0, 1.0, 2.0]\nFalse zstd\n"), done.stderr


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, **modules: str) -> str:
    name = f"frail_{folder.name}"
    (folder / name).mkdir()
    for module, text in modules.items():
        (folder / name / f"{module}.py").write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(folder))
    return name


def test_each_module_that_fails_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    optional = """
        from contextlib import suppress
        found = []
        with suppress(ImportError):
            from . import one
            found.append("one")
        with suppress(ImportError):
            from . import two
            found.append("two")
        from . import three
    """
    name = package(tmp_path, monkeypatch, __init__=optional, one="1 / 0", two="int('post0')", three="x = 3")
    made: Any = import_leniently(name)
    assert made.found == [] and made.three.x == 3


def test_a_package_that_fails_by_itself_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        import_leniently(package(tmp_path, monkeypatch, __init__="1 / 0"))
    with pytest.raises(ModuleNotFoundError):
        import_leniently("no_such_package_at_all")


# Codecs


def without(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make numcodecs forget a codec, as if its package were not installed."""
    from numcodecs import registry

    own = name.removeprefix("numcodecs.")
    monkeypatch.delitem(registry.codec_registry, own, raising=False)
    monkeypatch.delitem(registry.entries, own, raising=False)


@pytest.mark.parametrize(("name", "package"), PACKAGES.items())
def test_a_missing_package_is_named_when_reading(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    without(name, monkeypatch)
    with pytest.raises(
        MissingPackageError, match=f"array 'a': codec '{name}' needs {package}.*pip install {package}"
    ):
        check_codecs("a", [{"name": "bytes"}, {"name": name}])
    inner = {"codecs": [{"name": name}], "index_codecs": [{"name": "bytes"}]}
    with pytest.raises(MissingPackageError, match=f"pip install {package}"):
        check_codecs("a", [{"name": "sharding_indexed", "configuration": inner}])


def stored_with(lake: Lake, codecs: list[dict[str, Any]]) -> None:
    """An array whose metadata names these codecs, as somebody's who has them."""
    with lake.transaction("Store") as transaction:
        transaction.write_array("a", np.arange(3.0))
        draft = transaction.drafts.edit("a")
        assert draft is not None
        draft.meta = {**draft.meta, "codecs": codecs}


READERS: dict[str, Callable[[Lake], Any]] = {
    "arrays": lambda lake: lake.head.arrays["a"][...],
    "item": lambda lake: lake["a"],
    "xarray": lambda lake: neurolake.open(lake.url).head.xarray("a"),
}


@pytest.mark.parametrize("reader", READERS)
def test_readers_tell_a_codec_that_is_not_there(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    without("numcodecs.zfpy", monkeypatch)
    stored_with(lake, [{"name": "numcodecs.zfpy", "configuration": {"mode": 4}}])
    with pytest.raises(MissingPackageError, match=r"array 'a': codec 'numcodecs.zfpy' needs zfpy"):
        READERS[reader](lake)
    stored_with(lake, [{"name": "bytes"}, {"name": "numcodecs.pickle", "configuration": {}}])
    with pytest.raises(FormatError, match=r"array 'a' is encoded by 'numcodecs.pickle', which neither Zarr"):
        READERS[reader](lake)


@pytest.mark.parametrize(
    ("codec", "error", "reason"),
    [
        (
            {"name": "nonsense"},
            InputError,
            "array 'a': 'nonsense' is no compressor; expected one of blosc, crc32c",
        ),
        (
            {"name": "numcodecs.delta", "configuration": {"dtype": "<f8"}},
            InputError,
            "'numcodecs.delta' is no compressor",
        ),
        ({"name": "numcodecs.pickle"}, InputError, "'numcodecs.pickle' is no compressor"),
        (
            {"name": "numcodecs.zfpy", "configuration": {}},
            MissingPackageError,
            "needs zfpy.*pip install zfpy",
        ),
        (
            {"name": "blosc", "configuration": {"cname": "snappy"}},
            InputError,
            "codec 'blosc' cannot encode: .*snappy",
        ),
        (
            {"name": "gzip", "configuration": {"level": 99}},
            InputError,
            "'gzip' cannot have this configuration",
        ),
        ({"id": "zlib"}, InputError, "expected Zarr's JSON"),
        ("zstd", InputError, "codec is 'zstd'; expected Zarr's JSON"),
    ],
)
def test_a_codec_that_cannot_write_is_told(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, codec: Any, error: type[InputError], reason: str
) -> None:
    without("numcodecs.zfpy", monkeypatch)
    with pytest.raises(error, match=reason), lake.transaction("Store") as transaction:
        transaction.write_array("a", np.arange(3.0), codec=codec)
    assert "a" not in lake.head.tree


def test_a_plug_in_that_fails_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise OSError("built for another machine")

    monkeypatch.setattr("zarr.registry.get_codec_class", broken)
    with pytest.raises(
        MissingPackageError, match="the package of codec 'gzip' cannot be imported: built for another"
    ):
        check_codecs("a", [{"name": "gzip"}])
    with pytest.raises(MissingPackageError, match="array 'a': the package of codec 'gzip'"):
        checked_compressor("a", {"name": "gzip"})


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
@pytest.mark.parametrize("name", COMPRESSORS)
def test_every_compressor_of_the_list_writes_and_reads(lake: Lake, name: str) -> None:
    pytest.importorskip("google_crc32c")
    assert issubclass(get_codec_class(name), BytesBytesCodec)
    configuration: dict[str, Any] = {"blosc": {"cname": "zstd", "clevel": 1}, "gzip": {"level": 1}}.get(
        name, {}
    )
    values = np.arange(40.0).reshape(8, 5)
    with lake.transaction("Store") as transaction:
        transaction.write_array("a", values, codec={"name": name, "configuration": configuration})
    np.testing.assert_array_equal(lake["a"][...], values)
    np.testing.assert_array_equal(np.asarray(zarr.open_array(lake.head.store, path="a", mode="r")[:]), values)


def test_the_format_lists_them() -> None:
    text = FORMAT.read_text()
    told = text[text.index("### Codecs") : text.index("### Metadata of tables")]
    assert [name for name in (*COMPRESSORS, *PACKAGES) if f"`{name}`" not in told] == []
    assert [package for package in PACKAGES.values() if package not in told] == []
