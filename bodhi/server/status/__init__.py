"""Liveness, health and version."""
