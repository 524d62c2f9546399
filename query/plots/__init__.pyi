from .overview import save_overview as save_overview
from .plots import plot as plot
