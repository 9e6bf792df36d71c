"""Where handlers find what they work with."""

from aiohttp import web

from bodhi.auth.context import AuthContext

CONTEXT: "web.RequestKey[AuthContext]" = web.RequestKey("CONTEXT", object)  # type: ignore[arg-type]


def context_of(request: web.Request) -> AuthContext:
    """Who makes *request*, as its route's guard found out."""
    return request[CONTEXT]
