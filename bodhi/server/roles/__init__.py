"""Requests for a role, and their approval."""
