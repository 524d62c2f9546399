"""Nodes as objects of dask, xarray and Arrow, and back."""
