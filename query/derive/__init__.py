"""Derived results: computed once, found again, refreshed, traced to what they were made of."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
