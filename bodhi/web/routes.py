"""Every URL that is served, on one page; each module describes its own."""

from bodhi.web import (
    access_requests,
    admin_sessions,
    api_tokens,
    app_access_requests,
    backchannel,
    login,
    openapi_route,
    pages,
    settings,
    setup,
    status,
    user,
    user_sessions,
    users,
    verify,
)
from bodhi.web.operations import Operation

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
