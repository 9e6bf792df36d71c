"""Forward authentication for proxies."""

from aiohttp import web

from bodhi.server.services import Services
from bodhi.server.verify import api
from bodhi.server.verify.api import CLAIM_HEADERS, GIVES_ACCESS_TOKENS

OPERATIONS = api.OPERATIONS


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    app[GIVES_ACCESS_TOKENS] = services.settings.verify_access_token
    app[CLAIM_HEADERS] = tuple(header for header, _ in services.settings.verify_claims)
