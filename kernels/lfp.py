"""Extracellular potentials and current source densities: one coefficient for each contact and segment.

All lengths are in µm, conductivities in S/m, currents in nA and potentials in mV; coefficients of potentials are
therefore in mV/nA (which is MΩ), and `signal` of them and of membrane currents in nA is in mV. SONATA electrodes
files hold mV/nA, too; those that BlueRecording wrote hold V/nA, a thousandth.
"""

from .lfp_contacts import contact_average, disk_points
from .lfp_csd import (
    laminar_csd,
    objective_csd_disk,
    objective_csd_plane,
    objective_csd_sphere,
    volumetric_csd,
)
from .lfp_dipoles import HEAD_RADII, HEAD_SIGMAS, dipole_moment, dipole_potential, head_potential
from .lfp_fields import dipole_reciprocity_potential, reciprocity_potential
from .lfp_signals import signal
from .lfp_slice import slice_potential
from .lfp_sources import line_source_potential, point_source_potential

__all__ = [
    "HEAD_RADII",
    "HEAD_SIGMAS",
    "contact_average",
    "dipole_moment",
    "dipole_potential",
    "dipole_reciprocity_potential",
    "disk_points",
    "head_potential",
    "laminar_csd",
    "line_source_potential",
    "objective_csd_disk",
    "objective_csd_plane",
    "objective_csd_sphere",
    "point_source_potential",
    "reciprocity_potential",
    "signal",
    "slice_potential",
    "volumetric_csd",
]
