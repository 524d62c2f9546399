"""Commands that bring in what extracellular potentials are made of, and write weights of electrodes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...lake.console import Branch, Json, LakePath, Listing, Ref, err, out, print_json
from ...lake.errors import InputError

ingest_app = typer.Typer()
export_app = typer.Typer()
lfp_app = typer.Typer()

Name = Annotated[str | None, typer.Option(help="What the node is called; by default as the file is.")]


@ingest_app.command("electrodes")
def ingest_electrodes_command(
    lake: LakePath,
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV of BlueRecording or bmtk, or JSON of BlueRecording or probeinterface."),
    ] = None,
    name: Name = None,
    format: Annotated[
        str | None, typer.Option(help="bluerecording, bmtk or probeinterface; default: what it looks like.")
    ] = None,
    probe: Annotated[
        str | None, typer.Option(help="No file but a probe: laminar, neuropixels-1.0 or neuropixels-2.0.")
    ] = None,
    contacts: Annotated[int, typer.Option(help="Contacts of the probe.")] = 384,
    spacing: Annotated[float, typer.Option(help="Of a laminar probe, in µm.")] = 50.0,
    place: Annotated[
        tuple[float, float, float],
        typer.Option(help="Of the tip, or of a laminar probe's first contact, in µm."),
    ] = (0.0, 0.0, 0.0),
    direction: Annotated[
        tuple[float, float, float] | None, typer.Option(help="From there to the other contacts.")
    ] = None,
    branch: Branch = "main",
) -> None:
    """Bring electrodes into a lake, as the table electrodes/NAME.

    Example: neurolake ingest electrodes probe.csv --lake my-lake

    Raises
    ------
    InputError
        There is neither a file nor a probe, or no electrodes can be made of the options.
    """
    from ...kernels.lfp.electrodes import laminar_probe, shank_probe
    from ...lake import Lake
    from .electrodes import read_electrodes, store_electrodes

    if (file is None) == (probe is None):
        raise InputError("give a FILE or --probe")
    try:
        if file is not None:
            found = read_electrodes(file, format)
        elif probe == "laminar":
            found = laminar_probe(contacts, spacing, first=place, direction=direction or (0.0, 0.0, -1.0))
        else:
            found = shank_probe(str(probe), contacts, tip=place, direction=direction or (0.0, 0.0, 1.0))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error
    node = store_electrodes(
        Lake.open(lake), name or (file.stem if file else str(probe)), found, branch=branch
    )
    out.print(f"{node}  ({len(found):,} contacts)")


@ingest_app.command("field")
def ingest_field_command(
    file: Annotated[Path, typer.Argument(help="A field that Sim4Life exported.", show_default=False)],
    lake: LakePath,
    name: Name = None,
    current_unit: Annotated[str, typer.Option(help="Of the file's CurrentApplied: nA, uA, mA or A.")] = "nA",
    branch: Branch = "main",
) -> None:
    """Bring the field of an electrode into a lake, as the group fields/NAME.

    Example: neurolake ingest field eeg_potential.h5 --name eeg --lake my-lake
    """
    from ...lake import Lake
    from .fields import read_sim4life, store_field

    field = read_sim4life(file, current_unit=current_unit)
    node = store_field(Lake.open(lake), name or file.stem, field, branch=branch)
    out.print(f"{node}  ({' x '.join(map(str, field.shape))})")


@ingest_app.command("segments")
def ingest_segments_command(
    nodes: Annotated[
        str, typer.Argument(help="Table of nodes, such as nodes/run/cells.", show_default=False)
    ],
    lake: LakePath,
    morphologies: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of the morphologies; default: the trees that the lake has of the circuit."
        ),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(help="Compartment report from which sections and numbers of segments are taken."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="By default the last part of NODES.")] = None,
    axon: Annotated[str, typer.Option(help="keep, stub or bluerecording.")] = "keep",
    segment_length: Annotated[float, typer.Option(help="Longest segment without a report, in µm.")] = 40.0,
    branch: Branch = "main",
) -> None:
    """Place the segments of a population's cells, as the table segments/NAME.

    Example: neurolake ingest segments nodes/run/cells morphologies/ --report reports/run/i/cells --lake my-lake
    """
    from ...lake import Lake
    from .segments import place_segments

    target = Lake.open(lake)
    done = place_segments(
        target,
        nodes,
        morphologies,
        report=report,
        name=name,
        axon=axon,
        segment_length=segment_length,
        branch=branch,
    )
    for notice in done.notices:
        err.print(notice, style="yellow")
    for node in done.nodes:
        out.print(f"{node}  ({target.at(branch).tables[node].rows:,} segments)")
    if not done.nodes:
        out.print(done.summary())


@export_app.command("electrodes")
def export_electrodes_command(
    node: Annotated[
        str, typer.Argument(help="Table of electrodes, or node of coefficients.", show_default=False)
    ],
    file: Annotated[
        Path,
        typer.Argument(
            help="File to write, which is not there yet: .csv or .json of electrodes, .h5 of coefficients.",
            show_default=False,
        ),
    ],
    lake: LakePath,
    population: Annotated[str | None, typer.Option(help="Of the nodes, for coefficients.")] = None,
    ones: Annotated[
        bool, typer.Option("--ones", help="Add a last column of ones, as BlueRecording did before 0.7.")
    ] = False,
    units: Annotated[str, typer.Option(help="mV/nA, or V/nA as BlueRecording writes them.")] = "mV/nA",
    segments: Annotated[
        str | None, typer.Option(help="Table of segments, from which the types of neurites are written.")
    ] = None,
    at: Ref = "main",
) -> None:
    """Write contacts as BlueRecording reads them, or coefficients as an electrodes file of SONATA.

    The latter is what CoreNEURON and libsonata read.

    Example: neurolake export electrodes NODE weights.h5 --population cells --lake my-lake
    """
    from ...lake import Lake
    from .sources import export_electrodes

    snapshot = Lake.open(lake).at(at)
    if node in snapshot.tables:
        export_electrodes(snapshot, file, electrodes=node)
    else:
        export_electrodes(
            snapshot,
            file,
            coefficients=node,
            population=population,
            ones=ones,
            units=units,
            segments=segments,
        )
    out.say(f"Wrote {file}")


@lfp_app.command("compare")
def compare_command(
    a: Annotated[str, typer.Argument(help="Electrodes file, or node of weights or coefficients.")],
    b: Annotated[str, typer.Argument(help="Another one.")],
    lake: Annotated[
        str | None,
        typer.Option("--lake", "-l", help="The lake that has the nodes.", envvar="NEUROLAKE_LAKE"),
    ] = None,
    rtol: Annotated[float, typer.Option(help="Tolerated difference as a part of the larger weight.")] = 1e-6,
    atol: Annotated[float, typer.Option(help="Tolerated difference in mV/nA.")] = 1e-9,
    population: Annotated[str | None, typer.Option(help="Of the nodes; default: the only one.")] = None,
    electrodes: Annotated[
        list[str] | None,
        typer.Option(
            help="Files have weights as sonata (mV/nA) or bluerecording (V/nA) has them; twice: of A and of B."
        ),
    ] = None,
    json: Json = False,
    at: Ref = "main",
) -> None:
    """Compare the weights of two electrodes files, or nodes, whatever their order; exit code 1 where they differ.

    Example: neurolake lfp compare weights.h5 theirs.h5 --electrodes sonata --electrodes bluerecording

    Raises
    ------
    InputError
        ``--electrodes`` is given more than twice.
    """
    from .comparing import compare_weights

    given = electrodes or ["sonata"]
    if len(given) > 2:
        raise InputError("--electrodes may be given twice at most: of A, and of B")
    origins: Any = (given[0], given[-1])
    found = compare_weights(
        a, b, lake=lake, at=at, population=population, rtol=rtol, atol=atol, origins=origins
    )
    if json:
        print_json(found.to_dict())
    else:
        table = Listing("electrode", "absolute (mV/nA)", "relative", "beyond", "node", "compartment")
        for one in found.electrodes:
            place = ["" if value is None else str(value) for value in (one.node_id, one.compartment)]
            table.add_row(one.name, f"{one.absolute:.3g}", f"{one.relative:.3g}", f"{one.beyond:,}", *place)
        out.print(table)
        out.print(str(found))
    if not found.equal:
        raise typer.Exit(1)
