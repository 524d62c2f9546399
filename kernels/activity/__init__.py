"""Synapse activations by group, trial, time and place; reduced models."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
