"""SONATA's configurations: what files they name, with manifests, defaults and both dialects."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...lake.errors import IngestError
from ...lake.names import listed

_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
_DEEPEST = 20
NETWORK = "circuit_config.json"
"""The circuit of a simulation that names none, beside it."""


@dataclass(frozen=True)
class Named:
    """A file that a configuration names.

    Parameters
    ----------
    kind
        simulation, circuit, nodes, edges, spikes, inputs, stimulus, report, electrodes, types, node_sets or
        compartment_sets; hdf5 where the content is to tell.
    path
        Where it is.
    key
        Where the configuration names it.
    config
        The configuration that does; None for the file that the user gave.
    name
        Of the report, or of the input.
    types
        The file of types for its populations.
    populations
        Populations that it must have.
    settings
        What the configuration says of it.
    made_by_run
        Whether it is there only after the simulation ran, under a name that may be the default.
    weights
        The file of weights that a report was made with.
    """

    kind: str
    path: Path
    key: str = ""
    config: Path | None = None
    name: str = ""
    types: Path | None = None
    populations: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    made_by_run: bool = False
    weights: Path | None = None

    def missing(self) -> IngestError | None:
        """Return the error that the file is missing; None if it exists."""
        if self.path.is_file():
            return None
        said = f"{self.key} names {self.path}, which is missing" if self.key else "there is no such file"
        return IngestError(said, self.config or self.path)


class Config:
    """A configuration file.

    Parameters
    ----------
    path
        Where it is.

    Raises
    ------
    IngestError
        It is no JSON object, or its manifest goes in circles.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = read_json(path)
        self._manifest = self._object(self.content, "manifest", "manifest")

    def file(self, text: Any, key: str, folder: Path | None = None) -> Path:
        """Return the path that a value of the configuration refers to.

        Parameters
        ----------
        text
            The value.
        key
            Its key, for messages.
        folder
            Folder that relative paths start from; by default that of the configuration.

        Raises
        ------
        IngestError
            It is no text, or names a variable that the manifest lacks.
        """
        if not isinstance(text, str) or not text:
            raise IngestError(f"{key} must be a path, not {text!r}", self.path)
        expanded = self._expanded(text, key)
        return ((self.path.parent if folder is None else folder) / expanded).resolve()

    def _expanded(self, text: str, key: str) -> str:
        builtin = {"configdir": str(self.path.parent), "workingdir": str(Path.cwd())}

        def value(match: re.Match[str]) -> str:
            found = self._manifest.get(f"${match[1]}", self._manifest.get(match[1], builtin.get(match[1])))
            if not isinstance(found, str):
                raise IngestError(f"{key}: the manifest has no {match[0]}", self.path)
            return found

        for _ in range(_DEEPEST):
            changed = _VARIABLE.sub(value, text)
            if changed == text:
                return text
            text = changed
        raise IngestError(f"{key}: the manifest's variables name each other without end", self.path)

    def named(self) -> Iterator[Named]:
        """Yield the files that the configuration names, itself first, each after those that it depends on.

        Raises
        ------
        IngestError
            A value is not of the kind that SONATA says.
        """
        both = "run" in self.content and "networks" in self.content
        kind = kind_of(self.content)
        if kind is None:
            raise IngestError("neither a circuit (networks) nor a simulation (run, network)", self.path)
        yield Named(kind, self.path)
        if "network" in self.content or self._leaves_out_network():
            yield from self._other("network")
        if "networks" in self.content or both:
            yield from self._networks()
        for key in ("node_sets_file", "compartment_sets_file"):
            if self.content.get(key):
                yield Named(key.removesuffix("_file"), self.file(self.content[key], key), key, self.path)
        if "simulation" in self.content:
            yield from self._other("simulation")
        if "run" in self.content:
            yield from self._simulation()

    def _leaves_out_network(self) -> bool:
        """Whether it names no circuit, which is then that of the usual name beside it."""
        said = {"network", "networks", "simulation"} & self.content.keys()
        return "run" in self.content and not said and (self.path.parent / NETWORK).is_file()

    def _other(self, key: str) -> Iterator[Named]:
        path = self.file(self.content.get(key, NETWORK), key)
        if path == self.path:
            raise IngestError(f"{key} names this file itself", self.path)
        here = Named("circuit", path, key, self.path)
        error = here.missing()
        if error is not None:
            raise error
        yield from Config(path).named()

    def _networks(self) -> Iterator[Named]:
        networks = self._object(self.content, "networks", "networks")
        for kind in ("nodes", "edges"):
            entries = networks.get(kind) or []
            if not isinstance(entries, list):
                raise IngestError(f"networks.{kind} must be a list", self.path)
            for at, entry in enumerate(entries):
                where = f"networks.{kind}[{at}]"
                if not isinstance(entry, dict):
                    raise IngestError(f"{where} must be an object", self.path)
                yield from self._network(kind, entry, where)

    def _network(self, kind: str, entry: Mapping[str, Any], where: str) -> Iterator[Named]:
        types, key = None, f"{kind[:-1]}_types_file"
        if entry.get(key):
            types = self.file(entry[key], f"{where}.{key}")
            yield Named("types", types, f"{where}.{key}", self.path)
        path = self.file(entry.get(f"{kind}_file"), f"{where}.{kind}_file")
        populations = tuple(self._object(entry, "populations", f"{where}.populations"))
        yield Named(kind, path, f"{where}.{kind}_file", self.path, "", types, populations)

    def _simulation(self) -> Iterator[Named]:
        run, output = (self._object(self.content, name, name) for name in ("run", "output"))
        weights = None
        if run.get("electrodes_file"):
            # Where it stood before every lfp report had its own.
            weights = self.file(run["electrodes_file"], "run.electrodes_file")
            yield Named("electrodes", weights, "run.electrodes_file", self.path)
        for name, entry in self._object(self.content, "inputs", "inputs").items():
            told = entry if isinstance(entry, dict) else {}
            for key in ("spike_file", "input_file"):
                if told.get("input_type") == "spikes" and told.get(key):
                    # bmtk takes a list of files, one for each session.
                    files = told[key] if isinstance(told[key], list) else [told[key]]
                    for number, file in enumerate(files):
                        where = f"inputs.{name}.{key}" + (f"[{number}]" if len(files) > 1 else "")
                        called = f"{name}_{number}" if len(files) > 1 else name
                        yield Named("inputs", self.file(file, where), where, self.path, called)
            yield from self._stimulus(f"inputs.{name}", told)
        folder = self.file(output.get("output_dir", "output"), "output.output_dir")
        spikes = self.file(output.get("spikes_file", "out.h5"), "output.spikes_file", folder)
        if "spikes_file" in output or spikes.is_file():
            yield Named("spikes", spikes, "output.spikes_file", self.path, made_by_run=True)
        for name, entry in self._object(self.content, "reports", "reports").items():
            if not isinstance(entry, dict):
                raise IngestError(f"reports.{name} must be an object", self.path)
            yield from self._report(name, entry, folder, weights if entry.get("type") == "lfp" else None)

    def _stimulus(self, where: str, told: Mapping[str, Any]) -> Iterator[Named]:
        """Files of bmtk's inputs that act on cells: currents over time, places of electrodes and their meshes, waveforms."""
        module = str(told.get("module")).lower()
        keys = {"xstim": ("positions_file", "waveform"), "iclamp": ("file",)}.get(module, ())
        for key in keys:
            if not isinstance(told.get(key), str):
                continue
            path = self.file(told[key], f"{where}.{key}")
            yield Named("stimulus", path, f"{where}.{key}", self.path)
            if key == "positions_file" and path.is_file():
                folder = (
                    self.file(told["mesh_files_dir"], f"{where}.mesh_files_dir")
                    if told.get("mesh_files_dir")
                    else path.parent
                )
                for mesh in mesh_files(path.read_bytes()):
                    yield Named(
                        "stimulus", (folder / mesh).resolve(), f"{where}.electrode_mesh_file", self.path
                    )

    def _report(
        self, name: str, entry: dict[str, Any], folder: Path, weights: Path | None
    ) -> Iterator[Named]:
        where = f"reports.{name}"
        if entry.get("electrodes_file"):
            key = f"{where}.electrodes_file"
            weights = self.file(entry["electrodes_file"], key)
            yield Named("electrodes", weights, key, self.path)
        if not entry.get("enabled", True):
            return
        file = entry.get("file_name", name)
        path = self.file(file, f"{where}.file_name", folder)
        path = path if path.suffix in (".h5", ".hdf5") else path.with_name(f"{path.name}.h5")
        yield Named(
            "report",
            path,
            f"{where}.file_name",
            self.path,
            name,
            settings=entry,
            made_by_run=True,
            weights=weights,
        )

    def _object(self, content: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
        found = content.get(key)
        if found is not None and not isinstance(found, dict):
            raise IngestError(f"{where} must be an object", self.path)
        return found or {}


def kind_of(content: Mapping[str, Any]) -> str | None:
    """Return the kind of configuration of a JSON object: ``simulation``, ``circuit``, or None.

    Parameters
    ----------
    content
        The JSON object.
    """
    if not {"run", "networks", "network", "simulation"} & content.keys():
        return None
    return "simulation" if "run" in content or "simulation" in content else "circuit"


def mesh_files(positions: bytes) -> list[str]:
    """Return the files of meshes that bmtk's file of positions names, one for each electrode; none if it has no such column.

    Parameters
    ----------
    positions
        Content of the file.
    """
    rows = [line.split() for line in positions.decode(errors="replace").splitlines() if line.strip()]
    if not rows or "electrode_mesh_file" not in rows[0]:
        return []
    at = rows[0].index("electrode_mesh_file")
    return [row[at] for row in rows[1:] if at < len(row)]


def has_glia(content: Mapping[str, Any]) -> bool:
    """Return whether a configuration is of a circuit of neurons, glia and vessels, which `ingest.ngv` reads.

    Parameters
    ----------
    content
        The JSON object.
    """
    networks = content.get("networks")
    entries = networks.get("nodes") if isinstance(networks, dict) else None
    told = (
        [entry.get("populations") for entry in entries or [] if isinstance(entry, dict)]
        if isinstance(entries, list)
        else []
    )
    kinds = [
        each.get("type")
        for some in told
        if isinstance(some, dict)
        for each in some.values()
        if isinstance(each, dict)
    ]
    return any(kind in ("vasculature", "astrocyte", "protoplasmic_astrocytes") for kind in kinds)


def configuration_in(folder: Path) -> Path | None:
    """Return the configuration in a folder, that of the simulation before that of the circuit; None if there is none.

    Parameters
    ----------
    folder
        Any folder.

    Raises
    ------
    IngestError
        There are several of a kind.
    """
    found: dict[str, list[Path]] = {"simulation": [], "circuit": []}
    for path in sorted(folder.glob("*.json")):
        try:
            kind = kind_of(read_json(path))
        except IngestError:
            continue
        if kind is not None:
            found[kind].append(path)
    chosen = found["simulation"] or found["circuit"]
    if len(chosen) > 1:
        names = listed(path.name for path in chosen)
        raise IngestError(f"it has several SONATA configurations: {names}; say which", folder)
    return chosen[0] if chosen else None


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object in a file.

    Parameters
    ----------
    path
        Path of the file.

    Raises
    ------
    IngestError
        It cannot be read, or is something else; with the line.
    """
    content = any_json(path)
    if not isinstance(content, dict):
        raise IngestError("expected a JSON object", path)
    return content


def any_json(path: Path) -> Any:
    """Read the JSON in a file, an object or not.

    Parameters
    ----------
    path
        Path of the file.

    Raises
    ------
    IngestError
        It cannot be read; with the line.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise IngestError(f"no JSON: {error.msg}", path, error.lineno) from error
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise IngestError(f"cannot be read as JSON: {error}", path) from error
