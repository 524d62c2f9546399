"""What `import neurolake` offers, and what it costs."""

import importlib
import inspect
import pydoc
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import neurolake as nl
from neurolake.ingest import door
from neurolake.ingest.formats import SOURCES
from neurolake.lake.moved import MOVED

ROOT = Path(__file__).parents[1]
CALLS = (
    "create",
    "open",
    "ingest",
    "export",
    "run",
    "run_network",
    "rerun",
    "sweep",
    "record",
    "circuit",
    "plot",
    "compare_weights",
)


def test_every_name_is_there() -> None:
    assert {*CALLS, "lfp", "kernel", "Lake", "InputError"} <= set(dir(nl))
    assert [name for name in dir(nl) if not getattr(nl, name).__doc__] == []


def test_no_other_name_is() -> None:
    with pytest.raises(AttributeError, match="sing"):
        _ = nl.sing


def test_importing_it_brings_nothing_heavy() -> None:
    code = (
        "import sys, neurolake; dir(neurolake); neurolake.ingest; "
        "print(*sorted({'numba', 'duckdb', 'zarr', 'dask', 'neuron', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize("name", CALLS)
def test_signatures_are_explicit(name: str) -> None:
    parameters = inspect.signature(getattr(nl, name)).parameters.values()
    assert [each.name for each in parameters if each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL)] == []
    assert [each.name for each in parameters if each.annotation is each.empty] == []
    text = pydoc.render_doc(getattr(nl, name), renderer=pydoc.plaintext)
    assert [each.name for each in parameters if each.name not in text] == []


def test_the_room_and_the_function_of_one_name_are_one() -> None:
    code = (
        "import neurolake as nl; first = nl.ingest; import neurolake.ingest.simrun.layout as layout; "
        "from neurolake.ingest.simrun import ingest_simrun; "
        "print(first is nl.ingest, callable(nl.ingest), nl.ingest.simrun.layout is layout, nl.ingest.__doc__[:5])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True True True Bring\n"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_the_door_has_the_options_of_the_formats(source) -> None:
    """With the same defaults: what is not given means the same at the door and behind it."""
    for function, front in ((source.ingest, door.ingest), (source.export, door.export)):
        if function is not None:
            ours = inspect.signature(front).parameters
            theirs = [*inspect.signature(function).parameters.values()][2:]
            assert [each.name for each in theirs if ours[each.name].default != each.default] == []


def test_a_type_checker_sees_exact_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    script = """
        import neurolake as nl

        lake = nl.open("lake")
        reveal_type(lake)
        reveal_type(nl.ingest(lake, "results", labels={"whisker": "stim_(..)"}).added)
        reveal_type(nl.export(lake, "copy", format="simrun").files)
        reveal_type(nl.circuit(lake).nodes["cells"])
        reveal_type(nl.run(lake, "cell.param", trials=1).failures)
        nl.plot(lake, "psth", bin=1.0)
        nl.plot(lake, "pie")
        nl.ingest(lake, "results", label="whisker")
    """
    file = tmp_path / "script.py"
    file.write_text(textwrap.dedent(script))
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    told = [
        line.split(": ", 1)[1].replace("builtins.", "")
        for line in done.stdout.splitlines()
        # mypy's cache may tell of an equal file of an earlier run, by that one's path.
        if f"{file.name}:" in line
    ]
    assert told[:5] == [
        'note: Revealed type is "neurolake.query.lake.Lake"',
        'note: Revealed type is "list[str]"',
        'note: Revealed type is "int"',
        'note: Revealed type is "neurolake.query.base.Table"',
        'note: Revealed type is "list[neurolake.ingest.runs.worker.Failure]"',
    ]
    assert "Literal['pie']" in told[5] and 'Unexpected keyword argument "label"' in told[6]


def test_no_old_import_path_takes_the_place_of_a_name() -> None:
    """Python binds an imported module in its package: `neurolake.catalog.attach` would hide the function `attach`."""
    faces = {old: importlib.import_module(f"neurolake.{old}".rpartition(".")[0]) for old in MOVED}
    assert [
        old for old, face in faces.items() if old.rpartition(".")[2] in getattr(face, "__all__", ())
    ] == []


def test_old_import_paths_warn_and_work() -> None:
    for old, new in MOVED.items():
        with pytest.warns(FutureWarning, match=f"neurolake.{old} has become neurolake.{new}"):
            module = importlib.import_module(f"neurolake.{old}")
        known = vars(importlib.import_module(f"neurolake.{new}"))
        assert {
            name
            for name, value in known.items()
            if not name.startswith("__") and getattr(module, name) is not value
        } == set()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("neurolake.ingest.sung")
