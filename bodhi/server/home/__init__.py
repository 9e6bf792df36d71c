"""The home page."""

from aiohttp import web

from bodhi.server.home import pages
from bodhi.server.services import Services

OPERATIONS = pages.OPERATIONS


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    app[pages.HOME_SECTIONS] = services.home_sections
    services.navigation.bar.append(pages.ENTRY)
