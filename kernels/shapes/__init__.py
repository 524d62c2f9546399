"""Shapes of cells in space: their segments, what is nearest to a place, where cells touch, and perimeters."""
