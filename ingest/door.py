"""The front door: one function that brings anything in, and one that writes it out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ..lake import Lake, Snapshot
    from .source import Exported, Ingested, OnError, Progress


def ingest(
    lake: "Lake | str | Path",
    path: str | Path | Sequence[str | Path],
    *,
    format: str | None = None,
    name: str | None = None,
    branch: str = "main",
    message: str | None = None,
    on_error: "OnError" = "stop",
    progress: "Progress | None" = None,
    scheduler: str | None = None,
    processes: int | None = None,
    labels: Mapping[str, str] | None = None,
    soma_threshold: float = 0.0,
    dendrite_threshold: float = -30.0,
    electrodes: Literal["sonata", "bluerecording"] = "sonata",
    repeated: Literal["error", "first", "last"] = "error",
    dialect: Literal["bluerecording", "bmtk", "probeinterface"] | None = None,
    current_unit: Literal["nA", "uA", "mA", "A"] = "nA",
    nodes: str | None = None,
    report: str | None = None,
    axon: Literal["keep", "stub", "bluerecording"] = "keep",
    segment_length: float = 40.0,
    neurons: str | None = None,
) -> "Ingested":
    """Bring what is at a path into a lake, in one commit; recognise what it is.

    Called again, it adds what is new and nothing else. A script that has work shared by processes calls this below
    ``if __name__ == "__main__":``, because the processes import the script.

    Parameters
    ----------
    lake
        An open lake, or the path or URL of one, which is made if it is missing.
    path
        A folder of simrun results; a SONATA configuration, the folder that holds it, or a SONATA file; a file of NeuroH5, several
        of one network, or a folder of them; a circuit of glia, its folder or several of its parts; a file of electrodes; a field that Sim4Life exported; a folder of morphologies.
    format
        ``"simrun"``, ``"sonata"``, ``"neuroh5"``, ``"ngv"``, ``"electrodes"``, ``"field"`` or ``"segments"``; by default what *path* is.
    name
        What the names of the nodes contain; by default the name of the file or of its folder (not simrun).
    branch, message
        The branch to commit to, and the commit's message.
    on_error
        ``"stop"``: the first bad file ends the ingest and nothing is stored. ``"skip"``: what is bad is left
        out and listed in the report (simrun, sonata, ngv).
    progress
        Called with bytes done and bytes in all (simrun, sonata, neuroh5, ngv).
    scheduler, processes
        Address of a dask scheduler, or how many processes of this machine to use; by default all cores, and
        one for less than 100 MB (simrun).
    labels
        Columns to add to ``trials``: name to a regular expression that is searched in sim_trial_index (simrun).
    soma_threshold, dendrite_threshold
        Voltages in mV whose upward crossing is a spike (simrun).
    electrodes
        Weights are mV/nA, as SONATA says, or V/nA, as BlueRecording writes them (sonata).
    repeated
        What becomes of cells that a step of construction wrote several times: an error, or which of them is taken (neuroh5).
    dialect
        How a file of electrodes is written; by default what it looks like (electrodes).
    current_unit
        Unit of the current that the file of a field was computed for (field).
    nodes
        Table of the cells that have the morphologies (segments).
    report
        Compartment report from which sections and numbers of segments are taken (segments).
    axon
        What becomes of axons, see `neurolake.ingest.lfp.morphologies.cell_segments` (segments).
    segment_length
        Longest segment in µm where no report says it (segments).
    neurons
        Circuit of the lake that has the neurons and the synapses between them (ngv).

    Returns
    -------
    Ingested
        What was added, what was there already, what was left out and why, and the commit. ``print`` shows it.

    Raises
    ------
    IngestError
        A file is missing or malformed; names the file, and the line, key or dataset.
    InputError
        No format or several recognise *path*, an option is not one of the format, or its package is not installed.
    ConflictError
        Another ingest of the same committed meanwhile; call it again.
    """
    options = {key: value for key, value in locals().items() if key not in ("lake", "path", "format")}
    # Arrow, Zarr and numba take a while to import; an import of the door alone does not wait.
    from ..lake import Lake
    from ..lake.errors import InputError
    from .formats import named, recognised
    from .source import heeded

    places = [Path(each).expanduser() for each in ([path] if isinstance(path, str | Path) else path)]
    if not places:
        raise InputError("give at least one path")
    source = recognised(places[0])[0] if format is None else named(format)
    if len(places) > 1 and not source.several:
        raise InputError(f"the format {source.name} is ingested one path at a time, not {len(places)}")
    chosen = heeded(source.name, source.ingest, options, _defaults(ingest))
    return source.ingest(Lake.of(lake, create=True), places if len(places) > 1 else places[0], **chosen)


def export(
    lake: "Lake | Snapshot | str | Path",
    path: str | Path,
    *,
    format: Literal["simrun", "sonata", "neuroh5", "electrodes"],
    at: str | datetime = "main",
    name: str | None = None,
    runs: Sequence[str] | None = None,
    dialect: Literal["source", "libsonata", "collapsed", "archngv"] = "source",
    only: Sequence[str] | None = None,
    electrodes: str | None = None,
    coefficients: str | None = None,
    population: str | None = None,
    ones: bool = False,
    units: Literal["mV/nA", "V/nA"] = "mV/nA",
    segments: str | None = None,
    progress: "Progress | None" = None,
) -> "Exported":
    """Write what a lake holds as files of a format; all files or, on an error, none.

    Parameters
    ----------
    lake
        An open lake, the path or URL of one, or a snapshot.
    path
        Where to write: a folder that is empty or missing; for electrodes, a file that is missing.
    format
        ``"simrun"``: the tree of results that was ingested, number for number. ``"sonata"``: circuits, spikes,
        reports and weights. ``"neuroh5"``: cells and connections, input spikes and results. ``"ngv"``: circuits of glia. ``"electrodes"``: contacts
        as CSV or JSON of BlueRecording, by the suffix of *path*, or coefficients as an electrodes file of SONATA.
    at
        Branch, commit or time to write; not looked at for a snapshot.
    name
        Which circuit; may be left out if the lake has one (neuroh5, ngv).
    runs
        Which ingests or run directories; all by default (simrun, sonata).
    dialect
        ``"source"``: the files that came in. ``"libsonata"``: what libsonata and bluepysnap read (sonata). ``"collapsed"``:
        files of Cells and Connections, whatever files came in (neuroh5). ``"archngv"``: the tree that ArchNGV writes (ngv).
    only
        Parts to write; see `neurolake.ingest.ngv.export_ngv` (ngv).
    electrodes
        Table of the contacts (electrodes).
    coefficients, population
        Node of the coefficients, and population of their nodes (electrodes).
    ones
        Whether to add a last column of ones, as BlueRecording did before 0.7 (electrodes).
    units
        Of the coefficients in the file; BlueRecording writes V/nA (electrodes).
    segments
        Table of the segments, from which types of neurites are written beside coefficients (electrodes).
    progress
        Called with bytes done and bytes in all (simrun, sonata, neuroh5), or files (ngv).

    Returns
    -------
    Exported
        How many files, and how many bytes.

    Raises
    ------
    NotFoundError
        The lake holds nothing of the format, or not that run or node.
    InputError
        There is something at *path* already, an option is not one of the format, or the format cannot say what the
        lake holds.
    """
    options = {key: value for key, value in locals().items() if key not in ("lake", "path", "format", "at")}
    from ..lake import Lake, Snapshot
    from ..lake.errors import InputError
    from .formats import named
    from .source import heeded

    source = named(format)
    if source.export is None:
        raise InputError(f"nothing is written in the format {format}")
    chosen = heeded(source.name, source.export, options, _defaults(export))
    snapshot = lake if isinstance(lake, Snapshot) else Lake.of(lake).at(at)
    written: Exported = source.export(snapshot, Path(path).expanduser(), **chosen)
    return written


def _defaults(function: Any) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in signature(function).parameters.items()}
