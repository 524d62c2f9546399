"""What is swept: a function that simulates, what it was given already, and how a combination changes that."""

import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...catalog.vocabulary.runs import SIMULATIONS
from ...lake import Lake
from ...lake.digest import canonical_json, digest_of, plain_json
from ...lake.errors import InputError, NotFoundError
from ...lake.nodes.content import content
from ..lfp.online import check_probes, named_probes
from ..networks.acting import identities
from ..networks.planning import content_of
from ..networks.runs import run_network
from ..networks.stored import row_of
from ..runs.model import read_model
from ..runs.runs import RunReport, read_recorded, run
from ..text.paths import has, told_unknown, with_values
from ..wiring.circuit import NetworkSource

Arguments = dict[str, Any]

VALUES = "values"
"""The argument of a function of ours that takes new values of its parameters by path."""
_OWN = ("lake", "name", "scheduler", "processes", "batch", "progress")
"""Arguments that decide where a run goes and how it is worked on, not what it is."""
_DIGITS = 12


@dataclass(frozen=True)
class Sweepable:
    """A function that can be swept: it takes a lake and the name of a run.

    Parameters
    ----------
    function
        The function.
    content
        Checks arguments, and returns all of them that decides what is simulated, as JSON; it raises as the function does.
        It is given the lake, if that is there.
    extent
        Arguments that say how much of a run there is to be: the same run goes on where they are larger.
    joint
        What stands between the sweep and the key in a run's name.
    again
        Arguments that a run of a name is given besides, because it was begun before.
    """

    function: Callable[..., Any]
    content: Callable[[Arguments, Lake | None], Any]
    extent: tuple[str, ...] = ()
    joint: str = "/"
    again: Callable[[Lake, str], Arguments] = lambda lake, name: {}

    @property
    def signature(self) -> inspect.Signature:
        """The function's signature."""
        return inspect.signature(self.function)

    @property
    def name(self) -> str:
        """The function's name."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))


def _run_content(arguments: Arguments, lake: Lake | None) -> Any:
    """What decides trials of a cell: the files as they are with new values, and what is recorded."""
    taken = (
        "cell",
        "network",
        "morphology",
        "synapses",
        "connections",
        "mechanisms",
        "paths",
        "functions",
        VALUES,
    )
    model = read_model(**{name: arguments[name] for name in taken if name in arguments})
    probes = named_probes(arguments.get("lfp"))
    recorded = read_recorded(
        arguments.get("record", "soma,site"), arguments.get("dt_record"), currents=bool(probes)
    )
    given = {name: arguments.get(name) for name in ("t_stop", "seed")}
    return [model.digests, list(model.mechanisms), asdict(recorded), given, _contents(lake, probes)]


def _contents(lake: Lake | None, probes: Mapping[str, str]) -> dict[str, str]:
    """What nodes hold that record potentials."""
    if not probes:
        return {}
    if lake is None:
        raise InputError("lfp: the lake is not there yet, nor are its electrodes")
    check_probes(lake.head, probes)
    return {name: str(content(lake.head.tree, node)) for name, node in probes.items()}


def _any_content(function: Callable[..., Any]) -> Callable[[Arguments, Lake | None], Any]:
    """What decides a run of a user's function: its code and its arguments."""

    def decides(arguments: Arguments, lake: Lake | None) -> Any:
        try:
            code = textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError):
            code = f"{function.__module__}:{function.__qualname__}"
        given = {name: value for name, value in arguments.items() if name not in _OWN}
        return [code, {name: plain_json(value, name) for name, value in given.items()}]

    return decides


def _network_content(arguments: Arguments, lake: Lake | None) -> Any:
    """What decides a run of a circuit: its tables, its configuration with new values, files, and the other arguments."""
    if lake is None:
        raise InputError("the lake is not there yet, nor is its circuit")
    source = NetworkSource.read(
        lake.head, arguments["circuit"], arguments.get("configuration"), arguments.get(VALUES)
    )
    read = ("circuit", "configuration", VALUES, *_FOLDERS, "lfp", _CLAMPS, *_NETWORK_WORK)
    given = {name: plain_json(value, name) for name, value in arguments.items() if name not in read}
    folders = {name: _files_of(name, arguments.get(name, ())) for name in _FOLDERS}
    decided = [content_of(source), folders, _contents(lake, named_probes(arguments.get("lfp"))), given]
    clamps = identities(arguments.get(_CLAMPS, ()))
    return [*decided, clamps] if clamps else decided


def _files_of(name: str, folders: Any) -> list[str]:
    """Digests of the files of folders that a user has named."""
    if isinstance(folders, Mapping):
        raise InputError(
            f"{name}: what is swept names folders, for functions have no content that a key could have"
        )
    listed = [folders] if isinstance(folders, str | Path) else list(folders)
    files = [path for each in listed for path in sorted(Path(each).expanduser().rglob("*")) if path.is_file()]
    return [f"{path.name}:{digest_of(path.read_bytes())}" for path in files]


def _resumed(lake: Lake, name: str) -> Arguments:
    """What a run of a circuit goes on with that was interrupted."""
    return {"resume": row_of(lake.head.tables.get(SIMULATIONS.name), name) is not None}


_FOLDERS = ("templates", "mechanisms")
_CLAMPS = "clamps"
_NETWORK_WORK = ("threads", "commit_every", "save_state", "resume")
OURS: Mapping[Callable[..., Any], Sweepable] = {
    run: Sweepable(run, _run_content, ("trials",)),
    run_network: Sweepable(run_network, _network_content, joint="-", again=_resumed),
}
"""Functions of ours that can be swept."""


