"""Every URL that is served, on one page; each module describes its own."""

from bodhi.server import pages
from bodhi.server.apps import api as app_access_requests
from bodhi.server.http import openapi_route
from bodhi.server.http.operations import Operation
from bodhi.server.login import api as login
from bodhi.server.login import backchannel
from bodhi.server.login import current_user as user
from bodhi.server.roles import api as access_requests
from bodhi.server.sessions import admin_api as admin_sessions
from bodhi.server.sessions import api as user_sessions
from bodhi.server.settings import api as settings
from bodhi.server.setup import api as setup
from bodhi.server.status import api as status
from bodhi.server.tokens import api as api_tokens
from bodhi.server.users import api as users
from bodhi.server.verify import api as verify

OPERATIONS: tuple[Operation, ...] = (
    # /ping, /health, /bodhi/v1/info, /bodhi/v1/openapi.json
    *status.OPERATIONS,
    *openapi_route.OPERATIONS,
    # /bodhi/v1/setup
    *setup.OPERATIONS,
    # /bodhi/v1/auth/initiate, /bodhi/v1/auth/callback, /bodhi/v1/logout, /bodhi/v1/auth/backchannel-logout
    *login.OPERATIONS,
    *backchannel.OPERATIONS,
    # /bodhi/v1/auth/verify
    *verify.OPERATIONS,
    # /bodhi/v1/user, /bodhi/v1/users
    *user.OPERATIONS,
    *users.OPERATIONS,
    # /bodhi/v1/user/sessions, /bodhi/v1/users/{user_id}/sessions, /bodhi/v1/sessions
    *user_sessions.OPERATIONS,
    *admin_sessions.OPERATIONS,
    # /bodhi/v1/user/request-access, /bodhi/v1/user/request-status, /bodhi/v1/access-requests
    *access_requests.OPERATIONS,
    # /bodhi/v1/apps, and what a person decides about them under /bodhi/v1/access-requests
    *app_access_requests.OPERATIONS,
    # /bodhi/v1/tokens
    *api_tokens.OPERATIONS,
    # /bodhi/v1/settings
    *settings.OPERATIONS,
    # /ui
    *pages.PAGES,
)
