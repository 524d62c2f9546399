"""The command that simulates a circuit."""

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from ...lake.console import SIMULATE, Json, LakePath, err, out, print_json
from ...lake.errors import NeurolakeError
from ..runs.commands import probes

app = typer.Typer()


@app.command("run-network", rich_help_panel=SIMULATE)
def run_network_command(
    circuit: Annotated[str, typer.Argument(help="The circuit.", show_default=False)],
    lake: LakePath,
    tstop: Annotated[
        float | None, typer.Option(help="End in ms; default: that of a SONATA simulation configuration.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the run; default: CIRCUIT-run.")] = None,
    dt: Annotated[
        float | None, typer.Option(help="Time step in ms; default: the configuration's, or else 0.025.")
    ] = None,
    v_init: Annotated[
        float | None,
        typer.Option(help="Potential at the start in mV; default: the configuration's, or else -65."),
    ] = None,
    celsius: Annotated[
        float | None, typer.Option(help="Temperature; default: the configuration's, or else 35.")
    ] = None,
    second_order: Annotated[
        int | None, typer.Option(help="NEURON's secondorder: 0, the default, or 2 for Crank-Nicolson.")
    ] = None,
    equilibration: Annotated[
        float | None,
        typer.Option(help="How long to simulate before time 0, in ms; default: the configuration's, or 0."),
    ] = None,
    configuration: Annotated[
        Path | None,
        typer.Option(
            "--config", help="YAML with MiV-Simulator's keys, for a circuit that was ingested without."
        ),
    ] = None,
    templates: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of templates. NEURON runs hoc in it as code. May be repeated."),
    ] = None,
    mechanisms: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of .mod files besides our own, with those in it. May be repeated."),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            help="Input that cells replay, or that acts on them; default: all, one of each population. May be repeated."
        ),
    ] = None,
    trial: Annotated[int, typer.Option(help="Which trial of the inputs.")] = 0,
    inputs_from: Annotated[
        str | None, typer.Option(help="Run of this circuit whose spikes are replayed instead.")
    ] = None,
    cells: Annotated[
        list[str] | None,
        typer.Option(
            help="Only these cells: PYR, PYR:12 or PYR:0-3,7. With --inputs-from, others replay theirs."
        ),
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option(
            help="[POPULATION or node set:]soma, all, set:NAME, synapses, profile:NAME or types of sections such as apical, then :VARIABLE, "
            "@DT and ,KEY=VALUE, as all:i_membrane@0.1,fraction=0.2; none leaves out the reports of a SONATA configuration. May be repeated."
        ),
    ] = None,
    dt_record: Annotated[
        float | None,
        typer.Option(help="Interval of records without their own in ms; default: the time step."),
    ] = None,
    lfp: Annotated[
        list[str] | None,
        typer.Option(
            help="Table of electrodes of the lake, such as electrodes/probe, or NAME=NODE. May be repeated."
        ),
    ] = None,
    stimulate: Annotated[
        list[str] | None,
        typer.Option(
            help="Current in nA of a contact into the tissue: NODE/CONTACT=SHAPE:NUMBERS, as "
            "electrodes/probe/e0=sine:amplitude=1e5,frequency=8,delay=100,duration=300, or NODE/CONTACT=FILE.csv. Shapes: step, ramp, "
            "pulses, sine. May be repeated."
        ),
    ] = None,
    reproduce: Annotated[
        str | None, typer.Option(help="miv: simulate as MiV-Simulator does, for its results.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is random in the run.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="NEURON's threads, of each rank.")] = 1,
    commit_every: Annotated[
        float, typer.Option(help="Time of the model that makes a commit, in ms.")
    ] = 100.0,
    save_state: Annotated[
        bool, typer.Option(help="Whether commits hold the state, so that the run can be resumed.")
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    trust_templates: Annotated[
        bool,
        typer.Option(
            "--trust-templates",
            help="Run hoc and compile .mod files that the lake keeps of a run of the circuit, where no folders are named. They are code.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Simulate a circuit with NEURON, and store spikes and records while it runs.

    Under mpiexec -n K, K processes share the cells.

    Example: neurolake run-network example --lake my-lake --tstop 500 --record soma@0.1

    Raises
    ------
    NeurolakeError
        The circuit cannot be run: tells everything that is wrong.
    """
    from ..lfp.stimulation import parsed_fields
    from ..runs.model import require_neuron
    from .runs import process_ranks, run_network
    from .selection import parse_cells

    require_neuron()
    first = process_ranks().first

    def advance(done: float, end: float) -> None:
        err.detail(f"{done:g} of {end:g} ms")

    if first and (templates or trust_templates):
        where = ", ".join(map(str, templates)) if templates else "the lake, which is code of whoever wrote it"
        err.say(f"NEURON will run the hoc that the network names in {where}")
    try:
        report = run_network(
            lake,
            circuit,
            t_stop=tstop,
            name=name,
            dt=dt,
            v_init=v_init,
            celsius=celsius,
            second_order=second_order,
            reproduce=cast("Literal['miv'] | None", reproduce),
            equilibration=equilibration,
            configuration=configuration,
            templates=templates or (),
            mechanisms=mechanisms or (),
            inputs=inputs,
            trial=trial,
            inputs_from=inputs_from,
            cells=None if cells is None else parse_cells(cells),
            record=record or (),
            dt_record=dt_record,
            lfp=probes(lfp),
            clamps=parsed_fields(lake, stimulate) if stimulate else (),
            seed=seed,
            threads=threads,
            commit_every=commit_every,
            save_state=save_state,
            resume=resume,
            trust_templates=trust_templates,
            progress=advance,
        )
    except NeurolakeError as error:
        # All ranks find the same, and one of them says it.
        if not first:
            raise typer.Exit(error.exit_code) from error
        raise
    if not first:
        return
    for notice in report.notices:
        err.print(notice, style="yellow")
    if json:
        print_json(report)
    else:
        out.say(report.summary(lake))
