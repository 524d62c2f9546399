from .files import read_affinities as read_affinities
from .files import read_axons as read_axons
from .files import read_cell_numbers as read_cell_numbers
from .lattice import Lattice as Lattice
from .lattice import read_lattice as read_lattice
from .mapping import InputMapper as InputMapper
from .mapping import Realisation as Realisation
