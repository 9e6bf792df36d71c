"""Where handlers find what they work with."""

from aiohttp import web

from bodhi.auth.access_requests import AccessRequests
from bodhi.auth.api_tokens import ApiTokens
from bodhi.auth.app_access_requests import AppAccessRequests
from bodhi.auth.context import AuthContext, SessionUser
from bodhi.auth.instance import InstanceService
from bodhi.auth.people import People
from bodhi.auth.recent_login import RecentLogin
from bodhi.auth.refusal import Refusal
from bodhi.auth.users import Users
from bodhi.metrics.activity import Activity
from bodhi.metrics.watch import Watch
from bodhi.web.settings_book import SettingsBook

INSTANCES = web.AppKey("INSTANCES", InstanceService)
ACCESS_REQUESTS = web.AppKey("ACCESS_REQUESTS", AccessRequests)
PEOPLE = web.AppKey("PEOPLE", People)
RECENT_LOGIN = web.AppKey("RECENT_LOGIN", RecentLogin)
USERS = web.AppKey("USERS", Users)
API_TOKENS = web.AppKey("API_TOKENS", ApiTokens)
APP_ACCESS_REQUESTS = web.AppKey("APP_ACCESS_REQUESTS", AppAccessRequests)
SETTINGS_BOOK: "web.AppKey[SettingsBook]" = web.AppKey("SETTINGS_BOOK", object)  # type: ignore[arg-type]
ACTIVITY = web.AppKey("ACTIVITY", Activity)
WATCH = web.AppKey("WATCH", Watch)
CONTEXT: "web.RequestKey[AuthContext]" = web.RequestKey("CONTEXT", object)  # type: ignore[arg-type]

# Why it cannot be told who makes a request: they may be logged in, and be anonymous for no other reason.
LOGIN_FAULT = web.RequestKey("LOGIN_FAULT", Refusal)
LOGIN_FAULTS = frozenset({"auth_error-idp_unavailable", "auth_error-refresh_refused"})


def context_of(request: web.Request) -> AuthContext:
    """Who makes *request*, as its route's guard found out."""
    return request[CONTEXT]


def known_context_of(request: web.Request) -> AuthContext:
    """Who makes *request*; refused where that cannot be told now, which is not the same as nobody."""
    if (fault := request.get(LOGIN_FAULT)) is not None:
        raise fault
    return request[CONTEXT]


def session_user_of(request: web.Request) -> SessionUser:
    """Whose session *request* has, where the route's gate lets nothing but sessions in."""
    context = request[CONTEXT]
    assert isinstance(context, SessionUser)
    return context
