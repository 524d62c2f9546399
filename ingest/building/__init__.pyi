from .door import build as build
