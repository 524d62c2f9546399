"""Run the command line: ``python -m neurolake``."""

from .cli import main

main()
