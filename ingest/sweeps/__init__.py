"""Sweeps: one run for each combination of parameters."""
