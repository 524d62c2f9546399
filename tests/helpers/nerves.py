"""NEURON has one model for a process: what tests leave there, the next ones would simulate."""

import sys


def delete_all_sections() -> None:
    """Delete every section, whoever still refers to it."""
    if "neuron" in sys.modules:
        from neuron import h

        for section in h.allsec():
            h.delete_section(sec=section)
