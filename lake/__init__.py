"""The store: versioned, content-addressed arrays, tables and files."""

import lazy_loader

# Zarr and Arrow take most of a second to import; who only needs the errors does not wait for them.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
