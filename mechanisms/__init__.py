"""The NEURON side: cells, input and trials that yield arrays and tables; independent of lakes."""
