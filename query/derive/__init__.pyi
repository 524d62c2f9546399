from .kernels import Kernel as Kernel
from .kernels import kernel as kernel
from .lineage import Lineage as Lineage
from .refreshing import Refreshed as Refreshed
