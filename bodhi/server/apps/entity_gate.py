"""The gate before one entity: an external application may use those alone that a person approved for it."""

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

# The ids in what a person approved, None where it has no such list; a TypeError, KeyError or ValueError says that it
# is not readable.
Extractor = Callable[[Any], Iterable[str] | None]

Kind = TypeVar("Kind")


class Requests(Protocol):
    """Who knows app access requests."""

    async def by_id(self, request_id: str) -> AppAccessRequest | None:
        """The request with this id, whatever its status."""


def ids_in(name: str) -> Extractor:
    """What takes the ids from the list *name*, whose members are ids, or objects with an ``id``."""

    def extract(approved: Any) -> Iterable[str] | None:
        members = _checked(approved, dict).get(name)
        return None if members is None else [_id_of(member) for member in _checked(members, list)]

    return extract


class EntityGate:
    """Lets sessions pass, and an application as far as its approved request reaches."""

    def __init__(self, requests: Requests, extract: Extractor) -> None:
        self._requests = requests
        self._extract = extract

    async def check(self, context: AuthContext, entity_id: str | None) -> None:
        """Nothing when *context* may use the entity; else a code of the family ``access_request_auth_error``."""
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
            found = self._extract(json.loads(request.approved))
            ids = None if found is None else {one.lower() for one in found}
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


def _checked(found: object, kind: type[Kind]) -> Kind:
    if not isinstance(found, kind):
        raise TypeError(f"a {type(found).__name__} stands where a {kind.__name__} was expected")
    return found
