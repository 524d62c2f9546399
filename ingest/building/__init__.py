"""Circuits built from what a configuration says, step by step."""
