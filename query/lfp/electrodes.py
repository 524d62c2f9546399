"""Electrodes and fields as the kernels know them, offered beside what is asked with them."""

from ...kernels.lfp.electrodes import LAYOUTS, TYPES, Electrodes, Layout, laminar_probe, shank_probe
from ...kernels.lfp.field import Field

__all__ = ["LAYOUTS", "TYPES", "Electrodes", "Field", "Layout", "laminar_probe", "shank_probe"]
