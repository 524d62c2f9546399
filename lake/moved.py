"""Modules that guides named before they moved: their old import paths work for one version, with a warning."""

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = __name__.split(".")[0]
MOVED = {
    "ingest.recording": "ingest.runs.recordings",
    "ingest.runs_again": "ingest.runs.reruns",
    "ingest.runs_modify": "ingest.runs.modify",
    "mechanisms.loaded": "mechanisms.live.loaded",
    "mechanisms.modifiers": "mechanisms.input.modifiers",
    "mechanisms.modify": "mechanisms.cell.modify",
    "query.node_sets": "query.circuits.node_sets",
    "query.reports": "query.circuits.reports",
    "query.spikes": "query.trials.spikes",
}
"""New module by old one, below the package."""


class Moved(MetaPathFinder, Loader):
    """Find a module by its old name: it offers what the new one has."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The specification of a moved module; None for every other one."""
        known = fullname.removeprefix(f"{PACKAGE}.") in MOVED
        return ModuleSpec(fullname, self, origin="moved") if known else None

    def exec_module(self, module: ModuleType) -> None:
        """Let the old module give what is asked of it from the new one."""
        name = f"{PACKAGE}.{MOVED[module.__name__.removeprefix(f'{PACKAGE}.')]}"
        new = import_module(name)
        warnings.warn(f"{module.__name__} has become {name}", FutureWarning, stacklevel=2)
        module.__dict__.update({key: value for key, value in vars(new).items() if not key.startswith("__")})


def install() -> None:
    """Look for moved modules where no module has the name."""
    if not any(isinstance(finder, Moved) for finder in sys.meta_path):
        sys.meta_path.append(Moved())
