"""SpikeAnalyses, voltages and synapse activations of the trials of a snapshot, with their analyses."""

from ...catalog.traces import Traces
from ..noun import Analysis, Noun
from . import activations, batching, interop, spatial, spikes, voltages
from .trains import SPIKES, trains


class SpikeAnalyses(Noun):
    """SpikeAnalyses of trials: ``snapshot.spikes.psth(by="stimulus")``. All times are in ms, all rates in Hz."""

    trains = Analysis(trains)
    psth = Analysis(spikes.psth)
    counts = Analysis(spikes.spike_counts)
    within = Analysis(spikes.spikes_in)
    intervals = Analysis(spikes.interspike_intervals)
    bursts = Analysis(spikes.burst_events)
    voltage_bursts = Analysis(spikes.voltage_bursts)
    rates = Analysis(spikes.spike_rates)
    firing_rates = Analysis(spikes.firing_rates)
    features = Analysis(spikes.rate_features)
    to_neo = Analysis(interop.to_neo)
    to_elephant = Analysis(interop.to_elephant)

    def _contents(self) -> str:
        table = self.snapshot.tables.get(SPIKES)
        found = "none" if table is None else f"{table.rows:,}"
        return f"{found} in {SPIKES}"


class VoltageAnalyses(Noun):
    """VoltageAnalyses of trials at recording sites: ``snapshot.voltages.statistics("soma")``. In mV, over time in ms."""

    statistics = Analysis(voltages.voltage_statistics)
    quantiles = Analysis(voltages.voltage_quantiles)
    density = Analysis(voltages.voltage_density)
    spike_triggered_average = Analysis(voltages.spike_triggered_average)
    picture = Analysis(voltages.voltage_picture)
    window = Analysis(voltages.voltage_window)

    @property
    def sites(self) -> list[str]:
        """Names of the recording sites."""
        return Traces(self.snapshot.store).sites

    def _contents(self) -> str:
        return ", ".join(self.sites) or "none"


class ActivationAnalyses(Noun):
    """Synapse activations of trials: ``snapshot.activations.bin("EI")``."""

    bin = Analysis(activations.bin_activations)
    spatiotemporal = Analysis(spatial.spatiotemporal_activations)
    batches = Analysis(batching.batches)

    def _contents(self) -> str:
        table = self.snapshot.tables.get(activations.TABLE)
        found = "none" if table is None else f"{table.rows:,}"
        return f"{found} in {activations.TABLE}"
