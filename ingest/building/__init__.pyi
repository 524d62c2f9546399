from .network import build as build
