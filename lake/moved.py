"""Modules that moved when the rooms got wings: their old import paths work for one version, with a warning."""

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = __name__.split(".")[0]
MOVED = {
    "ingest.runs_schema": "catalog.vocabulary.runs",
    "ingest.simrun_schema": "catalog.vocabulary.trials",
    "ingest.sonata_schema": "catalog.vocabulary.circuits",
    "ingest.sonata_hdf5": "ingest.hdf5.reading",
    "ingest.sonata_layout": "ingest.hdf5.layout",
    "ingest.axons": "ingest.lfp.axons",
    "ingest.electrodes": "ingest.lfp.electrodes",
    "ingest.fields": "ingest.lfp.fields",
    "ingest.geometry": "ingest.lfp.segments",
    "ingest.lfp_commands": "ingest.lfp.commands",
    "ingest.morphologies": "ingest.lfp.morphologies",
    "ingest.weights": "ingest.lfp.weights",
    "ingest.recording": "ingest.runs.recordings",
    "ingest.runs_again": "ingest.runs.reruns",
    "ingest.runs_commands": "ingest.runs.commands",
    "ingest.runs_model": "ingest.runs.model",
    "ingest.runs_modify": "ingest.runs.modify",
    "ingest.runs_reports": "ingest.runs.reports",
    "ingest.runs_stage": "ingest.runs.stage",
    "ingest.runs_stored": "ingest.runs.stored",
    "ingest.runs_worker": "ingest.runs.worker",
    "ingest.anatomy_text": "ingest.simrun.anatomy",
    "ingest.runs_export": "ingest.simrun.of_runs",
    "ingest.simrun_export": "ingest.simrun.export",
    "ingest.simrun_group": "ingest.simrun.worker",
    "ingest.simrun_layout": "ingest.simrun.layout",
    "ingest.simrun_text": "ingest.simrun.text",
    "ingest.simrun_traces": "ingest.simrun.traces",
    "ingest.sonata_canonical": "ingest.sonata.canonical",
    "ingest.sonata_config": "ingest.sonata.config",
    "ingest.sonata_electrodes": "ingest.sonata.electrodes",
    "ingest.sonata_export": "ingest.sonata.export",
    "ingest.sonata_populations": "ingest.sonata.populations",
    "ingest.sonata_reports": "ingest.sonata.reports",
    "ingest.sonata_sets": "ingest.sonata.sets",
    "ingest.sonata_types": "ingest.sonata.types",
    "ingest.delimited": "ingest.text.delimited",
    "ingest.parameters": "ingest.text.parameters",
    "ingest.simrun_stage": "ingest.trials.stage",
    "kernels.activations": "kernels.activity.activations",
    "kernels.binning": "kernels.activity.binning",
    "kernels.cosines": "kernels.activity.cosines",
    "kernels.reduced": "kernels.activity.reduced",
    "kernels.spatial": "kernels.activity.spatial",
    "kernels.electrodes": "kernels.lfp.electrodes",
    "kernels.fields": "kernels.lfp.field",
    "kernels.lfp_arguments": "kernels.lfp.arguments",
    "kernels.lfp_contacts": "kernels.lfp.contacts",
    "kernels.lfp_csd": "kernels.lfp.csd",
    "kernels.lfp_dipoles": "kernels.lfp.dipoles",
    "kernels.lfp_fields": "kernels.lfp.fields",
    "kernels.lfp_loops": "kernels.lfp.loops",
    "kernels.lfp_signals": "kernels.lfp.signals",
    "kernels.lfp_slice": "kernels.lfp.slice",
    "kernels.lfp_sources": "kernels.lfp.sources",
    "kernels.averages": "kernels.traces.averages",
    "kernels.density": "kernels.traces.density",
    "kernels.raster": "kernels.traces.raster",
    "kernels.voltages": "kernels.traces.voltages",
    "kernels.bursts": "kernels.trains.bursts",
    "kernels.features": "kernels.trains.features",
    "kernels.rates": "kernels.trains.rates",
    "kernels.spikes": "kernels.trains.spikes",
    "lake.arrays": "lake.data.arrays",
    "lake.codecs": "lake.data.codecs",
    "lake.rewriting": "lake.data.rewriting",
    "lake.tables": "lake.data.tables",
    "lake.zarrstore": "lake.data.zarrstore",
    "lake.ancestry": "lake.history.ancestry",
    "lake.diff": "lake.history.diff",
    "lake.filelists": "lake.history.filelists",
    "lake.log": "lake.history.log",
    "lake.merge": "lake.history.merge",
    "lake.refs": "lake.history.refs",
    "lake.content": "lake.nodes.content",
    "lake.derived": "lake.nodes.derived",
    "lake.entries": "lake.nodes.entries",
    "lake.entry": "lake.nodes.entry",
    "lake.grid": "lake.nodes.grid",
    "lake.placement": "lake.nodes.placement",
    "lake.shards": "lake.nodes.shards",
    "lake.condemned": "lake.objects.condemned",
    "lake.copies": "lake.objects.copies",
    "lake.packs": "lake.objects.packs",
    "lake.aws": "lake.storage.aws",
    "lake.local": "lake.storage.local",
    "lake.locations": "lake.storage.locations",
    "lake.s3": "lake.storage.s3",
    "lake.compaction": "lake.upkeep.compaction",
    "lake.expiry": "lake.upkeep.expiry",
    "lake.garbage": "lake.upkeep.garbage",
    "lake.reachable": "lake.upkeep.reachable",
    "lake.repair": "lake.upkeep.repair",
    "lake.transfer": "lake.upkeep.transfer",
    "lake.usage": "lake.upkeep.usage",
    "lake.verification": "lake.upkeep.verification",
    "mechanisms.anatomy_files": "mechanisms.anatomy.files",
    "mechanisms.lattice": "mechanisms.anatomy.lattice",
    "mechanisms.targets": "mechanisms.anatomy.targets",
    "mechanisms.axon": "mechanisms.cell.axon",
    "mechanisms.draws": "kernels.draws",
    "mechanisms.biophysics": "mechanisms.cell.biophysics",
    "mechanisms.compartments": "mechanisms.cell.compartments",
    "mechanisms.geometry": "mechanisms.cell.geometry",
    "mechanisms.hoc": "mechanisms.cell.hoc",
    "mechanisms.membrane": "mechanisms.cell.membrane",
    "mechanisms.modify": "mechanisms.cell.modify",
    "mechanisms.morphology": "mechanisms.cell.morphology",
    "mechanisms.sections": "mechanisms.cell.sections",
    "mechanisms.shapes": "mechanisms.cell.shapes",
    "mechanisms.sites": "mechanisms.cell.sites",
    "mechanisms.spatial": "mechanisms.cell.spatial",
    "mechanisms.swc": "mechanisms.cell.swc",
    "mechanisms.demo_cell": "mechanisms.demo.cell",
    "mechanisms.demo_input": "mechanisms.demo.input",
    "mechanisms.demo_shape": "mechanisms.demo.shape",
    "mechanisms.activity": "mechanisms.input.activity",
    "mechanisms.connectivity": "mechanisms.input.connectivity",
    "mechanisms.firing": "mechanisms.input.firing",
    "mechanisms.modifiers": "mechanisms.input.modifiers",
    "mechanisms.network_parameters": "mechanisms.input.network_parameters",
    "mechanisms.populations": "mechanisms.input.populations",
    "mechanisms.loaded": "mechanisms.live.loaded",
    "mechanisms.experiments": "mechanisms.trial.experiments",
    "mechanisms.recording": "mechanisms.trial.recording",
    "query.snapshot": "query.base",
    "query.node_sets": "catalog.node_sets",
    "query.circuits.node_sets": "catalog.node_sets",
    "query.reports": "query.circuits.reports",
    "query.code": "query.derive.code",
    "query.derivation": "query.derive.derivation",
    "query.kernel": "query.derive.kernels",
    "query.lineage": "query.derive.lineage",
    "query.refreshing": "query.derive.refreshing",
    "query.results": "query.derive.results",
    "query.isf_folders": "query.isf.folders",
    "query.isf_frames": "query.isf.frames",
    "query.isf_json": "query.isf.json",
    "query.isf_results": "query.isf.results",
    "query.isf_session": "query.isf.session",
    "query.isf_tables": "query.isf.tables",
    "query.isf_trials": "query.isf.trials",
    "query.isf_values": "query.isf.values",
    "query.lfp_analysis": "query.lfp.analysis",
    "query.lfp_coefficients": "query.lfp.forward",
    "query.lfp_commands": "query.lfp.commands",
    "query.lfp_figures": "query.lfp.figures",
    "query.lfp_inputs": "query.lfp.inputs",
    "query.lfp_labels": "query.lfp.labels",
    "query.lfp_matching": "query.lfp.matching",
    "query.lfp_methods": "kernels.lfp.methods",
    "query.lfp_online": "query.lfp.online",
    "query.lfp_products": "query.lfp.products",
    "query.lfp_signals": "query.lfp.signals",
    "query.lfp_weights": "query.lfp.electrode_files",
    "query.cosine_model": "query.models.cosines",
    "query.lda": "query.models.lda",
    "query.reduced_models": "query.models.fit",
    "query.figures": "query.plots.rasters",
    "query.figures_groups": "query.plots.groups",
    "query.figures_images": "query.plots.images",
    "query.figures_style": "query.plots.style",
    "query.overview": "query.plots.overview",
    "query.plot_commands": "query.plots.commands",
    "query.plot_data": "query.plots.data",
    "query.plot_kinds": "query.plots.kinds",
    "query.activations": "query.trials.activations",
    "query.batches": "query.trials.batching",
    "query.interop": "query.trials.interop",
    "query.parameters": "query.trials.parameters",
    "query.spatial": "query.trials.spatial",
    "query.spikes": "query.trials.spikes",
    "query.trains": "query.trials.trains",
    "query.voltages": "query.trials.voltages",
    "query.blocks": "query.views.blocks",
    "query.dasked": "query.views.dasked",
    "query.formats": "query.views.formats",
    "query.labelled": "query.views.labelled",
    "query.pushdown": "query.views.pushdown",
}
"""New module by old one, below the package."""


class Moved:
    """Find a module by its old name, and load it: it offers what the new one has. The base classes would cost 10 ms."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make the module.

        Parameters
        ----------
        spec
            Specification of the old module.
        """

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the specification of a moved module; None for every other one.

        Parameters
        ----------
        fullname
            Dotted name of the module to import.
        path, target
            Not used.
        """
        known = fullname.removeprefix(f"{PACKAGE}.") in MOVED
        return ModuleSpec(fullname, self, origin="moved") if known else None  # type: ignore[arg-type]

    def exec_module(self, module: ModuleType) -> None:
        """Take the attributes of the old module from the new one.

        Parameters
        ----------
        module
            The old module.
        """
        name = f"{PACKAGE}.{MOVED[module.__name__.removeprefix(f'{PACKAGE}.')]}"
        new = import_module(name)
        warnings.warn(f"{module.__name__} has become {name}", FutureWarning, stacklevel=2)
        module.__dict__.update({key: value for key, value in vars(new).items() if not key.startswith("__")})


def install() -> None:
    """Look for moved modules where no module has the name."""
    if not any(isinstance(finder, Moved) for finder in sys.meta_path):
        sys.meta_path.append(Moved())
