"""Networks of cells on NEURON's ParallelContext: cells by templates, connections, gap junctions, clamps and records."""
