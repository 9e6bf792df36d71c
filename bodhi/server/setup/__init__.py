"""Register this server at the identity provider."""

from aiohttp import web

from bodhi.server.services import Services
from bodhi.server.setup import api
from bodhi.server.setup.api import SETUP, SetupService

OPERATIONS = api.OPERATIONS


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    app[SETUP] = SetupService(services.instances, services.configured_provider, secret=services.settings.setup_secret)
