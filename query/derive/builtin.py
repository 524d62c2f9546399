"""Where the kernels that neurolake brings are: by name and version, for the module that has them may move."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

_ROOM = __package__.rsplit(".", 1)[0]

BUILT_IN: Mapping[tuple[str, str], str] = {
    ("binned_activations", "1"): "trials.activations",
    ("burst_events", "1"): "trials.spikes",
    ("firing_rates", "1"): "trials.spikes",
    ("interspike_intervals", "1"): "trials.spikes",
    ("lda_model", "1"): "models.fit",
    ("lfp_coefficients", "1"): "lfp.forward",
    ("lfp_signal", "1"): "lfp.signals",
    ("lfp_weights", "1"): "lfp.electrode_files",
    ("ongoing_and_evoked_rates", "1"): "trials.spikes",
    ("psth", "1"): "trials.spikes",
    ("raised_cosines_model", "1"): "models.fit",
    ("rate_features", "1"): "trials.spikes",
    ("spatiotemporal_activations", "1"): "trials.spatial",
    ("spike_counts", "1"): "trials.spikes",
    ("spike_triggered_average", "1"): "trials.voltages",
    ("spikes_in", "1"): "trials.spikes",
    ("voltage_bursts", "1"): "trials.spikes",
    ("voltage_density", "1"): "trials.voltages",
    ("voltage_quantiles", "1"): "trials.voltages",
    ("voltage_statistics", "1"): "trials.voltages",
    ("voltage_window", "1"): "trials.voltages",
    ("voltages_by_time", "1"): "trials.voltages",
}
"""Module of each kernel, below ``query``. A kernel keeps its line as long as a lake may hold results of it."""


def import_built_in(kernel: str, version: str | None) -> None:
    """Import the module that registers a built-in kernel; do nothing for other kernels.

    Parameters
    ----------
    kernel
        Name of the kernel.
    version
        Its version; None for a kernel without one.
    """
    module = BUILT_IN.get((kernel, version or ""))
    if module is not None:
        import_module(f"{_ROOM}.{module}")


def opened_model(snapshot: Any, name: str) -> Any:
    """Open the reduced model that a group of a snapshot holds; None where the group is something else.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        Name of the group.
    """
    stored = import_module(f"{_ROOM}.models.stored")
    return stored.open_model(snapshot, name) if name in stored.model_names(snapshot) else None
