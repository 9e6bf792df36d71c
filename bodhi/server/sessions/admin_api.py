"""``/bodhi/v1/users/{user_id}/sessions`` and ``/bodhi/v1/sessions``: manage the sessions of other users."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from aiohttp import web

from bodhi.server.access.directory import DIRECTORY
from bodhi.server.access.errors import ProviderUnavailable, UserNotFound, UsersNotListed
from bodhi.server.access.gate import RECENT_ADMIN, RECENT_MANAGER, SESSION_ADMIN, SESSION_MANAGER
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import UserId, parameter_of, query_of
from bodhi.server.http.operations import Operation
from bodhi.server.http.responses import empty_response
from bodhi.server.sessions.api import Ended, Handle, OwnSession, SessionPaging, page_of_sessions, private_response
from bodhi.server.sessions.errors import SessionNotFound
from bodhi.session import SESSIONS, SessionInfo, SessionPage, get_session

PATH = "/bodhi/v1/sessions"
USER_PATH = "/bodhi/v1/users/{user_id}/sessions"


class AnyPaging(SessionPaging, frozen=True):
    """The query of a session list, optionally restricted to one user."""

    user_id: UserId | None = None


class AnySession(msgspec.Struct, frozen=True):
    """A session. It contains no credential."""

    handle: str
    user_id: str | None
    device: str
    ip: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_current: bool

    @classmethod
    def of(cls, info: SessionInfo) -> "AnySession":
        """Return the public fields of *info*."""
        return cls(user_id=info.user_id, **msgspec.structs.asdict(OwnSession.of(info)))


class AnySessions(msgspec.Struct, frozen=True):
    """A page of sessions, oldest first for one user, else unordered. ``after`` is the next cursor, null at the end."""

    sessions: Sequence[AnySession]
    after: str | None


async def list_of_user(request: web.Request) -> web.Response:
    """Answer 200 with a page of the user's sessions; 403 for a caller with a lower role than the user."""
    user_id = parameter_of(request, "user_id")
    await request.app[DIRECTORY].refuse_above(session_user_of(request), user_id)
    return _page(await page_of_sessions(request, query_of(request, SessionPaging), user_id))


async def end_of_user(request: web.Request) -> web.Response:
    """Revoke all sessions of a user; answer 200 with their number."""
    return private_response(Ended(await revoke_sessions_of_user(request, parameter_of(request, "user_id"))))


async def end_one_of_user(request: web.Request) -> web.Response:
    """Revoke the session; answer 204."""
    await revoke_session_of_user(request, parameter_of(request, "user_id"), parameter_of(request, "handle"))
    return empty_response(204)


async def list_all(request: web.Request) -> web.Response:
    """Answer 200 with a page of all sessions."""
    query = query_of(request, AnyPaging)
    return _page(await page_of_sessions(request, query, query.user_id))


async def end_all(request: web.Request) -> web.Response:
    """Revoke every session, the caller's included; answer 200 with their number."""
    return private_response(Ended(await revoke_every_session(request)))


async def revoke_session_of_user(request: web.Request, user_id: str | None, handle: str) -> bool:
    """Revoke a session of the user. True if it was this request's own session, whose cookie is then deleted.

    With *user_id* None (administrators only), the session may belong to any user. Raises ``session_error-not_found``
    if the user has no such session, ``api_auth_error-forbidden`` for a caller with a lower role than the user.
    """
    caller, session = session_user_of(request), await get_session(request)
    if user_id is not None:
        await request.app[DIRECTORY].refuse_above(caller, user_id)
    if not await request.app[SESSIONS].revoke_session(handle, user_id=user_id, reason="revoked", by=caller.user_id):
        raise SessionNotFound
    is_own = session.identity == handle
    if is_own:
        session.invalidate()  # the row is deleted already; this deletes the cookie
    return is_own


async def revoke_sessions_of_user(request: web.Request, user_id: str) -> int:
    """Revoke all sessions of the user and return their number.

    Deletes the cookie too if the user is the caller. Raises ``api_auth_error-forbidden`` for a caller with a lower
    role than the user.
    """
    caller = session_user_of(request)
    await request.app[DIRECTORY].refuse_above(caller, user_id)
    revoked = await request.app[SESSIONS].clear_sessions_for_user(user_id, reason="revoked", by=caller.user_id)
    if user_id == caller.user_id:
        (await get_session(request)).invalidate()
    return revoked


async def revoke_every_session(request: web.Request) -> int:
    """Revoke the sessions of all users, this request's included; delete its cookie; return their number."""
    revoked = await request.app[SESSIONS].clear_all_sessions(by=session_user_of(request).user_id)
    (await get_session(request)).invalidate()
    return revoked


def _page(page: SessionPage) -> web.Response:
    return private_response(AnySessions([AnySession.of(info) for info in page.sessions], page.after))


_USER_ERRORS = (
    UserNotFound,
    UsersNotListed,
    ProviderUnavailable,
)

OPERATIONS = (
    Operation(
        "GET",
        USER_PATH,
        list_of_user,
        SESSION_MANAGER,
        "List the sessions of a user",
        query=SessionPaging,
        parameters={"user_id": UserId},
        responses={200: AnySessions},
        errors=_USER_ERRORS,
    ),
    Operation(
        "DELETE",
        USER_PATH,
        end_of_user,
        RECENT_MANAGER,
        "End all sessions of a user",
        parameters={"user_id": UserId},
        responses={200: Ended},
        errors=_USER_ERRORS,
    ),
    Operation(
        "DELETE",
        f"{USER_PATH}/{{handle}}",
        end_one_of_user,
        RECENT_MANAGER,
        "End one session of a user",
        parameters={"user_id": UserId, "handle": Handle},
        responses={204: None},
        errors=(SessionNotFound, *_USER_ERRORS),
    ),
    Operation("GET", PATH, list_all, SESSION_ADMIN, "List all sessions", query=AnyPaging, responses={200: AnySessions}),
    Operation("DELETE", PATH, end_all, RECENT_ADMIN, "End all sessions", responses={200: Ended}),
)
