"""Simrun results of the In Silico Framework as a format."""

from pathlib import Path

from ..source import Source
from .export import export_simrun
from .ingest import ingest_simrun
from .layout import holds_simrun


def _matches(path: Path) -> str | None:
    return "a folder of simrun results of the In Silico Framework" if holds_simrun(path) else None


SIMRUN = Source(
    name="simrun",
    needs="a folder with simulation_run<N>_synapses.csv or *_vm_all_traces.csv files at any depth",
    matches=_matches,
    ingest=ingest_simrun,
    export=export_simrun,
)
