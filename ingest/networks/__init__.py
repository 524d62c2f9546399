"""Networks run: any circuit of a lake, simulated by NEURON, and what it does stored while it runs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
