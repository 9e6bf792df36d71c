"""``/bodhi/v1/user/sessions``: where somebody is logged in, and the end of it.

Everybody who is logged in may see and end their own sessions, with a role or without: it is about nothing but
themselves. That is why there is no gate, which would ask for a role, and why the handlers refuse whoever is no person.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from aiohttp import hdrs, web

from bodhi.server.access.errors import MissingAuthentication, ProviderUnavailable, RefreshRefused
from bodhi.server.access.principal import SessionUser
from bodhi.server.http.context import known_context_of
from bodhi.server.http.devices import device_of
from bodhi.server.http.input import LARGEST_PAGE, Cursor, parameter_of, query_of
from bodhi.server.http.operations import OPTIONAL, Operation
from bodhi.server.http.request_errors import InvalidRequest
from bodhi.server.http.responses import empty_response, json_response
from bodhi.server.sessions.errors import SessionNotFound
from bodhi.session import SESSIONS, SessionInfo, SessionPage, get_session

PATH = "/bodhi/v1/user/sessions"

# Both the handles of lists and what they are looked for by; other texts are no handles of anybody's.
Handle = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class SessionPaging(msgspec.Struct, frozen=True):
    """Which part of a list of sessions is asked for: ``after`` is that of the page before."""

    after: Cursor | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PAGE)] = LARGEST_PAGE


class OwnSession(msgspec.Struct, frozen=True):
    """One session of the caller: nothing in it lets anybody in."""

    handle: str
    device: str
    ip: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_current: bool

    @classmethod
    def of(cls, info: SessionInfo) -> "OwnSession":
        """What is told of *info*."""
        times = _seconds(info.created_at), _seconds(info.last_seen_at), _seconds(info.expires_at)
        return cls(info.handle, device_of(info.user_agent), info.ip, *times, info.is_current)


class OwnSessions(msgspec.Struct, frozen=True):
    """Some of the caller's sessions, oldest first; ``after`` asks for the next ones, null at the end."""

    sessions: Sequence[OwnSession]
    after: str | None


class Ended(msgspec.Struct, frozen=True):
    """How many sessions ended."""

    ended: int


def signed_in_user(request: web.Request) -> SessionUser:
    """Whose session *request* has, with a role or without; refused (401) where it has none."""
    context = known_context_of(request)
    if not isinstance(context, SessionUser):
        raise MissingAuthentication
    return context


async def page_of_sessions(request: web.Request, paging: SessionPaging, user_id: str | None) -> SessionPage:
    """The page of the user's sessions, or of everybody's; it knows which one is the request's own."""
    current = (await get_session(request)).identity
    try:
        return await request.app[SESSIONS].list_page(
            user_id=user_id, after=paging.after, limit=paging.limit, current=current
        )
    except ValueError:
        raise InvalidRequest from None


async def end_own_session(request: web.Request, handle: str) -> bool:
    """Ends that session of the caller; whether it was the one of this request, whose cookie then goes.

    ``session_error-not_found`` where the caller has no such session, whoever else may have it.
    """
    person, session = signed_in_user(request), await get_session(request)
    if session.identity == handle:
        session.invalidate()
        await session.save()
        return True
    if not await request.app[SESSIONS].revoke_session(handle, user_id=person.user_id):
        raise SessionNotFound
    return False


async def end_other_sessions(request: web.Request) -> int:
    """Ends all sessions of the caller but the one of this request; how many."""
    person, session = signed_in_user(request), await get_session(request)
    assert session.identity is not None  # by it the caller is known
    return await request.app[SESSIONS].revoke_other_sessions(person.user_id, session.identity)


async def list_own(request: web.Request) -> web.Response:
    """One page of the caller's sessions."""
    page = await page_of_sessions(request, query_of(request, SessionPaging), signed_in_user(request).user_id)
    return told(OwnSessions([OwnSession.of(info) for info in page.sessions], page.after))


async def end_one(request: web.Request) -> web.Response:
    """204: the session is no more."""
    await end_own_session(request, parameter_of(request, "handle"))
    return empty_response(204)


async def end_others(request: web.Request) -> web.Response:
    """How many ended."""
    return told(Ended(await end_other_sessions(request)))


def told(value: msgspec.Struct) -> web.Response:
    """*value*, for nobody but the caller."""
    response = json_response(value)
    response.headers.update({hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: "Cookie"})
    return response


def _seconds(time: datetime) -> datetime:
    return time.replace(microsecond=0)


_NEEDS_A_PERSON = (MissingAuthentication, ProviderUnavailable, RefreshRefused)

OPERATIONS = (
    Operation(
        "GET",
        PATH,
        list_own,
        OPTIONAL,
        "List your sessions: where you are logged in",
        query=SessionPaging,
        responses={200: OwnSessions},
        errors=_NEEDS_A_PERSON,
    ),
    Operation(
        "DELETE",
        f"{PATH}/{{handle}}",
        end_one,
        OPTIONAL,
        "End one of your sessions",
        parameters={"handle": Handle},
        responses={204: None},
        errors=(SessionNotFound, *_NEEDS_A_PERSON),
    ),
    Operation(
        "DELETE",
        PATH,
        end_others,
        OPTIONAL,
        "End all your sessions but this one",
        responses={200: Ended},
        errors=_NEEDS_A_PERSON,
    ),
)
