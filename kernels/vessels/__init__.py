"""Surfaces of vessels: made of their graph, waves on them, and the endfeet that waves become."""
