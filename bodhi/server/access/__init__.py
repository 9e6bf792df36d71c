"""Principals, roles, gates and profiles; independent of HTTP."""
