"""Electrodes, fields and methods of the kernels, offered beside the functions that take them."""

from ...kernels.lfp.electrodes import LAYOUTS, TYPES, Electrodes, Layout, laminar_probe, shank_probe
from ...kernels.lfp.field import Field
from ...kernels.lfp.methods import METHODS

__all__ = ["LAYOUTS", "METHODS", "TYPES", "Electrodes", "Field", "Layout", "laminar_probe", "shank_probe"]
