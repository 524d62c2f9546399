"""Contacts between cells of a circuit that is in the lake."""
