"""The door of building: what `neurolake.build` is."""

from .network import check, network


class Building:
    """Circuits built in a lake: ``neurolake.build.network(lake, "ca1.yaml")``."""

    network = staticmethod(network)
    check = staticmethod(check)


build = Building()
