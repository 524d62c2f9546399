"""The DuckDB index of one snapshot; rebuilt from the lake at any time, never the truth."""

from .attach import attach
from .views import Catalog

__all__ = ["Catalog", "attach"]
