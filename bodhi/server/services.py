"""Where handlers find what they work with."""

from aiohttp import web

from bodhi.server.access.errors import ApiError, ProviderUnavailable, RefreshRefused
from bodhi.server.access.instance import InstanceService
from bodhi.server.access.principal import AuthContext, SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.activity.service import Activity
from bodhi.server.application_metrics import ApplicationMetrics
from bodhi.server.apps.service import AppAccessRequests
from bodhi.server.roles.service import AccessRequests
from bodhi.server.settings.protocol import SettingsEditor
from bodhi.server.tokens.service import ApiTokens
from bodhi.server.users.service import Users

INSTANCES = web.AppKey("INSTANCES", InstanceService)
ACCESS_REQUESTS = web.AppKey("ACCESS_REQUESTS", AccessRequests)
PROFILES = web.AppKey("PROFILES", Profiles)
USERS = web.AppKey("USERS", Users)
API_TOKENS = web.AppKey("API_TOKENS", ApiTokens)
APP_ACCESS_REQUESTS = web.AppKey("APP_ACCESS_REQUESTS", AppAccessRequests)
SETTINGS_SERVICE: "web.AppKey[SettingsEditor]" = web.AppKey("SETTINGS_SERVICE", object)  # type: ignore[arg-type]
ACTIVITY = web.AppKey("ACTIVITY", Activity)
METRICS = web.AppKey("METRICS", ApplicationMetrics)
CONTEXT: "web.RequestKey[AuthContext]" = web.RequestKey("CONTEXT", object)  # type: ignore[arg-type]

# Why it cannot be told who makes a request: they may be logged in, and be anonymous for no other reason.
LOGIN_FAULT = web.RequestKey("LOGIN_FAULT", ApiError)
LOGIN_FAULTS = (ProviderUnavailable, RefreshRefused)


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
