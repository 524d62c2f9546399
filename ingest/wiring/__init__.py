"""What a circuit of a lake says of a network that is to be simulated: cells, and the edges that connect them."""
