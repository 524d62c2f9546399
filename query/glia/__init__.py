"""Glia of circuits: astrocytes, their domains, endfeet and gap junctions; vessels; and the neurons that they reach."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
