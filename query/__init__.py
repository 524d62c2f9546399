"""Ask: SQL, dask, derived results and plots on a pinned snapshot."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
