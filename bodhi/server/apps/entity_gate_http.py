"""The entity gate around a handler, for services built on bodhi."""

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
    """Decorates a handler, inside its route's gate: an application gets at the entities that it was approved for.

    The entity's id is the path's *parameter*, by default the first that is a UUID.
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
    """The id of the entity that *request* is about; None where its path has none."""
    # Whole parameters, as the router took them apart: an id hidden behind %2F in another one is no id.
    found = request.match_info.values() if parameter is None else (request.match_info.get(parameter, ""),)
    return next((text for text in found if _ENTITY_ID.fullmatch(text)), None)
