"""What a model leaves behind in NEURON."""


def allow_threads_again() -> None:
    """After a model with ``extracellular``, NEURON keeps to one thread until its solver is chosen anew."""
    from neuron import h

    section, solver = h.Section(name="any"), h.CVode()
    solver.active(True)
    solver.active(False)
    h.delete_section(sec=section)
