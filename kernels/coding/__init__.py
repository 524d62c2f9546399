"""Numbers coded as other numbers that a compressor makes smaller: differences along time, decimals."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
