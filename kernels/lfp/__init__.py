"""Extracellular potentials and current source densities: one coefficient for each contact and segment.

All lengths are in µm, conductivities in S/m, currents in nA and potentials in mV; coefficients of potentials are
therefore in mV/nA (which is MΩ), and `signal` of them and of membrane currents in nA is in mV. SONATA electrodes
files hold mV/nA, too; those that BlueRecording wrote hold V/nA, a thousandth.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
