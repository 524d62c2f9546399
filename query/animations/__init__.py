"""Cells in space over time: what is recorded of all segments, and the synapses that are activated.

Films need the extra ``neurolake[animate]`` (Matplotlib and imageio-ffmpeg); pages do not.
"""
