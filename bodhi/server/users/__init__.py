"""List users, change their roles, remove them."""

from aiohttp import web

from bodhi.server.services import Services
from bodhi.server.users import api, pages, user_page
from bodhi.server.users.listing import USER_LIST, UserList
from bodhi.server.users.service import USERS, Users

OPERATIONS = (*api.OPERATIONS, *pages.OPERATIONS, *user_page.OPERATIONS)


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    app[USERS] = Users(
        services.role_management,
        directory=services.directory,
        profiles=services.profiles,
        leases=services.leases,
        end_sessions=services.sessions.clear_sessions_for_user,
        on_removal=services.on_removal,
    )
    app[USER_LIST] = UserList(services.profiles, services.sessions.user_activity)
    app[user_page.USER_SECTIONS] = services.user_sections
    services.navigation.administration.append(pages.ENTRY)
