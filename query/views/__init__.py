"""Nodes as dask, xarray and Arrow see them, and back."""
