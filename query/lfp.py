"""Extracellular potentials over a lake: electrodes, coefficients, signals, and what is made of them.

Lengths are µm, conductivities S/m, currents nA, potentials mV, times ms; coefficients are mV/nA. What each
function takes and gives is in docs/lfp.md.
"""

from ..kernels.electrodes import LAYOUTS, TYPES, Electrodes, Layout, laminar_probe, shank_probe
from ..kernels.fields import Field
from .lfp_analysis import by_depth, csd, filtered, sampling_rate, spectrum
from .lfp_coefficients import coefficients
from .lfp_figures import cell_and_contacts, depth_map, probe_traces
from .lfp_inputs import electrodes_of, field_of, segments_of
from .lfp_labels import labelled
from .lfp_methods import METHODS
from .lfp_online import Recorder
from .lfp_signals import currents, signal
from .lfp_weights import weights

__all__ = [
    "LAYOUTS",
    "METHODS",
    "TYPES",
    "Electrodes",
    "Field",
    "Layout",
    "Recorder",
    "by_depth",
    "cell_and_contacts",
    "coefficients",
    "csd",
    "currents",
    "depth_map",
    "electrodes_of",
    "field_of",
    "filtered",
    "labelled",
    "laminar_probe",
    "probe_traces",
    "sampling_rate",
    "segments_of",
    "shank_probe",
    "signal",
    "spectrum",
    "weights",
]
