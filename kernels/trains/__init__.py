"""Spikes, intervals, bursts, rates and features of spike trains."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
