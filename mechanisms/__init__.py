"""The NEURON side: cells, input and trials that yield arrays and tables; knows no lake."""
