"""Glia and vessels built: somata, domains, contacts with vessels and neurons, endfeet, trees and gap junctions."""
