"""The cell and input of the demo."""
