"""Electrodes, fields of electrodes and folders of morphologies as formats."""

import time
from pathlib import Path

from ...catalog.vocabulary.circuits import NODES
from ...lake import Lake, Snapshot
from ...lake.errors import InputError
from ...lake.history.log import MAIN
from ..hdf5.reading import root_of
from ..source import Exported, Ingested, Source
from .electrodes import dialect_of, put_electrodes, read_electrodes, stored_electrodes, write_electrodes
from .fields import put_field, read_sim4life
from .segments import SUFFIXES, place_segments
from .weights import stored_coefficients, write_weights

_HEAD = 2**16
_OWNERS = {"bluerecording": "BlueRecording", "bmtk": "bmtk", "probeinterface": "probeinterface"}


def ingest_electrodes(
    lake: Lake,
    path: str | Path,
    *,
    name: str | None = None,
    dialect: str | None = None,
    branch: str = MAIN,
    message: str | None = None,
) -> Ingested:
    """Bring the contacts in a file into a lake, as the table ``electrodes/<name>``, in one commit.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    path
        CSV of BlueRecording or bmtk, or JSON of BlueRecording or probeinterface; see `read_electrodes`.
    name
        By default the file's, without its suffix.
    dialect
        ``"bluerecording"``, ``"bmtk"`` or ``"probeinterface"``; by default what the file looks like.
    branch, message
        The branch to commit to, and the commit's message.

    Raises
    ------
    IngestError
        The file is none of these, or malformed; names the line.
    """
    began, file = time.perf_counter(), Path(path).expanduser()
    report = _report("electrodes", lake, file, name)
    found = read_electrodes(file, dialect)
    with lake.transaction(message or f"Ingest electrodes {report.name}", branch=branch) as transaction:
        transaction.notes["ingest"] = {"format": report.format, "source": str(file)}
        report.nodes = [put_electrodes(transaction, report.name, found)]
    return report.finish(transaction.committed, began)


def ingest_field(
    lake: Lake,
    path: str | Path,
    *,
    name: str | None = None,
    current_unit: str = "nA",
    branch: str = MAIN,
    message: str | None = None,
) -> Ingested:
    """Bring an electrode's field, exported by Sim4Life, into a lake as ``fields/<name>``, in one commit.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    path
        The HDF5 file; see `read_sim4life`.
    name
        By default the file's, without its suffix.
    current_unit
        Of the file's ``CurrentApplied``: ``nA``, ``uA``, ``mA`` or ``A``.
    branch, message
        The branch to commit to, and the commit's message.

    Raises
    ------
    IngestError
        The file is no such field.
    InputError
        h5py is not installed.
    """
    began, file = time.perf_counter(), Path(path).expanduser()
    report = _report("field", lake, file, name)
    field = read_sim4life(file, current_unit=current_unit)
    with lake.transaction(message or f"Ingest field {report.name}", branch=branch) as transaction:
        transaction.notes["ingest"] = {"format": report.format, "source": str(file)}
        report.nodes = [put_field(transaction, report.name, field)]
    return report.finish(transaction.committed, began)


def _report(format: str, lake: Lake, file: Path, name: str | None) -> Ingested:
    size = file.stat().st_size if file.is_file() else 0
    return Ingested(format, lake.url, name or file.stem, added=[file.name], source_bytes=size)


def _ingest_segments(
    lake: Lake,
    path: str | Path,
    *,
    nodes: str | None = None,
    report: str | None = None,
    name: str | None = None,
    axon: str = "keep",
    segment_length: float = 40.0,
    branch: str = MAIN,
    message: str | None = None,
) -> Ingested:
    """Place the segments of the cells of *nodes*, whose morphologies are in a folder; see `place_segments`."""
    if nodes is None:
        tables = lake.at(branch).tables
        cells = [
            each for each in tables if each.startswith(NODES.folder) and "morphology" in tables[each].columns
        ]
        raise InputError(
            "a folder of morphologies is ingested for the cells that have them: give nodes, the name of a table; "
            f"those with morphologies are: {', '.join(cells) or 'none, so ingest the circuit first'}"
        )
    return place_segments(
        lake,
        nodes,
        path,
        report=report,
        name=name,
        axon=axon,
        segment_length=segment_length,
        branch=branch,
        message=message,
    )


def export_electrodes(
    snapshot: Snapshot,
    path: str | Path,
    *,
    electrodes: str | None = None,
    coefficients: str | None = None,
    population: str | None = None,
    ones: bool = False,
    units: str = "mV/nA",
    segments: str | None = None,
) -> Exported:
    """Write contacts as BlueRecording reads them, or coefficients as an electrodes file of SONATA.

    Parameters
    ----------
    snapshot
        The commit to read.
    path
        The file, which is not there yet.
    electrodes
        Table of the contacts; see `write_electrodes`.
    coefficients, population, ones, units, segments
        Node of the coefficients, and what `write_weights` asks; *segments* is the name of a table.

    Raises
    ------
    NotFoundError
        The snapshot has no such node.
    InputError
        Neither or both were given, or the file is there, or cannot say what the lake holds.
    """
    if (electrodes is None) == (coefficients is None):
        raise InputError(
            "an export of electrodes needs coefficients, the name of a node, or electrodes, the name of a table"
        )
    if electrodes is not None:
        write_electrodes(path, stored_electrodes(snapshot, electrodes))
    else:
        if population is None:
            raise InputError("an electrodes file needs population, that of the nodes")
        table = None if segments is None else snapshot.tables[segments]
        found = stored_coefficients(snapshot, str(coefficients))
        write_weights(path, found, population, ones=ones, units=units, segments=table)
    return Exported(1, Path(path).stat().st_size)


# Recognising them


def _are_electrodes(path: Path) -> str | None:
    if path.suffix not in (".csv", ".json", ".txt") or not path.is_file():
        return None
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head = file.read(_HEAD)
    dialect, kind = dialect_of(head), "JSON" if head.lstrip().startswith(("[", "{")) else "CSV"
    return None if dialect is None else f"electrodes in {_OWNERS[dialect]}'s {kind}"


def _is_field(path: Path) -> str | None:
    return "a field that Sim4Life exported" if {"CurrentApplied", "FieldGroups"} <= root_of(path) else None


def _are_morphologies(path: Path) -> str | None:
    if not path.is_dir():
        return None
    files = [file for file in sorted(path.iterdir()) if file.suffix in SUFFIXES]
    return f"a folder of {len(files):,} morphologies" if any(map(_is_morphology, files)) else None


def _is_morphology(path: Path) -> bool:
    return path.suffix != ".h5" or {"points", "structure"} <= root_of(path)


ELECTRODES = Source(
    name="electrodes",
    needs="a CSV or JSON file of BlueRecording (name, x, y, z), a CSV file of bmtk (channel x_pos y_pos z_pos), or a "
    "JSON file of probeinterface",
    matches=_are_electrodes,
    ingest=ingest_electrodes,
    export=export_electrodes,
)
FIELD = Source(
    name="field",
    needs="an HDF5 file of Sim4Life with CurrentApplied and FieldGroups",
    matches=_is_field,
    ingest=ingest_field,
)
SEGMENTS = Source(
    name="segments",
    needs="a folder of morphologies (.h5, .asc, .swc), and nodes=…, the table of the cells that have them",
    matches=_are_morphologies,
    ingest=_ingest_segments,
)
