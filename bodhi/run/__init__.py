"""The server process: sockets, workers, signals and graceful shutdown.

``python -m bodhi serve`` calls :func:`serve`. gunicorn loads :func:`application`::

    gunicorn bodhi.run:application --worker-class aiohttp.GunicornWebWorker --bind localhost:1135 --workers 2
"""

from bodhi.run.main import application, serve

__all__ = ["application", "serve"]
