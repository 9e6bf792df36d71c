"""Benchmarks of bodhi's sessions against alternatives for aiohttp applications: ``python -m bench``."""
