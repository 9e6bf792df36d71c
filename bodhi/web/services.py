"""Where handlers find what they work with."""

from aiohttp import web

from bodhi.auth.access_requests import AccessRequests
from bodhi.auth.context import AuthContext, SessionUser
from bodhi.auth.instance import InstanceService
from bodhi.auth.users import Users

INSTANCES = web.AppKey("INSTANCES", InstanceService)
ACCESS_REQUESTS = web.AppKey("ACCESS_REQUESTS", AccessRequests)
USERS = web.AppKey("USERS", Users)
CONTEXT: "web.RequestKey[AuthContext]" = web.RequestKey("CONTEXT", object)  # type: ignore[arg-type]


def context_of(request: web.Request) -> AuthContext:
    """Who makes *request*, as its route's guard found out."""
    return request[CONTEXT]


def session_user_of(request: web.Request) -> SessionUser:
    """Whose session *request* has, where the route's gate lets nothing but sessions in."""
    context = request[CONTEXT]
    assert isinstance(context, SessionUser)
    return context
