"""Circuits of neurons, glia and vessels built from ArchNGV's MANIFEST, stage by stage."""
