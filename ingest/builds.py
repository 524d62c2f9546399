"""What builds circuits, and parts of them, in a lake: ``neurolake.build.network(lake, "ca1.yaml")``."""

from .building.network import check, network
from .contacts.touches import touches
from .glia.stages import check_ngv, ngv


class Building:
    """Circuits built in a lake, and what is derived from their cells."""

    network = staticmethod(network)
    check = staticmethod(check)
    ngv = staticmethod(ngv)
    check_ngv = staticmethod(check_ngv)
    touches = staticmethod(touches)


build = Building()
