"""The server: sockets, processes, signals and a graceful end.

``python -m bodhi serve`` calls :func:`serve`. For gunicorn, :func:`application` is what it can load::

    gunicorn bodhi.run:application --worker-class aiohttp.GunicornWebWorker --bind localhost:1135 --workers 2
"""

from bodhi.run.main import application, serve

__all__ = ["application", "serve"]
