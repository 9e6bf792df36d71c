"""Who makes a request, as its route's guard has noted it in the request."""

from aiohttp import web

from bodhi.server.access.errors import ApiError, ProviderUnavailable, RefreshRefused
from bodhi.server.access.principal import ANONYMOUS, AuthContext, SessionUser

CONTEXT: "web.RequestKey[AuthContext]" = web.RequestKey("CONTEXT", object)  # type: ignore[arg-type]

# Why the caller of a request is unknown: they may be logged in, and be anonymous for no other reason.
LOGIN_FAULT = web.RequestKey("LOGIN_FAULT", ApiError)
LOGIN_FAULTS = (ProviderUnavailable, RefreshRefused)


def context_of(request: web.Request) -> AuthContext:
    """The caller of *request*; nobody on public routes."""
    context: AuthContext = request.get(CONTEXT, ANONYMOUS)
    return context


def known_context_of(request: web.Request) -> AuthContext:
    """The caller of *request*; raises the fault that keeps them unknown, which is not the same as nobody."""
    if (fault := request.get(LOGIN_FAULT)) is not None:
        raise fault
    return context_of(request)


def session_user_of(request: web.Request) -> SessionUser:
    """The user whose session *request* has, where the route's gate admits sessions only."""
    context = request[CONTEXT]
    assert isinstance(context, SessionUser)
    return context
