"""Networks built: positions, distances, synapses, connections, gap junctions, features and input spikes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
