"""Formulas: arrays in, arrays out; no I/O and no lake. Raises only `ValueError`."""
