"""Bring results in: one module per source format or writer."""
