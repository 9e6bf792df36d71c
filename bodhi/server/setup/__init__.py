"""Register this server at the identity provider."""

from aiohttp import web

from bodhi.server.services import Services
from bodhi.server.setup import api
from bodhi.server.setup.api import SETUP, SetupService

OPERATIONS = api.OPERATIONS


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    provider = services.configured_provider
    management = None if provider is None else provider.management
    app[SETUP] = SetupService(services.instances, management, secret=services.settings.setup_secret)
