"""How NEURON solves equations, which a model leaves behind in a process."""


def choose_solver() -> None:
    """Let NEURON, which has no sections now, choose again how equations are solved.

    After a model with ``extracellular`` it keeps the method of such models (``use_sparse13``), with which several threads are
    refused, the last bits of any other model are others, and a model without sections ends the process.
    """
    from neuron import h

    solver = h.CVode()
    active = solver.active()
    section = h.Section(name="any")
    solver.active(not active)
    solver.active(active)
    h.delete_section(sec=section)
