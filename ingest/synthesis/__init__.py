"""Shapes of astrocytes by NeuroTS, which runs in an environment of its own."""
