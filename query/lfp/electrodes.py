"""Electrodes and fields of the kernels, offered beside the functions that take them."""

from ...kernels.lfp.electrodes import LAYOUTS, TYPES, Electrodes, Layout, laminar_probe, shank_probe
from ...kernels.lfp.field import Field

__all__ = ["LAYOUTS", "TYPES", "Electrodes", "Field", "Layout", "laminar_probe", "shank_probe"]
