"""Role requests, and their approval or rejection."""

from aiohttp import web

from bodhi.server.roles import api, pages
from bodhi.server.roles.service import ACCESS_REQUESTS, AccessRequests
from bodhi.server.services import Services

OPERATIONS = (*api.OPERATIONS, *pages.OPERATIONS)


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    requests = app[ACCESS_REQUESTS] = AccessRequests(
        services.database,
        profiles=services.profiles,
        management=services.role_management,
        directory=services.directory,
        end_sessions=services.sessions.clear_sessions_for_user,
        leases=services.leases,
    )
    services.navigation.administration.append(pages.ENTRY)
    services.home_sections.insert(0, pages.HOME_SECTION)  # pending requests come first
    services.on_removal.append(requests.reject_pending_of)
