from .decimals import as_decimals as as_decimals
from .decimals import decimal_places as decimal_places
from .decimals import from_decimals as from_decimals
from .differences import best_order as best_order
from .differences import finite_differences as finite_differences
from .differences import summed as summed
