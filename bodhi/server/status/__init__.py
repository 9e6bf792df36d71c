"""Liveness, health and version."""

from aiohttp import web

from bodhi.server.services import Services
from bodhi.server.status import api
from bodhi.server.status.api import COMMIT_SHA

OPERATIONS = api.OPERATIONS


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    app[COMMIT_SHA] = services.settings.commit_sha
