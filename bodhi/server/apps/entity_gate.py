"""Per-entity authorization: an external application may use only the entities that the user approved."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

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

# Returns the entity ids in the approved JSON, None if it has no such list. TypeError, KeyError and ValueError mean
# that the JSON is malformed.
Extractor = Callable[[Any], Iterable[str] | None]

Expected = TypeVar("Expected")


class AppAccessRequestLookup(Protocol):
    """Finds app access requests."""

    async def by_id(self, request_id: str) -> AppAccessRequest | None:
        """Return the request with this id in any status, or None."""


def ids_in(name: str) -> Extractor:
    """Return an extractor for the list *name*, which holds ids or objects with an ``id``."""

    def extract(approved: Any) -> Iterable[str] | None:
        members = _checked(approved, dict).get(name)
        return None if members is None else [_id_of(member) for member in _checked(members, list)]

    return extract


class EntityGate:
    """Grants sessions any entity, and applications those in their approved request."""

    def __init__(self, requests: AppAccessRequestLookup, extract: Extractor) -> None:
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
