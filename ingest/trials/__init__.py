"""Trials on their way into the lake, from whatever source."""
