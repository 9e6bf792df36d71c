"""Per-entity authorization: an external application may use only the entities that the user approved."""

import json
import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from bodhi.server.access.principal import AuthContext, ExternalApp, SessionUser
from bodhi.server.apps.errors import (
    EntityAccessEmpty,
    EntityAccessNotApproved,
    EntityAccessNotFound,
    EntityAccessOfAnotherApp,
    EntityAccessOfAnotherUser,
    EntityAccessRequired,
    EntityAccessUnreadable,
    EntityNotApproved,
    EntityNotNamed,
)
from bodhi.server.apps.records import AppAccessRequest
from bodhi.server.apps.service import APP_ACCESS_REQUESTS, AppAccessRequests
from bodhi.server.http.context import context_of

# Returns the entity ids in the approved JSON, None if it has no such list. TypeError, KeyError and ValueError mean
# that the JSON is malformed.
Extractor = Callable[[Any], Iterable[str] | None]

Expected = TypeVar("Expected")

_ENTITY_ID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def ids_in(name: str) -> Extractor:
    """Return an extractor for the list *name*, which holds ids or objects with an ``id``."""

    def extract(approved: Any) -> Iterable[str] | None:
        members = _checked(approved, dict).get(name)
        return None if members is None else [_id_of(member) for member in _checked(members, list)]

    return extract


class EntityGate:
    """Grants sessions any entity, and applications those in their approved request."""

    def __init__(self, requests: AppAccessRequests, extract: Extractor) -> None:
        self._requests = requests
        self._extract = extract

    async def check(self, context: AuthContext, entity_id: str | None) -> None:
        """Raise an error of the family ``access_request_auth_error`` unless *context* may use the entity."""
        if isinstance(context, SessionUser):
            return
        if not isinstance(context, ExternalApp) or not context.access_request_id:
            raise EntityAccessRequired
        if entity_id is None:
            raise EntityNotNamed
        request = await self._requests.by_id(context.access_request_id)
        if entity_id.lower() not in self._approved_ids(_own(request, context)):
            raise EntityNotApproved

    def _approved_ids(self, request: AppAccessRequest) -> set[str]:
        if request.approved is None:
            raise EntityAccessEmpty
        try:
            extracted = self._extract(json.loads(request.approved))
            ids = None if extracted is None else {entity_id.lower() for entity_id in extracted}
        except (TypeError, AttributeError, KeyError, ValueError, RecursionError) as error:
            raise EntityAccessUnreadable from error
        if ids is None:
            raise EntityAccessEmpty
        return ids


def only_approved(extract: Extractor, *, parameter: str | None = None) -> Callable[[Handler], Handler]:
    """Return a handler decorator that restricts applications to their approved entities; the route's gate runs first.

    It is for services built on bodhi.
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


def _own(request: AppAccessRequest | None, context: ExternalApp) -> AppAccessRequest:
    if request is None:
        raise EntityAccessNotFound
    if request.status != "approved":
        raise EntityAccessNotApproved
    if request.app_client_id != context.app_client_id:
        raise EntityAccessOfAnotherApp
    if request.user_id != context.user_id:
        raise EntityAccessOfAnotherUser
    return request


def _id_of(member: Any) -> str:
    return _checked(member["id"] if isinstance(member, dict) else member, str)


def _checked(value: object, expected: type[Expected]) -> Expected:
    if not isinstance(value, expected):
        raise TypeError(f"expected {expected.__name__}, got {type(value).__name__}")
    return value
