"""Extracellular potentials over a lake: electrodes, coefficients, signals, and what is made of them.

Lengths are µm, conductivities S/m, currents nA, potentials mV, times ms; coefficients are mV/nA. What each
function takes and returns is in docs/lfp.md.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