@dataclass(frozen=True)
class Combination:
    """One combination, ready to be simulated.

    Parameters
    ----------
    values
        Values by path, as JSON.
    arguments
        All arguments of the function, without the lake and how it is worked on.
    key
        Digest of what decides the run.
    extent
        How much of the run there is to be, as JSON.
    """

    values: Mapping[str, Any]
    arguments: Arguments
    key: str
    extent: str


@dataclass(frozen=True)
class Swept:
    """A function with the arguments that all combinations share.

    Parameters
    ----------
    sweepable
        The function.
    given
        Arguments by name.
    """

    sweepable: Sweepable
    given: Arguments

    @classmethod
    def of(cls, run: Callable[..., Any]) -> "Swept":
        """Return what is swept, from a function whose arguments are given with `functools.partial`.

        Parameters
        ----------
        run
            ``partial(nl.run, lake, …)`` or ``partial(nl.run_network, lake, …)``, or of a function of yours that takes
            ``lake`` and ``name``.

        Raises
        ------
        InputError
            It is no such function, its arguments are not its own, or there is no lake among them.
        """
        arguments: tuple[Any, ...] = ()
        named: Arguments = {}
        if isinstance(run, functools.partial):
            arguments, named = run.args, dict(run.keywords)
            run = run.func
        if not callable(run):
            raise InputError(f"what is swept is a function, such as partial(nl.run, lake, …), not {run!r}")
        sweepable = OURS.get(run) or Sweepable(run, _any_content(run))
        known = sweepable.signature.parameters
        if not {"lake", "name"} <= known.keys():
            raise InputError(
                f"{sweepable.name}: what is swept takes lake and name, the run's; it has {', '.join(known)}"
            )
        try:
            given = sweepable.signature.bind_partial(*arguments, **named).arguments
        except TypeError as error:
            raise InputError(f"{sweepable.name}: {error}") from error
        if "lake" not in given:
            raise InputError(f"give the lake: partial(nl.{sweepable.name}, lake, …)")
        return cls(sweepable, dict(given))

    def lake(self) -> Lake:
        """Open the lake, which is made if it is missing."""
        return Lake.of(self.given["lake"], create=True)

    def _there(self) -> Lake | None:
        try:
            return Lake.of(self.given["lake"])
        except NotFoundError:
            return None

    def combined(self, values: Mapping[str, Any], sweep: str) -> Combination:
        """Return a combination with everything checked that can be without simulating it.

        Parameters
        ----------
        values
            Values by path.
        sweep
            Name of the sweep, which is that of its runs if the function was given none.

        Raises
        ------
        IngestError, InputError
            There is no parameter of a path, or whatever the function refuses.
        """
        arguments = self._arguments(values)
        own = self.sweepable
        extent = {name: arguments[name] for name in own.extent if name in arguments}
        decisive = {name: value for name, value in arguments.items() if name not in own.extent}
        found = own.content(decisive, self._there())
        key = str(digest_of(canonical_json(plain_json([own.name, found], "what decides a run"))))
        arguments["name"] = f"{self.given.get('name') or sweep}{own.joint}{key[:_DIGITS]}"
        return Combination(values, arguments, key, canonical_json(plain_json(extent, "extent")).decode())

    def _arguments(self, values: Mapping[str, Any]) -> Arguments:
        """All arguments but those of where and how, with the values of a combination."""
        known = self.sweepable.signature.parameters
        arguments = {name: value for name, value in self.given.items() if name not in _OWN}
        below: dict[str, Any] = dict(arguments.get(VALUES) or {})
        for path, value in values.items():
            first, _, rest = path.partition(".")
            if path in _OWN:
                raise InputError(f"{path!r} does not change what is simulated, so it cannot be swept")
            if path in known:
                arguments[path] = value
            elif isinstance(arguments.get(first), Mapping) and has(arguments[first], rest):
                arguments[first] = with_values(arguments[first], {rest: value})
            else:
                below[path] = value
        if below and VALUES not in known:
            names = [name for name in known if name not in _OWN]
            raise InputError("; ".join(told_unknown(path, names) for path in below))
        if below:
            arguments[VALUES] = below
        if "seed" in known and known["seed"].default is None and arguments.get("seed") is None:
            # A seed that is drawn would be another run each time.
            arguments["seed"] = 0
        _check_complete(self.sweepable, arguments)
        return arguments


def _check_complete(sweepable: Sweepable, arguments: Arguments) -> None:
    lacking = [
        name
        for name, parameter in sweepable.signature.parameters.items()
        if parameter.default is parameter.empty
        and name not in (*arguments, *_OWN)
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if lacking:
        raise InputError(
            f"{sweepable.name} needs {', '.join(lacking)}: give them with partial, or sweep over them"
        )


def failures_of(report: Any) -> Sequence[Any]:
    """Return what a function's report says that failed.

    Parameters
    ----------
    report
        What the function returned.
    """
    return list(getattr(report, "failures", ()))


def run_of(report: Any, name: str) -> str:
    """Return the name of the run that a function made.

    Parameters
    ----------
    report
        What the function returned.
    name
        The name that it was given.
    """
    found = getattr(report, "run", None)
    return found if isinstance(found, str) else name


def scalars_of(report: Any) -> dict[str, Any]:
    """Return the scalar results that a function returned, as a mapping or as one number.

    Parameters
    ----------
    report
        What the function returned.

    Raises
    ------
    InputError
        JSON cannot say them.
    """
    if isinstance(report, RunReport) or report is None or hasattr(report, "run"):
        return {}
    found = report if isinstance(report, Mapping) else {"result": report}
    return {str(name): plain_json(value, f"result {name}") for name, value in found.items()}
