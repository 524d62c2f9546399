from .averages import TriggeredAverage as TriggeredAverage
from .density import VoltageDensity as VoltageDensity
from .raster import trace_raster as trace_raster
from .voltages import MeanSd as MeanSd
from .voltages import Moments as Moments
from .voltages import quantiles as quantiles
