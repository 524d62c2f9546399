"""What acts on cells of a network from outside: currents, clamped potentials and electric fields."""
