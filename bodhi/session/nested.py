"""A :func:`~bodhi.session.setup` within another: of a sub-application with a session service of its own."""

import logging
from weakref import WeakSet

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bodhi.session.aiohttp_keys import SESSION_KEY, STORAGE_KEY
from bodhi.session.manager import SessionManager
from bodhi.session.request_session import RequestSession

_KEYS = (SESSION_KEY, STORAGE_KEY)

log = logging.getLogger(__name__)

_has_warned: WeakSet[SessionManager] = WeakSet()


async def with_own_keys(
    middleware: Middleware, request: web.Request, handler: Handler, manager: SessionManager
) -> web.StreamResponse:
    """Call *middleware*, which serves the sessions of *manager*, for a *request* that has another service's session.

    That session is hidden from it and from *handler*, and theirs from what is around them.
    """
    outer = {key: request.pop(key) for key in _KEYS if key in request}
    storage = outer.get(STORAGE_KEY)
    if isinstance(storage, RequestSession) and storage.cookie_name == manager.cookie.full_name:
        _warn_of_shared_name(manager)
    try:
        return await middleware(request, handler)
    finally:
        for key in _KEYS:
            request.pop(key, None)
        request.update(outer)


def _warn_of_shared_name(manager: SessionManager) -> None:
    if manager not in _has_warned:
        _has_warned.add(manager)
        log.warning(
            "two session services of one request have cookies of the same name, %s, and replace each other's: "
            "set up both applications with one service, or give one of them cookie=CookiePolicy(name=...)",
            manager.cookie.full_name,
        )
