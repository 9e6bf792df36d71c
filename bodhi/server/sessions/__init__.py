"""List and revoke sessions: users their own, managers and administrators those of others."""

from aiohttp import web

from bodhi.server.services import Services
from bodhi.server.sessions import admin_api, admin_pages, api, home_section, pages, user_pages
from bodhi.server.sessions.listing import ALL_SESSIONS_LIST, AllSessionsList

OPERATIONS = (
    *api.OPERATIONS,
    *admin_api.OPERATIONS,
    *pages.OPERATIONS,
    *admin_pages.OPERATIONS,
    *user_pages.OPERATIONS,
)


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    app[ALL_SESSIONS_LIST] = AllSessionsList(services.sessions, services.profiles)
    services.navigation.bar.append(pages.ENTRY)
    services.navigation.administration.append(admin_pages.ENTRY)
    services.home_sections.append(home_section.HOME_SECTION)
    services.user_sections.append(user_pages.USER_SECTION)
    services.directory.has_user_data.append(services.sessions.count_sessions_for_user)
