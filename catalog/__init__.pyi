from .attaching import attach as attach
from .views import Catalog as Catalog
