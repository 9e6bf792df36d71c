"""What bodhi's sessions cost, measured beside what else an aiohttp application could use: ``python -m bench``."""
