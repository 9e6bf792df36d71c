"""The caller of a request, as its route's guard stored it."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from bodhi.server.access.errors import ApiError, NotAllowed, ProviderUnavailable, RefreshRefused
from bodhi.server.access.principal import ANONYMOUS, AuthContext, SessionUser

CONTEXT: "web.RequestKey[AuthContext]" = web.RequestKey("CONTEXT", object)  # type: ignore[arg-type]

# Returns the caller of a request whose route did not: the error page of an unknown address has navigation, too.
IDENTIFY: "web.AppKey[Callable[[web.Request], Awaitable[AuthContext]]]" = web.AppKey("IDENTIFY")

# The error that kept a session's user from being identified: such a caller is not known to be anonymous.
LOGIN_FAULT = web.RequestKey("LOGIN_FAULT", ApiError)
LOGIN_FAULTS = (ProviderUnavailable, RefreshRefused, NotAllowed)


def context_of(request: web.Request) -> AuthContext:
    """Return the caller of *request*; anonymous on public routes."""
    context: AuthContext = request.get(CONTEXT, ANONYMOUS)
    return context


def known_context_of(request: web.Request) -> AuthContext:
    """Return the caller of *request*; raise the error that kept a logged-in user from being identified."""
    if (fault := request.get(LOGIN_FAULT)) is not None:
        raise fault
    return context_of(request)


def session_user_of(request: web.Request) -> SessionUser:
    """Return the session user of *request*, on a route whose gate admits only sessions."""
    context = request[CONTEXT]
    assert isinstance(context, SessionUser)
    return context
