"""``/bodhi/v1/user/sessions``: list and revoke one's own sessions.

Every signed-in user may do so, with or without a role. These routes therefore have no gate, which would require a
role; the handlers reject callers without a session.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from aiohttp import hdrs, web

from bodhi.server.access.errors import MissingAuthentication
from bodhi.server.access.principal import SessionUser
from bodhi.server.http.context import LOGIN_FAULTS, known_context_of
from bodhi.server.http.devices import device_of
from bodhi.server.http.input import LARGEST_PAGE, Cursor, parameter_of, query_of
from bodhi.server.http.operations import OPTIONAL, Operation
from bodhi.server.http.request_errors import InvalidRequest
from bodhi.server.http.responses import empty_response, json_response
from bodhi.server.sessions.errors import SessionNotFound
from bodhi.session import SESSIONS, SessionInfo, SessionPage, get_session

PATH = "/bodhi/v1/user/sessions"

# No valid handle is longer.
Handle = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class SessionPaging(msgspec.Struct, frozen=True):
    """The query of a session list: ``after`` is the cursor from the previous page."""

    after: Cursor | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PAGE)] = LARGEST_PAGE


class OwnSession(msgspec.Struct, frozen=True):
    """A session of the caller. It contains no credential."""

    handle: str
    device: str
    ip: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_current: bool

    @classmethod
    def of(cls, info: SessionInfo) -> "OwnSession":
        """Return the public fields of *info*."""
        times = _seconds(info.created_at), _seconds(info.last_seen_at), _seconds(info.expires_at)
        return cls(info.handle, device_of(info.user_agent), info.ip, *times, info.is_current)


class OwnSessions(msgspec.Struct, frozen=True):
    """A page of the caller's sessions, oldest first. ``after`` is the next cursor, null on the last page."""

    sessions: Sequence[OwnSession]
    after: str | None


class Ended(msgspec.Struct, frozen=True):
    """The number of revoked sessions."""

    ended: int


def signed_in_user(request: web.Request) -> SessionUser:
    """Return the user of the request's session, with or without a role; raise 401 without a session."""
    context = known_context_of(request)
    if not isinstance(context, SessionUser):
        raise MissingAuthentication
    return context


async def page_of_sessions(request: web.Request, paging: SessionPaging, user_id: str | None) -> SessionPage:
    """Return a page of sessions, of one user or of all, with the request's own session marked."""
    current = (await get_session(request)).identity
    try:
        return await request.app[SESSIONS].list_page(
            user_id=user_id, after=paging.after, limit=paging.limit, current=current
        )
    except ValueError:
        raise InvalidRequest from None


async def revoke_own_session(request: web.Request, handle: str) -> bool:
    """Revoke a session of the caller. True if it was this request's own session, whose cookie is then deleted.

    Raises ``session_error-not_found`` if the caller has no such session.
    """
    user, session = signed_in_user(request), await get_session(request)
    if session.identity == handle:
        session.invalidate()
        await session.save()
        return True
    if not await request.app[SESSIONS].revoke_session(handle, user_id=user.user_id):
        raise SessionNotFound
    return False


async def revoke_own_other_sessions(request: web.Request) -> int:
    """Revoke all sessions of the caller but this request's own; return their number."""
    user, session = signed_in_user(request), await get_session(request)
    assert session.identity is not None  # the caller was authenticated by it
    return await request.app[SESSIONS].revoke_other_sessions(user.user_id, session.identity)


async def list_own(request: web.Request) -> web.Response:
    """Answer 200 with a page of the caller's sessions."""
    page = await page_of_sessions(request, query_of(request, SessionPaging), signed_in_user(request).user_id)
    return private_response(OwnSessions([OwnSession.of(info) for info in page.sessions], page.after))


async def end_one(request: web.Request) -> web.Response:
    """Revoke the session; answer 204."""
    await revoke_own_session(request, parameter_of(request, "handle"))
    return empty_response(204)


async def end_others(request: web.Request) -> web.Response:
    """Revoke the caller's other sessions; answer 200 with their number."""
    return private_response(Ended(await revoke_own_other_sessions(request)))


def private_response(value: msgspec.Struct) -> web.Response:
    """Return *value* as JSON that no cache may store."""
    response = json_response(value)
    response.headers.update({hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: "Cookie"})
    return response


def _seconds(time: datetime) -> datetime:
    return time.replace(microsecond=0)


_SESSION_ERRORS = (MissingAuthentication, *LOGIN_FAULTS)

OPERATIONS = (
    Operation(
        "GET",
        PATH,
        list_own,
        OPTIONAL,
        "List your sessions",
        query=SessionPaging,
        responses={200: OwnSessions},
        errors=_SESSION_ERRORS,
    ),
    Operation(
        "DELETE",
        f"{PATH}/{{handle}}",
        end_one,
        OPTIONAL,
        "End one of your sessions",
        parameters={"handle": Handle},
        responses={204: None},
        errors=(SessionNotFound, *_SESSION_ERRORS),
    ),
    Operation(
        "DELETE",
        PATH,
        end_others,
        OPTIONAL,
        "End all your sessions but this one",
        responses={200: Ended},
        errors=_SESSION_ERRORS,
    ),
)
