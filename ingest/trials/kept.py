"""Code that a lake keeps of a network run, templates in hoc and mechanisms in NMODL, written to a folder for those who trust it."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pyarrow.dataset as pds

from ...catalog.vocabulary import trials as schema
from ...catalog.vocabulary.runs import NETWORK_RUNS
from ...lake import Snapshot
from ...lake.errors import InputError
from ...lake.names import listed
from ...mechanisms.library import source_files
from ...mechanisms.templates.files import hoc_files

TEMPLATES, MECHANISMS = "templates", "mechanisms"
"""First parts of the paths of such files; folders of both."""
_SHOWN = 4


@dataclass(frozen=True)
class KeptCode:
    """Templates and mechanisms that a lake keeps of a run.

    Attributes
    ----------
    run
        Name of the run.
    files
        File nodes by path, below `TEMPLATES` or `MECHANISMS`.
    """

    run: str
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot, run: str) -> "KeptCode":
        """Return what a commit keeps of a run.

        Parameters
        ----------
        snapshot
            The commit.
        run
            Name of the run.

        Raises
        ------
        InputError
            A path leads out of its folder.
        """
        table = snapshot.tables.get(schema.FILES.name)
        rows = [] if table is None else table.to_arrow(where=pds.field("run") == run).to_pylist()
        found = {}
        for row in rows:
            path = PurePosixPath(row["path"])
            if path.parts[:1] not in ((TEMPLATES,), (MECHANISMS,)) or row["node"] is None:
                continue
            if len(path.parts) < 2 or ".." in path.parts or "\\" in row["path"]:
                raise InputError(f"the file {row['path']!r} of the run {run} leads out of its folder")
            found[str(path)] = row["node"]
        return cls(run, found)

    @classmethod
    def for_run(cls, snapshot: Snapshot, circuit: str, run: str, other: str | None = None) -> "KeptCode":
        """Return what a commit keeps for a run: of the run itself, or else of another, or of the newest of the circuit that has any.

        Parameters
        ----------
        snapshot
            The commit.
        circuit
            Name of the circuit.
        run, other
            Names of the run that is to be made, and of one whose code it is likely to need.
        """
        table = snapshot.tables.get(NETWORK_RUNS.name)
        rows = [] if table is None else table.to_arrow(["run", "circuit"]).to_pylist()
        known = [row["run"] for row in rows if row["circuit"] == circuit]
        if run in known:
            return cls.of(snapshot, run)
        first = [other] if other in known else []
        for name in [*first, *reversed(known)]:
            found = cls.of(snapshot, str(name))
            if found.files:
                return found
        return cls(run)

    @property
    def offer(self) -> str:
        """What messages say of it."""
        return (
            f"run what the lake keeps of the run {self.run!r}, which is code, with --trust-templates "
            "(trust_templates=True)"
        )

    def wanted(self, named: Sequence[bool]) -> list[str]:
        """Return those of `TEMPLATES` and `MECHANISMS` that there are, and that the user has not named.

        Parameters
        ----------
        named
            Whether the user has named templates, and mechanisms.
        """
        return [
            folder
            for folder, there in zip((TEMPLATES, MECHANISMS), named, strict=True)
            if not there and self.below(folder)
        ]

    def hints(self, wanted: Sequence[str]) -> tuple[str, str]:
        """Return what messages add where a template, or a mechanism, is not found.

        Parameters
        ----------
        wanted
            As of `wanted`, where it is not trusted.
        """
        template, mechanism = (f"; {self.offer}" * (each in wanted) for each in (TEMPLATES, MECHANISMS))
        return template, mechanism

    def trusted(self, run: str, named: Sequence[bool], trust: bool) -> list[str]:
        """Return the folders that a run uses, those that are `wanted`.

        Parameters
        ----------
        run
            Name of the run.
        named
            Whether the user has named templates, and mechanisms.
        trust
            Whether the user trusts what the lake keeps.

        Raises
        ------
        InputError
            The run needs its code, which is not trusted; or there is nothing to trust.
        """
        wanted = self.wanted(named)
        if wanted and not trust and self.run == run:
            raise InputError(
                f"the run {run!r} was simulated with {self.told(*wanted)}: name the folders of its {' and '.join(wanted)} "
                f"({', '.join(f'--{folder}' for folder in wanted)}), or {self.offer}"
            )
        if trust and not wanted and not any(named):
            raise InputError(
                "trust_templates: the lake keeps no templates or mechanisms of a run of this circuit"
            )
        return wanted if trust else []

    def below(self, folder: str) -> list[str]:
        """Return paths below a folder.

        Parameters
        ----------
        folder
            `TEMPLATES` or `MECHANISMS`.
        """
        return [path for path in self.files if path.startswith(f"{folder}/")]

    def told(self, *folders: str) -> str:
        """Return the names of the first files below some folders.

        Parameters
        ----------
        folders
            The folders.
        """
        paths = [path for folder in folders for path in self.below(folder)]
        return listed((path.partition("/")[2] for path in paths), most=_SHOWN)

    @contextmanager
    def written(self, snapshot: Snapshot, *folders: str) -> Iterator[Mapping[str, Path]]:
        """Write the files below some folders, for as long as the block lasts; yield these folders, those that have files.

        Parameters
        ----------
        snapshot
            The commit that keeps them.
        folders
            Which of `TEMPLATES` and `MECHANISMS`.
        """
        with tempfile.TemporaryDirectory(prefix="neurolake-code-") as name:
            there = {}
            for folder in folders:
                for path in self.below(folder):
                    place = Path(name, path)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(snapshot.files[self.files[path]])
                    there[folder] = Path(name, folder)
            yield there


def code_files(templates: Sequence[Path], mechanisms: Sequence[Path]) -> dict[str, bytes]:
    """Return the content of a user's hoc and NMODL files, by the paths that a run keeps them under.

    Parameters
    ----------
    templates, mechanisms
        Folders of both.
    """
    found = {f"{TEMPLATES}/{name}": path.read_bytes() for name, path in hoc_files(templates).items()}
    for at, folder in enumerate(mechanisms):
        place = MECHANISMS if at == 0 else f"{MECHANISMS}/{at}"
        found |= {f"{place}/{file.name}": file.read_bytes() for file in source_files(folder)}
    return found


def named_files(folders: Sequence[Path], used: Mapping[str, Path]) -> dict[str, bytes]:
    """Return the content of files that templates have found by their names, by the paths that a run keeps them under.

    Parameters
    ----------
    folders
        Folders of templates.
    used
        The files, by name.
    """
    found = {}
    for name, path in used.items():
        own = next((path.relative_to(each) for each in folders if path.is_relative_to(each)), Path(name))
        found[f"{TEMPLATES}/{own.as_posix()}"] = path.read_bytes()
    return found
