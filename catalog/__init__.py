"""The DuckDB index of one snapshot; rebuilt from the lake at any time, never the truth."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
