"""A handler decorator that applies the entity gate, for services built on bodhi."""

import re
from collections.abc import Callable
from functools import wraps

from aiohttp import web
from aiohttp.typedefs import Handler

from bodhi.server.apps.entity_gate import EntityGate, Extractor
from bodhi.server.apps.service import APP_ACCESS_REQUESTS
from bodhi.server.http.context import context_of

_ENTITY_ID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def only_approved(extract: Extractor, *, parameter: str | None = None) -> Callable[[Handler], Handler]:
    """Return a handler decorator that restricts applications to their approved entities; the route's gate runs first.

    The entity id is the path parameter *parameter*, by default the first that is a UUID.
    """

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def gated(request: web.Request) -> web.StreamResponse:
            gate = EntityGate(request.app[APP_ACCESS_REQUESTS], extract)
            await gate.check(context_of(request), entity_id_in(request, parameter))
            return await handler(request)

        return gated

    return decorate


def entity_id_in(request: web.Request, parameter: str | None = None) -> str | None:
    """Return the entity id in the path of *request*, or None."""
    # Match whole path parameters, as the router split them: an id behind %2F within another parameter must not count.
    values = request.match_info.values() if parameter is None else (request.match_info.get(parameter, ""),)
    return next((text for text in values if _ENTITY_ID.fullmatch(text)), None)
