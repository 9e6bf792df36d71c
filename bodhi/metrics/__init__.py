"""Metrics of the server, summed over its processes, for Prometheus."""
