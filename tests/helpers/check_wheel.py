"""Checks an installed wheel without extras: every module is there and can be imported, and lacking packages are told.

``python check_wheel.py CHECKOUT`` with the environment of the wheel, from another folder.
"""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

ROOMS = ("lake", "kernels", "ingest", "query", "catalog", "mechanisms")
# These are what an extra is for; everything else must be importable without it.
OPTIONAL = {
    "neurolake.lake.storage.s3": {"obstore"},
    "neurolake.query.prompt": {"prompt_toolkit"},
    "neurolake.query.serving": {"starlette", "uvicorn"},
}


def main(checkout: Path) -> None:
    """Exit with a message where something is missing."""
    import neurolake

    where = Path(neurolake.__file__).parent
    assert checkout not in where.parents, f"{where} is the checkout, not the wheel"
    wanted = {
        str(file.relative_to(checkout))
        for room in ROOMS
        for kind in ("*.py", "*.pyi", "*.mod", "pages/**/*.*")
        for file in (checkout / room).rglob(kind)
    }
    missing = sorted(name for name in wanted if not (where / name).is_file())
    assert not missing, f"the wheel lacks {', '.join(missing)}"
    modules = (module for module in pkgutil.walk_packages(neurolake.__path__, "neurolake."))
    for module in modules:
        if module.name == "neurolake.__main__":
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            lacking = (error.name or "").split(".")[0]
            allowed = (packages for name, packages in OPTIONAL.items() if module.name.startswith(name))
            assert any(lacking in packages for packages in allowed), f"{module.name}: {error}"
    if not Path("lake").exists():
        neurolake.create("lake")
    for arguments, extra in (
        (["run", "--cell", "cell.param", "--trials", "1", "--lake", "lake"], "simulate"),
        (["ls", "--lake", "s3://bucket/lake"], "s3"),
        (["serve", "--lake", "lake"], "serve"),
    ):
        done = subprocess.run(
            [str(Path(sys.executable).with_name("neurolake")), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2 and f"neurolake[{extra}]" in done.stderr, (arguments, done.stderr)
    print(f"{len(wanted)} files of the wheel, every module imported without extras")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
